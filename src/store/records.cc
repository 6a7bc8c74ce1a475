#include "store/records.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "os/file.h"

namespace proa::store {

namespace {
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS images(id TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL, added INTEGER NOT NULL, last_tagged INTEGER NOT NULL, parent TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tags(name TEXT PRIMARY KEY, image TEXT NOT NULL, tagged INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repository_digests(name TEXT NOT NULL, image TEXT NOT NULL, PRIMARY KEY(name, image)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS layers(diff_id TEXT PRIMARY KEY, cache_id TEXT NOT NULL, size INTEGER NOT NULL, boot TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writable(container TEXT PRIMARY KEY, image TEXT NOT NULL, layers TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS damaged(what TEXT NOT NULL, record TEXT NOT NULL, reason TEXT NOT NULL, found INTEGER NOT NULL);
)";

Unexpected database_failure(sqlite3* database, std::string_view what) {
    return fail(ErrorKind::Internal, concat("image records: ", what, ": ", std::string_view(database ? sqlite3_errmsg(database) : "out of memory")));
}

struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
}  // namespace

const std::string& Records::Row::text(size_t column) const {
    static const std::string kEmpty;
    auto* text = std::get_if<std::string>(&columns.at(column));
    return text ? *text : kEmpty;
}
int64_t Records::Row::number(size_t column) const {
    auto* number = std::get_if<int64_t>(&columns.at(column));
    return number ? *number : 0;
}

Records::~Records() { sqlite3_close_v2(database_); }

Result<Records> Records::open(const std::string& path, bool* was_damaged) {
    for (bool second = false;; second = true) {
        { os::Fd created = TRY(os::open_file(path, O_RDWR | O_CREAT, 0600)); }  // SQLite would make it readable for all
        sqlite3* raw = nullptr;
        int status = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
        Records records(raw);
        Result<void> ready = status == SQLITE_OK ? Result<void>() : Result<void>(database_failure(raw, "open"));
        auto step = [&](const char* statement) {
            if (ready && sqlite3_exec(raw, statement, nullptr, nullptr, nullptr) != SQLITE_OK) ready = database_failure(raw, "open");
        };
        step("PRAGMA journal_mode=WAL");
        step("PRAGMA synchronous=FULL");
        step(kSchema);
        if (ready) {
            auto check = records.rows("PRAGMA quick_check(1)");
            if (!check) ready = fail(std::move(check).error());
            else if (check->empty() || check->front().text(0) != "ok")
                ready = fail(ErrorKind::Internal, concat("image records: ", check->empty() ? "unreadable" : check->front().text(0)));
        }
        if (ready) return records;
        if (second) return fail(std::move(ready).error());
        std::string aside = concat(path, ".damaged-", now().seconds);
        log::error(concat(ready.error().message(), "; ", path, " is damaged, moved to ", aside));
        if (was_damaged) *was_damaged = true;
        TRY(os::rename_path(path, aside));
        for (auto suffix : {"-wal", "-shm"})
            if (os::exists(path + suffix)) TRY(os::rename_path(path + suffix, aside + suffix));
    }
}

Result<std::vector<Records::Row>> Records::step_all(const char* text, std::initializer_list<Value> values) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(database_, text, -1, &raw, nullptr) != SQLITE_OK) return database_failure(database_, text);
    std::unique_ptr<sqlite3_stmt, Finalize> statement(raw);
    int at = 0;
    for (auto& value : values) {
        at++;
        if (auto* number = std::get_if<int64_t>(&value)) sqlite3_bind_int64(raw, at, *number);
        else sqlite3_bind_text(raw, at, std::get<std::string>(value).data(), static_cast<int>(std::get<std::string>(value).size()), SQLITE_STATIC);
    }
    std::vector<Row> rows;
    for (;;) {
        int status = sqlite3_step(raw);
        if (status == SQLITE_DONE) return rows;
        if (status != SQLITE_ROW) return database_failure(database_, text);
        Row row;
        for (int column = 0; column < sqlite3_column_count(raw); column++) {
            if (sqlite3_column_type(raw, column) == SQLITE_INTEGER) row.columns.emplace_back(static_cast<int64_t>(sqlite3_column_int64(raw, column)));
            else row.columns.emplace_back(std::string(reinterpret_cast<const char*>(sqlite3_column_text(raw, column)), static_cast<size_t>(sqlite3_column_bytes(raw, column))));
        }
        rows.push_back(std::move(row));
    }
}

Result<void> Records::run(const char* statement, std::initializer_list<Value> values) {
    TRY(step_all(statement, values));
    return {};
}

Result<std::vector<Records::Row>> Records::rows(const char* statement, std::initializer_list<Value> values) {
    return step_all(statement, values);
}

Result<void> Records::transaction(const std::function<Result<void>()>& work, bool relaxed) {
    if (relaxed) TRY(run("PRAGMA synchronous=NORMAL"));
    auto done = [&]() -> Result<void> {
        TRY(run("BEGIN IMMEDIATE"));
        auto worked = work();
        if (worked) worked = run("COMMIT");
        if (!worked) (void)run("ROLLBACK");
        return worked;
    }();
    if (relaxed) TRY(run("PRAGMA synchronous=FULL"));
    return done;
}

}  // namespace proa::store
