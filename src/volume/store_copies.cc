#include <fcntl.h>
#include <unistd.h>

#include "os/file.h"
#include "volume/copy_tree.h"
#include "volume/store.h"

// What Docker has not: volumes from volumes and from archives.
namespace proa::volume {

namespace {

Result<void> sync(int directory, const std::string& name) {
    if (::syncfs(directory) < 0) return fail_errno("syncfs", name);
    return {};
}

}  // namespace

Result<docker::Volume> Store::create_filled(const std::string& name, docker::OptionalStringMap labels, const std::function<Result<void>(int)>& fill) {
    TRY_WRAP("create " + name, check_local_name(name));
    auto fresh = std::make_shared<Entry>();
    fresh->record.name = name;
    fresh->record.created = now();
    fresh->record.labels = std::move(labels);
    fresh->record.filling = true;
    std::unique_lock operation(fresh->operation);
    {
        std::lock_guard lock(mutex_);
        if (!entries_.try_emplace(name, fresh).second) return fail(ErrorKind::Conflict, concat("create ", name, ": a volume of this name exists already"));
    }
    auto filled = [&]() -> Result<docker::Volume> {
        TRY(records_->save(fresh->record));
        TRY(local_->create(fresh->record));
        os::Fd directory = TRY(os::open_file(local_->data(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        TRY(fill(directory.get()));
        TRY(sync(directory.get(), name));
        Record done = fresh->record;
        done.filling = false;
        TRY(records_->save(done));
        {
            std::lock_guard lock(mutex_);
            fresh->record.filling = false;
        }
        return view(done);
    }();
    if (filled) return filled;
    (void)local_->remove(fresh->record);  // boot clears away what cannot be removed now: the record still says `filling`
    (void)records_->remove(name);
    forget(fresh);
    return fail(std::move(filled).error().wrap(concat("create ", name)));
}

Result<docker::Volume> Store::copy(const std::string& from, const std::string& to, docker::OptionalStringMap labels) {
    auto [source, operation] = TRY(locked(from));
    std::string user = concat("copy-", to);
    auto* keeper = TRY(driver(source->record.driver));
    std::string path = TRY(keeper->mount(source->record, user));
    auto copied = create_filled(to, std::move(labels), [&](int directory) -> Result<void> {
        return copy_tree(TRY(os::open_file(path, O_RDONLY | O_DIRECTORY)).get(), directory, Keep::All);
    });
    bool last;
    {
        std::lock_guard lock(mutex_);
        last = source->users.empty();
    }
    auto unmounted = keeper->unmount(source->record, user, last);
    if (copied && !unmounted) return fail(std::move(unmounted).error());
    return copied;
}

Result<docker::Volume> Store::rename(const std::string& from, const std::string& to) {
    TRY_WRAP("rename " + from, check_local_name(to));
    auto [entry, operation] = TRY(locked(from));
    if (entry->record.driver != kLocalDriver)
        return fail(ErrorKind::Unsupported, concat("rename ", from, ": volumes of driver ", entry->record.driver, " cannot be renamed"));
    auto fresh = std::make_shared<Entry>();
    std::unique_lock fresh_operation(fresh->operation);
    fresh->record = entry->record;
    fresh->record.name = to;
    fresh->record.renamed_from = from;
    {
        std::lock_guard lock(mutex_);
        if (!entry->references.empty())
            return fail(ErrorKind::Conflict, concat("rename ", from, ": volume is in use - [", join({entry->references.begin(), entry->references.end()}, ", "), "]"));
        if (!entries_.try_emplace(to, fresh).second) return fail(ErrorKind::Conflict, concat("rename ", from, ": a volume ", to, " exists already"));
        entry->gone = true;  // nobody may refer to it any more
        entries_.erase(from);
    }
    auto renamed = [&]() -> Result<void> {
        TRY(records_->save(fresh->record));
        return local_->rename(from, to);
    }();
    if (!renamed) {
        (void)records_->remove(to);
        forget(fresh);
        std::lock_guard lock(mutex_);
        entry->gone = false;
        entries_[from] = entry;
        return fail(std::move(renamed).error().wrap(concat("rename ", from)));
    }
    TRY(records_->remove(from));
    Record done = fresh->record;
    done.renamed_from.clear();
    TRY(records_->save(done));
    {
        std::lock_guard lock(mutex_);
        fresh->record = done;
    }
    return view(done);
}

}  // namespace proa::volume
