#pragma once
#include <functional>

#include "archive/request.h"
#include "codec/stream.h"
#include "engine/parts.h"

namespace proa::engine {

// Files in and out of containers, running or not, by proa-archive (rule C6). `reference` is what the client called the container, for
// messages. Errors: NotFound "Could not find the file /x in container c", and archive/container_path.h's.

/// API: HEAD /containers/{id}/archive.
Result<archive::PathStat> stat_container_path(Parts& parts, const container::ContainerPointer& container, const std::string& reference, const std::string& path);

/// Calls `begin` and then writes the tar of the path. API: GET /containers/{id}/archive.
Result<void> read_container_path(Parts& parts, const container::ContainerPointer& container, const std::string& reference, const std::string& path,
                                 const std::function<Result<void>(const archive::PathStat&)>& begin, codec::Sink& out);

struct WriteOptions {
    bool keep_kinds = false;   ///< noOverwriteDirNonDir
    bool own_by_user = false;  ///< copyUIDGID: all belongs to the container's user
};
/// Unpacks `tar` (compressed in any known way, or not) into the directory. API: PUT /containers/{id}/archive.
Result<void> write_container_path(Parts& parts, const container::ContainerPointer& container, const std::string& reference, const std::string& path,
                                  const WriteOptions& options, codec::Source& tar);

/// The root file system without mounts. Calls `begin` before the first byte. API: GET /containers/{id}/export.
Result<void> export_container(Parts& parts, const container::ContainerPointer& container, const std::function<Result<void>()>& begin, codec::Sink& out);

}  // namespace proa::engine
