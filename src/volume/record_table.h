#pragma once
#include <mutex>
#include <vector>

#include "volume/record.h"

struct sqlite3;

namespace proa::volume {

/// The table `volumes` of the database of records. A durable change survives a power cut, any other a kill of the daemon. Thread-safe.
class RecordTable {
public:
    /// `path` is the database that the container records live in; it has been opened, and repaired where necessary, before.
    static Result<std::unique_ptr<RecordTable>> open(const std::string& path);
    ~RecordTable();
    RecordTable(const RecordTable&) = delete;
    RecordTable& operator=(const RecordTable&) = delete;

    enum class Durable { No, Yes };
    Result<void> save(const Record& record, Durable durable = Durable::Yes);
    Result<void> remove(const std::string& name);
    /// All readable records; unreadable rows are moved to the table `damaged` and named in the log.
    Result<std::vector<Record>> load_all();

private:
    RecordTable() = default;
    Result<void> run(const char* statement, std::initializer_list<std::string_view> texts);

    std::mutex mutex_;
    sqlite3* database_ = nullptr;
};

}  // namespace proa::volume
