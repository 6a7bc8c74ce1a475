#pragma once
#include <cstdint>
#include <string>

#include "cgroup/layout.h"
#include "cgroup/limits.h"

// Private to cgroup/: limits as writes to the files of either version.
namespace proa::cgroup {

Result<void> apply_v1(const Layout& layout, const std::string& path, const Limits& limits);
/// `hierarchy` is the cgroup2 one; only the limits of its controllers when the layout is a hybrid.
Result<void> apply_v2(const Layout& layout, const Hierarchy& hierarchy, const std::string& path, const Limits& limits);

/// cpu.shares (2 .. 262144) as cpu.weight (1 .. 10000), 1024 giving 100: runc 1.3.2's curve.
uint64_t weight_of_shares(uint64_t shares);
/// blkio.weight (10 .. 1000) as io.weight (1 .. 10000).
uint64_t io_weight_of_blkio_weight(uint64_t weight);

/// One line of rdma.max.
std::string rdma_line(const RdmaLimit& limit);

}  // namespace proa::cgroup
