#pragma once
#include <mutex>
#include <vector>

#include "engine/images.h"

namespace proa::engine {

/// The one stream that a build's client reads. Stages work at the same time, the client reads them one after the other: what belongs to a
/// later stage waits until the earlier ones are done. Thread-safe.
class BuildMessages {
public:
    BuildMessages(ProgressSink sink, bool quiet) : sink_(std::move(sink)), quiet_(quiet) {}

    /// The stages that will speak, in order.
    void expect(const std::vector<size_t>& stages);
    void done(size_t stage);

    void text(size_t stage, std::string text);  ///< {"stream":text}
    void standard_error(size_t stage, std::string_view text);  ///< the same in red, as Docker marks it
    void object(size_t stage, json::Object object);
    /// Of the build as a whole, also when it is quiet.
    void final_text(std::string text);
    void final_object(const json::Object& object);
    /// The client does not take messages any more.
    bool broken() const;

private:
    void send(const json::Object& object);

    ProgressSink sink_;
    bool quiet_;
    mutable std::mutex mutex_;
    bool broken_ = false;
    std::vector<size_t> order_;
    std::vector<bool> done_;
    std::vector<std::vector<json::Object>> waiting_;
    size_t current_ = 0;
};

}  // namespace proa::engine
