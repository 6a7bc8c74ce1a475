#include "schema/oci/image.h"

#include <sys/utsname.h>

#include <algorithm>

namespace proa::oci {

namespace media_type {
bool is_index(std::string_view type) { return type == kIndex || type == kDockerIndex; }
bool is_manifest(std::string_view type) { return type == kManifest || type == kDockerManifest; }
bool is_config(std::string_view type) { return type == kConfig || type == kDockerConfig; }
bool is_layer(std::string_view type) {
    return type.starts_with("application/vnd.oci.image.layer.v1.tar") || type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar") ||
           type.starts_with("application/vnd.docker.image.rootfs.diff.tar") || type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.tar");
}
}  // namespace media_type

namespace {
bool is_known_system(std::string_view text) {
    for (auto name : {"linux", "windows", "darwin", "freebsd", "wasip1", "wasi", "solaris", "netbsd", "openbsd", "android", "aix", "plan9"})
        if (text == name) return true;
    return false;
}

bool is_known_architecture(std::string_view text) {
    for (auto name : {"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x", "wasm"})
        if (text == name) return true;
    return false;
}

void normalize_architecture(std::string& architecture, std::string& variant) {
    architecture = to_lower(architecture);
    variant = to_lower(variant);
    if (architecture == "i386" || architecture == "i486" || architecture == "i586" || architecture == "i686") {
        architecture = "386";
        variant.clear();
    } else if (architecture == "x86_64" || architecture == "x86-64" || architecture == "amd64") {
        architecture = "amd64";
        if (variant == "v1") variant.clear();
    } else if (architecture == "aarch64" || architecture == "arm64") {
        architecture = "arm64";
        if (variant == "8" || variant == "v8") variant.clear();
    } else if (architecture == "armhf") {
        architecture = "arm";
        variant = "v7";
    } else if (architecture == "armel") {
        architecture = "arm";
        variant = "v6";
    } else if (architecture == "arm") {
        if (variant.empty() || variant == "7") variant = "v7";
        else if (variant == "5" || variant == "6" || variant == "8") variant = "v" + variant;
    }
}

int variant_level(const Platform& platform) {
    if (platform.variant.size() < 2 || platform.variant[0] != 'v') return platform.architecture == "arm64" ? 8 : 1;
    return static_cast<int>(parse_int(platform.variant.substr(1, 1)).value_or(1));
}
}  // namespace

Platform Platform::host() {
    static const Platform host = [] {
        utsname name{};
        ::uname(&name);
        return Platform{name.machine, "linux", "", {}, std::string_view(name.machine) == "armv6l" ? "v6" : ""}.normalized();
    }();
    return host;
}

Platform Platform::normalized() const {
    Platform out = *this;
    out.os = to_lower(out.os);
    if (out.os == "macos") out.os = "darwin";
    if (out.architecture.starts_with("armv") && out.architecture.size() >= 5) {  // uname's armv7l
        out.variant = concat('v', out.architecture[4]);
        out.architecture = "arm";
    }
    normalize_architecture(out.architecture, out.variant);
    return out;
}

Result<Platform> Platform::parse(std::string_view text) {
    auto parts = split(text, '/');
    for (auto& part : parts)
        if (part.empty() || std::any_of(part.begin(), part.end(), [](char c) {
                return !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.';
            }))
            return fail(ErrorKind::InvalidArgument, concat(quote(part), " is an invalid component of ", quote(text),
                                                           ": platform specifier component must match \"^[A-Za-z0-9_.-]+$\": invalid argument"));
    Platform host = Platform::host(), out;
    if (parts.size() == 1) {
        out.os = host.os;
        out.architecture = parts[0];
        out = out.normalized();
        if (is_known_architecture(out.architecture)) return out;
        out = Platform{host.architecture, parts[0], "", {}, host.variant}.normalized();
        if (is_known_system(out.os)) return out;
        return fail(ErrorKind::InvalidArgument, concat(quote(text), ": unknown operating system or architecture: invalid argument"));
    }
    if (parts.size() > 3) return fail(ErrorKind::InvalidArgument, concat(quote(text), ": cannot parse platform specifier: invalid argument"));
    return Platform{parts[1], parts[0], "", {}, parts.size() == 3 ? parts[2] : ""}.normalized();
}

std::string Platform::text() const { return concat(os, '/', architecture, variant.empty() ? "" : "/", variant); }

std::optional<int> platform_distance(const Platform& wanted_as_given, const Platform& offered_as_given) {
    Platform wanted = wanted_as_given.normalized(), offered = offered_as_given.normalized();
    if (wanted.os != offered.os) return std::nullopt;
    if (wanted.architecture == offered.architecture) {
        if (wanted.variant == offered.variant) return 0;
        int distance = variant_level(wanted) - variant_level(offered);
        if (distance < 0) return std::nullopt;
        return distance;
    }
    // 64-bit machines that also run 32-bit programs, as in containerd's platform order.
    if (wanted.architecture == "amd64" && offered.architecture == "386") return 100;
    if (wanted.architecture == "arm64" && offered.architecture == "arm") return 100 + 8 - std::min(variant_level(offered), 8);
    return std::nullopt;
}

}  // namespace proa::oci

