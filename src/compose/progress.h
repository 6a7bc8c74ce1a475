#pragma once
#include <functional>
#include <string>

namespace proa::compose {

/// One step of a thing's way: "Container app-db-1", "Starting".
struct ProgressEvent {
    enum class State { Working, Done, Warning, Failed };
    std::string subject, text;
    State state = State::Working;
    std::string detail;  ///< of a failure
};
/// Gets every step as it happens, from any thread.
using Report = std::function<void(const ProgressEvent&)>;

inline void working(const Report& report, std::string subject, std::string text) {
    report({std::move(subject), std::move(text), ProgressEvent::State::Working, {}});
}
inline void done(const Report& report, std::string subject, std::string text) { report({std::move(subject), std::move(text), ProgressEvent::State::Done, {}}); }
inline void failed(const Report& report, std::string subject, std::string detail) {
    report({std::move(subject), "Error", ProgressEvent::State::Failed, std::move(detail)});
}

}  // namespace proa::compose
