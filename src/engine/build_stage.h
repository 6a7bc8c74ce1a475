#pragma once
#include "build/configure.h"
#include "build/copy.h"
#include "build/stage_root.h"
#include "dockerfile/commands.h"
#include "engine/build_image.h"
#include "engine/build_messages.h"
#include "store/image_store.h"

// Internal to build_image: one stage being built.
namespace proa::engine {

/// A directory of the build's own below the data root, gone with this value.
class ScratchDirectory {
public:
    static Result<ScratchDirectory> make(const std::string& parent);
    ScratchDirectory(ScratchDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    ScratchDirectory& operator=(ScratchDirectory&&) = delete;
    ~ScratchDirectory();
    const std::string& path() const { return path_; }

private:
    explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

/// An image in the making: what the next step starts from.
struct StageState {
    oci::ImageConfig config;
    std::vector<oci::Descriptor> layers;
    std::vector<codec::Digest> diff_ids;
    codec::Digest image;  ///< empty: nothing yet (FROM scratch)
};

/// A source of files that --build-context gave a name.
struct NamedContext {
    std::string image;      ///< a reference, or ""
    std::string directory;  ///< else where the files lie
};

/// What all stages of one build share.
struct BuildContext {
    Parts& parts;
    const BuildRequest& request;
    const dockerfile::Program& program;
    const BuildListener& listener;
    BuildMessages& messages;
    std::string scratch;                        ///< directory of the build
    std::string context_directory;              ///< "" when there is no context
    bool context_in_place = false;              ///< it is the client's own directory, which may change meanwhile
    build::Hidden hidden;                       ///< what .dockerignore leaves out of a context that is read in place
    build::FileHashes* file_hashes = nullptr;   ///< for a context that is read in place
    std::map<std::string, NamedContext> named;  ///< by context_name()
    oci::Platform platform;
    std::optional<int64_t> epoch;                     ///< SOURCE_DATE_EPOCH
    std::vector<std::optional<StageState>> finished;  ///< by stage; a stage starts when those it needs are here
    std::vector<std::optional<build::Variables>> variables;
    std::mutex mutex;  ///< of `finished`, `variables`, `used_arguments` and `exit_code`
    std::set<std::string> used_arguments;
    int exit_code = 0;
};

/// The parent of builds' scratch directories; what is there at boot is removed.
std::string builds_root(const Parts& parts);

/// Where secrets lie while a command sees them.
std::string secrets_root(const Parts& parts);

/// The index of the stage that `name` (a name or a number) means among those before `before`; nullopt: it is an image.
std::optional<size_t> find_stage(const dockerfile::Program& program, std::string_view name, size_t before);

/// The image `reference`, pulled when it is not here (or always, if asked for).
Result<store::ImagePointer> build_base_image(BuildContext& build, size_t stage, const std::string& reference, const std::string& platform);

/// Builds stage `index` whose first step has number `first_step` of `steps`.
Result<void> build_stage(BuildContext& build, size_t index, int first_step, int steps);

/// One RUN in a container as `run` starts them. Gives the directory tree's changes as a layer, nullopt when there are none.
struct RunWork {
    std::vector<std::string> words, environment;
    std::vector<std::string> secret_environment;  ///< as environment, kept in no record
    const dockerfile::Run* run = nullptr;
    std::vector<docker::MountRequest> mounts;
    std::vector<std::string> stubs;  ///< mount points that must leave no trace
    std::string network;
};
Result<std::optional<store::LayerWriter::Written>> run_step(BuildContext& build, size_t stage, store::Lease& lease, const StageState& state,
                                                            const RunWork& work);

/// The mounts of one RUN, resolved; what they need lives as long as this.
struct ResolvedMounts {
    std::vector<docker::MountRequest> mounts;
    std::vector<std::string> stubs, environment, secret_environment;
    std::string key;  ///< what of them belongs to the cache key
    std::vector<build::Cache::Mount> held;
    std::vector<ScratchDirectory> scratch;
};
Result<ResolvedMounts> resolve_build_mounts(BuildContext& build, size_t stage, const StageState& state, const std::vector<std::string>& texts,
                                            const dockerfile::Lookup& lookup);

/// How contexts and what FROM and `--from` name are compared: lower case, references in their familiar form without ":latest".
std::string context_name(std::string_view text);
/// The context that stands for `name`; nullptr when none does.
const NamedContext* find_context(const BuildContext& build, std::string_view name);

/// The root of an earlier stage, of an image or of a named context, to read from.
class SourceRoot {
public:
    SourceRoot(build::StageRoot stage, ScratchDirectory scratch) : scratch_(std::move(scratch)), stage_(std::move(stage)) {}
    explicit SourceRoot(os::RootDirectory directory) : directory_(std::move(directory)) {}
    const os::RootDirectory& root() const { return stage_ ? stage_->root() : directory_; }

private:
    std::optional<ScratchDirectory> scratch_;  // outlives the mount above it
    std::optional<build::StageRoot> stage_;
    os::RootDirectory directory_;
};
Result<SourceRoot> open_source_root(BuildContext& build, size_t stage, const std::string& from);

/// The directories of a state's layers, top first.
Result<std::vector<std::string>> lower_of(BuildContext& build, const StageState& state);

}  // namespace proa::engine
