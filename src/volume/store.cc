#include "volume/store.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "os/file.h"
#include "volume/copy_tree.h"

namespace proa::volume {

namespace {

Unexpected no_such_volume(const std::string& name) { return fail(ErrorKind::NotFound, concat("get ", name, ": no such volume")); }

bool has_options(const Record& record) { return record.options && !record.options->empty(); }

/// RFC 3339 with whole seconds, as Docker shows a volume's age.
std::string created_text(Time time) {
    time.nanoseconds = 0;
    return rfc3339_nano(time);
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const std::string& data_root, const std::string& records_path, PluginDirectories plugins, Owner owner) {
    std::unique_ptr<Store> store(new Store(data_root, std::move(plugins)));
    store->records_ = TRY(RecordTable::open(records_path));
    store->local_ = TRY(LocalDriver::open(data_root + "/volumes", owner));
    TRY(store->restore());
    return store;
}

Result<void> Store::finish_rename(Record& record) {
    if (!local_->exists(record.name) && local_->exists(record.renamed_from)) TRY(local_->rename(record.renamed_from, record.name));
    TRY(records_->remove(record.renamed_from));
    record.renamed_from.clear();
    return records_->save(record);
}

/// False for a record that goes away with what it stands for.
Result<bool> Store::restore_record(Record& record) {
    if (record.driver != kLocalDriver) return true;
    if (!record.renamed_from.empty()) TRY(finish_rename(record));
    bool lost = !local_->exists(record.name);
    if (record.filling || record.removing || (lost && local_->removal_was_begun(record.name))) {
        TRY(local_->remove(record));
        TRY(records_->remove(record.name));
        return false;
    }
    if (!lost) return true;
    log::warn(concat("the directory of volume ", record.name, " is missing and was made anew, empty"));
    TRY(local_->create(record));
    return true;
}

Result<void> Store::restore() {
    auto records = TRY(records_->load_all());
    // A rename that was cut short leaves both records: the newer one first takes the directory over.
    std::set<std::string> renamed;
    for (auto& record : records)
        if (!record.renamed_from.empty()) renamed.insert(record.renamed_from);
    for (auto& record : records) {
        if (renamed.contains(record.name)) continue;
        auto kept = restore_record(record);
        if (!kept) {
            log::error(concat("volume ", record.name, " could not be restored: ", kept.error().message()));
            continue;
        }
        if (!*kept) continue;
        auto entry = std::make_shared<Entry>();
        entry->record = record;
        entries_[record.name] = std::move(entry);
    }
    TRY(local_->clear_remains());
    // Content without a record is what a lost database or a backup left: data, never rubbish.
    for (auto& name : TRY(local_->names())) {
        if (entries_.contains(name)) continue;
        auto entry = std::make_shared<Entry>();
        entry->record.name = name;
        entry->record.created = now();
        log::warn(concat("the directory of volume ", name, " has no record, it becomes a volume without labels and options"));
        TRY(records_->save(entry->record));
        entries_[name] = std::move(entry);
    }
    return {};
}

Result<Driver*> Store::driver(const std::string& name) {
    if (name == kLocalDriver) return local_.get();
    {
        std::lock_guard lock(mutex_);
        if (auto found = plugin_drivers_.find(name); found != plugin_drivers_.end()) return found->second.get();
    }
    auto plugin = PluginDriver::find(name, plugins_);
    if (!plugin) return fail(std::move(plugin).error().wrap(concat("error looking up volume plugin ", name)));
    std::lock_guard lock(mutex_);
    return plugin_drivers_.try_emplace(name, std::move(*plugin)).first->second.get();  // never removed: pointers stay good
}

Store::EntryPointer Store::entry(const std::string& name) const {
    std::lock_guard lock(mutex_);
    auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : found->second;
}

/// A volume that somebody made at a plugin without us becomes ours when it is first named.
Result<Store::EntryPointer> Store::adopt_from_plugins(const std::string& name) {
    for (auto& plugin : PluginDriver::known(plugins_)) {
        auto found = driver(plugin);
        if (!found) continue;
        if (!static_cast<PluginDriver*>(*found)->has(name).value_or(false)) continue;
        auto entry = std::make_shared<Entry>();
        entry->record.name = name;
        entry->record.driver = plugin;
        TRY(records_->save(entry->record));
        std::lock_guard lock(mutex_);
        return entries_.try_emplace(name, std::move(entry)).first->second;
    }
    return no_such_volume(name);
}

Result<std::pair<Store::EntryPointer, std::unique_lock<std::mutex>>> Store::locked(const std::string& name) {
    for (;;) {
        auto found = entry(name);
        if (!found) found = TRY(adopt_from_plugins(name));
        std::unique_lock operation(found->operation);
        if (!found->gone) return std::pair(std::move(found), std::move(operation));
    }
}

void Store::forget(const EntryPointer& entry) {
    std::lock_guard lock(mutex_);
    entry->gone = true;
    auto found = entries_.find(entry->record.name);
    if (found != entries_.end() && found->second == entry) entries_.erase(found);
}

Result<docker::Volume> Store::view(const Record& record) {
    auto* keeper = TRY(driver(record.driver));
    docker::Volume volume;
    volume.name = record.name;
    volume.driver = record.driver;
    volume.scope = keeper->scope();
    volume.labels = record.labels;
    volume.options = record.options;
    if (!record.created.is_zero()) volume.created_at = created_text(record.created);
    volume.mountpoint = TRY(keeper->mountpoint(record));
    volume.status = keeper->status(record);
    return volume;
}

Result<Created> Store::existing(Entry& entry, const CreateOptions& options) {
    if (!options.driver.empty() && options.driver != entry.record.driver)
        return fail(ErrorKind::Conflict, concat("create ", options.name, ": conflict: volume name must be unique"));
    auto volume = TRY(view(entry.record));
    std::lock_guard lock(mutex_);
    if (!options.reference.empty()) entry.references.insert(options.reference);
    return Created{std::move(volume), false};
}

Result<Created> Store::create(const CreateOptions& options) {
    Record record;
    record.name = options.name.empty() ? random_id() : options.name;
    record.driver = options.driver.empty() ? std::string(kLocalDriver) : options.driver;
    record.created = now();
    record.options = options.options;
    record.labels = options.labels;
    if (options.name.empty()) {
        if (!record.labels) record.labels.emplace();
        record.labels->emplace(kAnonymousLabel, "");
        record.made_for = options.reference;
    }
    auto* keeper = TRY_WRAP("create " + record.name, driver(record.driver));
    if (record.driver == kLocalDriver) TRY_WRAP("create " + record.name, check_local_name(record.name));
    for (;;) {
        auto fresh = std::make_shared<Entry>();
        fresh->record = record;
        std::unique_lock operation(fresh->operation);
        EntryPointer found;
        {
            std::lock_guard lock(mutex_);
            auto [place, added] = entries_.try_emplace(record.name, fresh);
            if (!added) found = place->second;
            else if (!options.reference.empty()) fresh->references.insert(options.reference);
        }
        if (found) {
            operation.unlock();
            std::lock_guard other(found->operation);
            if (found->gone) continue;
            return existing(*found, options);
        }
        auto made = [&]() -> Result<docker::Volume> {
            if (record.driver == kLocalDriver) TRY(parse_mount_options(record.options));  // refused before anything is written
            TRY(records_->save(record));
            TRY(keeper->create(record));
            return view(record);
        }();
        if (made) return Created{std::move(*made), true};
        (void)records_->remove(record.name);  // the failure to make it is the one to report
        forget(fresh);
        return fail(std::move(made).error().wrap(concat("create ", record.name)));
    }
}

Result<docker::Volume> Store::find(const std::string& name) {
    auto found = entry(name);
    if (!found) found = TRY(adopt_from_plugins(name));
    Record record;
    {
        std::lock_guard lock(mutex_);
        record = found->record;
    }
    return record.filling ? no_such_volume(name) : view(record);
}

std::vector<docker::Volume> Store::list(std::vector<std::string>* warnings) {
    std::vector<Record> records;
    {
        std::lock_guard lock(mutex_);
        for (auto& [name, entry] : entries_)
            if (!entry->gone && !entry->record.filling) records.push_back(entry->record);
    }
    auto warn = [&](const Error& error) {
        if (warnings) warnings->push_back(error.message());
    };
    for (auto& plugin : PluginDriver::known(plugins_)) {
        auto found = driver(plugin);
        auto names = found ? static_cast<PluginDriver*>(*found)->list() : Result<std::vector<std::string>>(fail(found.error()));
        if (!names) {
            warn(names.error());
            continue;
        }
        for (auto& name : *names)
            if (std::none_of(records.begin(), records.end(), [&](auto& record) { return record.name == name; })) records.push_back(Record{.name = name, .driver = plugin});
    }
    std::vector<docker::Volume> volumes;
    for (auto& record : records) {
        auto volume = view(record);
        if (volume) volumes.push_back(std::move(*volume));
        else warn(volume.error());
    }
    return volumes;
}

Result<void> Store::remove(const std::string& name, bool force) {
    auto found = locked(name);
    if (!found && force && found.error().is(ErrorKind::NotFound)) return {};
    auto [entry, operation] = TRY(std::move(found));
    {
        std::lock_guard lock(mutex_);
        if (!entry->references.empty())
            return fail(ErrorKind::Conflict, concat("remove ", name, ": volume is in use - [", join({entry->references.begin(), entry->references.end()}, ", "), "]"));
    }
    auto keeper = driver(entry->record.driver);
    if (!keeper && !force) return fail(std::move(keeper).error().wrap(concat("remove ", name)));
    Record record = entry->record;
    record.removing = true;
    TRY(records_->save(record));
    if (keeper) {
        auto removed = (*keeper)->remove(record);
        if (!removed && !force) {
            (void)records_->save(entry->record);  // boot would try the removal again, which is no harm
            return fail(std::move(removed).error().wrap(concat("remove ", name)));
        }
    }
    TRY(records_->remove(name));
    forget(entry);
    return {};
}

Result<void> Store::add_reference(const std::string& name, const std::string& container) {
    auto [entry, operation] = TRY(locked(name));
    std::lock_guard lock(mutex_);
    entry->references.insert(container);
    return {};
}

void Store::drop_reference(const std::string& name, const std::string& container) {
    std::lock_guard lock(mutex_);
    if (auto found = entries_.find(name); found != entries_.end()) found->second->references.erase(container);
}

std::set<std::string> Store::references(const std::string& name) const {
    std::lock_guard lock(mutex_);
    auto found = entries_.find(name);
    return found == entries_.end() ? std::set<std::string>() : found->second->references;
}

Result<std::string> Store::mount(const std::string& name, const std::string& user) {
    auto [entry, operation] = TRY(locked(name));
    auto* keeper = TRY(driver(entry->record.driver));
    std::string path = TRY(keeper->mount(entry->record, user));
    std::lock_guard lock(mutex_);
    entry->users.insert(user);
    return path;
}

Result<void> Store::unmount(const std::string& name, const std::string& user) {
    auto [entry, operation] = TRY(locked(name));
    bool last;
    {
        std::lock_guard lock(mutex_);
        if (entry->users.erase(user) == 0) return {};
        last = entry->users.empty();
    }
    auto* keeper = TRY(driver(entry->record.driver));
    return keeper->unmount(entry->record, user, last);
}

bool Store::is_mounted_by(const std::string& name, const std::string& user) const {
    std::lock_guard lock(mutex_);
    auto found = entries_.find(name);
    return found != entries_.end() && found->second->users.contains(user);
}

void Store::adopt_mount(const std::string& name, const std::string& user) {
    std::lock_guard lock(mutex_);
    if (auto found = entries_.find(name); found != entries_.end()) found->second->users.insert(user);
}

Result<void> Store::unmount_unused() {
    std::set<std::string> used;
    {
        std::lock_guard lock(mutex_);
        for (auto& [name, entry] : entries_)
            if (!entry->users.empty()) used.insert(name);
    }
    return local_->unmount_unused(used);
}

Result<void> Store::claim(const std::string& name) {
    auto [entry, operation] = TRY(locked(name));
    Record record = entry->record;
    if (record.made_for.empty()) return {};
    record.made_for.clear();
    TRY(records_->save(record, RecordTable::Durable::No));
    std::lock_guard lock(mutex_);
    entry->record = record;
    return {};
}

Result<void> Store::remove_unclaimed() {
    std::vector<std::string> claimed, unclaimed;
    {
        std::lock_guard lock(mutex_);
        for (auto& [name, entry] : entries_)
            if (!entry->record.made_for.empty()) (entry->references.empty() ? unclaimed : claimed).push_back(name);
    }
    for (auto& name : claimed) TRY(claim(name));
    for (auto& name : unclaimed) TRY(remove(name, false));
    return {};
}

std::vector<std::string> Store::driver_names() const {
    auto names = PluginDriver::known(plugins_);
    names.insert(names.begin(), std::string(kLocalDriver));
    return names;
}

Result<void> Store::fill_when_empty(const std::string& name, int from) {
    auto [entry, operation] = TRY(locked(name));
    auto* keeper = TRY(driver(entry->record.driver));
    bool used;
    {
        std::lock_guard lock(mutex_);
        used = !entry->users.empty();
    }
    std::string user = concat("copy-up-", random_hex(8));
    std::string path = TRY(keeper->mount(entry->record, user));
    auto filled = [&]() -> Result<void> {
        if (entry->record.driver == kLocalDriver) return local_->fill_when_empty(entry->record, from, used);
        if (!TRY(os::list_directory(path)).empty()) return {};
        return copy_tree(from, TRY(os::open_file(path, O_RDONLY | O_DIRECTORY)).get(), Keep::FilesOnly);
    }();
    auto unmounted = keeper->unmount(entry->record, user, !used);
    return filled ? unmounted : filled;
}

int64_t Store::size(const std::string& name) const {
    auto found = entry(name);
    if (!found || found->record.driver != kLocalDriver || has_options(found->record)) return -1;
    auto directory = os::open_file(local_->data(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return directory ? tree_size(directory->get()).value_or(-1) : -1;
}

}  // namespace proa::volume
