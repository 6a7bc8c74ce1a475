#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::build {

/// What one step of a build depends on: each input by the name that the writer of the Dockerfile knows it by ("the command", "ARG VERSION",
/// "src/main.py"), in the order in which a reader would look, with a short hash of its value. Values themselves are not kept: they may be secret.
class StepInputs {
public:
    void add(std::string name, std::string_view value);

    /// Name and fate of the first input that differs from what it was ("src/main.py has changed", "ARG A is new", "app.js is gone");
    /// nullopt when none does.
    std::optional<std::string> first_difference(const StepInputs& earlier) const;

    std::string print() const;
    static StepInputs parse(std::string_view text);

private:
    struct Input {
        std::string name, value;
    };
    std::vector<Input> inputs_;
};

}  // namespace proa::build
