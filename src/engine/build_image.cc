#include "engine/build_image.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <thread>

#include "base/id.h"
#include "base/log.h"
#include "codec/compression.h"
#include "engine/build_cache.h"
#include "engine/build_files.h"
#include "engine/build_stage.h"
#include "engine/find_image.h"
#include "engine/pull_image.h"
#include "engine/remove_container.h"
#include "engine/storage_budget.h"
#include "os/file.h"
#include "store/unpack.h"

namespace proa::engine {

namespace {
using dockerfile::Program;


// --- which stages, in which order ---

/// The earlier stages that a stage reads.
std::set<size_t> needs_of(const Program& program, const BuildRequest& request, size_t index) {
    std::set<size_t> needed;
    auto& stage = program.stages[index];
    std::set<std::string> contexts;  // these stand for the stages of their names
    for (auto& [name, place] : request.contexts) contexts.insert(context_name(name));
    // A base name with variables may mean any earlier stage.
    if (stage.base.find('$') != std::string::npos)
        for (size_t i = 0; i < index; i++) needed.insert(i);
    for (size_t i = 0; i < index; i++)
        if (!program.stages[i].name.empty() && program.stages[i].name == to_lower(stage.base) && !contexts.contains(context_name(stage.base))) needed.insert(i);
    auto add = [&](std::string_view from) {
        if (auto found = find_stage(program, to_lower(from), index); found && !contexts.contains(context_name(from))) needed.insert(*found);
    };
    for (auto& command : stage.commands) {
        if (auto* copy = std::get_if<dockerfile::Copy>(&command.what); copy && !copy->from.empty()) add(copy->from);
        if (auto* run = std::get_if<dockerfile::Run>(&command.what))
            for (auto& mount : run->mounts)
                for (auto& field : split(mount, ','))
                    if (field.starts_with("from=")) add(std::string_view(field).substr(5));
    }
    return needed;
}

Result<size_t> find_target(const Program& program, const std::string& target) {
    if (target.empty()) return program.stages.size() - 1;
    std::string name = to_lower(target);
    for (size_t i = program.stages.size(); i-- > 0;)
        if (program.stages[i].name == name) return i;
    if (auto number = parse_uint(target); number && *number < program.stages.size()) return *number;
    return fail(ErrorKind::InvalidArgument, concat("target stage ", quote(target), " could not be found"));
}

/// The target and all that it reads, ascending.
std::vector<size_t> needed_stages(const Program& program, const BuildRequest& request, size_t target, std::vector<std::set<size_t>>& needs) {
    std::set<size_t> wanted{target};
    needs.resize(program.stages.size());
    for (size_t i = target + 1; i-- > 0;) {
        if (!wanted.contains(i)) continue;
        needs[i] = needs_of(program, request, i);
        wanted.insert(needs[i].begin(), needs[i].end());
    }
    return {wanted.begin(), wanted.end()};
}

/// Builds the stages, independent ones at the same time.
class Scheduler {
public:
    Scheduler(BuildContext& build, std::vector<size_t> stages, const std::vector<std::set<size_t>>& needs)
        : build_(build), stages_(std::move(stages)), needs_(needs) {}

    Result<void> run(int steps, std::atomic<bool>& stop) {
        int first = 1;
        std::vector<std::thread> threads;
        for (size_t place = 0; place < stages_.size(); place++) {
            size_t stage = stages_[place];
            int begin = first;
            first += 1 + static_cast<int>(build_.program.stages[stage].commands.size());
            if (stages_.size() == 1) work(stage, begin, steps, stop);
            else threads.emplace_back([this, stage, begin, steps, &stop] { work(stage, begin, steps, stop); });
        }
        for (auto& thread : threads) thread.join();
        if (failure_) return fail(*failure_);
        return {};
    }

private:
    void work(size_t stage, int first, int steps, std::atomic<bool>& stop) {
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] {
                return stop || (running_ < kParallelMax &&
                                std::all_of(needs_[stage].begin(), needs_[stage].end(), [&](size_t other) { return done_.contains(other); }));
            });
            if (stop) return;
            running_++;
        }
        auto built = build_stage(build_, stage, first, steps);
        build_.messages.done(stage);
        std::lock_guard lock(mutex_);
        running_--;
        if (built) done_.insert(stage);
        else {
            // The first failure is the build's; what it cancelled says so and is not heard.
            if (!failure_ || failure_->is(ErrorKind::Cancelled)) failure_ = built.error();
            stop = true;
        }
        changed_.notify_all();
    }

    static constexpr int kParallelMax = 4;
    BuildContext& build_;
    std::vector<size_t> stages_;
    const std::vector<std::set<size_t>>& needs_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<size_t> done_;
    int running_ = 0;
    std::optional<Error> failure_;
};

