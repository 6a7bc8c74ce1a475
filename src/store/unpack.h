#pragma once
#include "codec/tar.h"
#include "os/path_in_root.h"

namespace proa::store {

/// How the directory of an unpacked layer says what it hides of the layers below.
enum class LayerForm {
    Overlay,  ///< as overlayfs: `.wh.x` becomes a 0:0 character device, `.wh..wh..opq` the attribute trusted.overlay.opaque
    Plain,    ///< as the archive: empty regular files of those names, on any file system (store/merged_tree.h)
};

struct Unpacked {
    uint64_t size = 0;     ///< bytes of all regular files, as Docker counts a layer
    uint64_t entries = 0;
};

/// Writes the entries of one layer into the directory `root` (empty before), in the given form. Whiteouts speak of lower layers only
/// and so never hide an entry of this layer, whatever the order. Reads `tar` to its end.
///
/// Rule C7: every parent is opened inside the root by openat2, entries are made and changed by descriptor, names with ".." are
/// refused, hard links are looked up inside the root and not followed. Attributes in overlayfs' own namespaces are dropped:
/// they would let a layer redirect lookups. Missing parents are made with mode 0755; of equal names the last wins.
/// Errors: InvalidArgument for damaged or hostile archives, else what the file system said, naming the entry.
/// Needs CAP_CHOWN, CAP_FOWNER, CAP_MKNOD, CAP_SYS_ADMIN as root has them. Spec: OCI image-spec layer.md
Result<Unpacked> unpack_layer(codec::Source& tar, const os::RootDirectory& root, LayerForm form = LayerForm::Overlay, const codec::TarLimits& limits = {});

/// Unpacks one entry after another as a plain archive: names starting with `.wh.` mean nothing special, existing files are replaced.
Result<Unpacked> unpack_archive(codec::Source& tar, const os::RootDirectory& root, const codec::TarLimits& limits = {});

struct ArchiveOptions {
    std::optional<std::string> into;  ///< the existing directory that all names are below, from the root on, links resolved; it keeps its own mode and times
    bool keep_kinds = false;          ///< an entry never replaces a directory by something else, nor the other way round (Internal, EEXIST, with Docker's text)
    std::optional<std::pair<int64_t, int64_t>> owner;  ///< uid and gid of all entries
};
/// The same below a directory of a root that is in use: parents may lead through symbolic links, which end inside the root.
Result<Unpacked> unpack_archive_into(codec::Source& tar, const os::RootDirectory& root, ArchiveOptions options);

}  // namespace proa::store
