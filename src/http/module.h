#pragma once
#include "base/result.h"

namespace proa::http {

/// Loads a shared object of ours and gives the address of `symbol` in it. Looks beside the program (a build tree), in lib/proa
/// next to its bin/, and where packages put it; never along a search path. The object stays loaded.
/// Errors: Unsupported, naming the object and why.
Result<void*> load_module(const char* file_name, const char* symbol);

}  // namespace proa::http