Result<std::vector<oci::Reference>> parse_tags(const std::vector<std::string>& tags) {
    std::vector<oci::Reference> references;
    for (auto& tag : tags) {
        if (tag.empty()) continue;
        auto reference = TRY(oci::Reference::parse(tag));
        if (!reference.digest.empty()) return fail(ErrorKind::InvalidArgument, "build tag cannot contain a digest");
        reference = reference.with_default_tag();
        if (std::find(references.begin(), references.end(), reference) == references.end()) references.push_back(reference);
    }
    return references;
}

void warn_of_unused(BuildContext& build) {
    std::vector<std::string> unused;
    for (auto& [name, value] : build.request.arguments)
        if (!build.used_arguments.contains(name) && !build::is_proxy_argument(name) && !name.starts_with("BUILDKIT_") && name != "SOURCE_DATE_EPOCH")
            unused.push_back(name);
    if (!unused.empty() && !build.request.quiet)
        build.messages.final_text(concat("[Warning] One or more build-args [", join(unused, " "), "] were not consumed\n"));
}

Result<std::optional<int64_t>> epoch_of(const BuildRequest& request) {
    auto given = request.arguments.find("SOURCE_DATE_EPOCH");
    if (given == request.arguments.end() || !given->second || given->second->empty()) return std::optional<int64_t>();
    auto seconds = parse_int(*given->second);
    if (!seconds) return fail(ErrorKind::InvalidArgument, concat("invalid SOURCE_DATE_EPOCH: ", *given->second));
    return std::optional(*seconds);
}

}  // namespace

Result<ScratchDirectory> ScratchDirectory::make(const std::string& parent) {
    std::string path = concat(parent, '/', random_hex(8));
    TRY(os::make_directory(path, 0700));
    return ScratchDirectory(std::move(path));
}

ScratchDirectory::~ScratchDirectory() {
    if (path_.empty()) return;
    auto removed = os::remove_tree(path_);
    if (!removed) log::warn(concat("a directory of a build could not be removed: ", removed.error().message()));
}

std::string builds_root(const Parts& parts) { return parts.paths.data_root + "/builds"; }
std::string secrets_root(const Parts& parts) { return parts.paths.exec_root + "/build-secrets"; }

std::string context_name(std::string_view text) {
    std::string name = to_lower(text);
    auto reference = oci::Reference::parse(name);
    return reference ? std::string(trim_suffix(reference->familiar(), ":latest")) : name;
}

const NamedContext* find_context(const BuildContext& build, std::string_view name) {
    if (build.named.empty() || name.empty()) return nullptr;
    auto found = build.named.find(context_name(name));
    return found == build.named.end() ? nullptr : &found->second;
}

std::optional<size_t> find_stage(const Program& program, std::string_view name, size_t before) {
    for (size_t i = before; i-- > 0;)
        if (!program.stages[i].name.empty() && program.stages[i].name == name) return i;
    if (auto number = parse_uint(name); number && *number < before) return *number;
    return std::nullopt;
}

Result<store::ImagePointer> build_base_image(BuildContext& build, size_t stage, const std::string& reference, const std::string& platform) {
    auto parsed = TRY_WRAP(concat("failed to parse stage name ", quote(reference)), oci::Reference::parse(reference));
    auto found = build.parts.images.resolve(reference);
    bool by_id = found && (*found)->id.text().starts_with(concat("sha256:", trim_prefix(reference, "sha256:")));
    bool fits = found && (platform.empty() || find_image(build.parts.images, reference, platform));
    if (fits && (!build.request.pull || by_id)) return found;
    parsed = parsed.with_default_tag();
    TransferCaller caller;
    // The client's configuration calls Docker Hub by its old address.
    for (auto& name : {parsed.domain, std::string(parsed.domain == "docker.io" ? "https://index.docker.io/v1/" : "https://" + parsed.domain)})
        if (auto known = build.request.credentials.find(name); known != build.request.credentials.end()) caller.credentials = known->second;
    caller.gone = build.listener.cancelled;
    caller.progress = [&](const json::Object& line) -> Result<void> {
        build.messages.object(stage, line);
        return {};
    };
    TRY(pull_image(build.parts, parsed.familiar_name(), parsed.digest.empty() ? parsed.tag : parsed.digest, platform, caller));
    return build.parts.images.resolve(reference);
}

Result<std::vector<std::string>> lower_of(BuildContext& build, const StageState& state) {
    auto image = state.image.empty() ? nullptr : build.parts.images.find(state.image);
    if (!image) return std::vector<std::string>{build.parts.images.layers_directory() + "/empty/diff"};
    for (auto& manifest : image->manifests)
        if (manifest.available && manifest.diff_ids == state.diff_ids) return build.parts.images.lower_directories(manifest);
    return fail(ErrorKind::Internal, concat("image ", state.image.text(), " has other layers than the step began with"));
}

