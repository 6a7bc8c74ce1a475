#include "engine/build_stage.h"

#include <algorithm>

#include "base/id.h"
#include "engine/build_sources.h"
#include "os/file.h"

namespace proa::engine {

namespace {
using codec::Digest;
using dockerfile::Command;

constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

class StageBuilder {
public:
    StageBuilder(BuildContext& build, size_t index, int first_step, int steps)
        : build_(build),
          index_(index),
          stage_(build.program.stages[index]),
          step_(first_step),
          steps_(steps),
          lease_(build.parts.images.lease()),
          variables_(build.request.arguments, build::platform_arguments(build.platform, stage_.name.empty() ? concat(index) : stage_.name)) {
        current_.stage_name = stage_.name.empty() ? concat("stage-", index) : stage_.name;
        current_.count = 1 + static_cast<int>(stage_.commands.size()) + (index + 1 == build.finished.size() && !build.request.labels.empty() ? 1 : 0);
    }

    Result<void> run() {
        auto done = run_steps();
        if (!done && current_.number > 0) build_.messages.step(index_, current_, "failed");
        return done;
    }

private:
    Result<void> run_steps() {
        TRY(begin());
        for (auto& command : stage_.commands) {
            TRY(check_alive());
            say_step(command.original);
            TRY(step(command));
            say_image();
        }
        bool last = index_ + 1 == build_.finished.size();
        if (last) TRY(add_labels());
        if (state_.image.empty()) {
            if (state_.config.history.empty() && stage_.commands.empty())
                return fail(ErrorKind::InvalidArgument, "No image was generated. Is your Dockerfile empty?");
            TRY(materialise());
        }
        json::Object id, aux;
        id.set("ID", state_.image.text());
        aux.set("aux", std::move(id));
        build_.messages.object(index_, std::move(aux));
        std::lock_guard lock(build_.mutex);
        build_.used_arguments.insert(variables_.used().begin(), variables_.used().end());
        build_.finished[index_] = state_;
        build_.variables[index_].emplace(variables_);
        return {};
    }

    // --- what the client reads ---

    void say(std::string text) { build_.messages.classic(index_, std::move(text)); }
    void say_step(const std::string& original) {
        say(concat("Step ", step_++, '/', steps_, " : ", original));
        say("\n");
        current_.text = original;
        current_.number++;
        cached_ = false;
        build_.messages.step(index_, current_, "running");
    }
    void say_image() {
        say(concat(" ---> ", short_id(state_.image.empty() ? std::string_view() : state_.image.hex()), "\n"));
        build_.messages.step(index_, current_, cached_ ? "cached" : "done");
    }
    void say_cached() {
        say(" ---> Using cache\n");
        cached_ = true;
    }
    void explain(const std::string& reason) {
        if (build_.request.explain) build_.messages.text(index_, concat(" ---> ", reason, "\n"));
    }

    Result<void> check_alive() {
        if (build_.listener.cancelled() || build_.messages.broken()) return fail(ErrorKind::Cancelled, "the build was cancelled");
        return {};
    }

    // --- FROM ---

    Result<void> begin() {
        for (auto& arg : build_.program.global_args)
            for (auto& [name, fallback] : arg.values) {
                std::optional<std::string> value = fallback;
                if (value) value = TRY(dockerfile::expand(*value, [&](std::string_view other) { return variables_.global(other); }, build_.program.escape));
                variables_.declare_global(name, value);
            }
        say_step(stage_.original);
        auto global = [&](std::string_view name) { return variables_.global(name); };
        std::string base = TRY(dockerfile::expand(stage_.base, global, build_.program.escape));
        if (base.empty()) return fail(ErrorKind::InvalidArgument, concat("base name (", stage_.base, ") should not be blank"));
        std::string platform = TRY(dockerfile::expand(stage_.platform, global, build_.program.escape));
        if (!stage_.platform.empty()) TRY_WRAP(concat("failed to parse platform ", platform), oci::Platform::parse(platform));
        if (platform.empty()) platform = build_.request.platform;
        auto* named = find_context(build_, base);
        if (named && !named->directory.empty()) {
            TRY(begin_from_directory(base));
        } else if (named) {
            TRY(begin_from_image(named->image, platform));
        } else if (auto earlier = find_stage(build_.program, to_lower(base), index_); earlier && build_.program.stages[*earlier].name == to_lower(base)) {
            std::lock_guard lock(build_.mutex);
            state_ = *build_.finished[*earlier];
            variables_.inherit(*build_.variables[*earlier]);
        } else if (base == "scratch") {
            begin_from_nothing();
        } else {
            TRY(begin_from_image(base, platform));
        }
        if (!state_.image.empty()) (void)keep(state_);
        base_ = base;
        base_chain_ = chain(state_);
        auto environment = state_.config.config.env.value_or(std::vector<std::string>());
        if (!build::find_variable(environment, "PATH")) {
            environment.push_back(concat("PATH=", std::string_view(kDefaultPath)));
            state_.config.config.env = std::move(environment);
        }
        TRY(run_triggers());
        say_image();
        return {};
    }

