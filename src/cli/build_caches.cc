#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "cli/build.h"
#include "cli/commands.h"
#include "cli/create_container.h"
#include "cli/file_transfer.h"
#include "cli/progress.h"
#include "client/images.h"
#include "os/file.h"
#include "schema/oci/reference.h"

// Steps of other machines' builds. An image's history tells its steps, so a cache is images: the built one (inline, registry), or those of all
// stages, in one archive (local) or under tags beside the last one's (registry).
namespace proa::cli {

namespace {
constexpr char kArchive[] = "/cache.tar";

Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

Result<BuildCachePlace> parse_place(const std::string& text, bool source) {
    BuildCachePlace place;
    if (text.find('=') == std::string::npos) {
        place.type = source || text != "inline" ? "registry" : "inline";
        place.place = text;
        return place;
    }
    std::string reference, directory;
    for (auto& field : split(text, ',')) {
        auto pair = cut(field, "=");
        if (!pair) return invalid(concat("invalid value ", field));
        std::string key = to_lower(pair->first), value(pair->second);
        if (key == "type") place.type = value;
        else if (key == "ref") reference = value;
        else if (key == (source ? "src" : "dest")) directory = value;
        else if (key == "mode" && !source && (value == "min" || value == "max")) place.all_stages = value == "max";
        else if (key == "ignore-error" && !source && parse_bool(value)) place.ignore_errors = *parse_bool(value);
        else return invalid(concat("cache attribute ", field, " is not supported by this engine"));
    }
    if (place.type.empty()) return invalid(concat("type required form> ", quote(text)));
    if (place.type == "inline" && !source) return place;
    if (place.type == "registry") {
        if (reference.empty()) return invalid("registry cache requires ref");
        place.place = reference;
    } else if (place.type == "local") {
        if (directory.empty()) return invalid(source ? "local cache importer requires src" : "dest is required for local cache");
        place.place = directory;
    } else {
        return invalid(concat("unknown cache ", source ? "importer: " : "exporter: ", quote(place.type)));
    }
    return place;
}

Result<std::vector<BuildCachePlace>> parse_places(const std::vector<std::string>& texts, bool source) {
    std::vector<BuildCachePlace> places;
    for (auto& text : texts) places.push_back(TRY(parse_place(text, source)));
    return places;
}

/// Reads a progress stream to its end. Errors: what the stream tells.
Result<void> read_messages(client::Connection& answer, const std::function<void(const json::Value&)>& see) {
    json::Splitter splitter;
    char buffer[16384];
    while (size_t got = TRY(answer.read(buffer)))
        for (auto& text : splitter.feed(std::string_view(buffer, got))) {
            auto message = TRY(json::parse(text));
            if (!message["error"].as_string().empty()) return fail(ErrorKind::Internal, message["error"].as_string());
            see(message);
        }
    return {};
}

bool has_image(client::Client& engine, const std::string& name) { return engine.json({.path = concat("/images/", name, "/json")}).has_value(); }

/// Where a registry cache keeps the image of the stage `number` stages before the last one. Formats: docs/formats/build-cache.md
Result<oci::Reference> place_of_stage(const std::string& text, size_t number) {
    auto reference = TRY(oci::Reference::parse(text)).with_default_tag();
    if (number == 0) return reference;
    if (!reference.digest.empty()) return fail(ErrorKind::NotFound, concat(text, " names one image"));
    reference.tag += concat("-stage-", number);
    return reference;
}

Result<void> push_stage(Session& session, client::Client& engine, const oci::Reference& reference, const std::string& image) {
    if (!reference.digest.empty()) return invalid("cannot push a digest reference");
    std::string name = reference.familiar();
    bool was_there = has_image(engine, name);
    TRY(engine.text({.method = "POST", .path = concat("/images/", image, "/tag"), .query = {{"repo", reference.familiar_name()}, {"tag", reference.tag}}}));
    auto pushed = [&]() -> Result<void> {
        auto answer = TRY(client::push_image(engine, reference.familiar_name(), reference.tag, "", client::registry_auth(session.config(), reference.domain)));
        return show_progress(answer, STDERR_FILENO, true);
    }();
    if (!was_there) (void)engine.text({.method = "DELETE", .path = concat("/images/", name), .query = {{"noprune", "1"}}});  // the push matters, not the name
    return pushed;
}

/// `stages`: the last one is what was built.
Result<void> push_cache(Session& session, client::Client& engine, const std::string& text, const std::vector<std::string>& stages) {
    for (size_t number = stages.size(); number-- > 0;)  // the last one last: who finds it finds them all
        TRY(push_stage(session, engine, TRY(place_of_stage(text, number)), stages[stages.size() - 1 - number]));
    return {};
}

Result<void> save_cache(client::Client& engine, const std::string& directory, const std::vector<std::string>& images) {
    TRY(os::make_directories(directory, 0755));
    client::Call request{.path = "/images/get"};
    for (auto& image : images) request.query.emplace_back("names", image);
    auto answer = TRY(engine.stream(request));
    return receive_file(answer, directory + kArchive);
}
}  // namespace

Result<std::vector<BuildCachePlace>> parse_cache_sources(const std::vector<std::string>& texts) { return parse_places(texts, true); }
Result<std::vector<BuildCachePlace>> parse_cache_targets(const std::vector<std::string>& texts) { return parse_places(texts, false); }

Result<void> ImportedCaches::pull(const std::string& reference) {
    TRY(pull_stage(reference));
    for (size_t number = 1;; number++) {
        auto place = place_of_stage(reference, number);
        if (!place || !pull_stage(place->familiar())) return {};
    }
}

Result<void> ImportedCaches::pull_stage(const std::string& reference) {
    if (has_image(engine_, reference)) {
        images_.push_back(reference);
        return {};
    }
    TRY(pull_image(session_, reference, "", true, STDERR_FILENO));
    images_.push_back(reference);
    removable_.push_back(reference);
    return {};
}

Result<void> ImportedCaches::load(const std::string& directory) {
    os::Fd archive = TRY(open_input(directory + kArchive));
    std::vector<std::string> before;
    for (auto& image : TRY(engine_.json({.path = "/images/json", .query = {{"all", "1"}}})).as_array()) before.push_back(image["Id"].as_string());
    auto answer = TRY(send_file(
        engine_, {.method = "POST", .path = "/images/load", .query = {{"quiet", "1"}}, .chunked = true, .content_type = "application/x-tar"}, archive.get()));
    return read_messages(answer, [&](const json::Value& message) {
        std::string line(trim(message["stream"].as_string()));
        std::string id(trim_prefix(line, "Loaded image ID: "));
        if (id == line) return;
        images_.push_back(id);
        if (std::find(before.begin(), before.end(), id) == before.end()) removable_.push_back(id);
    });
}

void ImportedCaches::import(const std::vector<BuildCachePlace>& sources) {
    for (auto& source : sources) {
        auto brought = source.type == "local" ? load(source.place) : pull(source.place);
        if (!brought) put_error_line(concat("WARNING: failed to import cache from ", source.place, ": ", brought.error().message()));
    }
}

void ImportedCaches::keep(const std::vector<std::string>& images) {
    std::erase_if(removable_, [&](auto& image) { return std::find(images.begin(), images.end(), image) != images.end(); });
}

ImportedCaches::~ImportedCaches() {
    // What the build took over stays as part of its images.
    for (auto& image : removable_) (void)engine_.text({.method = "DELETE", .path = concat("/images/", image)});
}

Result<void> export_caches(Session& session, client::Client& engine, const std::vector<BuildCachePlace>& targets, const std::vector<std::string>& stages) {
    for (auto& target : targets) {
        Result<void> done;
        auto chosen = target.all_stages ? stages : std::vector{stages.back()};
        if (target.type == "registry") done = push_cache(session, engine, target.place, chosen);
        if (target.type == "local") done = save_cache(engine, target.place, chosen);
        if (done) continue;
        if (!target.ignore_errors) return fail(std::move(done).error().wrap(concat("error writing cache to ", target.place)));
        put_error_line(concat("WARNING: error writing cache to ", target.place, ": ", done.error().message()));
    }
    return {};
}

}  // namespace proa::cli
