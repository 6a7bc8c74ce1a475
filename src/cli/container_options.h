#pragma once
#include <span>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "schema/docker/container.h"

// What run and create share: their flags and how the flags become the body of POST /containers/create.
namespace proa::cli {

/// The flags of `run` (which has a few more) and of `create`, sorted by name.
std::span<const Flag> run_flags();
std::span<const Flag> create_flags();

/// A create request and what is sent beside it.
struct ContainerOptions {
    docker::CreateRequest request;
    std::string name, platform, id_file;
};
/// Builds the request from flags and IMAGE [COMMAND...]. Reads the files that flags name (env, labels, seccomp).
/// Errors: InvalidArgument with Docker's texts.
Result<ContainerOptions> parse_container_options(const FlagSet& flags, const std::vector<std::string>& arguments);

// The syntaxes of single values.

/// -p: `[[ip:]hostPort[-range]:]containerPort[-range][/proto]` added to both maps.
Result<void> add_published_port(std::string_view spec, docker::PortSet& exposed, docker::PortMap& bindings);
/// --expose: `port[-range][/proto]`.
Result<void> add_exposed_port(std::string_view spec, docker::PortSet& exposed);
/// --mount.
Result<docker::MountRequest> parse_mount(std::string_view csv);
/// --network: a name or `name=...,alias=...` fields.
struct NetworkAttachment {
    std::string name;
    docker::EndpointSettings settings;
};
Result<NetworkAttachment> parse_network_attachment(std::string_view csv);
/// --gpus.
Result<docker::DeviceRequest> parse_gpu_request(std::string_view csv);
/// --device with a path on the host.
Result<docker::DeviceMapping> parse_device(std::string_view spec);
bool is_cdi_name(std::string_view text);  ///< vendor.com/class=name
/// -v: bind when `bind` is set (source and target), else an anonymous volume's target.
struct VolumeSpec {
    bool bind = false;
    std::string text;    ///< for HostConfig.Binds, the source made absolute
    std::string target;  ///< for an anonymous volume
};
Result<VolumeSpec> parse_volume(std::string_view spec);
/// --restart. Errors: `invalid restart policy format: ...`.
Result<docker::RestartPolicy> parse_restart_policy(std::string_view text);
/// "1s" or "1s:5m" into the policy's delays; "" leaves them.
Result<void> parse_restart_delay(std::string_view text, docker::RestartPolicy& policy);
/// KEY=VALUE and KEY lines of an --env-file; bare keys are looked up in the environment.
Result<std::vector<std::string>> read_key_value_file(const std::string& path, bool from_environment);
/// -e: `KEY` takes the value of the environment, and nothing when it is unset there.
void add_environment(std::string_view item, std::vector<std::string>& out);
/// `k=v` items as a map; `k` alone has an empty value.
docker::StringMap key_values(const std::vector<std::string>& items);

// Checks that several commands' tables use.
Result<std::string> check_environment(std::string_view value);
Result<std::string> check_label(std::string_view value);
Result<std::string> check_ip(std::string_view value);
Result<std::string> check_signed_retries(std::string_view value);

}  // namespace proa::cli