    void begin_from_nothing() {
        state_.config.os = build_.platform.os;
        state_.config.architecture = build_.platform.architecture;
        state_.config.variant = build_.platform.variant;
    }

    /// All of a named context, as the only layer.
    Result<void> begin_from_directory(const std::string& name) {
        begin_from_nothing();
        dockerfile::Copy copy;
        copy.from = name;
        copy.sources = {"."};
        copy.destination = "/";
        return copy_command(copy, [](std::string_view) { return std::optional<std::string>(); });
    }

    Result<void> begin_from_image(const std::string& base, const std::string& platform) {
        auto image = TRY(build_base_image(build_, index_, base, platform));
        const store::ImageManifest* manifest = image->manifest();
        if (!platform.empty()) {
            auto wanted = TRY(oci::Platform::parse(platform));
            if (auto* fitting = image->manifest_for(wanted)) manifest = fitting;
        }
        if (!manifest) return fail(ErrorKind::NotFound, concat("image ", base, " has no content for this platform"));
        state_.config = manifest->config;
        state_.layers = manifest->layers;
        state_.diff_ids = manifest->diff_ids;
        state_.image = image->id;
        return {};
    }

    /// ONBUILD instructions of the base image.
    Result<void> run_triggers() {
        auto triggers = state_.config.config.on_build.value_or(std::vector<std::string>());
        state_.config.config.on_build.reset();
        if (triggers.empty()) return {};
        say(concat("# Executing ", triggers.size(), " build trigger", triggers.size() == 1 ? "" : "s", "\n"));
        for (auto& text : triggers) {
            TRY(check_alive());
            TRY(step(TRY(dockerfile::read_trigger(text))));
        }
        return {};
    }

    // --- steps ---

    Result<void> step(const Command& command) {
        history_tells_all_ = true;
        std::string place = concat(build_.request.directory, '\n', repositories(), '\n', current_.stage_name, '\n', command.original);
        place_ = key_of(concat("place\n", place, '\n', ++occurrences_[place]));
        auto environment = state_.config.config.env.value_or(std::vector<std::string>());
        dockerfile::Lookup lookup = [&](std::string_view name) { return variables_.lookup(name, environment); };
        if (auto* arg = std::get_if<dockerfile::Arg>(&command.what)) return declare(*arg, lookup);
        if (auto* run = std::get_if<dockerfile::Run>(&command.what)) return run_command(*run, lookup);
        if (auto* copy = std::get_if<dockerfile::Copy>(&command.what)) return copy_command(*copy, lookup);
        if (auto* workdir = std::get_if<dockerfile::Workdir>(&command.what))
            return change_directory(TRY(dockerfile::expand(workdir->path, lookup, build_.program.escape)));
        StageState before = state_;
        auto configured = TRY(build::configure(command, state_.config, command_set_, lookup, build_.program.escape));
        return commit_configuration(before, configured.summary);
    }

    Result<void> declare(const dockerfile::Arg& arg, const dockerfile::Lookup& lookup) {
        std::string summary = "ARG";
        for (auto& [name, fallback] : arg.values) {
            std::optional<std::string> value = fallback;
            if (value) value = TRY(dockerfile::expand(*value, lookup, build_.program.escape));
            variables_.declare(name, value);
            summary += concat(' ', name, value ? "=" : "", value.value_or(""));
        }
        return commit_configuration(state_, summary);
    }

