#pragma once
#include "engine/parts.h"
#include "engine/transfer_progress.h"
#include "registry/repository.h"
#include "store/image_store.h"

namespace proa::engine {

/// Brings configuration and layers of a manifest into the store: several layers at a time, each hashed, inflated and unpacked while
/// it arrives. A connection that is cut is taken up where it ended, also by a later pull. `news` becomes true when a layer came.
/// Errors: the first that a layer met; the others are given up.
Result<void> fetch_content(Parts& parts, registry::Repository& repository, TransferProgress& progress, store::Lease& lease, const oci::Manifest& manifest, bool& news);

}  // namespace proa::engine
