#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/pack.h"

// Messages between a shim and its engine: SOCK_SEQPACKET unix socket, one packed message each (docs/formats/shim.md), descriptors by
// SCM_RIGHTS. Every request gets exactly one Reply with its sequence number; events come unasked on every connection that subscribed.
namespace proa::shim {

constexpr uint32_t kProtocolVersion = 1;
constexpr size_t kMessageBytesMax = 64 * 1024;

enum class MessageType : uint8_t { Launch, Attach, Resize, Signal, Exec, CloseStdin, Query, Subscribe, Release, Reply, Event, ChangePorts };

enum class LogDriver : uint8_t { None, JsonFile };

struct LogSettings {
    LogDriver driver = LogDriver::None;
    std::string path;            ///< json-file: the active file; rotated ones get .1 .. .N (with `compress`: .N.gz)
    int64_t max_size = -1;       ///< bytes after which the file is rotated; -1: never
    int32_t max_files = 1;       ///< files kept including the active one
    bool compress = false;
    std::string attributes;      ///< JSON object text put into every line as "attrs"; empty: none
    template <class A>
    void visit(A& a) {
        a(driver, path, max_size, max_files, compress, attributes);
    }
};

/// A listening socket whose connections the shim carries to the container (IPv6 host side to an IPv4 container).
struct PortProxy {
    int32_t descriptor = -1;    ///< index among the message's descriptors
    std::string target_address; ///< numeric
    uint16_t target_port = 0;
    template <class A>
    void visit(A& a) {
        a(descriptor, target_address, target_port);
    }
};

/// Starts the container. Descriptors: [0] the plan's memfd, then those that the plan's indices mean (plan index i is descriptor
/// 1 + i), then sockets held open for the container's life (`held` of them) and those of `proxies` (absolute indices).
struct Launch {
    uint32_t version = kProtocolVersion;
    std::string container_id;
    std::string state_directory;   ///< holds shim.sock, running, exit; made by the engine, 0700
    uint32_t plan_descriptors = 0, held = 0;
    bool terminal = false, open_stdin = false, stdin_once = false;
    LogSettings log;
    std::vector<PortProxy> proxies;
    std::string foreign_runtime;   ///< path of crun or runc to drive instead of our own code; empty: own
    std::vector<std::string> foreign_runtime_args;
    std::string bundle_directory;  ///< for the foreign runtime
    std::string rootfs_mount;      ///< for the foreign runtime: where the plan's overlay is mounted
    template <class A>
    void visit(A& a) {
        a(version, container_id, state_directory, plan_descriptors, held, terminal, open_stdin, stdin_once, log, proxies,
          foreign_runtime, foreign_runtime_args, bundle_directory, rootfs_mount);
    }
};

/// Connects a client's stream (descriptor [0], a stream socket, owned by the shim from now on) with the container (exec_id empty)
/// or a running exec. The shim frames output (8-byte headers) when asked to, reads stdin raw, honours
/// half-close, and watches for the detach keys. It closes the stream when the process ends.
struct Attach {
    std::string exec_id;
    uint64_t attach_id = 0;      ///< named again in the Detached event
    bool use_stdin = false, use_stdout = false, use_stderr = false;
    bool framed = true;
    std::string detach_keys;     ///< raw bytes; empty: none
    std::string early_bytes;     ///< stdin bytes that came with the request head
    bool hold_close = false;     ///< keep the stream open after the process's end until the engine sent Release for it (at most 2 s),
                                 ///< so that a client that asks for the exit code after its stream's end finds it recorded
    template <class A>
    void visit(A& a) {
        a(exec_id, attach_id, use_stdin, use_stdout, use_stderr, framed, detach_keys, early_bytes, hold_close);
    }
};

struct Resize {
    std::string exec_id;
    uint16_t height = 0, width = 0;
    template <class A>
    void visit(A& a) {
        a(exec_id, height, width);
    }
};

struct Signal {
    std::string exec_id;  ///< empty: the init
    int32_t signal = 0;
    template <class A>
    void visit(A& a) {
        a(exec_id, signal);
    }
};

/// Starts an exec. Descriptors: [0] memfd of the packed runtime::ExecPlan, [1] (when `attach` is set) the client's stream.
struct Exec {
    std::string exec_id;
    bool terminal = false, open_stdin = false;
    std::optional<Attach> attach;
    std::string process_file;  ///< for a foreign runtime: the OCI process JSON that the engine wrote (the plan is not used then)
    template <class A>
    void visit(A& a) {
        a(exec_id, terminal, open_stdin, attach, process_file);
    }
};

/// Closes the standard input of the container (exec_id empty) or of an exec once everything sent before has been written.
/// An empty body means the container; the same holds for Query and Release.
struct CloseStdin {
    std::string exec_id;
    template <class A>
    void visit(A& a) {
        a(exec_id);
    }
};

/// Asks for the pid and whether the process runs.
struct Query {
    std::string exec_id;
    template <class A>
    void visit(A& a) {
        a(exec_id);
    }
};

/// The engine has recorded the exit. For the container: its reply comes when the cgroup and shim.sock are gone, then the shim
/// ends. For an exec: only its held streams are closed (Attach::hold_close).
struct Release {
    std::string exec_id;
    template <class A>
    void visit(A& a) {
        a(exec_id);
    }
};

/// Published ports of a running container change. Descriptors: `held` sockets to be kept for the container's life, then those of
/// `proxies` (absolute indices). Sockets bound to one of `closed` ("tcp 0.0.0.0 8080", "udp :: 53") are closed; connections go on.
struct ChangePorts {
    uint32_t held = 0;
    std::vector<PortProxy> proxies;
    std::vector<std::string> closed;
    template <class A>
    void visit(A& a) {
        a(held, proxies, closed);
    }
};

struct Request {
    MessageType type = MessageType::Query;
    uint64_t sequence = 0;
    std::string body;  ///< the packed message of `type`
    template <class A>
    void visit(A& a) {
        a(type, sequence, body);
    }
};

struct Reply {
    bool good = true;
    uint8_t error_kind = 0;  ///< ErrorKind
    int32_t error_number = 0;
    std::string error_message;
    int32_t pid = 0;         ///< Launch, Exec, Query: in the engine's pid namespace
    bool running = false;    ///< Query
    template <class A>
    void visit(A& a) {
        a(good, error_kind, error_number, error_message, pid, running);
    }
};

enum class EventType : uint8_t { Exited, ExecExited, Detached, OutOfMemory };

struct Event {
    EventType type = EventType::Exited;
    std::string exec_id;
    uint64_t attach_id = 0;
    int32_t exit_code = 0;       ///< 128 + n when a signal ended it
    bool out_of_memory = false;
    int64_t time_unix_nano = 0;
    template <class A>
    void visit(A& a) {
        a(type, exec_id, attach_id, exit_code, out_of_memory, time_unix_nano);
    }
};

/// The files `running` and `exit` of the state directory: packed, written by rename. A shim that dies leaves `running` without `exit`.
struct RunningRecord {
    uint32_t version = kProtocolVersion;
    std::string container_id, boot_id;
    int32_t shim_pid = 0, init_pid = 0;
    uint64_t shim_start_time = 0, init_start_time = 0;  ///< field 22 of /proc/PID/stat
    int64_t started_unix_nano = 0;
    template <class A>
    void visit(A& a) {
        a(version, container_id, boot_id, shim_pid, init_pid, shim_start_time, init_start_time, started_unix_nano);
    }
};
struct ExitRecord {
    uint32_t version = kProtocolVersion;
    int32_t exit_code = 0;
    bool out_of_memory = false;
    int64_t finished_unix_nano = 0;
    template <class A>
    void visit(A& a) {
        a(version, exit_code, out_of_memory, finished_unix_nano);
    }
};

}  // namespace proa::shim
