// Fuzz target of the message unpacker: clang++ -fsanitize=fuzzer,address,undefined -std=c++23 -Isrc protocol_fuzz.cc
// (with base/ and the modules that the plan's types come from).
#include <cstdlib>

#include "runtime/plan.h"
#include "shim/protocol.h"

namespace {
/// What unpacks must pack to the same bytes, except for booleans, whose value may be written in more than one way.
template <class Message>
void try_message(std::string_view bytes) {
    auto message = proa::unpack<Message>(bytes);
    if (!message) return;
    auto again = proa::unpack<Message>(proa::pack(*message));
    if (!again || proa::pack(*again) != proa::pack(*message)) abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace proa;
    std::string_view bytes(reinterpret_cast<const char*>(data), size);
    try_message<shim::Request>(bytes);
    try_message<shim::Launch>(bytes);
    try_message<shim::Attach>(bytes);
    try_message<shim::Exec>(bytes);
    try_message<shim::Resize>(bytes);
    try_message<shim::Signal>(bytes);
    try_message<shim::Release>(bytes);
    try_message<shim::Reply>(bytes);
    try_message<shim::Event>(bytes);
    try_message<shim::RunningRecord>(bytes);
    try_message<shim::ExitRecord>(bytes);
    try_message<runtime::Plan>(bytes);
    try_message<runtime::ExecPlan>(bytes);
    return 0;
}
