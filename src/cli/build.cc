#include "cli/build.h"

#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/units.h"
#include "os/file.h"

namespace proa::cli {

namespace {
const Flag kBuildFlags[] = {
    {"add-host", 0, FlagType::List, "Add a custom host-to-IP mapping (\"host:ip\")"},
    {"allow", 0, FlagType::StringSlice, "Allow extra privileged entitlement (e.g., \"network.host\", \"security.insecure\")"},
    {"build-arg", 0, FlagType::List, "Set build-time variables"},
    {"build-context", 0, FlagType::List, "Additional build contexts (e.g., name=path)"},
    {"cache-from", 0, FlagType::List, "External cache sources (e.g., \"user/app:cache\", \"type=local,src=path/to/dir\")"},
    {"cache-to", 0, FlagType::List, "Cache export destinations (e.g., \"type=inline\", \"type=local,dest=path/to/dir\")"},
    {"call", 0, FlagType::String, "Set method for evaluating build (\"check\", \"build\")", "(default \"build\")", "build"},
    {"cgroup-parent", 0, FlagType::String, "Set the parent cgroup for the \"RUN\" instructions during build"},
    {"check", 0, FlagType::Bool, "Shorthand for \"--call=check\""},
    {"compress", 0, FlagType::Bool, "Compress the build context using gzip"},
    {"cpu-period", 0, FlagType::Int64, "Limit the CPU CFS (Completely Fair Scheduler) period"},
    {"cpu-quota", 0, FlagType::Int64, "Limit the CPU CFS (Completely Fair Scheduler) quota"},
    {"cpu-shares", 'c', FlagType::Int64, "CPU shares (relative weight)"},
    {"cpuset-cpus", 0, FlagType::String, "CPUs in which to allow execution (0-3, 0,1)"},
    {"cpuset-mems", 0, FlagType::String, "MEMs in which to allow execution (0-3, 0,1)"},
    {"disable-content-trust", 0, FlagType::Bool, "Skip image verification", "(default true)", "true"},
    {"explain", 0, FlagType::Bool, "Say of each step why it ran or did not"},
    {"file", 'f', FlagType::String, "Name of the Dockerfile (Default is \"PATH/Dockerfile\")"},
    {"force-rm", 0, FlagType::Bool, "Always remove intermediate containers"},
    {"iidfile", 0, FlagType::String, "Write the image ID to the file"},
    {"isolation", 0, FlagType::String, "Container isolation technology"},
    {"label", 0, FlagType::List, "Set metadata for an image"},
    {"load", 0, FlagType::Bool, "The image is in the engine's store anyway; for scripts that ask for it"},
    {"memory", 'm', FlagType::Bytes, "Memory limit"},
    {"memory-swap", 0, FlagType::SignedBytes, "Swap limit equal to memory plus swap: -1 to enable unlimited swap"},
    {"metadata-file", 0, FlagType::String, "Write build result metadata to a file"},
    {"network", 0, FlagType::String, "Set the networking mode for the \"RUN\" instructions during build", "(default \"default\")", "default"},
    {"no-cache", 0, FlagType::Bool, "Do not use cache when building the image"},
    {"no-cache-filter", 0, FlagType::StringSlice, "Do not cache specified stages"},
    {"output", 'o', FlagType::List, "Output destination (format: \"type=local,dest=path\")"},
    {"platform", 0, FlagType::String, "Set platform if server is multi-platform capable"},
    {"progress", 0, FlagType::String, "Set type of progress output (\"auto\", \"none\", \"plain\", \"quiet\", \"rawjson\", \"tty\")", "(default \"auto\")",
     "auto"},
    {"pull", 0, FlagType::Bool, "Always attempt to pull a newer version of the image"},
    {"push", 0, FlagType::Bool, "Push the image after the build"},
    {"quiet", 'q', FlagType::Bool, "Suppress the build output and print image ID on success"},
    {"rm", 0, FlagType::Bool, "Remove intermediate containers after a successful build", "(default true)", "true"},
    {"secret", 0, FlagType::List, "Secret to expose to the build (format: \"id=mysecret[,src=/local/secret]\")"},
    {"security-opt", 0, FlagType::StringSlice, "Security options"},
    {"shm-size", 0, FlagType::Bytes, "Size of \"/dev/shm\""},
    {"squash", 0, FlagType::Bool, "Squash newly built layers into a single new layer"},
    {"ssh", 0, FlagType::List, "SSH agent socket or keys to expose to the build (format: \"default|<id>[=<socket>]\")"},
    {"tag", 't', FlagType::List, "Name and optionally a tag in the \"name:tag\" format"},
    {"target", 0, FlagType::String, "Set the target build stage to build."},
    {"ulimit", 0, FlagType::Ulimit, "Ulimit options"},
};

Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

Result<void> write_results(const FlagSet& flags, client::Client& engine, const std::string& id, const std::vector<std::string>& names) {
    if (auto file = flags.text("iidfile"); !file.empty()) TRY(os::replace_file(file, id, 0666 & ~022, false));
    auto file = flags.text("metadata-file");
    if (file.empty()) return {};
    auto image = TRY(engine.json({.path = concat("/images/", id, "/json")}));
    json::Object metadata;
    if (image["Descriptor"].is_object()) metadata.set("containerimage.descriptor", image["Descriptor"]);
    metadata.set("containerimage.digest", id);
    if (!names.empty()) metadata.set("image.name", join(names, ","));
    return os::replace_file(file, json::print(metadata, json::Style{false, "  "}) + "\n", 0644, false);
}

Result<BuildProgress> progress_of(const FlagSet& flags, bool to_stdout) {
    static const std::vector<std::string> kProgress = {"auto", "none", "plain", "quiet", "rawjson", "tty"};
    std::string wanted = flags.text("progress");
    if (const char* set = ::getenv("BUILDKIT_PROGRESS"); set && *set && !flags.changed("progress")) wanted = set;
    if (std::find(kProgress.begin(), kProgress.end(), wanted) == kProgress.end()) return invalid(concat("invalid progress mode ", wanted));
    if (flags.is("quiet") || wanted == "quiet" || wanted == "none") return BuildProgress::Quiet;
    if (wanted == "rawjson") return BuildProgress::Raw;
    bool terminal = ::isatty(STDERR_FILENO) != 0;
    if (wanted == "tty" && !terminal) return invalid("failed to get console: provided file is not a console");
    if (wanted == "tty" || (wanted == "auto" && terminal && ::isatty(STDOUT_FILENO) && !flags.is("explain"))) return BuildProgress::Live;
    return to_stdout ? BuildProgress::Quiet : BuildProgress::Plain;
}

/// The names for the image: --tag, and what outputs call it.
std::vector<std::string> names_of(const FlagSet& flags, const std::vector<BuildOutput>& outputs) {
    auto names = flags.list("tag");
    for (auto& output : outputs)
        if (auto name = output.attributes.find("name"); name != output.attributes.end())
            for (auto& one : split(name->second, ','))
                if (std::find(names.begin(), names.end(), one) == names.end()) names.push_back(one);
    return names;
}

Result<int> build(Invocation& call) {
    auto& flags = call.flags;
    if (std::string method = flags.text("call"); flags.is("check") || method == "check") return check_build(call);
    else if (method != "build") return invalid(concat("call method ", quote(method), " is not supported by this client"));
    std::vector<BuildOutput> outputs;
    for (auto& text : flags.list("output")) outputs.push_back(TRY(parse_build_output(text)));
    bool push = flags.is("push") || std::any_of(outputs.begin(), outputs.end(), [](auto& output) { return output.pushes(); });
    bool to_stdout = std::any_of(outputs.begin(), outputs.end(), [](auto& output) { return output.destination == "-"; });
    auto progress = TRY(progress_of(flags, to_stdout));
    auto names = names_of(flags, outputs);
    if (push && names.empty()) return invalid("tag is needed when pushing to registry");
    auto sources = TRY(parse_cache_sources(flags.list("cache-from"))), targets = TRY(parse_cache_targets(flags.list("cache-to")));
    if (auto file = flags.text("iidfile"); !file.empty()) TRY(os::remove_file(file));
    client::Client& engine = *TRY(ready_engine(call));
    ImportedCaches caches(call.session, engine);
    caches.import(sources);
    auto plan = TRY(plan_build(call, engine, names, caches.images(), progress == BuildProgress::Live || progress == BuildProgress::Raw));
    uint64_t sent = 0;
    auto answer = TRY(send_build(call, engine, plan, sent));
    if (progress == BuildProgress::Plain && sent > 0) put_line(concat("Sending build context to Docker daemon  ", human_size(static_cast<double>(sent), 4)));
    auto stages = TRY(follow_build(answer, progress));
    if (stages.empty()) return fail(ErrorKind::Internal, "server did not provide an image ID");
    caches.keep(stages);
    std::string id = stages.back();
    TRY(write_results(flags, engine, id, names));
    TRY(export_caches(call.session, engine, targets, stages));
    for (auto& output : outputs) TRY(write_build_output(engine, output, id, names));
    if (push)
        for (auto& name : names) TRY(push_image(call, name, progress == BuildProgress::Quiet));
    if (progress == BuildProgress::Quiet && !to_stdout) put_line(id);
    return 0;
}
}  // namespace

const Command kBuild = {"[OPTIONS] PATH | URL | -", "Build an image from a Dockerfile", kBuildFlags, exactly(1), build};

}  // namespace proa::cli
