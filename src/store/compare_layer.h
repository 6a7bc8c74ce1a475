#pragma once
#include <string>

#include "codec/stream.h"
#include "os/path_in_root.h"
#include "store/unpack.h"

namespace proa::store {

/// Compares a layer that was unpacked in this form with the uncompressed tar stream that it came from: types, content, modes, owners, link targets and
/// what is missing. Returns the first difference in words ("etc/passwd: content differs"), empty when there is none. What stands in
/// the directory beside it is not looked for. Errors: those of reading `tar`.
Result<std::string> compare_layer(codec::Source& tar, const os::RootDirectory& root, LayerForm form = LayerForm::Overlay);

}  // namespace proa::store
