#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "build/step_inputs.h"

namespace proa::build {

/// What a step with a certain key made.
struct CacheRecord {
    std::string key;               ///< sha256 in hex
    std::string image;             ///< id of the image that holds the outcome
    bool layer = false;            ///< the image's last layer is what the step made; else it made none
    std::string type = "regular";  ///< or "exec.cachemount"
    std::string description;
    Time created, last_used;
    int64_t uses = 0, size = 0;
    bool in_use = false;  ///< a cache mount that a command works with now; only list() says so
};

/// Remembers outcomes of steps by key, and holds the directories of `RUN --mount=type=cache`. One file a record: a record that is lost costs
/// a step, nothing else. Formats: docs/formats/build-cache.md. Thread-safe.
class Cache {
public:
    explicit Cache(std::string directory) : directory_(std::move(directory)) {}

    /// Where FileHashes are kept.
    std::string hashes_file() const { return directory_ + "/hashes"; }

    std::optional<CacheRecord> find(const std::string& key);
    void put(CacheRecord record);
    void touch(const std::string& key);  ///< it was used
    /// Removes a record, or a cache mount that nobody uses now; false when it stays.
    bool remove(const CacheRecord& record);
    std::vector<CacheRecord> list();

    bool has_mount(const std::string& id);

    /// What the step at `place` depended on when it was last looked at; nullopt when nobody knows.
    std::optional<StepInputs> find_inputs(const std::string& place);
    /// `key` is the step's: equal ones stand for equal inputs.
    void put_inputs(const std::string& place, const std::string& key, const StepInputs& inputs);
    /// Keeps the inputs of the `count` steps that were looked at last.
    void tidy_inputs(size_t count);

    /// True at most once in ten minutes.
    bool is_time_to_collect();

    enum class Sharing { Shared, Private, Locked };
    /// A cache mount in use: while it lives, prune leaves the directory alone.
    class Mount {
    public:
        Mount(Mount&& other) noexcept
            : cache_(std::exchange(other.cache_, nullptr)), name_(std::move(other.name_)), path(std::move(other.path)), fresh(other.fresh) {}
        Mount& operator=(Mount&&) = delete;
        ~Mount();

    private:
        friend class Cache;
        Mount(Cache& cache, std::string name) : cache_(&cache), name_(std::move(name)) {}
        Cache* cache_;
        std::string name_;

    public:
        std::string path;  ///< the directory
        bool fresh = false;
    };
    /// The directory of cache mount `id`, made when it is missing. Locked waits for its other users, as long as `go_on` says so.
    Result<Mount> mount(const std::string& id, Sharing sharing, const std::function<bool()>& go_on);

private:
    std::string file_of(const std::string& key) const;
    void load();
    void write(const CacheRecord& record);

    std::string directory_;
    std::mutex mutex_;
    std::condition_variable released_;
    bool loaded_ = false;
    int64_t collected_ = 0;  // monotonic nanoseconds
    std::map<std::string, CacheRecord> records_;
    std::map<std::string, std::string> inputs_written_;  // place to the key of what its file holds, as far as this process knows
    std::map<std::string, int> mounts_in_use_;
    std::set<std::string> locked_;
};

}  // namespace proa::build
