#include "build/file_hashes.h"

#include <cstring>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "os/file.h"

namespace proa::build {

namespace {
constexpr std::string_view kMagic = "proa-file-hashes-1\n";
constexpr size_t kEntriesMax = 200000, kRecord = 5 * 8 + 32;
constexpr int64_t kSettleNanoseconds = 2000000000;

uint64_t nanoseconds(const timespec& time) { return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec); }
}  // namespace

FileHashes::Key FileHashes::key_of(const struct stat& st) {
    return {st.st_dev, st.st_ino, static_cast<uint64_t>(st.st_size), nanoseconds(st.st_ctim), nanoseconds(st.st_mtim)};
}

FileHashes::FileHashes(std::string file) : file_(std::move(file)) {
    auto text = os::read_file(file_, kMagic.size() + kEntriesMax * kRecord);
    if (!text || !text->starts_with(kMagic)) return;
    for (size_t at = kMagic.size(); at + kRecord <= text->size(); at += kRecord) {
        uint64_t numbers[5];
        Entry entry;
        std::memcpy(numbers, text->data() + at, sizeof numbers);
        std::memcpy(entry.hash.data(), text->data() + at + sizeof numbers, entry.hash.size());
        entries_.emplace(Key{numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]}, entry);
    }
}

std::optional<FileHashes::Hash> FileHashes::find(const struct stat& st) {
    std::lock_guard lock(mutex_);
    auto found = entries_.find(key_of(st));
    if (found == entries_.end()) return std::nullopt;
    found->second.used = true;
    return found->second.hash;
}

void FileHashes::remember(const struct stat& st, const Hash& hash) {
    if (now().unix_nano() - static_cast<int64_t>(nanoseconds(st.st_ctim)) < kSettleNanoseconds) return;
    std::lock_guard lock(mutex_);
    entries_[key_of(st)] = {hash, true};
    dirty_ = true;
}

void FileHashes::save() {
    std::lock_guard lock(mutex_);
    if (!std::exchange(dirty_, false)) return;
    std::string text(kMagic);
    size_t count = 0;
    for (bool used : {true, false})  // what this build did not need goes first when there is too much
        for (auto& [key, entry] : entries_) {
            if (entry.used != used || count == kEntriesMax) continue;
            uint64_t numbers[5] = {key.device, key.inode, key.size, key.changed, key.modified};
            text.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
            text.append(entry.hash.data(), entry.hash.size());
            count++;
        }
    auto written = os::replace_file(file_, text, 0600, false);
    if (!written) log::warn(concat("hashes of files could not be written: ", written.error().message()));
}

}  // namespace proa::build
