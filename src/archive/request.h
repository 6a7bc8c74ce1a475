#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/pack.h"
#include "runtime/plan.h"

// What the daemon asks proa-archive to do, and what it hears. docs/formats/archive.md
namespace proa::archive {

constexpr uint32_t kProtocolVersion = 2;

// Descriptors of the program; 0 is the tar that it reads, 1 the tar that it writes.
constexpr int kStatusDescriptor = 3;   ///< SOCK_SEQPACKET: packed Reply messages
constexpr int kRequestDescriptor = 4;  ///< a file with the packed Request
constexpr int kRootDescriptor = 5;     ///< of a running container: its root (O_PATH), or for Export its mount namespace
constexpr int kUserDescriptor = 6;     ///< with `mapped`: the container's user namespace, or one with the same maps

enum class Verb : uint8_t {
    Stat,     ///< what stands at a path
    Read,     ///< writes it as tar
    Write,    ///< unpacks a tar into a directory
    Export,   ///< the root file system as tar, without what is mounted on it
};

/// A place of the container where something else than its root file system is mounted.
struct MountPlace {
    std::string destination;
    bool writable = true;
    template <class A>
    void visit(A& a) {
        a(destination, writable);
    }
};

struct Request {
    uint32_t version = kProtocolVersion;
    Verb verb = Verb::Stat;
    bool running = false;       ///< descriptor 5 is there; else `plan` says what to mount
    runtime::Plan plan;         ///< root and mounts only
    std::string container;      ///< as the client called it, for messages
    std::string path;           ///< as the client gave it
    bool keep_kinds = false;    ///< Write: a directory never replaces a file, nor a file a directory
    std::optional<std::string> owner;  ///< Write: all belongs to this user of the container ("app", "1000:50")
    bool read_only_root = false;
    bool mapped = false;        ///< the container has a user namespace: tars tell the ids of inside, and the work is done as its root
    std::vector<MountPlace> mounts;
    template <class A>
    void visit(A& a) {
        a(version, verb, running, plan, container, path, keep_kinds, owner, read_only_root, mapped, mounts);
    }
};

/// API: X-Docker-Container-Path-Stat.
struct PathStat {
    std::string name;
    int64_t size = 0;
    uint32_t mode = 0;  ///< Go's os.FileMode
    int64_t modified_seconds = 0;
    uint32_t modified_nanoseconds = 0;
    std::string link_target;  ///< of a symbolic link: where it leads in the end, from the container's root
    template <class A>
    void visit(A& a) {
        a(name, size, mode, modified_seconds, modified_nanoseconds, link_target);
    }
};

/// Comes twice: once before the first byte of tar passes, and once at the end. After one that is not good nothing follows.
struct Reply {
    bool good = true;
    uint8_t error_kind = 0;
    int32_t error_number = 0;
    std::string error_message;
    PathStat stat;  ///< in the first one of Stat and Read
    template <class A>
    void visit(A& a) {
        a(good, error_kind, error_number, error_message, stat);
    }
};

}  // namespace proa::archive
