#pragma once
#include <sys/types.h>

#include "archive/request.h"
#include "os/fd.h"

namespace proa::archive {

/// The daemon's side of one running proa-archive. Ends and reaps it when destroyed. Not thread-safe.
class Helper {
public:
    /// `program` is an absolute path. `root` is descriptor 5 of the program and `user` descriptor 6, -1: none.
    static Result<Helper> start(const std::string& program, const Request& request, int root, int user = -1);
    Helper(Helper&& other) noexcept;
    Helper& operator=(Helper&&) = delete;
    ~Helper();

    /// The next reply, which must be good. Errors: the helper's own; Internal when it ended without a word.
    Result<Reply> reply();
    os::Fd& input() { return input_; }    ///< the tar for Write; reset() is its end
    os::Fd& output() { return output_; }  ///< the tar of Read and Export

private:
    Helper() = default;
    pid_t pid_ = -1;
    os::Fd status_, input_, output_;
};

}  // namespace proa::archive
