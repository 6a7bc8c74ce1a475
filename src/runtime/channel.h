#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "os/fd.h"

// Private to runtime/: what an init that is being set up and its starter say to each other, over a SOCK_SEQPACKET pair that both hold
// close-on-exec. The end of the stream after Executing means that the program runs.
namespace proa::runtime {

enum class Word : uint8_t {
    // from the new process
    Failure,    ///< it failed and exits; packed FailureText
    Spawned,    ///< from a helper: the pid of the init as the starter sees it; its pidfd
    MapUsers,   ///< write my uid_map and gid_map; wants Go
    Prepared,   ///< the root file system stands, not yet entered; wants Go
    Console,    ///< the pty's master
    Ready,      ///< create(): waits at the gate; wants Go
    Executing,  ///< next is execve(2)
    SeccompListener,  ///< the notify descriptor of its filter
    // to it
    Go,
};

struct Message {
    Word word = Word::Failure;
    int32_t kind = 0, number = 0;  ///< Failure: ErrorKind, errno. Spawned: number is the pid
    std::string text;
    template <class A>
    void visit(A& a) {
        a(word, kind, number, text);
    }
};

struct Incoming {
    Message message;
    os::Fd fd;
};

/// One end. Owns nothing: the Fd belongs to the caller.
class Channel {
public:
    explicit Channel(int fd) : fd_(fd) {}
    Result<void> say(Word word, int fd = -1, int32_t number = 0) const;
    void say_failure(const Error& error) const;  ///< as well as it can
    /// nullopt: the other side is gone.
    Result<std::optional<Incoming>> hear() const;
    /// Waits for Go; an error when the starter is gone.
    Result<void> wait_for_go() const;
    int fd() const { return fd_; }

private:
    int fd_;
};

Error error_of(const Message& failure);

}  // namespace proa::runtime
