#include "container/oci_config.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "container/image_accounts.h"
#include "container/plan.h"
#include "os/file.h"
#include "runtime/oci_names.h"

namespace proa::container {

namespace {

runtime::Plan docker_plan(docker::HostConfig host = {}) {
    Record record;
    record.id = std::string(64, 'a');
    record.path = "sleep";
    record.args = {"1"};
    record.config.hostname = "box";
    record.config.domainname = "example.org";
    record.config.user = "alice";
    record.host_config = std::move(host);
    PlanInputs inputs;
    inputs.overlay_lower = {"/layers/1", "/layers/0"};
    inputs.overlay_upper = "/upper";
    inputs.overlay_work = "/work";
    inputs.rootfs_directory = "/merged";
    inputs.hosts_path = "/state/hosts";
    inputs.network_descriptor = 0;
    inputs.cgroup_path = "/proa/" + record.id;
    auto plan = make_plan(record, inputs);
    EXPECT_TRUE(plan) << plan.error().message();
    return *plan;
}

OciFacts facts() {
    OciFacts facts;
    facts.root_path = "/merged";
    facts.identity = {1000, 100, {100, 10}, "/home/alice"};
    facts.descriptor_paths = {"/proc/1/fd/9"};
    return facts;
}

json::Value config_of(const runtime::Plan& plan) {
    auto text = oci_config(plan, facts());
    EXPECT_TRUE(text) << text.error().message();
    return text ? *json::parse(*text) : json::Value();
}

json::Value mount_on(const json::Value& config, std::string_view destination) {
    for (auto& mount : config["mounts"].as_array())
        if (mount["destination"].as_string() == destination) return mount;
    return {};
}

std::string options_of(const json::Value& mount) {
    std::vector<std::string> options;
    for (auto& option : mount["options"].as_array()) options.push_back(option.as_string());
    return join(options, ",");
}

}  // namespace

TEST(OciConfig, SaysWhatThePlanSays) {
    docker::HostConfig host;
    host.readonly_rootfs = true;
    host.resources.memory = 64 << 20;
    host.resources.pids_limit = 50;
    host.resources.nano_cpus = 500'000'000;
    auto config = config_of(docker_plan(host));
    EXPECT_EQ(config["ociVersion"].as_string(), "1.0.2");
    EXPECT_EQ(json::print(config["root"]), R"({"path":"/merged","readonly":true})");
    EXPECT_EQ(config["hostname"].as_string(), "box");
    EXPECT_EQ(json::print(config["process"]["args"]), R"(["sleep","1"])");
    EXPECT_EQ(json::print(config["process"]["user"]), R"({"uid":1000,"gid":100,"additionalGids":[100,10]})");
    EXPECT_NE(json::print(config["process"]["env"]).find("\"HOME=/home/alice\""), std::string::npos);
    auto& part = config["linux"];
    EXPECT_EQ(json::print(part["resources"]["memory"]), R"({"limit":67108864,"swap":134217728})");
    EXPECT_EQ(json::print(part["resources"]["cpu"]), R"({"quota":50000,"period":100000})");
    EXPECT_EQ(part["resources"]["pids"]["limit"].as_int(), 50);
    EXPECT_EQ(json::print(part["resources"]["devices"].as_array()[0]), R"({"allow":false,"type":"a","access":"rwm"})");
    EXPECT_EQ(json::print(part["resources"]["devices"].as_array()[3]), R"({"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"})");
    EXPECT_EQ(part["sysctl"]["kernel.domainname"].as_string(), "example.org");
    EXPECT_EQ(part["cgroupsPath"].as_string(), "/proa/" + std::string(64, 'a'));
    EXPECT_TRUE(part["seccomp"].is_null());
    bool found = false;
    for (auto& space : part["namespaces"].as_array())
        if (space["type"].as_string() == "network") found = space["path"].as_string() == "/proc/1/fd/9";
    EXPECT_TRUE(found);
}

TEST(OciConfig, WritesMountsAsOptions) {
    auto plan = docker_plan();
    auto& bind = plan.mounts.emplace_back();
    bind.destination = "/data";
    bind.source = "/source";
    bind.flags = MS_BIND | MS_REC | MS_RDONLY | MS_NOSUID;
    bind.recursive_readonly_if_possible = true;
    bind.propagation = runtime::Propagation::RecursiveSlave;
    auto& scratch = plan.mounts.emplace_back();
    scratch.destination = "/scratch";
    scratch.type = scratch.source = "tmpfs";
    scratch.flags = MS_NODEV;
    scratch.cleared_flags = MS_NOEXEC;
    scratch.data = "size=1m,mode=1777";
    scratch.copy_up = true;
    auto config = config_of(plan);
    EXPECT_EQ(options_of(mount_on(config, "/data")), "rbind,nosuid,ro,rro,rslave");
    EXPECT_EQ(mount_on(config, "/data")["type"].as_string(), "bind");
    EXPECT_EQ(options_of(mount_on(config, "/scratch")), "exec,nodev,tmpcopyup,size=1m,mode=1777");
    EXPECT_EQ(options_of(mount_on(config, "/dev")), "nosuid,strictatime,mode=755,size=65536k");
    EXPECT_EQ(mount_on(config, "/sys/fs/cgroup")["type"].as_string(), "cgroup");
    EXPECT_EQ(mount_on(config, "/etc/hosts")["source"].as_string(), "/state/hosts");
}

TEST(OciConfig, RunsBehindTheInit) {
    auto plan = docker_plan();
    plan.init_path = "/usr/libexec/init";
    auto config = config_of(plan);
    EXPECT_EQ(json::print(config["process"]["args"]), R"(["/sbin/docker-init","--","sleep","1"])");
    EXPECT_EQ(mount_on(config, "/sbin/docker-init")["source"].as_string(), "/usr/libexec/init");
}

TEST(OciConfig, RefusesByNameWhatItCannotSay) {
    auto refusal = [](auto change) {
        auto plan = docker_plan();
        change(plan);
        auto text = oci_config(plan, facts());
        EXPECT_FALSE(text);
        return text ? std::string() : text.error().message();
    };
    constexpr std::string_view kRest = " is not supported with a runtime other than the built-in one";
    EXPECT_EQ(refusal([](auto& plan) { plan.mounts[0].propagation = runtime::Propagation::Shared; }), concat("shared bind propagation on /proc", kRest));
    EXPECT_EQ(refusal([](auto& plan) { plan.mounts[0].descriptor = 0; }), concat("a mount on /proc by descriptor", kRest));
    EXPECT_EQ(refusal([](auto& plan) { plan.prestart_hooks.push_back({"/hook", {}, {}, 0}); }), concat("a hook", kRest));
    EXPECT_EQ(refusal([](auto& plan) { plan.process.io_priority = 1; }), concat("a scheduling priority or personality", kRest));
}

TEST(OciConfig, WritesAnExecsProcess) {
    runtime::Process process;
    process.args = {"id"};
    process.env = {"HOME=/own"};
    process.terminal = true;
    process.console_height = 40;
    process.console_width = 100;
    process.rlimits = {{RLIMIT_NOFILE, 10, 20}};
    process.capabilities.bounding = 1;
    auto value = *json::parse(*oci_process(process, {5, 6, {}, "/"}));
    EXPECT_EQ(json::print(value["consoleSize"]), R"({"height":40,"width":100})");
    EXPECT_EQ(json::print(value["env"]), R"(["HOME=/own"])");
    EXPECT_EQ(json::print(value["user"]), R"({"uid":5,"gid":6})");
    EXPECT_EQ(json::print(value["rlimits"]), R"([{"type":"RLIMIT_NOFILE","hard":20,"soft":10}])");
    EXPECT_EQ(json::print(value["capabilities"]["bounding"]), R"(["CAP_CHOWN"])");
}

TEST(ImageAccounts, SeesLayersAsTheContainerWill) {
    if (::geteuid() != 0) GTEST_SKIP() << "mounts need root";
    char name[] = "/tmp/proa-accounts-XXXXXX";
    std::string directory = ::mkdtemp(name);
    for (auto part : {"/low/etc", "/low/real", "/middle/etc", "/upper/etc", "/work", "/merged"}) ASSERT_TRUE(os::make_directories(directory + part, 0755));
    ASSERT_TRUE(os::write_file(directory + "/low/real/passwd", "low:x:1:1::/:/bin/sh\n"));
    ASSERT_TRUE(os::make_symlink("/real/passwd", directory + "/middle/etc/passwd"));  // leads into another layer
    ASSERT_TRUE(os::write_file(directory + "/low/etc/group", "hidden:x:5:\n"));
    ASSERT_EQ(::mknod((directory + "/upper/etc/group").c_str(), S_IFCHR, 0), 0);  // a whiteout
    runtime::Root root;
    root.overlay_lower = {directory + "/middle", directory + "/low"};
    root.overlay_upper = directory + "/upper";
    root.overlay_work = directory + "/work";
    root.directory = directory + "/merged";
    runtime::Process process;
    process.user_name = "low";
    auto identity = identity_in_layers(process, root);
    ASSERT_TRUE(identity) << identity.error().message();
    EXPECT_EQ(identity->uid, 1u);
    process.user_name = "low:hidden";
    EXPECT_EQ(identity_in_layers(process, root).error().message(), "unable to find group hidden: no matching entries in group file");
    EXPECT_TRUE(os::list_directory(root.directory)->empty()) << "the mount is seen outside";
    EXPECT_TRUE(os::remove_tree(directory));
}

}  // namespace proa::container
