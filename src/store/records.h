#pragma once
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace proa::store {

/// The SQLite database of the image store: statements with bound values, and rows back. One connection; callers hold the
/// store's lock. Every commit is on disk when it returns (WAL, synchronous=FULL), unless `relaxed`.
class Records {
public:
    using Value = std::variant<int64_t, std::string>;
    struct Row {
        std::vector<Value> columns;
        const std::string& text(size_t column) const;
        int64_t number(size_t column) const;
    };

    /// Opens or creates `path`. A damaged database is moved aside (`path`.damaged-<time>), named in the log, and `*was_damaged` set.
    static Result<Records> open(const std::string& path, bool* was_damaged);
    Records(Records&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
    Records& operator=(Records&&) = delete;
    ~Records();

    Result<void> run(const char* statement, std::initializer_list<Value> values = {});
    Result<std::vector<Row>> rows(const char* statement, std::initializer_list<Value> values = {});
    /// One transaction: rolled back when `work` fails.
    Result<void> transaction(const std::function<Result<void>()>& work, bool relaxed = false);

private:
    explicit Records(sqlite3* database) : database_(database) {}
    Result<std::vector<Row>> step_all(const char* statement, std::initializer_list<Value> values);
    sqlite3* database_;
};

}  // namespace proa::store
