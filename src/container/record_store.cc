#include "container/record_store.h"

#include <sqlite3.h>

#include "base/log.h"
#include "os/file.h"

namespace proa::container {

namespace {

Error sqlite_error(sqlite3* database, std::string_view action) {
    int code = sqlite3_extended_errcode(database);
    ErrorKind kind = (code & 0xff) == SQLITE_CONSTRAINT ? ErrorKind::Conflict : ErrorKind::Internal;
    std::string message = concat(action, ": ", std::string_view(sqlite3_errmsg(database)));
    if ((code & 0xff) == SQLITE_FULL) message += " (no space left on the data root's file system)";
    return Error(kind, message);
}

constexpr char kSchema[] =
    "PRAGMA journal_mode=WAL;"
    "PRAGMA busy_timeout=5000;"
    "PRAGMA wal_autocheckpoint=512;"
    "CREATE TABLE IF NOT EXISTS containers(id TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS damaged(id TEXT, name TEXT, record TEXT, found TEXT);"
    "PRAGMA user_version=1;";

/// Runs a prepared statement to its end and makes it ready for the next use.
bool finish(sqlite3_stmt* statement) {
    int code = sqlite3_step(statement);
    bool good = code == SQLITE_DONE || code == SQLITE_ROW;
    sqlite3_reset(statement);
    return good;
}

void bind_text(sqlite3_stmt* statement, int index, const std::string& text) {
    sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

bool is_sound(sqlite3* database) {
    sqlite3_stmt* check = nullptr;
    bool sound = sqlite3_prepare_v2(database, "PRAGMA quick_check(1)", -1, &check, nullptr) == SQLITE_OK &&
                 sqlite3_step(check) == SQLITE_ROW &&
                 std::string_view(reinterpret_cast<const char*>(sqlite3_column_text(check, 0))) == "ok";
    sqlite3_finalize(check);
    return sound;
}

}  // namespace

Result<std::unique_ptr<RecordStore>> RecordStore::open(const std::string& path) {
    for (bool fresh : {false, true}) {
        std::unique_ptr<RecordStore> store(new RecordStore);
        bool opened = sqlite3_open_v2(path.c_str(), &store->database_,
                                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr) == SQLITE_OK;
        if (opened && is_sound(store->database_) && store->execute(kSchema)) {
            sqlite3_prepare_v2(store->database_,
                               "INSERT INTO containers(id,name,record) VALUES(?1,?2,?3) "
                               "ON CONFLICT(id) DO UPDATE SET name=?2, record=?3",
                               -1, &store->save_, nullptr);
            sqlite3_prepare_v2(store->database_, "DELETE FROM containers WHERE id=?1", -1, &store->remove_, nullptr);
            if (store->save_ && store->remove_) return store;
        }
        Error error = sqlite_error(store->database_, concat("open ", path));
        store.reset();
        if (fresh) return fail(std::move(error));
        std::string aside = concat(path, ".damaged-", now().seconds);
        log::error(concat(error.message(), "; the damaged database is kept as ", aside));
        TRY(os::rename_path(path, aside));
        for (auto suffix : {"-wal", "-shm"}) TRY(os::remove_file(path + suffix));
    }
    return fail(ErrorKind::Internal, "unreachable");
}

RecordStore::~RecordStore() {
    sqlite3_finalize(save_);
    sqlite3_finalize(remove_);
    sqlite3_close(database_);
}

Result<void> RecordStore::execute(const char* statement) {
    if (sqlite3_exec(database_, statement, nullptr, nullptr, nullptr) != SQLITE_OK)
        return fail(sqlite_error(database_, "write records"));
    return {};
}

Result<void> RecordStore::set_durability(Durable durable) {
    if (durable == durability_) return {};
    TRY(execute(durable == Durable::Yes ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
    durability_ = durable;
    return {};
}

Result<void> RecordStore::save(const Record& record, Durable durable) {
    std::string text = [&] {
        docker::CompactPorts form;
        return json::encode(record);
    }();
    std::lock_guard lock(mutex_);
    TRY(set_durability(durable));
    bind_text(save_, 1, record.id);
    bind_text(save_, 2, record.name);
    bind_text(save_, 3, text);
    if (!finish(save_)) return fail(sqlite_error(database_, concat("save the record of container ", record.id)));
    return {};
}

Result<void> RecordStore::remove(const std::string& id, Durable durable) {
    std::lock_guard lock(mutex_);
    TRY(set_durability(durable));
    bind_text(remove_, 1, id);
    if (!finish(remove_)) return fail(sqlite_error(database_, concat("remove the record of container ", id)));
    return {};
}

Result<std::vector<Record>> RecordStore::load_all() {
    std::lock_guard lock(mutex_);
    sqlite3_stmt* rows = nullptr;
    if (sqlite3_prepare_v2(database_, "SELECT id,record FROM containers", -1, &rows, nullptr) != SQLITE_OK)
        return fail(sqlite_error(database_, "read records"));
    std::vector<Record> records;
    std::vector<std::string> damaged;
    while (sqlite3_step(rows) == SQLITE_ROW) {
        std::string id(reinterpret_cast<const char*>(sqlite3_column_text(rows, 0)));
        std::string_view text(reinterpret_cast<const char*>(sqlite3_column_text(rows, 1)), static_cast<size_t>(sqlite3_column_bytes(rows, 1)));
        docker::CompactPorts form;
        auto record = json::decode<Record>(text);
        if (record && record->id == id && !record->name.empty()) {
            records.push_back(std::move(*record));
        } else {
            log::error(concat("the record of container ", id, " is damaged and was set aside: ", record ? "its id or name is wrong" : record.error().message()));
            damaged.push_back(id);
        }
    }
    sqlite3_finalize(rows);
    for (auto& id : damaged) {
        sqlite3_stmt* move = nullptr;
        sqlite3_prepare_v2(database_, "INSERT INTO damaged SELECT id,name,record,datetime('now') FROM containers WHERE id=?1", -1, &move, nullptr);
        bind_text(move, 1, id);
        bool kept = finish(move);
        sqlite3_finalize(move);
        bind_text(remove_, 1, id);
        if (!kept || !finish(remove_)) return fail(sqlite_error(database_, concat("set aside the record of container ", id)));
    }
    return records;
}

}  // namespace proa::container
