#pragma once
#include "cli/streams.h"

namespace proa::cli {

/// What copy_container_streams needs to know about a container or exec session.
struct ContainerStreams {
    bool tty = false, input = false, output = true, error_output = true, proxy_signals = false;
    std::string detach_keys;  ///< bytes
};
/// copy_streams with raw mode, window size and signals of the container (or exec) at `api_path`.
Result<StreamResult> copy_container_streams(client::Client& engine, const std::string& api_path, client::RawStream& raw,
                                            const ContainerStreams& streams, SignalWatch& signals);

}  // namespace proa::cli
