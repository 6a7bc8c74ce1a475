#pragma once
#include <mutex>
#include <vector>

#include "engine/images.h"

namespace proa::engine {

/// How a client reads a build. Formats: docs/formats/build-cache.md
enum class BuildTelling {
    Classic,  ///< the stages one after the other, in the classic builder's words
    Quiet,    ///< the image's id
    Live,     ///< as it happens: each object names its stage, and steps say when they begin and end
};

/// The one stream that a build's client reads. Stages work at the same time, a classic client reads them one after the other: what belongs
/// to a later stage waits until the earlier ones are done. Thread-safe.
class BuildMessages {
public:
    BuildMessages(ProgressSink sink, BuildTelling telling) : sink_(std::move(sink)), telling_(telling) {}

    /// The stages that will speak, in order.
    void expect(const std::vector<size_t>& stages);
    void done(size_t stage);

    void text(size_t stage, std::string text);                 ///< {"stream":text}: output of commands
    void classic(size_t stage, std::string text);              ///< the same for the classic builder's own lines, which live clients draw themselves
    void standard_error(size_t stage, std::string_view text);  ///< the same in red, as Docker marks it
    void object(size_t stage, json::Object object);
    /// For live clients: a step of a stage is "running", or ended as "done", "cached" or "failed".
    struct Step {
        std::string stage_name, text;
        int number = 0, count = 0;
    };
    void step(size_t stage, const Step& step, std::string_view state);
    /// Of the build as a whole, also when it is quiet.
    void final_text(std::string text);
    void final_object(const json::Object& object);
    /// The client does not take messages any more.
    bool broken() const;

private:
    void send(const json::Object& object);

    ProgressSink sink_;
    BuildTelling telling_;
    mutable std::mutex mutex_;
    bool broken_ = false;
    std::vector<size_t> order_;
    std::vector<bool> done_;
    std::vector<std::vector<json::Object>> waiting_;
    size_t current_ = 0;
};

}  // namespace proa::engine
