#pragma once
#include <memory>
#include <mutex>

#include "container/record.h"

struct sqlite3;
struct sqlite3_stmt;

namespace proa::container {

/// All container records in one SQLite database (WAL, one writer, thread-safe). A commit with `Durable::Yes` survives a power
/// cut, one with `Durable::No` a kill of the daemon.
class RecordStore {
public:
    enum class Durable { No, Yes };

    /// Opens or creates `path`. A damaged database is moved aside as `path`.damaged-<time>, named in the log, and a new one begun.
    static Result<std::unique_ptr<RecordStore>> open(const std::string& path);
    ~RecordStore();
    RecordStore(const RecordStore&) = delete;
    RecordStore& operator=(const RecordStore&) = delete;

    /// Inserts or replaces the record. Errors: Conflict when another container has the name.
    Result<void> save(const Record& record, Durable durable);
    Result<void> remove(const std::string& id, Durable durable);
    /// All readable records; unreadable rows are moved to the table `damaged` and named in the log.
    Result<std::vector<Record>> load_all();

private:
    RecordStore() = default;
    Result<void> execute(const char* statement);
    Result<void> set_durability(Durable durable);

    std::mutex mutex_;
    sqlite3* database_ = nullptr;
    sqlite3_stmt* save_ = nullptr;
    sqlite3_stmt* remove_ = nullptr;
    Durable durability_ = Durable::Yes;
};

}  // namespace proa::container
