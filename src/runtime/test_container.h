#pragma once
#include <sys/stat.h>

#include <string>
#include <vector>

#include "runtime/launch.h"

// For tests: a busybox root file system, Docker's default plan, and a container that is run to its end.
namespace proa::runtime::test {

/// A directory under /tmp that is removed with all below it.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    const std::string& path() const { return path_; }
    std::string operator/(std::string_view name) const;

private:
    std::string path_;
};

/// Fills `directory` with a static busybox and the usual directories, /etc/passwd and /etc/group.
void make_busybox_root(const std::string& directory);

/// Namespaces, mounts, devices, masks and capabilities as Docker gives them by default, with an overlay over `lower` whose upper, work
/// and mount point are made in `work`.
Plan docker_plan(const std::string& lower, const std::string& work, std::vector<std::string> args);

struct Outcome {
    int code = -1;  ///< 128 + signal
    std::string out, err;
    std::string error;  ///< launch() failed
    int number = 0;
};
/// Launches, collects the output, reaps, removes the cgroup.
Outcome run(const Plan& plan, std::string_view input = {});

/// Open descriptors of this process, mounts of its namespace, cgroups below /proa-test, children: for leak tests.
struct Footprint {
    size_t descriptors = 0, mounts = 0, cgroups = 0, children = 0;
    auto operator<=>(const Footprint&) const = default;
};
Footprint footprint();

constexpr uint64_t kDockerCapabilities = 0xa80425fb;

}  // namespace proa::runtime::test
