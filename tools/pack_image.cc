// Packs one static program as an image archive (OCI image layout with Docker's manifest.json), the same bytes every time.
// pack_image OUTPUT ARCHITECTURE NAME PROGRAM: the program becomes /<base name>, the command of the image NAME.
#include <cstdio>

#include "base/text.h"
#include "codec/compression.h"
#include "codec/digest.h"
#include "codec/tar.h"
#include "os/file.h"
#include "schema/oci/image.h"
#include "schema/oci/reference.h"

namespace proa {
namespace {

constexpr int64_t kCreated = 1767225600;  // 2026-01-01: a fixed time, or the image's id would change with every build

std::string blob_path(const std::string& bytes) { return concat("blobs/sha256/", codec::Digest::of(bytes).hex()); }

oci::Descriptor describe(const char* media_type, const std::string& bytes) {
    return {.media_type = media_type, .digest = codec::Digest::of(bytes).text(), .size = static_cast<int64_t>(bytes.size())};
}

Result<std::string> layer_with(const std::string& name, const std::string& program) {
    codec::StringSink sink;
    codec::TarWriter tar(sink);
    codec::TarEntry entry;
    entry.name = name;
    entry.mode = 0755;
    entry.size = program.size();
    entry.modified = {kCreated, 0};
    TRY(tar.add(entry, program));
    TRY(tar.finish());
    return std::move(sink.text);
}

Result<std::string> pack(const std::string& architecture, const oci::Reference& name, const std::string& program_path) {
    std::string base = os::base_name(program_path);
    std::string layer = TRY(layer_with(base, TRY(os::read_file(program_path))));
    codec::StringSink packed;
    auto gzip = codec::gzip_compressor(packed, 9, 1);
    TRY(gzip->write(layer));
    TRY(gzip->finish());

    oci::ImageConfig config;
    config.created = Time{kCreated, 0};
    config.architecture = architecture;
    config.os = "linux";
    config.config.cmd = {{"/" + base}};
    config.config.env = {{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}};
    config.config.working_dir = "/";
    config.root_fs.diff_ids = {codec::Digest::of(layer).text()};
    config.history.push_back({.created = config.created, .created_by = concat("COPY ", base, " /")});
    config.history.push_back({.created = config.created, .created_by = concat("CMD [\"/", base, "\"]"), .empty_layer = true});
    std::string config_bytes = json::encode(config);

    oci::Manifest manifest;
    manifest.media_type = oci::media_type::kManifest;
    manifest.config = describe(oci::media_type::kConfig, config_bytes);
    manifest.layers.push_back(describe(oci::media_type::kLayerGzip, packed.text));
    std::string manifest_bytes = json::encode(manifest);

    oci::Index index;
    index.media_type = oci::media_type::kIndex;
    index.manifests.push_back(describe(oci::media_type::kManifest, manifest_bytes));
    index.manifests[0].annotations = {{"io.containerd.image.name", name.text()}, {"org.opencontainers.image.ref.name", name.tag}};
    index.manifests[0].platform = oci::Platform{.architecture = architecture, .os = "linux"};

    std::string docker = concat(R"([{"Config":")", blob_path(config_bytes), R"(","RepoTags":[")", name.familiar(), R"("],"Layers":[")", blob_path(packed.text), "\"]}]");
    codec::StringSink out;
    codec::TarWriter tar(out);
    auto add = [&](std::string file, const std::string& bytes) {
        codec::TarEntry entry;
        entry.name = std::move(file);
        entry.mode = 0644;
        entry.size = bytes.size();
        return tar.add(entry, bytes);
    };
    for (auto* blob : {&config_bytes, &packed.text, &manifest_bytes}) TRY(add(blob_path(*blob), *blob));
    TRY(add("index.json", json::encode(index)));
    TRY(add("manifest.json", docker));
    TRY(add("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    TRY(tar.finish());
    return std::move(out.text);
}

Result<void> run(int count, char** arguments) {
    if (count != 5) return fail(ErrorKind::InvalidArgument, "usage: pack_image OUTPUT ARCHITECTURE NAME PROGRAM");
    oci::Reference name = TRY(oci::Reference::parse(arguments[3]));
    return os::write_file(arguments[1], TRY(pack(arguments[2], name.with_default_tag(), arguments[4])));
}

}  // namespace
}  // namespace proa

int main(int count, char** arguments) {
    auto done = proa::run(count, arguments);
    if (!done) fprintf(stderr, "pack_image: %s\n", done.error().message().c_str());
    return done ? 0 : 1;
}
