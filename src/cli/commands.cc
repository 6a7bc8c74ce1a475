#include "cli/commands.h"

#include "base/text.h"

namespace proa::cli {

client::Filters collect_filters(const std::vector<std::string>& items) {
    client::Filters filters;
    for (auto& item : items) {
        auto parts = cut(item, "=");
        auto& values = filters[std::string(parts->first)];
        values.emplace_back(parts->second);
    }
    return filters;
}

std::string list_format(Invocation& call, std::string_view config_key) {
    std::string format = call.flags.text("format");
    return format.empty() ? call.session.config().text(config_key) : format;
}

Result<client::Client*> ready_engine(Invocation& call) {
    client::Client* engine = TRY(call.session.engine());
    TRY(engine->negotiate());
    return engine;
}

std::span<const Group> groups() {
    static const Group kGroups[] = {
        {"container", "Manage containers"},
    };
    return kGroups;
}

std::span<const Place> places() {
    static const std::vector<Place> kPlaces = {
        {"", {"run"}, &kRun, true},
        {"", {"ps"}, &kPs, true},
        {"", {"version"}, &kVersion, true},
        {"", {"create"}, &kCreate},
        {"container", {"create"}, &kCreate},
        {"container", {"run"}, &kRun},
        {"container", {"ls", "list", "ps"}, &kPs},
    };
    return kPlaces;
}

}  // namespace proa::cli