    /// The end of a step that changes no files.
    Result<void> commit_configuration(const StageState& before, const std::string& summary) {
        std::string created_by = build::history_text(state_.config, summary);
        build::StepInputs inputs;
        inputs.add("the instruction", created_by);
        return commit(StageState(before), created_by, "", std::move(inputs), [](auto&) { return std::optional<store::LayerWriter::Written>(); });
    }

    Result<void> change_directory(const std::string& given) {
        StageState before = state_;
        std::string path = build::working_directory(state_.config.config.working_dir, given);
        state_.config.config.working_dir = path;
        build::StepInputs inputs;
        inputs.add("the directory", path);
        inputs.add("USER", state_.config.config.user);
        return commit(before, build::history_text(state_.config, concat("WORKDIR ", path)), concat("workdir\n", path, '\n', state_.config.config.user),
                      std::move(inputs), [&](store::Lease& lease) { return make_directory(lease, path); });
    }

    Result<std::optional<store::LayerWriter::Written>> make_directory(store::Lease& lease, const std::string& path) {
        ScratchDirectory scratch = TRY(ScratchDirectory::make(build_.scratch));
        auto root = TRY(build::StageRoot::writable(TRY(lower_of(build_, state_)), scratch.path(), build_.parts.images.driver()));
        auto there = root.root().stat(os::PathInRoot(path));
        if (there && S_ISDIR(there->st_mode)) return std::optional<store::LayerWriter::Written>();
        if (there) return fail(ErrorKind::InvalidArgument, concat("WORKDIR ", path, " is no directory"));
        build::CopyWork work;
        work.destination = path + "/";
        work.latest_seconds = build_.epoch;
        if (!state_.config.config.user.empty()) work.owner = build::find_owner(state_.config.config.user, root.root()).value_or(build::Owner());
        else work.owner = build::Owner();
        TRY(build::make_destination(work, root.root()));
        TRY(root.close());
        return adopt(lease, root.upper());
    }

    Result<std::optional<store::LayerWriter::Written>> adopt(store::Lease& lease, const std::string& upper) {
        if (build_.epoch) TRY(build::clamp_times(upper, *build_.epoch));
        return std::optional(TRY(build_.parts.images.adopt_layer(lease, upper, codec::Compression::Gzip, 1)));
    }

    // --- RUN ---

    Result<void> run_command(const dockerfile::Run& run, const dockerfile::Lookup& lookup) {
        StageState before = state_;
        auto environment = state_.config.config.env.value_or(std::vector<std::string>());
        RunWork work;
        work.run = &run;
        std::string script;
        work.words = TRY(command_words(run, script));
        auto mounts = TRY(resolve_build_mounts(build_, index_, state_, run.mounts, lookup));
        work.mounts = mounts.mounts;
        ScratchDirectory script_directory = TRY(ScratchDirectory::make(build_.scratch));
        if (!script.empty()) {
            docker::MountRequest mount;
            mount.type = "bind";
            mount.source = script_directory.path() + "/script";
            mount.target = work.words[0];
            TRY(os::write_file(mount.source, script, 0755));
            work.mounts.push_back(std::move(mount));
        }
        work.stubs = mounts.stubs;
        work.secret_environment = mounts.secret_environment;
        auto arguments = variables_.for_run(environment);
        work.environment = environment;
        for (auto* extra : {&arguments, &mounts.environment}) work.environment.insert(work.environment.end(), extra->begin(), extra->end());
        auto proxies = variables_.proxies(environment);
        work.environment.insert(work.environment.end(), proxies.begin(), proxies.end());
        work.network = run.network == "none" || run.network == "host" ? run.network : build_.request.host.network_mode;
        std::string created_by = join(work.words, " ");
        if (!arguments.empty()) created_by = concat('|', arguments.size(), ' ', join(arguments, " "), ' ', created_by);
        // What the outcome depends on beside the files: all but labels, ports and the like.
        std::string key = concat("run\n", created_by, '\n', join(environment, "\n"), "\n\n", state_.config.config.user, '\n', state_.config.config.working_dir,
                                 '\n', run.network, '\n', run.security, '\n', mounts.key);
        key += script;
        history_tells_all_ = mounts.key.empty() && script.empty() && run.network.empty() && run.security.empty();
        for (auto& word : work.words) key += concat(word.size(), ':', word);
        auto inputs = run_inputs(run, work, arguments, environment, mounts.key, script);
        return commit(before, created_by, key, std::move(inputs), [&](store::Lease& lease) -> Result<std::optional<store::LayerWriter::Written>> {
            if (state_.image.empty()) TRY(materialise());  // containers are made of images
            return run_step(build_, index_, lease, state_, work);
        });
    }

