#pragma once
#include <optional>

#include "os/path_in_root.h"

namespace proa::build {

struct Owner {
    uint32_t uid = 0, gid = 0;
};

/// --chown and USER by /etc/passwd and /etc/group of `root`: "user" is its uid and primary gid, "1234" is 1234:1234, ":group" is
/// 0:gid. Errors: InvalidArgument with the classic builder's "unable to convert uid/gid chown string to host mapping: ...".
Result<Owner> find_owner(const std::string& text, const os::RootDirectory& root);

/// --chmod: octal, or symbolic as chmod(1) takes it ("u=rwX,go=rX"). InvalidArgument when it is neither.
class ModeChange {
public:
    static Result<ModeChange> parse(const std::string& text);
    mode_t apply(mode_t mode, bool directory) const;

private:
    struct Clause {
        mode_t who;  // 0700, 0070, 0007 joined
        char operation;
        std::string permissions;
    };
    std::optional<mode_t> absolute_;
    std::vector<Clause> clauses_;
};

}  // namespace proa::build
