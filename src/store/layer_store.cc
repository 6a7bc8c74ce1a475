#include "store/layer_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>

#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "os/path_in_root.h"
#include "store/layer_diff.h"

namespace proa::store {

namespace {
constexpr std::string_view kUnpacking = "unpacking-";
constexpr std::string_view kDiscarded = "discarded-";
constexpr auto kSyncDelay = std::chrono::seconds(2);

/// 26 characters as Docker's: short enough for long lists of lower directories in one page.
std::string short_name(const std::string& cache_id) { return to_upper(cache_id).substr(0, 26); }
}  // namespace

LayerUnpacker::LayerUnpacker(LayerStore& store, std::string directory) : store_(store), directory_(std::move(directory)) {
    thread_ = std::thread([this] { work(); });
}

LayerUnpacker::~LayerUnpacker() {
    if (!joined_) {
        queue_.fail(Error(ErrorKind::Cancelled, "layer was abandoned"));
        thread_.join();
    }
    if (directory_.empty()) return;
    if (auto done = store_.discard(directory_); !done) log::warn(done.error().message());
}

void LayerUnpacker::work() {
    auto done = unpack();
    if (!done) error_ = std::move(done).error();
    queue_.abandon();
}

Result<void> LayerUnpacker::unpack() {
    os::RootDirectory root = TRY(os::RootDirectory::at(concat(store_.directory_, '/', directory_, "/diff")));
    QueueSource arriving(queue_);
    auto plain = TRY(codec::decompress_detected(arriving, &compression_));
    if (compression_ == codec::Compression::None) {
        size_ = TRY(unpack_layer(*plain, root, store_.form_)).size;
        return {};
    }
    PrefetchSource ahead(*plain);
    codec::HashingSource hashing(ahead);
    size_ = TRY(unpack_layer(hashing, root, store_.form_)).size;
    hashed_ = hashing.finish();
    return {};
}

Result<void> LayerUnpacker::write(std::string_view bytes) {
    if (queue_.push(std::string(bytes))) return {};
    if (!joined_) thread_.join();
    joined_ = true;
    if (error_) return fail(*error_);
    return fail(ErrorKind::Internal, "layer: bytes after the end");
}

Result<void> LayerUnpacker::wait() {
    if (!joined_) {
        queue_.close();
        thread_.join();
        joined_ = true;
    }
    if (error_) return fail(*error_);
    return {};
}

Result<LayerUnpacker::Finished> LayerUnpacker::finish(const Digest& blob, const Digest& expected) {
    TRY(wait());
    Digest diff_id = hashed_.empty() ? blob : hashed_;
    if (!expected.empty() && expected != diff_id)
        return fail(ErrorKind::InvalidArgument, concat("layer has diff id ", diff_id.text(), ", the image configuration says ", expected.text()));
    TRY(store_.register_directory(directory_, diff_id, size_));
    directory_.clear();
    return Finished{diff_id, compression_, size_};
}

LayerStore::LayerStore(std::string directory, LayerForm form, Records& records, std::mutex& records_mutex)
    : directory_(std::move(directory)), form_(form), records_(records), records_mutex_(records_mutex) {}

namespace {
/// What every container's root has before it starts: targets of the engine's own mounts, and what programs look for to know that they
/// are in a container. At the bottom, so that an image's own entries win and none of it is ever a container's change.
Result<void> make_bottom(const std::string& root) {
    for (auto name : {"/dev/pts", "/dev/shm", "/etc", "/proc", "/sys"}) TRY(os::make_directories(root + name, 0755));
    for (auto [name, mode] :
         {std::pair("/.dockerenv", 0755), {"/dev/console", 0755}, {"/etc/hostname", 0755}, {"/etc/hosts", 0755}, {"/etc/resolv.conf", 0755}})
        if (!os::exists(root + name)) TRY(os::write_file(root + name, "", static_cast<mode_t>(mode)));
    if (!os::link_status(root + "/etc/mtab")) TRY(os::make_symlink("/proc/mounts", root + "/etc/mtab"));
    return {};
}
}  // namespace

Result<std::unique_ptr<LayerStore>> LayerStore::open(std::string directory, LayerForm form, Records& records, std::mutex& records_mutex) {
    TRY(os::make_directories(directory + "/l", 0710));
    TRY(os::make_directories(directory + "/empty/diff", 0755));
    TRY(make_bottom(directory + "/bottom/diff"));
    std::unique_ptr<LayerStore> store(new LayerStore(std::move(directory), form, records, records_mutex));
    store->boot_ = trim(os::read_file("/proc/sys/kernel/random/boot_id").value_or("unknown"));
    std::vector<Records::Row> rows;
    {
        std::lock_guard lock(records_mutex);
        rows = TRY(records.rows("SELECT diff_id, cache_id, size, boot FROM layers"));
    }
    for (auto& row : rows) {
        auto diff_id = Digest::parse(row.text(0));
        Layer layer{diff_id.value_or(Digest()), row.text(1), static_cast<uint64_t>(row.number(2))};
        bool written = row.text(3).empty() || row.text(3) == store->boot_;
        if (diff_id && written && os::is_directory(store->diff_path(layer))) {
            store->layers_[*diff_id] = layer;
            if (!row.text(3).empty()) store->registered_++;
            continue;
        }
        log::warn(concat("layer ", row.text(0), written ? ": its directory is missing" : ": the machine went down before it was on disk",
                         "; it will be unpacked again"));
        std::lock_guard lock(records_mutex);
        TRY(records.run("DELETE FROM layers WHERE diff_id = ?", {row.text(0)}));
    }
    store->housekeeper_ = std::thread([raw = store.get()] { raw->keep_house(); });
    return store;
}

LayerStore::~LayerStore() {
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
        changed_.notify_all();
    }
    if (housekeeper_.joinable()) housekeeper_.join();
}

