#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "codec/stream.h"

namespace proa::store {

/// Pieces of bytes from one thread to another, at most a few megabytes on their way. One writer, one reader.
class PieceQueue {
public:
    explicit PieceQueue(size_t capacity = 16) : capacity_(capacity) {}
    /// Blocks while the queue is full. False when the reader has gone.
    bool push(std::string piece);
    void close();              ///< the writer is done: the reader sees the end
    void fail(Error error);    ///< the reader sees the error
    void abandon();            ///< the reader has gone: push() returns false from now on
    /// Blocks while the queue is empty; nullopt at the end.
    Result<std::optional<std::string>> pop();

private:
    size_t capacity_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> pieces_;
    bool closed_ = false, abandoned_ = false;
    std::optional<Error> error_;
};

/// The reading end of a queue as a source.
class QueueSource : public codec::Source {
public:
    explicit QueueSource(PieceQueue& queue) : queue_(queue) {}
    Result<std::string_view> pull() override;

private:
    PieceQueue& queue_;
    std::string piece_;
};

/// Pulls `inner` on a thread of its own, ahead of the reader: for stages that each keep a core busy. `inner` is borrowed, and not
/// touched any more once the destructor has returned.
class PrefetchSource : public codec::Source {
public:
    explicit PrefetchSource(codec::Source& inner);
    ~PrefetchSource() override;
    Result<std::string_view> pull() override { return reader_.pull(); }

private:
    PieceQueue queue_;
    QueueSource reader_{queue_};
    std::thread thread_;
};

}  // namespace proa::store