    build::StepInputs run_inputs(const dockerfile::Run& run, const RunWork& work, const std::vector<std::string>& arguments,
                                 const std::vector<std::string>& environment, const std::string& mounts, const std::string& script) const {
        build::StepInputs inputs;
        inputs.add("the command", join(work.words, std::string_view("\0", 1)));
        if (!script.empty()) inputs.add("the script", script);
        for (auto& [kind, variables] : {std::pair("ARG ", &arguments), std::pair("ENV ", &environment)})
            for (auto& variable : *variables) inputs.add(kind + variable.substr(0, variable.find('=')), variable);
        inputs.add("USER", state_.config.config.user);
        inputs.add("WORKDIR", state_.config.config.working_dir);
        inputs.add("--network", run.network);
        inputs.add("--security", run.security);
        std::string mount, sums;
        for (auto& line : split(mounts + "mount ", '\n')) {  // "mount TEXT", then the hashes of what it shows
            if (!line.starts_with("mount ")) {
                sums += line;
                continue;
            }
            if (!mount.empty()) inputs.add("--mount=" + mount, sums);
            mount = line.substr(6);
            sums.clear();
        }
        return inputs;
    }

    /// `script` is what the command's file holds, when it is one.
    Result<std::vector<std::string>> command_words(const dockerfile::Run& run, std::string& script) {
        if (run.heredocs.empty()) return build::full_command(run.command, state_.config);
        auto words = build::shell_of(state_.config);
        std::string text = run.command.words.empty() ? "" : run.command.words[0];
        auto only = dockerfile::heredoc_of_word(trim(text));
        if (!only.name.empty() && run.heredocs.size() == 1) {
            text = run.heredocs[0].text();
            if (text.starts_with("#!")) {  // a script of its own interpreter, executed as a file
                script = text;
                return std::vector<std::string>{concat("/dev/pipes/", only.name)};
            }
            words.push_back(text);
            return words;
        }
        for (auto& heredoc : run.heredocs) text += concat('\n', heredoc.content, heredoc.name);
        words.push_back(text);
        return words;
    }

    // --- COPY and ADD ---

