#pragma once
#include <optional>
#include <string>

#include "client/client.h"

// The two directions of `cp`. API: section archive; the naming rules are those of Unix cp with Docker's additions ("DIR/.").
namespace proa::cli {

struct CopyOptions {
    bool archive = false;      ///< keep owner and group
    bool follow_link = false;  ///< a symbolic link as source means its target
};

/// One side of a copy: what stands at the path, as far as the rules ask.
struct CopyEnd {
    std::string path;  ///< absolute; a trailing "/" or "/." is kept
    bool exists = false, directory = false;
};

/// Where a copied tree goes and what its root is called there; `new_name` is unset when the names stay.
/// Errors: InvalidArgument `cannot copy directory`, `no such directory`.
struct CopyPlan {
    std::string directory;
    std::optional<std::string> new_name;
};
Result<CopyPlan> plan_copy(const CopyEnd& source, const CopyEnd& destination);

/// An entry's name with its first component replaced: ("d/x", "e") gives "e/x".
std::string renamed_entry(std::string_view name, const std::optional<std::string>& new_name);

Result<void> copy_from_container(client::Client& engine, const std::string& container, const std::string& source, const std::string& destination,
                                 const CopyOptions& options);
Result<void> copy_to_container(client::Client& engine, const std::string& source, const std::string& container, const std::string& destination,
                               const CopyOptions& options);

/// The archive in `answer` below `directory`, which is made when it is missing; files belong to the caller.
Result<void> unpack_files(client::Connection& answer, const std::string& directory);

}  // namespace proa::cli
