#include "engine/volume_archives.h"

#include <fcntl.h>

#include "base/id.h"
#include "codec/compression.h"
#include "codec/tar_tree.h"
#include "os/file.h"
#include "store/unpack.h"
#include "volume/store.h"

namespace proa::engine {

namespace {

Result<void> write_content(const std::string& path, codec::Sink& out) {
    os::Fd directory = TRY(os::open_file(path, O_RDONLY | O_DIRECTORY));
    codec::TarWriter tar(out);
    codec::TarTreeWriter tree(tar, codec::TarTreeWriter::Form::Files);
    TRY(tree.add(directory.get(), ".", "."));
    return tar.finish();
}

}  // namespace

Result<void> export_volume(Parts& parts, const std::string& name, const std::function<Result<void>()>& begin, codec::Sink& out) {
    TRY(parts.volumes.find(name));
    std::string user = concat("export-", random_hex(8));
    std::string path = TRY(parts.volumes.mount(name, user));
    auto written = begin();
    if (written) written = write_content(path, out);
    auto unmounted = parts.volumes.unmount(name, user);
    return written ? unmounted : written;
}

Result<docker::Volume> import_volume(Parts& parts, const std::string& name, codec::Source& tar) {
    auto plain = TRY(codec::decompress_detected(tar));
    auto volume = TRY(parts.volumes.create_filled(name, {}, [&](int directory) -> Result<void> {
        TRY(store::unpack_archive(*plain, os::RootDirectory(TRY(os::duplicate(directory)))));
        return {};
    }));
    parts.events.publish("volume", "create", volume.name, {{"driver", volume.driver}});
    return volume;
}

}  // namespace proa::engine
