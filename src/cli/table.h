#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/template.h"

// Lists: rows of named fields, shown as a table, as JSON lines or by a template.
namespace proa::cli {

/// Go's text/tabwriter with blanks: cells end with a tab; a column is as wide as its widest cell of adjacent lines plus
/// `padding`, at least `minimum`. The last cell of a line is not padded.
std::string align_columns(std::string_view text, size_t minimum, size_t padding);

/// A field of a list and the title of its column.
struct Column {
    const char* field;
    const char* title;
};

/// One list's face: its columns and its Go type for error texts ("ContainerContext").
struct ListShape {
    const char* type;
    std::span<const Column> columns;
};

struct Row {
    json::Object fields;  ///< printed sorted by name
    /// `{{.Label "x"}}`.
    std::function<std::string(std::string_view key)> label;
};

/// A --format value made ready.
class Format {
public:
    /// `text` is the flag's or the config's value; `table` is the template of a plain "table"; `quiet_field` replaces it
    /// with -q. "raw" uses `raw`. Errors: InvalidArgument `failed to parse template: ...`.
    struct Defaults {
        std::string table, quiet, raw;
    };
    static Result<Format> make(std::string_view text, const Defaults& defaults, bool quiet);

    /// Whether a row's field is shown (all of them with `{{json .}}`).
    bool mentions(std::string_view field) const { return template_.mentions(field) || template_.mentions_dot(); }
    bool is_table() const { return table_; }
    bool is_json() const { return json_; }
    /// The whole list. Errors: InvalidArgument `failed to execute template: ...`.
    Result<std::string> print(const ListShape& shape, const std::vector<Row>& rows) const;

private:
    Template template_;
    bool table_ = false, json_ = false;
};

/// One line a row through a template without table or JSON (events, stats parts). Errors as Format::print.
Result<std::string> print_row(const Template& parsed, const ListShape& shape, const Row& row);

}  // namespace proa::cli
