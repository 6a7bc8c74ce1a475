#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/image_tree.h"
#include "cli/table.h"
#include "cli/units.h"
#include "client/images.h"
#include "schema/oci/reference.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"all", 'a', FlagType::Bool, "Show all images (default hides intermediate images)"},
    {"digests", 0, FlagType::Bool, "Show digests"},
    {"filter", 'f', FlagType::Filter, "Filter output based on conditions provided"},
    {"format", 0, FlagType::String, kFormatHelp},
    {"no-trunc", 0, FlagType::Bool, "Don't truncate output"},
    {"quiet", 'q', FlagType::Bool, "Only show image IDs"},
    {"tree", 0, FlagType::Bool, "List multi-platform images as a tree", nullptr, "", kHidden},
};

const Column kColumns[] = {{"ID", "IMAGE ID"},
                           {"Repository", "REPOSITORY"},
                           {"Tag", "TAG"},
                           {"Digest", "DIGEST"},
                           {"CreatedSince", "CREATED"},
                           {"CreatedAt", "CREATED AT"},
                           {"Size", "SIZE"},
                           {"Containers", "CONTAINERS"},
                           {"VirtualSize", "SIZE"},
                           {"SharedSize", "SHARED SIZE"},
                           {"UniqueSize", "UNIQUE SIZE"}};

struct ImageName {
    std::string repository, tag, digest;
};

/// "localhost:5000/a/b:tag" or "...@digest" into its parts; nullopt for what is no name.
std::optional<ImageName> name_parts(const std::string& text) {
    if (size_t at = text.find('@'); at != std::string::npos) return ImageName{text.substr(0, at), "", text.substr(at + 1)};
    size_t colon = text.rfind(':');
    if (colon == std::string::npos || text.find('/', colon) != std::string::npos) return std::nullopt;
    return ImageName{text.substr(0, colon), text.substr(colon + 1), ""};
}

/// One row a tag; with digests one a tag and digest; untagged images get one.
std::vector<ImageName> names_of(const json::Value& image, bool digests) {
    struct Repository {
        std::string name;
        std::vector<std::string> tags, digests;
    };
    std::vector<Repository> repositories;
    auto repository = [&](const std::string& name) -> Repository& {
        for (auto& known : repositories)
            if (known.name == name) return known;
        repositories.push_back({name, {}, {}});
        return repositories.back();
    };
    for (auto& text : image["RepoTags"].as_array())
        if (auto name = name_parts(text.as_string()); name && text.as_string() != "<none>:<none>") repository(name->repository).tags.push_back(name->tag);
    for (auto& text : image["RepoDigests"].as_array())
        if (auto name = name_parts(text.as_string()); name && text.as_string() != "<none>@<none>") repository(name->repository).digests.push_back(name->digest);
    std::sort(repositories.begin(), repositories.end(), [](auto& a, auto& b) { return a.name < b.name; });
    std::vector<ImageName> names;
    for (auto& each : repositories) {
        if (each.tags.empty()) {
            if (digests)
                for (auto& digest : each.digests) names.push_back({each.name, "<none>", digest});
            else names.push_back({each.name, "<none>", each.digests.empty() ? "" : each.digests[0]});
            continue;
        }
        for (auto& tag : each.tags) {
            if (digests && !each.digests.empty())
                for (auto& digest : each.digests) names.push_back({each.name, tag, digest});
            else names.push_back({each.name, tag, ""});
        }
    }
    if (names.empty()) names.push_back({"<none>", "<none>", ""});
    return names;
}

Row make_row(const json::Value& image, const ImageName& name, bool truncate) {
    const std::string& id = image["Id"].as_string();
    int64_t created = image["Created"].as_int();
    double size = image["Size"].as_double();
    auto count = [&](std::string_view key) { return image[key].is_integer() && image[key].as_int() != -1 ? image[key].as_int() : -1; };
    int64_t containers = count("Containers"), shared = count("SharedSize");
    Row row;
    row.fields = {{"Containers", containers < 0 ? "N/A" : concat(containers)},
                  {"CreatedAt", created == 0 ? "" : local_time_text(created)},
                  {"CreatedSince", created == 0 ? "N/A" : since_text(created) + " ago"},
                  {"Digest", name.digest.empty() ? "<none>" : name.digest},
                  {"ID", truncate ? truncated_id(id) : id},
                  {"Repository", name.repository},
                  {"SharedSize", shared < 0 ? "N/A" : human_size(static_cast<double>(shared))},
                  {"Size", human_size(size, 3)},
                  {"Tag", name.tag},
                  {"UniqueSize", shared < 0 ? "N/A" : human_size(size - static_cast<double>(shared))},
                  {"VirtualSize", human_size(size)}};
    return row;
}

Result<int> show_tree(Invocation& call) {
    auto& flags = call.flags;
    for (auto name : {"quiet", "no-trunc", "digests", "format"})
        if (flags.changed(name)) return fail(ErrorKind::InvalidArgument, concat("--", std::string_view(name), " is not yet supported with --tree"));
    client::Filters filters = collect_filters(flags.list("filter"));
    if (!call.arguments.empty()) filters["reference"].push_back(call.arguments[0]);
    client::Client& engine = *TRY(ready_engine(call));
    struct winsize size{};
    bool terminal = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    put(image_tree(TRY(client::list_images(engine, flags.is("all"), filters, true)), terminal ? size.ws_col : 80));
    return 0;
}

Result<int> run(Invocation& call) {
    auto& flags = call.flags;
    if (flags.is("tree")) return show_tree(call);
    bool quiet = flags.is("quiet"), digests = flags.is("digests");
    std::string chosen = list_format(call, "imagesFormat");
    if (quiet && !flags.changed("format")) chosen.clear();
    std::string table = concat("{{.Repository}}\t{{.Tag}}\t", digests ? "{{.Digest}}\t" : "", "{{.ID}}\t{{.CreatedSince}}\t{{.Size}}");
    std::string raw = quiet ? "image_id: {{.ID}}"
                            : concat("repository: {{ .Repository }}\ntag: {{.Tag}}\n", digests ? "digest: {{.Digest}}\n" : "",
                                     "image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n");
    auto format = TRY(Format::make(chosen, {table, "{{.ID}}", raw}, quiet));
    client::Filters filters = collect_filters(flags.list("filter"));
    if (!call.arguments.empty()) filters["reference"].push_back(call.arguments[0]);
    client::Client& engine = *TRY(ready_engine(call));
    json::Value images = TRY(client::list_images(engine, flags.is("all"), filters));
    bool wants_digest = digests || (!chosen.empty() && !format.is_json() && format.mentions("Digest"));
    std::vector<Row> rows;
    for (auto& image : images.as_array())
        for (auto& name : names_of(image, wants_digest)) rows.push_back(make_row(image, name, !flags.is("no-trunc")));
    put(TRY(format.print({"imageContext", kColumns}, rows)));
    return 0;
}
}  // namespace

const Command kImages = {"[OPTIONS] [REPOSITORY[:TAG]]", "List images", kFlags, at_most(1), run};

}  // namespace proa::cli
