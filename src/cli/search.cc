#include "base/text.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "client/images.h"
#include "schema/oci/reference.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"filter", 'f', FlagType::Filter, "Filter output based on conditions provided"},
    {"format", 0, FlagType::String, "Pretty-print search using a Go template"},
    {"limit", 0, FlagType::Int, "Max number of search results"},
    {"no-trunc", 0, FlagType::Bool, "Don't truncate output"},
};
const Column kColumns[] = {{"Name", "NAME"}, {"Description", "DESCRIPTION"}, {"StarCount", "STARS"}, {"IsOfficial", "OFFICIAL"}};

std::string description(std::string text, bool whole) {
    text = replace_all(replace_all(text, "\n", " "), "\r", " ");
    if (whole || text.size() <= 45) return text;
    return concat(text.substr(0, 44), "…");
}

Result<int> search(Invocation& call) {
    auto& flags = call.flags;
    auto format = TRY(Format::make(flags.text("format"), {"{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}", "", ""}, false));
    client::Client& engine = *TRY(ready_engine(call));
    auto reference = oci::Reference::parse(call.arguments[0]);
    std::string auth = client::registry_auth(call.session.config(), reference ? reference->domain : "docker.io");
    client::Call request{.path = "/images/search", .query = {{"term", call.arguments[0]}, {"limit", concat(flags.integer("limit"))}}};
    if (auto text = client::filters_text(collect_filters(flags.list("filter"))); !text.empty()) request.query.emplace_back("filters", text);
    if (!auth.empty()) request.headers.push_back({"X-Registry-Auth", auth});
    json::Value results = TRY(engine.json(request));
    std::vector<Row> rows;
    for (auto& result : results.as_array()) {
        Row row;
        row.fields = {{"Description", description(result["description"].as_string(), flags.is("no-trunc"))},
                      {"IsOfficial", result["is_official"].as_bool() ? "[OK]" : ""},
                      {"Name", result["name"].as_string()},
                      {"StarCount", concat(result["star_count"].as_int())}};
        rows.push_back(std::move(row));
    }
    put(TRY(format.print({"searchContext", kColumns}, rows)));
    return 0;
}
}  // namespace

const Command kSearch = {"[OPTIONS] TERM", "Search Docker Hub for images", kFlags, exactly(1), search};

}  // namespace proa::cli
