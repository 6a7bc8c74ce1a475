#include "cli/table.h"

#include "base/text.h"
#include "cli/units.h"

namespace proa::cli {

namespace {
struct Line {
    std::vector<std::string_view> cells;
    std::vector<size_t> widths;
};

/// Gives each run of adjacent lines that have a padded cell in `column` one width, then looks at the next column.
void set_widths(std::span<Line> lines, size_t column, size_t minimum, size_t padding) {
    for (size_t i = 0; i < lines.size();) {
        if (lines[i].cells.size() <= column + 1) {
            i++;
            continue;
        }
        size_t end = i, width = minimum;
        for (; end < lines.size() && lines[end].cells.size() > column + 1; end++)
            width = std::max(width, display_width(lines[end].cells[column]) + padding);
        for (size_t k = i; k < end; k++) lines[k].widths.push_back(width);
        set_widths(lines.subspan(i, end - i), column + 1, minimum, padding);
        i = end;
    }
}

/// Rows know all their fields: others are errors with the Go type's name.
class RowTypes final : public TemplateTypes {
public:
    explicit RowTypes(const char* type) : type_(type) {}
    std::string missing_field(std::string_view field) const override { return concat("can't evaluate field ", field, " in type *formatter.", type_); }
    std::string null_text(std::string_view) const override { return "<nil>"; }

private:
    const char* type_;
};

std::string label_title(std::string_view key) {
    if (size_t dot = key.rfind('.'); dot != key.npos) key = key.substr(dot + 1);
    return replace_all(replace_all(key, "-", " "), "_", " ");
}

TemplateData row_data(const Row& row, const TemplateTypes& types) {
    TemplateData data{json::Value(row.fields), &types, {}, false, true};
    data.method = [&row](std::string_view name, const std::vector<json::Value>& arguments) -> std::optional<json::Value> {
        if (name != "Label" || arguments.size() != 1 || !row.label) return std::nullopt;
        return json::Value(row.label(arguments[0].as_string()));
    };
    return data;
}

Result<std::string> header_line(const Template& parsed, const ListShape& shape) {
    json::Object titles;
    for (auto& column : shape.columns) titles.set(column.field, column.title);
    TemplateData data{json::Value(std::move(titles)), nullptr, {}, true, false};
    data.method = [](std::string_view name, const std::vector<json::Value>& arguments) -> std::optional<json::Value> {
        if (name != "Label" || arguments.size() != 1) return std::nullopt;
        return json::Value(label_title(arguments[0].as_string()));
    };
    return parsed.execute(data);
}
}  // namespace

std::string align_columns(std::string_view text, size_t minimum, size_t padding) {
    std::vector<std::string> lines_text = split(text, '\n');
    bool ends_with_newline = !lines_text.empty() && lines_text.back().empty();
    if (ends_with_newline) lines_text.pop_back();
    std::vector<Line> lines(lines_text.size());
    for (size_t i = 0; i < lines.size(); i++) {
        std::string_view rest = lines_text[i];
        for (;;) {
            size_t tab = rest.find('\t');
            lines[i].cells.push_back(rest.substr(0, tab));
            if (tab == rest.npos) break;
            rest = rest.substr(tab + 1);
        }
    }
    set_widths(lines, 0, minimum, padding);
    std::string out;
    for (size_t i = 0; i < lines.size(); i++) {
        auto& line = lines[i];
        for (size_t k = 0; k < line.cells.size(); k++) {
            out += line.cells[k];
            if (k + 1 < line.cells.size()) out.append(line.widths[k] - display_width(line.cells[k]), ' ');
        }
        if (i + 1 < lines.size() || ends_with_newline) out.push_back('\n');
    }
    return out;
}

Result<Format> Format::make(std::string_view text, const Defaults& defaults, bool quiet) {
    Format format;
    std::string source(text);
    if (source == "json") {
        format.json_ = true;
        source = "{{json .}}";
    } else if (quiet && (source.empty() || source == "table")) {
        source = defaults.quiet;
    } else if (source.empty() || source == "table") {
        format.table_ = true;
        source = defaults.table;
    } else if (source == "raw" && !defaults.raw.empty()) {
        source = defaults.raw;
    } else if (source.starts_with("table")) {
        format.table_ = true;
        source = trim(std::string_view(source).substr(5));
    }
    source = replace_all(replace_all(source, "\\t", "\t"), "\\n", "\n");
    auto parsed = Template::parse(source);
    if (!parsed) return fail(ErrorKind::InvalidArgument, "failed to parse template: " + parsed.error().message());
    format.template_ = std::move(*parsed);
    return format;
}

Result<std::string> print_row(const Template& parsed, const ListShape& shape, const Row& row) {
    RowTypes types(shape.type);
    auto text = parsed.execute(row_data(row, types));
    if (!text) return fail(ErrorKind::InvalidArgument, "failed to execute template: " + text.error().message());
    return *text;
}

Result<std::string> Format::print(const ListShape& shape, const std::vector<Row>& rows) const {
    std::string body;
    for (auto& row : rows) {
        if (json_) {
            json::Object sorted = row.fields;
            sorted.sort();
            body += json::print(json::Value(std::move(sorted)), {.escape_html = true, .indent = ""});
        } else {
            body += TRY(print_row(template_, shape, row));
        }
        body += "\n";
    }
    if (!table_) return body;
    return align_columns(TRY(header_line(template_, shape)) + "\n" + body, 10, 3);
}

}  // namespace proa::cli
