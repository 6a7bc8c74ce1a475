#include "build/step_inputs.h"

#include <map>

#include "base/text.h"
#include "codec/digest.h"

namespace proa::build {

namespace {
constexpr size_t kHashLength = 16;
}  // namespace

void StepInputs::add(std::string name, std::string_view value) {
    inputs_.push_back({std::move(name), std::string(codec::Digest::of(value).hex().substr(0, kHashLength))});
}

std::optional<std::string> StepInputs::first_difference(const StepInputs& earlier) const {
    std::map<std::string_view, std::string_view> before;
    for (auto& [name, value] : earlier.inputs_) before.emplace(name, value);
    for (auto& [name, value] : inputs_) {
        auto known = before.find(name);
        if (known == before.end()) return name + " is new";
        if (known->second != value) return name + " has changed";
        before.erase(known);
    }
    for (auto& [name, value] : earlier.inputs_)
        if (before.contains(name)) return name + " is gone";
    return std::nullopt;
}

std::string StepInputs::print() const {
    std::string text;
    for (auto& [name, value] : inputs_) text += concat(value, name, '\0');
    return text;
}

StepInputs StepInputs::parse(std::string_view text) {
    StepInputs inputs;
    for (auto& line : split_nonempty(text, '\0'))
        if (line.size() > kHashLength) inputs.inputs_.push_back({line.substr(kHashLength), line.substr(0, kHashLength)});
    return inputs;
}

}  // namespace proa::build
