#pragma once
#include <functional>

#include "engine/parts.h"

namespace proa::engine {

struct AttachOptions {
    bool logs = false, stream = false, use_stdin = false, use_stdout = false, use_stderr = false;
    bool raw = false;         ///< bytes of both outputs as they come, without frames
    std::string detach_keys;  ///< raw bytes
};

/// Docker's detach key grammar ("ctrl-p,ctrl-q", "a,b") as raw bytes; "" is the default sequence.
/// Errors: InvalidArgument `Invalid detach keys (x) provided`.
Result<std::string> parse_detach_keys(const std::string& text);

/// Errors: Conflict (paused, restarting).
Result<void> check_attachable(const container::Container& container);

/// A client's connection after its response head was written.
struct ClientStream {
    os::Fd stream;
    std::string early_bytes;  ///< what the client sent behind its request
};
/// Waits a moment for the client to read the response head. Clients that read it through a buffer and then go on with the bare socket
/// (docker-py) would lose what came with it; Docker is too slow for them to notice.
void wait_for_reader(const os::Fd& stream);

using OpenStream = std::function<Result<ClientStream>()>;

/// Gives the client's stream to the container: at once when it runs, else when it starts. With `logs` what was logged is written first.
/// `open` writes the response head: the client may start the container as soon as it has read that, so it is called with starts held off.
Result<void> attach_container(Parts& parts, const container::ContainerPointer& container, const AttachOptions& options, const OpenStream& open);

}  // namespace proa::engine
