#pragma once
#include <map>
#include <string>
#include <vector>

#include "codec/json/value.h"

namespace proa::cli {

/// A live build as its client knows it: the steps that have begun, in that order, each with its times and its last lines of output.
/// Times are nanoseconds of the caller's clock.
class BuildBoard {
public:
    enum class State { Running, Done, Cached, Failed };
    struct Step {
        std::string name;  ///< "[builder 2/4] RUN make"
        State state = State::Running;
        int64_t began = 0, ended = 0;
        std::vector<std::string> lines;  ///< the last ones, without control characters
        std::string rest;                ///< of the line that has not ended
    };

    /// Takes one message of the stream; what is no message of a step is left to the caller: false.
    bool see(const json::Value& message, int64_t now);

    const std::vector<Step>& steps() const { return steps_; }
    /// The index of the step that the last message changed.
    size_t changed() const { return changed_; }
    size_t done() const;

    /// What a terminal of that size shows: the head line, then each step with its time at the right, running and failed ones with their last
    /// lines. The oldest finished steps give way when there are too many.
    std::vector<std::string> draw(int64_t now, size_t columns, size_t rows) const;

private:
    std::vector<Step> steps_;
    std::map<int64_t, size_t> current_;  // by stage
    size_t changed_ = 0;
    int64_t began_ = -1;
};

/// Text for one line of a terminal: no escape sequences, no control characters, of a line that was overwritten by "\r" what stands last.
std::string plain_line(std::string_view text);

}  // namespace proa::cli