std::optional<Layer> LayerStore::find(const Digest& diff_id) const {
    std::lock_guard lock(mutex_);
    auto found = layers_.find(diff_id);
    if (found == layers_.end()) return std::nullopt;
    return found->second;
}

std::vector<Layer> LayerStore::all() const {
    std::lock_guard lock(mutex_);
    std::vector<Layer> layers;
    for (auto& [digest, layer] : layers_) layers.push_back(layer);
    return layers;
}

uint64_t LayerStore::disk_size(const Layer& layer) const {
    {
        std::lock_guard lock(mutex_);
        if (auto known = disk_sizes_.find(layer.cache_id); known != disk_sizes_.end()) return known->second;
    }
    auto size = tree_disk_size(diff_path(layer));
    if (!size) return layer.size;
    std::lock_guard lock(mutex_);
    return disk_sizes_[layer.cache_id] = *size;
}

std::string LayerStore::link_path(const Layer& layer) const { return "l/" + short_name(layer.cache_id); }

Result<std::string> LayerStore::make_directory() {
    std::string name = concat(kUnpacking, random_hex(8));
    TRY(os::make_directory(concat(directory_, '/', name), 0700));
    std::string diff = concat(directory_, '/', name, "/diff");
    TRY(os::make_directory(diff, 0755));
    if (::chmod(diff.c_str(), 0755) < 0) return fail_errno("chmod", diff);
    return name;
}

Result<std::unique_ptr<LayerUnpacker>> LayerStore::begin() { return std::unique_ptr<LayerUnpacker>(new LayerUnpacker(*this, TRY(make_directory()))); }

Result<Layer> LayerStore::register_directory(const std::string& name, const Digest& diff_id, uint64_t size) {
    Layer layer{diff_id, random_hex(16), size};
    {
        std::lock_guard lock(mutex_);
        if (auto found = layers_.find(diff_id); found != layers_.end()) {
            discarded_.push_back(name);
            changed_.notify_all();
            return found->second;
        }
        std::string target = concat(directory_, '/', layer.cache_id);
        std::string staged = concat(directory_, '/', name);
        if (::chmod(staged.c_str(), 0710) < 0) return fail_errno("chmod", staged);
        TRY(os::write_file(staged + "/link", short_name(layer.cache_id)));
        TRY(os::rename_path(staged, target));
        auto linked = os::make_symlink(concat("../", layer.cache_id, "/diff"), concat(directory_, '/', link_path(layer)));
        if (!linked) return fail(std::move(linked).error());
        layers_[diff_id] = layer;
        registered_++;
        changed_.notify_all();
    }
    std::lock_guard lock(records_mutex_);
    TRY(records_.transaction(
        [&] { return records_.run("INSERT OR REPLACE INTO layers VALUES(?, ?, ?, ?)", {diff_id.text(), layer.cache_id, static_cast<int64_t>(size), boot_}); },
        /*relaxed=*/true));
    return layer;
}

Result<Layer> LayerStore::adopt(const std::string& path, const Digest& diff_id, uint64_t size) {
    std::string name = concat(kUnpacking, random_hex(8));
    TRY(os::make_directory(concat(directory_, '/', name), 0700));
    TRY(os::rename_path(path, concat(directory_, '/', name, "/diff")));
    return register_directory(name, diff_id, size);
}

Result<Layer> LayerStore::ensure(const Digest& diff_id, const BlobStore& blobs, const Digest& blob) {
    {
        std::unique_lock lock(mutex_);
        for (;;) {
            if (auto found = layers_.find(diff_id); found != layers_.end()) return found->second;
            if (unpacking_.insert(diff_id).second) break;
            changed_.wait(lock);
        }
    }
    auto done = [&]() -> Result<Layer> {
        os::Fd file = TRY(blobs.open_blob(blob));
        auto unpacker = TRY(begin());
        codec::FdSource source(file.get());
        codec::Hasher hasher(blob.algorithm());  // the blob may have been damaged since it came
        for (;;) {
            std::string_view piece = TRY(source.pull());
            if (piece.empty()) break;
            hasher.update(piece);
            TRY(unpacker->write(piece));
        }
        if (hasher.finish() != blob) return fail(ErrorKind::Internal, concat("blob ", blob.text(), " is damaged"));
        TRY(unpacker->finish(blob, diff_id));
        auto layer = find(diff_id);
        if (!layer) return fail(ErrorKind::Internal, concat("layer ", diff_id.text(), " was removed while it was unpacked"));
        return *layer;
    }();
    std::lock_guard lock(mutex_);
    unpacking_.erase(diff_id);
    changed_.notify_all();
    return done;
}

