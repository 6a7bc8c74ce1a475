#pragma once
#include <mutex>
#include <string>
#include <vector>

#include "compose/progress.h"

namespace proa::cli {

/// Shows the steps of a compose command on standard error: a line each, or on a terminal a line for each thing that is redrawn. Thread-safe.
class ProgressView {
public:
    enum class Kind { Plain, Terminal, Quiet, Json };
    explicit ProgressView(Kind kind) : kind_(kind) {}
    ~ProgressView() { finish(); }
    ProgressView(const ProgressView&) = delete;
    ProgressView& operator=(const ProgressView&) = delete;

    void show(const compose::ProgressEvent& event);
    /// What comes next starts a picture of its own.
    void finish();
    Kind kind() const { return kind_; }

private:
    struct Line {
        compose::ProgressEvent event;
        int64_t began = 0, ended = 0;  ///< monotonic nanoseconds; ended 0: not yet
    };
    void draw();

    Kind kind_;
    std::mutex mutex_;
    std::vector<Line> lines_;
    size_t drawn_ = 0;  ///< lines on the terminal that belong to the picture
};

}  // namespace proa::cli
