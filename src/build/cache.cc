#include "build/cache.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "codec/digest.h"
#include "codec/json/value.h"
#include "os/file.h"
#include "store/layer_diff.h"

namespace proa::build {

namespace {
constexpr char kMountType[] = "exec.cachemount";

std::string print_record(const CacheRecord& record) {
    json::Object object;
    object.set("image", record.image);
    object.set("layer", record.layer);
    object.set("type", record.type);
    object.set("description", record.description);
    object.set("created", record.created.unix_nano());
    object.set("last_used", record.last_used.unix_nano());
    object.set("uses", record.uses);
    object.set("size", record.size);
    return json::print(object);
}

std::optional<CacheRecord> parse_record(const std::string& key, const std::string& text) {
    auto value = json::parse(text);
    if (!value || !value->is_object()) return std::nullopt;
    CacheRecord record;
    record.key = key;
    record.image = (*value)["image"].as_string();
    record.layer = (*value)["layer"].as_bool();
    record.type = (*value)["type"].as_string();
    record.description = (*value)["description"].as_string();
    record.created = Time::from_unix_nano((*value)["created"].as_int());
    record.last_used = Time::from_unix_nano((*value)["last_used"].as_int());
    record.uses = (*value)["uses"].as_int();
    record.size = (*value)["size"].as_int();
    return record;
}
}  // namespace

std::string Cache::file_of(const std::string& key) const { return concat(directory_, "/records/", key); }

void Cache::load() {
    if (loaded_) return;
    loaded_ = true;
    (void)os::make_directories(directory_ + "/records", 0700);
    (void)os::make_directories(directory_ + "/mounts", 0700);
    for (auto& name : os::list_directory(directory_ + "/records").value_or(std::vector<std::string>())) {
        auto text = os::read_file(file_of(name), 1 << 20);
        auto record = text && name.size() == 64 ? parse_record(name, *text) : std::nullopt;  // other names were on their way
        if (record) records_[name] = std::move(*record);
        else (void)os::remove_file(file_of(name));  // a record that was cut short; the step runs again
    }
}

void Cache::write(const CacheRecord& record) {
    auto written = os::replace_file(file_of(record.key), print_record(record), 0600, false);
    if (!written) log::warn(concat("a record of the build cache could not be written: ", written.error().message()));
}

std::optional<CacheRecord> Cache::find(const std::string& key) {
    std::lock_guard lock(mutex_);
    load();
    auto found = records_.find(key);
    return found == records_.end() ? std::nullopt : std::optional(found->second);
}

void Cache::put(CacheRecord record) {
    std::lock_guard lock(mutex_);
    load();
    write(record);
    records_[record.key] = std::move(record);
}

void Cache::touch(const std::string& key) {
    std::lock_guard lock(mutex_);
    load();
    auto found = records_.find(key);
    if (found == records_.end()) return;
    found->second.last_used = now();
    found->second.uses++;
    write(found->second);
}

bool Cache::remove(const CacheRecord& record) {
    std::lock_guard lock(mutex_);
    load();
    if (record.type == kMountType) {
        if (mounts_in_use_.contains(record.key)) return false;
        if (!os::remove_tree(concat(directory_, "/mounts/", record.key))) return false;
    }
    records_.erase(record.key);
    (void)os::remove_file(file_of(record.key));
    return true;
}

std::vector<CacheRecord> Cache::list() {
    std::vector<CacheRecord> all;
    {
        std::lock_guard lock(mutex_);
        load();
        for (auto& [key, record] : records_) {
            all.push_back(record);
            all.back().in_use = mounts_in_use_.contains(key);
        }
    }
    for (auto& record : all)  // builds go on while trees are counted
        if (record.type == kMountType) record.size = static_cast<int64_t>(store::tree_size(concat(directory_, "/mounts/", record.key)).value_or(0));
    return all;
}

std::optional<StepInputs> Cache::find_inputs(const std::string& place) {
    auto text = os::read_file(concat(directory_, "/inputs/", place), 64 << 20);
    return text ? std::optional(StepInputs::parse(*text)) : std::nullopt;
}

void Cache::put_inputs(const std::string& place, const std::string& key, const StepInputs& inputs) {
    {
        std::lock_guard lock(mutex_);
        auto& written = inputs_written_[place];
        if (written == key) return;
        written = key;
    }
    auto put = [&]() -> Result<void> {
        TRY(os::make_directories(directory_ + "/inputs", 0700));
        return os::replace_file(concat(directory_, "/inputs/", place), inputs.print(), 0600, false);
    };
    if (auto done = put(); !done) log::warn(concat("what a step of a build depends on could not be written: ", done.error().message()));
}

void Cache::tidy_inputs(size_t count) {
    std::string directory = directory_ + "/inputs";
    std::vector<std::pair<int64_t, std::string>> files;
    for (auto& name : os::list_directory(directory).value_or(std::vector<std::string>())) {
        struct stat st;
        std::string path = concat(directory, '/', name);
        if (::lstat(path.c_str(), &st) == 0) files.emplace_back(-st.st_mtim.tv_sec, name);
    }
    if (files.size() <= count) return;
    std::sort(files.begin(), files.end());
    std::lock_guard lock(mutex_);
    for (size_t i = count; i < files.size(); i++) {
        (void)os::remove_file(concat(directory, '/', files[i].second));
        inputs_written_.erase(files[i].second);
    }
}

bool Cache::is_time_to_collect() {
    constexpr int64_t kPause = 600LL * 1000000000;
    std::lock_guard lock(mutex_);
    int64_t now = monotonic_nanoseconds();
    if (collected_ != 0 && now - collected_ < kPause) return false;
    collected_ = now;
    return true;
}

bool Cache::has_mount(const std::string& id) {
    auto record = find(std::string(codec::Digest::of(id).hex()));
    return record && record->type == kMountType;
}

Result<Cache::Mount> Cache::mount(const std::string& id, Sharing sharing, const std::function<bool()>& go_on) {
    std::unique_lock lock(mutex_);
    load();
    std::string name(codec::Digest::of(id).hex());
    while (sharing == Sharing::Locked && mounts_in_use_.contains(name)) {
        released_.wait_for(lock, std::chrono::milliseconds(200));
        if (!go_on()) return fail(ErrorKind::Cancelled, "the build was cancelled");
    }
    std::string description = concat("mount ", id);
    for (int copy = 1; sharing == Sharing::Private && mounts_in_use_.contains(name); copy++) name = codec::Digest::of(concat(id, '\0', copy)).hex();
    while (locked_.contains(name)) {  // a locked user keeps the others out too
        released_.wait_for(lock, std::chrono::milliseconds(200));
        if (!go_on()) return fail(ErrorKind::Cancelled, "the build was cancelled");
    }
    Mount mount(*this, name);
    mounts_in_use_[name]++;
    if (sharing == Sharing::Locked) locked_.insert(name);
    mount.path = concat(directory_, "/mounts/", name);
    mount.fresh = !os::is_directory(mount.path);
    if (mount.fresh) TRY(os::make_directories(mount.path, 0755));
    auto& record = records_[name];
    if (record.key.empty()) record = {.key = name, .type = kMountType, .description = description, .created = now()};
    record.last_used = now();
    record.uses++;
    write(record);
    return mount;
}

Cache::Mount::~Mount() {
    if (!cache_) return;
    {
        std::lock_guard lock(cache_->mutex_);
        if (--cache_->mounts_in_use_[name_] <= 0) cache_->mounts_in_use_.erase(name_);
        cache_->locked_.erase(name_);
    }
    cache_->released_.notify_all();
}

}  // namespace proa::build
