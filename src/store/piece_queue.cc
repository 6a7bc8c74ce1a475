#include "store/piece_queue.h"

namespace proa::store {

bool PieceQueue::push(std::string piece) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return abandoned_ || pieces_.size() < capacity_; });
    if (abandoned_) return false;
    pieces_.push_back(std::move(piece));
    changed_.notify_all();
    return true;
}

void PieceQueue::close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
}

void PieceQueue::fail(Error error) {
    std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    closed_ = true;
    changed_.notify_all();
}

void PieceQueue::abandon() {
    std::lock_guard lock(mutex_);
    abandoned_ = true;
    pieces_.clear();
    changed_.notify_all();
}

Result<std::optional<std::string>> PieceQueue::pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !pieces_.empty(); });
    if (pieces_.empty()) {
        if (error_) return proa::fail(*error_);
        return std::optional<std::string>();
    }
    std::optional<std::string> piece(std::move(pieces_.front()));
    pieces_.pop_front();
    changed_.notify_all();
    return piece;
}

Result<std::string_view> QueueSource::pull() {
    auto piece = TRY(queue_.pop());
    piece_ = piece ? std::move(*piece) : std::string();
    return std::string_view(piece_);
}

PrefetchSource::PrefetchSource(codec::Source& inner) {
    thread_ = std::thread([this, &inner] {
        for (;;) {
            auto piece = inner.pull();
            if (!piece) return queue_.fail(std::move(piece).error());
            if (piece->empty()) return queue_.close();
            if (!queue_.push(std::string(*piece))) return;
        }
    });
}

PrefetchSource::~PrefetchSource() {
    queue_.abandon();
    thread_.join();
}

}  // namespace proa::store