    Result<void> copy_command(const dockerfile::Copy& copy, const dockerfile::Lookup& lookup) {
        StageState before = state_;
        char escape = build_.program.escape;
        std::string name = copy.add ? "ADD" : "COPY";
        build::CopyWork work;
        work.latest_seconds = build_.epoch;
        std::vector<std::string> excludes;
        for (auto& text : copy.excludes) excludes.push_back(TRY(dockerfile::expand(text, lookup, escape)));
        work.excludes = TRY(dockerfile::IgnorePatterns::of(excludes));
        std::string destination = TRY(dockerfile::expand(copy.destination, lookup, escape));
        work.destination = build::working_directory(state_.config.config.working_dir, destination);
        bool directory = destination.ends_with('/') || destination == "." || destination.ends_with("/.") || destination == ".." || destination.ends_with("/..");
        if (directory && !work.destination.ends_with('/')) work.destination += '/';
        std::string chmod = TRY(dockerfile::expand(copy.chmod, lookup, escape)), chown = TRY(dockerfile::expand(copy.chown, lookup, escape));
        if (!chmod.empty()) work.mode = TRY(build::ModeChange::parse(chmod));
        if (!copy.checksum.empty() && copy.sources.size() > 1)
            return fail(ErrorKind::InvalidArgument, "ADD failed: checksum can't be specified for multiple sources");
        auto sources = TRY(gather_sources(build_, index_, copy, lookup, work));
        size_t count = 0;
        for (auto& part : work.parts) count += part.items.size();
        if (count == 0) return fail(ErrorKind::InvalidArgument, concat(name, " failed: no source files were specified"));
        if (count > 1 && !directory)
            return fail(ErrorKind::InvalidArgument,
                        concat("When using ", name, " with more than one source file, the destination must be a directory and end with a /"));
        build::StepInputs inputs;
        for (auto& [option, value] : {std::pair("--chown", chown), std::pair("--chmod", chmod), std::pair("--exclude", join(excludes, "\n"))})
            inputs.add(option, value);
        inputs.add("the destination", work.destination);
        inputs.add("SHELL", join(build::shell_of(state_.config), " "));
        std::string hash = TRY(hash_sources(build_, work, count, !copy.from.empty(), &inputs));
        std::string created_by = concat(join(build::shell_of(state_.config), " "), " #(nop) ", name, ' ', chown.empty() ? "" : concat("--chown=", chown, ' '),
                                        chmod.empty() ? "" : concat("--chmod=", chmod, ' '), hash, " in ", work.destination, ' ');
        std::string key =
            concat("copy\n", created_by, '\n', copy.parents, copy.from.empty(), copy.unpack ? (*copy.unpack ? "u" : "n") : "", '\n', join(excludes, "\n"));
        return commit(before, created_by, key, std::move(inputs), [&](store::Lease& lease) -> Result<std::optional<store::LayerWriter::Written>> {
            ScratchDirectory scratch = TRY(ScratchDirectory::make(build_.scratch));
            auto root = TRY(build::StageRoot::writable(TRY(lower_of(build_, state_)), scratch.path(), build_.parts.images.driver()));
            if (!chown.empty()) work.owner = TRY(build::find_owner(chown, root.root()));
            else if (auto* named = find_context(build_, copy.from); copy.from.empty() || (named && !named->directory.empty())) work.owner = build::Owner();
            auto copied = build::copy_files(work, root.root());
            if (!copied) return fail(std::move(copied).error().wrap(concat(name, " failed")));
            if (build_.context_in_place && copy.from.empty() && TRY(hash_sources(build_, work, count, false)) != hash)
                return fail(ErrorKind::Conflict, concat(name, " failed: the build context changed while it was read"));
            TRY(root.close());
            return adopt(lease, root.upper());
        });
    }

    // --- images ---

    using MakeLayer = std::function<Result<std::optional<store::LayerWriter::Written>>(store::Lease&)>;

    bool cache_allowed() const {
        auto& stages = build_.request.no_cache_stages;
        if (build_.request.no_cache) return false;
        return stages.empty() ||
               std::none_of(stages.begin(), stages.end(), [&](auto& name) { return equals_ignoring_case(name, stage_.name) || name == concat(index_); });
    }

    std::string chain(const StageState& state) const {
        std::string text;
        for (auto& digest : state.diff_ids) text += digest.text() + "\n";
        return text;
    }

    /// The end of a step: its image from the cache, or made. `files_key` is empty for steps that change no files; else two steps of equal
    /// key on equal layers give equal layers, whatever else the images say.
    /// `inputs`: what the step depends on, but for the files below it.
    Result<void> commit(const StageState& before, const std::string& created_by, const std::string& files_key, build::StepInputs inputs,
                        const MakeLayer& make) {
        std::string epoch = build_.epoch ? concat("epoch ", *build_.epoch) : "";
        std::string exact = key_of(concat("step\n", before.image.text(), '\n', created_by, '\n', files_key, '\n', configuration_text(), '\n', epoch));
        std::string loose = files_key.empty() ? "" : key_of(concat("files\n", chain(before), '\n', files_key, '\n', epoch));
        if (build_.epoch) inputs.add("SOURCE_DATE_EPOCH", epoch);
        inputs.add("the image " + base_, base_chain_);
        inputs.add("what the steps before it made", loose.empty() ? before.image.text() : chain(before));
        bool hit = cache_allowed() && TRY(take_cached(before, created_by, exact, loose));
        if (!hit && build_.request.explain) explain_miss(inputs);
        build_.parts.builds.put_inputs(place_, loose.empty() ? exact : loose, inputs);
        if (hit) return {};
        state_with_parent(before);
        auto layer = TRY(make(lease_));
        TRY(finish(before, created_by, layer ? std::optional(std::pair(store::layer_descriptor(*layer), layer->diff_id)) : std::nullopt, step_time()));
        // The size is counted once.
        remember(exact, created_by, layer.has_value(), 0);
        if (!loose.empty()) remember(loose, created_by, layer.has_value(), layer ? static_cast<int64_t>(layer->size) : 0);
        return {};
    }

