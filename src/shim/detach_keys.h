#pragma once
#include <string>
#include <string_view>

namespace proa::shim {

/// Finds the detach sequence in a client's input, over any split into reads. Bytes that may begin the sequence are held back
/// and given out when it turns out to be something else. As in Docker, the byte that breaks a beginning is not looked at as a
/// new beginning: with ctrl-p,ctrl-q the input ctrl-p ctrl-p ctrl-q passes unchanged.
class DetachKeys {
public:
    explicit DetachKeys(std::string sequence) : sequence_(std::move(sequence)) {}

    /// Appends to `out` what goes on to the process; true when the sequence is complete (what follows it is dropped).
    bool filter(std::string_view input, std::string& out);
    /// What is held back, at the end of the input.
    std::string_view held() const { return std::string_view(sequence_).substr(0, matched_); }

private:
    std::string sequence_;
    size_t matched_ = 0;
};

}  // namespace proa::shim
