#include "engine/build_mount_archives.h"

#include <fcntl.h>

#include "base/text.h"
#include "build/cache.h"
#include "codec/compression.h"
#include "codec/tar_tree.h"
#include "engine/build_stage.h"
#include "os/file.h"
#include "store/unpack.h"

namespace proa::engine {

Result<void> export_build_mount(Parts& parts, const std::string& id, const std::function<Result<void>()>& begin, codec::Sink& out) {
    if (!parts.builds.has_mount(id)) return fail(ErrorKind::NotFound, concat("No such cache mount: ", id));
    auto held = TRY(parts.builds.mount(id, build::Cache::Sharing::Shared, [] { return true; }));
    os::Fd directory = TRY(os::open_file(held.path, O_RDONLY | O_DIRECTORY));
    TRY(begin());
    codec::TarWriter tar(out);
    codec::TarTreeWriter tree(tar, codec::TarTreeWriter::Form::Files);
    TRY(tree.add(directory.get(), ".", "."));
    return tar.finish();
}

Result<void> import_build_mount(Parts& parts, const std::string& id, codec::Source& tar, const std::function<bool()>& go_on) {
    if (id.empty()) return fail(ErrorKind::InvalidArgument, "the id of the cache mount is missing");
    auto plain = TRY(codec::decompress_detected(tar));
    TRY(os::make_directories(builds_root(parts), 0700));
    ScratchDirectory scratch = TRY(ScratchDirectory::make(builds_root(parts)));
    std::string fresh = scratch.path() + "/new";
    TRY(os::make_directories(fresh, 0755));
    TRY(store::unpack_archive(*plain, TRY(os::RootDirectory::at(fresh))));
    auto held = TRY(parts.builds.mount(id, build::Cache::Sharing::Locked, go_on));
    TRY(os::rename_path(held.path, scratch.path() + "/old"));
    return os::rename_path(fresh, held.path);
}

}  // namespace proa::engine