    void explain_miss(const build::StepInputs& inputs) {
        if (!cache_allowed()) return explain("Not from the cache: it was not to be used");
        auto earlier = build_.parts.builds.find_inputs(place_);
        if (!earlier) return explain("Not from the cache: no earlier build had this step");
        explain(concat("Not from the cache: ", inputs.first_difference(*earlier).value_or("what it made before is gone")));
    }

    /// The names of the image, without tags: a build of the same Dockerfile may give another one each time.
    std::string repositories() const {
        std::string text;
        for (auto& tag : build_.request.tags)
            if (auto reference = oci::Reference::parse(tag)) text += reference->familiar_name() + " ";
        return text;
    }

    /// What the step's image will be configured with.
    std::string configuration_text() const {
        oci::ImageConfig config = state_.config;
        config.root_fs = {};  // the layers are the image's before the step
        return json::encode(config);
    }

    static std::string key_of(const std::string& text) { return std::string(Digest::of(text).hex()); }

    /// Steps look at the files before them, not at the changed configuration.
    void state_with_parent(const StageState& before) {
        state_.layers = before.layers;
        state_.diff_ids = before.diff_ids;
        state_.image = before.image;
    }

    Time step_time() const { return build_.epoch ? Time{*build_.epoch, 0} : now(); }

    void remember(const std::string& key, const std::string& description, bool layer, int64_t size) {
        build_.parts.builds.put(
            {.key = key, .image = state_.image.text(), .layer = layer, .description = description, .created = now(), .last_used = now(), .size = size});
    }

    Result<bool> take_cached(const StageState& before, const std::string& created_by, const std::string& exact, const std::string& loose) {
        if (!build_.request.cache_from.empty()) return history_tells_all_ && TRY(take_from_history(build_.request.cache_from, before, created_by));
        if (TRY(take_own(before, created_by, exact, loose))) return true;
        return history_tells_all_ && TRY(take_from_history(build_.request.cache_images, before, created_by));
    }

    Result<bool> take_own(const StageState& before, const std::string& created_by, const std::string& exact, const std::string& loose) {
        auto& cache = build_.parts.builds;
        auto record = cache.find(exact);
        if (record) {
            auto image = build_.parts.images.find(Digest::parse(record->image).value_or(Digest()));
            if (image && image->manifest() && take_image(*image)) {
                cache.touch(exact);
                say_cached();
                explain("From the cache: nothing that the step depends on has changed");
                return true;
            }
        }
        if (loose.empty()) return false;
        record = cache.find(loose);
        auto image = record ? build_.parts.images.find(Digest::parse(record->image).value_or(Digest())) : nullptr;
        auto* manifest = image ? image->manifest() : nullptr;
        if (!manifest || !manifest->available || (record->layer && manifest->layers.empty())) return false;
        std::optional<std::pair<oci::Descriptor, Digest>> layer;
        if (record->layer) layer.emplace(manifest->layers.back(), manifest->diff_ids.back());
        if (layer && !lease_.keep_blob(Digest::parse(layer->first.digest).value_or(Digest()))) return false;
        state_with_parent(before);
        TRY(finish(before, created_by, layer, manifest->config.history.empty() ? step_time() : manifest->config.history.back().created.value_or(step_time())));
        cache.touch(loose);
        remember(exact, created_by, record->layer, 0);
        say_cached();
        explain("From the cache: the files are those of an earlier step with the same command, variables, sources and files below it");
        return true;
    }

    bool take_image(const store::Image& image) {
        auto* manifest = image.manifest();
        StageState found{manifest->config, manifest->layers, manifest->diff_ids, image.id};
        if (!keep(found)) return false;
        state_ = std::move(found);
        return true;
    }

