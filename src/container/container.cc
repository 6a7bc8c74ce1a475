#include "container/container.h"

namespace proa::container {

std::optional<WaitResult> Waiter::result() const {
    std::lock_guard lock(mutex_);
    return result_;
}

void Waiter::finish(WaitResult result) {
    std::lock_guard lock(mutex_);
    if (result_) return;
    result_ = std::move(result);
    os::signal_eventfd(ready_.get());
}

Result<std::shared_ptr<Waiter>> Container::wait_for(WaitCondition condition) {
    auto waiter = std::make_shared<Waiter>();
    waiter->condition_ = condition;
    waiter->ready_ = TRY(os::make_eventfd());
    std::lock_guard lock(mutex_);
    if (condition == WaitCondition::NotRunning && !record_.state.running) {
        waiter->finish(WaitResult{record_.state.exit_code, ""});
        return waiter;
    }
    std::erase_if(waiters_, [](auto& other) { return other.use_count() == 1; });  // clients that went away
    waiters_.push_back(waiter);
    return waiter;
}

void Container::notify_exited(int64_t exit_code) {
    std::lock_guard lock(mutex_);
    std::erase_if(waiters_, [&](auto& waiter) {
        if (waiter->condition_ == WaitCondition::Removed) return false;
        waiter->finish(WaitResult{exit_code, ""});
        return true;
    });
}

void Container::notify_removed(int64_t exit_code, std::string error) {
    std::lock_guard lock(mutex_);
    for (auto& waiter : waiters_) waiter->finish(WaitResult{exit_code, error});
    waiters_.clear();
}

size_t Container::waiter_count() const {
    std::lock_guard lock(mutex_);
    return waiters_.size();
}

void Container::add_pending_attach(PendingAttach attach) {
    std::lock_guard lock(mutex_);
    pending_attaches_.push_back(std::move(attach));
}

std::vector<PendingAttach> Container::take_pending_attaches() {
    std::lock_guard lock(mutex_);
    return std::exchange(pending_attaches_, {});
}

Result<ContainerPointer> Table::find(std::string_view reference) const {
    std::lock_guard lock(mutex_);
    if (auto exact = by_id_.find(reference); exact != by_id_.end()) return exact->second;
    std::string_view name = trim_prefix(reference, "/");
    if (auto named = by_name_.find(name); named != by_name_.end()) return named->second;
    if (!reference.empty()) {
        auto first = by_id_.lower_bound(reference);
        if (first != by_id_.end() && first->first.starts_with(reference)) {
            auto next = std::next(first);
            if (next != by_id_.end() && next->first.starts_with(reference))
                return fail(ErrorKind::InvalidArgument, concat("Multiple IDs found with provided prefix: ", reference));
            return first->second;
        }
    }
    return fail(ErrorKind::NotFound, concat("No such container: ", reference));
}

std::vector<ContainerPointer> Table::all() const {
    std::vector<std::pair<Time, ContainerPointer>> sorted;
    {
        std::lock_guard lock(mutex_);
        sorted.reserve(by_id_.size());
        for (auto& [id, container] : by_id_)
            sorted.emplace_back(container->read([](const Record& record) { return record.created; }), container);
    }
    std::stable_sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return a.first > b.first; });
    std::vector<ContainerPointer> containers;
    containers.reserve(sorted.size());
    for (auto& [created, container] : sorted) containers.push_back(std::move(container));
    return containers;
}

Result<void> Table::check_free(const std::string& name) const {
    auto taken = by_name_.find(name);
    if (taken == by_name_.end()) return {};
    return fail(ErrorKind::Conflict,
                concat("Conflict. The container name \"/", name, "\" is already in use by container \"", taken->second->id(),
                       "\". You have to remove (or rename) that container to be able to reuse that name."));
}

Result<void> Table::add(ContainerPointer container) {
    std::string name = container->name();
    std::lock_guard lock(mutex_);
    TRY(check_free(name));
    by_name_[name] = container;
    by_id_[container->id()] = std::move(container);
    return {};
}

Result<void> Table::rename(const ContainerPointer& container, const std::string& name) {
    std::lock_guard lock(mutex_);
    TRY(check_free(name));
    by_name_.erase(container->name());
    container->change([&](Record& record) { record.name = name; });
    by_name_[name] = container;
    return {};
}

bool Table::is_free(const std::string& name) const {
    std::lock_guard lock(mutex_);
    return !by_name_.contains(name);
}

void Table::remove(const Container& container) {
    std::string name = container.name();
    std::lock_guard lock(mutex_);
    by_name_.erase(name);
    by_id_.erase(container.id());
}

size_t Table::size() const {
    std::lock_guard lock(mutex_);
    return by_id_.size();
}

}  // namespace proa::container
