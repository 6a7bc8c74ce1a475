#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/natural_order.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
std::string binding_text(const json::Value& binding) {
    const std::string& address = binding["HostIp"].as_string();
    bool six = address.find(':') != std::string::npos;
    return concat(six ? "[" : "", address, six ? "]:" : ":", binding["HostPort"].as_string());
}

Result<int> run(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    json::Value container = TRY(client::inspect_container(engine, call.arguments[0]));
    const json::Value& ports = container["NetworkSettings"]["Ports"];
    std::vector<std::string> lines;
    if (call.arguments.size() > 1) {
        const std::string& wanted = call.arguments[1];
        auto parts = cut(wanted, "/");
        std::string key = concat(parts ? parts->first : std::string_view(wanted), '/', parts ? parts->second : std::string_view("tcp"));
        if (!parse_uint(parts ? parts->first : std::string_view(wanted)))
            return fail(ErrorKind::InvalidArgument, concat("Error: invalid port '", wanted, "'"));
        auto* bindings = ports.as_object().find(key);
        if (!bindings || bindings->is_null()) return fail(ErrorKind::NotFound, concat("Error: No public port '", wanted, "' published for ", call.arguments[0]));
        for (auto& binding : bindings->as_array()) lines.push_back(binding_text(binding));
    } else {
        for (auto& member : ports.as_object())
            for (auto& binding : member.value.as_array()) lines.push_back(concat(member.name, " -> ", binding_text(binding)));
    }
    std::sort(lines.begin(), lines.end(), natural_less);
    if (!lines.empty()) put_line(join(lines, "\n"));
    return 0;
}
}  // namespace

const Command kPort = {"CONTAINER [PRIVATE_PORT[/PROTO]]", "List port mappings or a specific mapping for the container", {}, {1, 2}, run};

}  // namespace proa::cli