    /// Holds what the image needs while this build goes on.
    bool keep(const StageState& state) {
        auto image = build_.parts.images.find(state.image);
        if (!image) return false;
        return std::all_of(image->blobs.begin(), image->blobs.end(), [&](auto& digest) { return lease_.keep_blob(digest); });
    }

    /// --cache-from: the step stands in the history of a named image whose first layers are ours.
    Result<bool> take_from_history(const std::vector<std::string>& names, const StageState& before, const std::string& created_by) {
        for (auto& name : names) {
            auto image = build_.parts.images.resolve(name);
            auto* manifest = image ? (*image)->manifest() : nullptr;
            if (!manifest || !manifest->available) continue;
            auto& history = manifest->config.history;
            size_t at = before.config.history.size();
            if (history.size() <= at || history[at].created_by != created_by) continue;
            bool same =
                manifest->diff_ids.size() >= before.diff_ids.size() && std::equal(before.diff_ids.begin(), before.diff_ids.end(), manifest->diff_ids.begin());
            for (size_t i = 0; same && i < at; i++) same = history[i].created_by == before.config.history[i].created_by;
            if (!same) continue;
            std::optional<std::pair<oci::Descriptor, Digest>> layer;
            if (!history[at].empty_layer) {
                size_t number = before.diff_ids.size();
                if (number >= manifest->layers.size()) continue;
                layer.emplace(manifest->layers[number], manifest->diff_ids[number]);
                if (!lease_.keep_blob(Digest::parse(layer->first.digest).value_or(Digest()))) continue;
            }
            state_with_parent(before);
            TRY(finish(before, created_by, layer, history[at].created.value_or(step_time())));
            say_cached();
            explain(concat("From the cache: the step stands in the history of ", name));
            return true;
        }
        return false;
    }

    /// Makes the step's image out of the current configuration, the layers before and the new one.
    Result<void> finish(const StageState& before, const std::string& created_by, const std::optional<std::pair<oci::Descriptor, Digest>>& layer, Time when) {
        if (layer) {
            state_.layers.push_back(layer->first);
            state_.diff_ids.push_back(layer->second);
        }
        state_.config.created = when;
        state_.config.history.push_back({.created = when, .created_by = created_by, .author = state_.config.author, .empty_layer = !layer});
        state_.config.docker_version.clear();
        state_.config.parent.clear();
        state_.config.comment.clear();
        state_.config.container.clear();
        auto image = TRY(build_.parts.images.create_image(lease_, state_.config, state_.layers, state_.diff_ids, {}, before.image));
        state_.image = image->id;
        return {};
    }

    /// An image of a stage that has no step yet.
    Result<void> materialise() {
        if (!state_.config.created) state_.config.created = step_time();
        auto image = TRY(build_.parts.images.create_image(lease_, state_.config, state_.layers, state_.diff_ids));
        state_.image = image->id;
        return {};
    }

    Result<void> add_labels() {
        if (build_.request.labels.empty()) return {};
        Command command;
        dockerfile::Label label;
        std::string text = "LABEL";
        for (auto& [name, value] : build_.request.labels) {
            std::string plain = concat('\'', replace_all(value, "'", "'\"'\"'"), '\'');
            label.pairs.emplace_back(concat('\'', replace_all(name, "'", "'\"'\"'"), '\''), plain);
            text += concat(' ', name, '=', value);
        }
        command.what = std::move(label);
        say_step(text);
        TRY(step(command));
        say_image();
        return {};
    }

    BuildContext& build_;
    size_t index_;
    const dockerfile::Stage& stage_;
    int step_, steps_;
    BuildMessages::Step current_;
    bool history_tells_all_ = true;  ///< the line of history names all that the current step depends on
    bool cached_ = false;            ///< the current step came from the cache
    store::Lease lease_;
    build::Variables variables_;
    StageState state_;
    std::string base_, base_chain_;           ///< the image that the stage starts from
    std::string place_;                       ///< where the current step stands, whatever it depends on
    std::map<std::string, int> occurrences_;  ///< of equal instructions
    bool command_set_ = false;
};
}  // namespace

Result<void> build_stage(BuildContext& build, size_t index, int first_step, int steps) { return StageBuilder(build, index, first_step, steps).run(); }

}  // namespace proa::engine