Result<void> LayerStore::remove(const Digest& diff_id) {
    Layer layer;
    {
        std::lock_guard lock(mutex_);
        auto found = layers_.find(diff_id);
        if (found == layers_.end()) return {};
        layer = found->second;
        layers_.erase(found);
        disk_sizes_.erase(layer.cache_id);
    }
    {
        std::lock_guard lock(records_mutex_);
        TRY(records_.transaction([&] { return records_.run("DELETE FROM layers WHERE diff_id = ?", {diff_id.text()}); }, true));
    }
    TRY(os::remove_file(concat(directory_, '/', link_path(layer))));
    return discard(layer.cache_id);
}

Result<void> LayerStore::discard(const std::string& name) {
    std::string away = concat(kDiscarded, random_hex(8));
    auto renamed = os::rename_path(concat(directory_, '/', name), concat(directory_, '/', away));
    if (!renamed) {
        if (renamed.error().is(ErrorKind::NotFound)) return {};
        return renamed;
    }
    std::lock_guard lock(mutex_);
    discarded_.push_back(away);
    changed_.notify_all();
    return {};
}

void LayerStore::remove_strangers(const std::unordered_set<std::string>& containers) {
    std::unordered_set<std::string> known = containers, links;
    known.insert("l");
    known.insert("empty");
    known.insert("bottom");
    {
        std::lock_guard lock(mutex_);
        for (auto& [digest, layer] : layers_) {
            known.insert(layer.cache_id);
            links.insert(short_name(layer.cache_id));
        }
    }
    for (auto& name : os::list_directory(directory_).value_or(std::vector<std::string>())) {
        if (known.contains(name)) continue;
        bool expected = name.starts_with(kUnpacking) || name.starts_with(kDiscarded);
        if (!expected) log::warn(concat(os::base_name(directory_), '/', name, " belongs to no image and no container, it is removed"));
        if (auto done = discard(name); !done) log::warn(done.error().message());
    }
    for (auto& name : os::list_directory(directory_ + "/l").value_or(std::vector<std::string>()))
        if (!links.contains(name)) (void)os::remove_file(concat(directory_, "/l/", name));
}

Result<void> LayerStore::make_durable() {
    std::vector<Digest> before;
    uint64_t came;
    {
        std::lock_guard lock(mutex_);
        came = registered_;
        for (auto& [digest, layer] : layers_) before.push_back(digest);
    }
    os::Fd root = TRY(os::open_file(directory_, O_RDONLY | O_DIRECTORY));
    if (::syncfs(root.get()) < 0) return fail_errno("syncfs", directory_);
    {
        std::lock_guard lock(records_mutex_);
        TRY(records_.transaction([&]() -> Result<void> {
            for (auto& digest : before) TRY(records_.run("UPDATE layers SET boot = '' WHERE diff_id = ? AND boot <> ''", {digest.text()}));
            return {};
        }));
    }
    std::lock_guard lock(mutex_);
    durable_ = std::max(durable_, came);
    return {};
}

Result<void> LayerStore::sync() {
    {
        std::lock_guard lock(mutex_);
        if (durable_ >= registered_) return {};
    }
    return make_durable();
}

void LayerStore::keep_house() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return stop_ || durable_ < registered_ || !discarded_.empty(); });
        if (stop_) return;  // what is left to delete or to sync is found again at the next open
        if (!discarded_.empty()) {
            std::string name = std::move(discarded_.front());
            discarded_.pop_front();
            busy_ = true;
            lock.unlock();
            if (auto done = os::remove_tree(concat(directory_, '/', name)); !done) log::warn(done.error().message());
            lock.lock();
            busy_ = false;
            changed_.notify_all();
            continue;
        }
        if (!hurry_) {
            changed_.wait_for(lock, kSyncDelay, [&] { return stop_ || hurry_ || !discarded_.empty(); });
            if (stop_ || !discarded_.empty()) continue;
        }
        uint64_t came = registered_;
        busy_ = true;
        lock.unlock();
        auto done = make_durable();
        if (!done) log::warn(done.error().message());
        lock.lock();
        if (!done) durable_ = std::max(durable_, came);  // not again and again; their records still say that they are not durable
        busy_ = false;
        changed_.notify_all();
    }
}

void LayerStore::settle() {
    std::unique_lock lock(mutex_);
    hurry_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !busy_ && durable_ >= registered_ && discarded_.empty(); });
    hurry_ = false;
}

}  // namespace proa::store
