#pragma once
#include "cli/table.h"

namespace proa::cli {

/// The fields of `ps` for one entry of the list of containers. The entry must outlive the row.
Row container_row(const json::Value& container, bool truncate);

}  // namespace proa::cli