PROA_JSON_TABLE(proa::oci::Platform, "Platform", field<&T::architecture>("architecture"), field<&T::os>("os"), field<&T::os_version>("os.version", kOmitEmpty),
                field<&T::os_features>("os.features", kOmitEmpty), field<&T::variant>("variant", kOmitEmpty))

PROA_JSON_TABLE(proa::oci::Descriptor, "Descriptor", field<&T::media_type>("mediaType"), field<&T::digest>("digest"), field<&T::size>("size"),
                field<&T::urls>("urls", kOmitEmpty), field<&T::annotations>("annotations", kOmitEmpty), field<&T::data>("data", kOmitEmpty),
                field<&T::platform>("platform", kOmitEmpty), field<&T::artifact_type>("artifactType", kOmitEmpty))

PROA_JSON_TABLE(proa::oci::Index, "Index", field<&T::schema_version>("schemaVersion"), field<&T::media_type>("mediaType", kOmitEmpty),
                field<&T::artifact_type>("artifactType", kOmitEmpty), field<&T::manifests>("manifests"), field<&T::subject>("subject", kOmitEmpty),
                field<&T::annotations>("annotations", kOmitEmpty))

PROA_JSON_TABLE(proa::oci::Manifest, "Manifest", field<&T::schema_version>("schemaVersion"), field<&T::media_type>("mediaType", kOmitEmpty),
                field<&T::artifact_type>("artifactType", kOmitEmpty), field<&T::config>("config"), field<&T::layers>("layers"),
                field<&T::subject>("subject", kOmitEmpty), field<&T::annotations>("annotations", kOmitEmpty))

PROA_JSON_TABLE(proa::oci::RunConfig, "RunConfig", field<&T::hostname>("Hostname", kOmitEmpty), field<&T::domainname>("Domainname", kOmitEmpty),
                field<&T::user>("User", kOmitEmpty), field<&T::attach_stdin>("AttachStdin", kOmitEmpty), field<&T::attach_stdout>("AttachStdout", kOmitEmpty),
                field<&T::attach_stderr>("AttachStderr", kOmitEmpty), field<&T::exposed_ports>("ExposedPorts", kOmitEmpty), field<&T::tty>("Tty", kOmitEmpty),
                field<&T::open_stdin>("OpenStdin", kOmitEmpty), field<&T::stdin_once>("StdinOnce", kOmitEmpty), field<&T::env>("Env", kOmitEmpty),
                field<&T::entrypoint>("Entrypoint", kOmitEmpty), field<&T::cmd>("Cmd", kOmitEmpty), field<&T::healthcheck>("Healthcheck", kOmitEmpty),
                field<&T::args_escaped>("ArgsEscaped", kOmitEmpty), field<&T::image>("Image", kOmitEmpty), field<&T::volumes>("Volumes", kOmitEmpty),
                field<&T::working_dir>("WorkingDir", kOmitEmpty), field<&T::network_disabled>("NetworkDisabled", kOmitEmpty),
                field<&T::mac_address>("MacAddress", kOmitEmpty), field<&T::on_build>("OnBuild", kOmitEmpty), field<&T::labels>("Labels", kOmitEmpty),
                field<&T::stop_signal>("StopSignal", kOmitEmpty), field<&T::stop_timeout>("StopTimeout", kOmitEmpty), field<&T::shell>("Shell", kOmitEmpty))

PROA_JSON_TABLE(proa::oci::RootFs, "RootFS", field<&T::type>("type"), field<&T::diff_ids>("diff_ids"))

PROA_JSON_TABLE(proa::oci::History, "History", field<&T::created>("created", kOmitEmpty), field<&T::created_by>("created_by", kOmitEmpty),
                field<&T::author>("author", kOmitEmpty), field<&T::comment>("comment", kOmitEmpty), field<&T::empty_layer>("empty_layer", kOmitEmpty))

PROA_JSON_TABLE(proa::oci::ImageConfig, "Image", field<&T::created>("created", kOmitEmpty), field<&T::author>("author", kOmitEmpty),
                field<&T::architecture>("architecture"), field<&T::variant>("variant", kOmitEmpty), field<&T::os>("os"),
                field<&T::os_version>("os.version", kOmitEmpty), field<&T::os_features>("os.features", kOmitEmpty), field<&T::config>("config"),
                field<&T::root_fs>("rootfs"), field<&T::history>("history", kOmitEmpty), field<&T::docker_version>("docker_version", kOmitEmpty),
                field<&T::container>("container", kOmitEmpty), field<&T::parent>("parent", kOmitEmpty), field<&T::comment>("comment", kOmitEmpty))
