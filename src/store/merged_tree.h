#pragma once
#include <sys/stat.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/layer_diff.h"

// What the vfs driver does instead of an overlay mount. Its layers are unpacked in the archive's own form: `.wh.x` and `.wh..wh..opq` are empty
// regular files, so that any file system can hold them. Spec: OCI image-spec layer.md
namespace proa::store {

/// Fills the empty directory `target` with what the layers `lower` (top first) show together: a copy, shared by the file system where it can.
Result<void> merge_layers(const std::vector<std::string>& lower, const std::string& target);

/// What the layers show together, without a copy: the status of each entry, and which layer has it.
class LayerIndex {
public:
    struct Node {
        struct stat status{};
        size_t layer = 0;  ///< number in `lower`
        std::map<std::string, std::unique_ptr<Node>> children;
    };
    LayerIndex() : root_(std::make_unique<Node>()) {}
    static Result<LayerIndex> of(const std::vector<std::string>& lower);  ///< top first
    const Node& root() const { return *root_; }
    /// "/etc/passwd"; nullptr when there is none. Links are not followed.
    const Node* find(std::string_view path) const;
    const std::string& directory(size_t layer) const { return lower_[layer]; }

private:
    std::vector<std::string> lower_;
    std::unique_ptr<Node> root_;
};

/// What the tree `root`, made by merge_layers() of `lower`, has become since, as `docker diff`: sorted by path. The tree may be in use. A file counts
/// as changed by kind, mode, owner, size, time of modification, device number and extended attributes; a directory by mode, owner, attributes
/// and changes below it.
Result<std::vector<Change>> tree_changes(const std::string& root, const std::vector<std::string>& lower);

/// Bytes of all regular files among the changes.
Result<uint64_t> changes_size(const std::string& root, const std::vector<Change>& changes);

/// Makes the empty directory `target` a layer of these changes of `root`.
Result<void> copy_changes(const std::string& root, const std::vector<Change>& changes, const std::string& target);

}  // namespace proa::store
