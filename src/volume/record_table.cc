#include "volume/record_table.h"

#include <sqlite3.h>

#include "base/log.h"

PROA_JSON_TABLE(proa::volume::Record, "Volume", field<&T::name>("Name"), field<&T::driver>("Driver"), field<&T::created>("Created"),
                field<&T::labels>("Labels"), field<&T::options>("Options"), field<&T::made_for>("MadeFor", kOmitEmpty), field<&T::filling>("Filling", kOmitEmpty),
                field<&T::removing>("Removing", kOmitEmpty), field<&T::renamed_from>("RenamedFrom", kOmitEmpty))

namespace proa::volume {

namespace {
Error sqlite_error(sqlite3* database, std::string_view action) {
    std::string message = concat(action, ": ", std::string_view(database ? sqlite3_errmsg(database) : "out of memory"));
    if (database && (sqlite3_extended_errcode(database) & 0xff) == SQLITE_FULL) message += " (no space left on the data root's file system)";
    return Error(ErrorKind::Internal, message);
}

struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

std::string_view text_at(sqlite3_stmt* row, int column) {
    auto* text = reinterpret_cast<const char*>(sqlite3_column_text(row, column));
    return text ? std::string_view(text, static_cast<size_t>(sqlite3_column_bytes(row, column))) : std::string_view();
}
}  // namespace

Result<std::unique_ptr<RecordTable>> RecordTable::open(const std::string& path) {
    std::unique_ptr<RecordTable> table(new RecordTable);
    if (sqlite3_open_v2(path.c_str(), &table->database_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK)
        return fail(sqlite_error(table->database_, concat("open ", path)));
    for (auto statement : {"PRAGMA busy_timeout=5000", "PRAGMA synchronous=FULL",
                           "CREATE TABLE IF NOT EXISTS volumes(name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID"})
        if (sqlite3_exec(table->database_, statement, nullptr, nullptr, nullptr) != SQLITE_OK) return fail(sqlite_error(table->database_, concat("open ", path)));
    return table;
}

RecordTable::~RecordTable() { sqlite3_close(database_); }

Result<void> RecordTable::run(const char* text, std::initializer_list<std::string_view> texts) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(database_, text, -1, &raw, nullptr) != SQLITE_OK) return fail(sqlite_error(database_, "write the records of volumes"));
    Statement statement(raw);
    int index = 0;
    for (auto& value : texts) sqlite3_bind_text(raw, ++index, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
    if (sqlite3_step(raw) != SQLITE_DONE) return fail(sqlite_error(database_, "write the records of volumes"));
    return {};
}

Result<void> RecordTable::save(const Record& record, Durable durable) {
    std::string text = json::encode(record);
    std::lock_guard lock(mutex_);
    if (durable == Durable::No) TRY(run("PRAGMA synchronous=NORMAL", {}));
    auto saved = run("INSERT INTO volumes(name,record) VALUES(?1,?2) ON CONFLICT(name) DO UPDATE SET record=?2", {record.name, text});
    if (durable == Durable::No) TRY(run("PRAGMA synchronous=FULL", {}));
    return saved;
}

Result<void> RecordTable::remove(const std::string& name) {
    std::lock_guard lock(mutex_);
    return run("DELETE FROM volumes WHERE name=?1", {name});
}

Result<std::vector<Record>> RecordTable::load_all() {
    std::lock_guard lock(mutex_);
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(database_, "SELECT name,record FROM volumes", -1, &raw, nullptr) != SQLITE_OK)
        return fail(sqlite_error(database_, "read the records of volumes"));
    Statement rows(raw);
    std::vector<Record> records;
    std::vector<std::string> damaged;
    while (sqlite3_step(raw) == SQLITE_ROW) {
        std::string name(text_at(raw, 0));
        auto record = json::decode<Record>(text_at(raw, 1));
        if (record && record->name == name) {
            records.push_back(std::move(*record));
        } else {
            log::error(concat("the record of volume ", name, " is damaged and was set aside: ", record ? "its name is wrong" : record.error().message()));
            damaged.push_back(name);
        }
    }
    rows.reset();
    for (auto& name : damaged) {
        TRY(run("INSERT INTO damaged SELECT name,'volume',record,datetime('now') FROM volumes WHERE name=?1", {name}));
        TRY(run("DELETE FROM volumes WHERE name=?1", {name}));
    }
    return records;
}

}  // namespace proa::volume
