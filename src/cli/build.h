#pragma once
#include <map>
#include <set>

#include "cli/build_context.h"
#include "cli/command.h"
#include "client/client.h"

// Internal to `build`: its parts, in the order in which they work.
namespace proa::cli {

/// One --output.
struct BuildOutput {
    std::string type, destination;
    std::map<std::string, std::string> attributes;
    bool pushes() const;
};
/// Errors: InvalidArgument that names the attribute which is not known.
Result<BuildOutput> parse_build_output(const std::string& text);
/// Takes the built image out of the engine where the output wants it.
Result<void> write_build_output(client::Client& engine, const BuildOutput& output, const std::string& id, const std::vector<std::string>& tags);
/// `push` of one name, as that command does it.
Result<void> push_image(Invocation& call, const std::string& name, bool quiet);

/// One --cache-from or --cache-to: "type=registry,ref=X", or a plain name.
struct BuildCachePlace {
    std::string type, place;  ///< a reference or a directory
    bool all_stages = false;  ///< mode=max
    bool ignore_errors = false;
};
Result<std::vector<BuildCachePlace>> parse_cache_sources(const std::vector<std::string>& texts);
Result<std::vector<BuildCachePlace>> parse_cache_targets(const std::vector<std::string>& texts);

/// What caches brought into the engine for the time of one build; goes with this value.
class ImportedCaches {
public:
    ImportedCaches(Session& session, client::Client& engine) : session_(session), engine_(engine) {}
    ImportedCaches(const ImportedCaches&) = delete;
    ~ImportedCaches();
    /// Brings them in; one that cannot be had costs a warning on standard error, as in Docker.
    void import(const std::vector<BuildCachePlace>& sources);
    /// These are the build's: they stay.
    void keep(const std::vector<std::string>& images);
    /// Names and ids of images whose steps may be taken.
    const std::vector<std::string>& images() const { return images_; }

private:
    Result<void> pull(const std::string& reference);
    Result<void> pull_stage(const std::string& reference);
    Result<void> load(const std::string& directory);
    Session& session_;
    client::Client& engine_;
    std::vector<std::string> images_, removable_;
};
/// `stages` are the images of all stages, the built one last.
Result<void> export_caches(Session& session, client::Client& engine, const std::vector<BuildCachePlace>& targets, const std::vector<std::string>& stages);

/// A directory of --build-context, and the name under which the engine finds it in what is sent.
struct NamedDirectory {
    std::string place;
    BuildContext context;
};

/// What the request says beside its query.
struct BuildPlan {
    client::Call request;
    json::Object extension;  ///< of the header X-Proa-Build (docs/formats/build-cache.md)
    std::vector<NamedDirectory> directories;
};
Result<BuildPlan> plan_build(Invocation& call, client::Client& engine, const std::vector<std::string>& tags, const std::vector<std::string>& cache_images,
                             bool live);

/// Sends the request with the files that the arguments name (an engine of this machine reads a directory in place), and reads the answer's
/// head. `sent` counts the context's bytes.
Result<client::Connection> send_build(Invocation& call, client::Client& engine, const BuildPlan& plan, uint64_t& sent);

enum class BuildProgress { Plain, Live, Quiet, Raw };
/// Reads the stream to its end: the images of all stages, the built one last. An error exits with the failed command's code.
Result<std::vector<std::string>> follow_build(client::Connection& answer, BuildProgress progress);

/// --check: reads the Dockerfile here and builds nothing. 1 when there is something to say.
Result<int> check_build(Invocation& call);

}  // namespace proa::cli