Result<SourceRoot> open_source_root(BuildContext& build, size_t stage, const std::string& from) {
    StageState state;
    std::string name = to_lower(from);
    auto* named = find_context(build, from);
    if (named && !named->directory.empty()) return SourceRoot(TRY(os::RootDirectory::at(named->directory)));
    if (auto earlier = find_stage(build.program, name, stage); earlier && !named) {
        std::lock_guard lock(build.mutex);
        if (build.finished[*earlier]) state = *build.finished[*earlier];
    } else {
        auto image = build_base_image(build, stage, named ? named->image : from, build.request.platform);
        if (!image) return fail(std::move(image).error().wrap(concat("invalid from flag value ", from)));
        auto* manifest = (*image)->manifest();
        if (!manifest) return fail(ErrorKind::NotFound, concat("image ", from, " has no content for this platform"));
        state.image = (*image)->id;
        state.diff_ids = manifest->diff_ids;
    }
    ScratchDirectory scratch = TRY(ScratchDirectory::make(build.scratch));
    auto root = TRY(build::StageRoot::read_only(TRY(lower_of(build, state)), scratch.path(), build.parts.images.driver()));
    return SourceRoot(std::move(root), std::move(scratch));
}

Result<void> build_image(Parts& parts, const BuildRequest& request, codec::Source& body, const BuildListener& listener, BuildOutcome& outcome) {
    auto tags = TRY(parse_tags(request.tags));
    oci::Platform platform = request.platform.empty() ? oci::Platform::host() : TRY(oci::Platform::parse(request.platform));
    auto epoch = TRY(epoch_of(request));
    TRY(os::make_directories(builds_root(parts), 0700));
    ScratchDirectory scratch = TRY(ScratchDirectory::make(builds_root(parts)));
    BuildFiles context = TRY(read_build_files(parts, request, body, scratch.path(), listener));
    auto& named = context.named;
    auto document = TRY(dockerfile::parse(context.dockerfile));
    Program program = TRY(dockerfile::read_program(document));
    size_t target = TRY(find_target(program, request.target));
    program.stages.resize(target + 1);

    std::vector<std::set<size_t>> needs;
    auto stages = needed_stages(program, request, target, needs);
    int steps = request.labels.empty() ? 0 : 1;
    for (size_t stage : stages) steps += 1 + static_cast<int>(program.stages[stage].commands.size());
    std::atomic<bool> stop = false;
    BuildListener inner{listener.line, [&] { return stop || listener.cancelled(); }};
    BuildMessages messages(listener.line, request.quiet ? BuildTelling::Quiet : request.live ? BuildTelling::Live : BuildTelling::Classic);
    messages.expect(stages);
    build::FileHashes hashes(context.in_place ? parts.builds.hashes_file() : "");
    BuildContext build{parts,
                       request,
                       program,
                       inner,
                       messages,
                       scratch.path(),
                       context.directory,
                       context.in_place,
                       context.hidden,
                       context.in_place ? &hashes : nullptr,
                       named,
                       platform,
                       epoch,
                       {},
                       {},
                       {},
                       {},
                       0};
    build.finished.resize(program.stages.size());
    build.variables.resize(program.stages.size());
    auto built = Scheduler(build, stages, needs).run(steps, stop);
    outcome.exit_code = build.exit_code;
    hashes.save();
    collect_build_cache(parts);
    if (!built) return built;

    auto& result = *build.finished[target];
    outcome.image = result.image.text();
    keep_build_outcome(parts, outcome.image);
    warn_of_unused(build);
    if (request.quiet) messages.final_text(outcome.image + "\n");
    else messages.final_text(concat("Successfully built ", short_id(result.image.hex()), "\n"));
    for (auto& tag : tags) {
        TRY(tag_image(parts, outcome.image, tag.name(), tag.tag));
        if (!request.quiet) messages.final_text(concat("Successfully tagged ", tag.familiar(), "\n"));
    }
    keep_storage_budget(parts);
    return {};
}

void sweep_builds(Parts& parts) {
    for (auto& build : os::list_directory(builds_root(parts)).value_or(std::vector<std::string>()))
        for (auto& id : os::list_directory(concat(builds_root(parts), '/', build, "/containers")).value_or(std::vector<std::string>())) {
            auto container = parts.containers.find(id);
            if (!container) continue;
            RemoveOptions forced;
            forced.force = forced.volumes = true;
            auto removed = remove_container(parts, *container, forced);
            if (!removed) log::warn(concat("the container of a build that was cut short stays: ", removed.error().message()));
        }
    for (auto& place : {builds_root(parts), secrets_root(parts)})
        if (auto removed = os::remove_tree(place); !removed) log::warn(concat("what an earlier build left could not be removed: ", removed.error().message()));
}

}  // namespace proa::engine
