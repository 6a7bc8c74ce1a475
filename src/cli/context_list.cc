#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/inspect_output.h"
#include "cli/natural_order.h"
#include "cli/table.h"
#include "cli/units.h"
#include "os/file.h"

namespace proa::cli {

namespace {
const Flag kListFlags[] = {
    {"format", 0, FlagType::String, kFormatHelp},
    {"quiet", 'q', FlagType::Bool, "Only show context names"},
};
const Flag kInspectFlags[] = {{"format", 'f', FlagType::String, kInspectFormatHelp}};
const Flag kRemoveFlags[] = {{"force", 'f', FlagType::Bool, "Force the removal of a context in use"}};

const Column kColumns[] = {{"Name", "NAME"}, {"Description", "DESCRIPTION"}, {"DockerEndpoint", "DOCKER ENDPOINT"}, {"Error", "ERROR"}};

bool host_variable_wins(Session& session) {
    const char* host = ::getenv("DOCKER_HOST");
    return host && *host && session.globals().text("context").empty();
}

Row context_row(const std::string& name, const std::string& description, const std::string& host, const std::string& error, bool current) {
    Row row;
    row.fields = {{"Current", current}, {"Description", description}, {"DockerEndpoint", host}, {"Error", ellipsis(error, 45)}, {"Name", name}};
    return row;
}

Result<int> list(Invocation& call) {
    std::string current = TRY(call.session.context_name());
    auto format =
        TRY(Format::make(call.flags.is("quiet") ? "" : call.flags.text("format"),
                         {"{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}", "{{.Name}}", ""}, call.flags.is("quiet")));
    std::vector<Row> rows;
    bool found = current == "default";
    for (auto& context : TRY(client::list_contexts(call.session.config().directory))) {
        found |= context.name() == current;
        rows.push_back(context_row(context.name(), context.description(), context.host(), "", context.name() == current));
    }
    auto fallback = call.session.default_context();
    rows.push_back(context_row("default", "Current DOCKER_HOST based configuration", fallback ? fallback->host() : "",
                               fallback ? "" : fallback.error().message(), current == "default"));
    if (!found) {
        auto missing = client::load_context_meta(call.session.config().directory, current);
        rows.push_back(context_row(current, "", "", missing ? "" : missing.error().message(), true));
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [](auto& a, auto& b) { return natural_less(a.fields.find("Name")->as_string(), b.fields.find("Name")->as_string()); });
    put(TRY(format.print({"clientContextContext", kColumns}, rows)));
    if (host_variable_wins(call.session))
        put_error_line(
            "Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set the global --context flag, or unset "
            "DOCKER_HOST environment variable.");
    return 0;
}

Result<int> show(Invocation& call) {
    put_line(TRY(call.session.context_name()));
    return 0;
}

Result<std::string> inspected(Session& session, const std::string& name) {
    client::Context context = TRY(session.context(name));
    json::Object whole = context.meta, material;
    for (auto& [endpoint, files] : context.tls) {
        json::Array names;
        for (auto& [file, bytes] : files) names.push_back(file);
        material.set(endpoint, std::move(names));
    }
    whole.set("TLSMaterial", std::move(material));
    bool memory = name == "default";
    auto path = [&](const char* kind) { return memory ? "<IN MEMORY>" : client::context_directory(session.config().directory, kind, name); };
    whole.set("Storage", json::Object{{"MetadataPath", path("meta")}, {"TLSPath", path("tls")}});
    return json::print(json::Value(std::move(whole)), {.escape_html = true, .indent = {}});
}

Result<int> inspect(Invocation& call) {
    auto names = call.arguments;
    if (names.empty()) names.push_back(TRY(call.session.context_name()));
    std::vector<std::string> texts;
    std::string errors;
    for (auto& name : names) {
        auto text = inspected(call.session, name);
        if (text) texts.push_back(std::move(*text));
        else errors += (errors.empty() ? "" : "\n") + text.error().message();
    }
    put(TRY(print_inspected(texts, call.flags.text("format"))));
    if (!errors.empty()) return fail(ErrorKind::NotFound, errors);
    return 0;
}

Result<void> set_current(Session& session, std::string_view name) {
    client::ConfigFile config = session.config();
    if (name == "default") config.content.object().erase("currentContext");
    else config.content.object().set("currentContext", name);
    return client::save_config_file(config);
}

Result<int> use(Invocation& call) {
    auto& name = call.arguments[0];
    if (name != "default") {
        TRY(client::check_context_name(name));
        TRY(client::load_context_meta(call.session.config().directory, name));
    }
    TRY(set_current(call.session, name));
    put_line(name);
    put_error_line(concat("Current context is now ", quote(name)));
    if (name != "default" && host_variable_wins(call.session))
        put_error_line(concat("Warning: DOCKER_HOST environment variable overrides the active context. To use ", quote(name),
                              ", either set the global --context flag, or unset DOCKER_HOST environment variable."));
    return 0;
}

Result<int> remove(Invocation& call) {
    bool force = call.flags.is("force");
    std::string current = TRY(call.session.context_name());
    return for_each_argument(call.arguments, [&](const std::string& name) -> Result<std::string> {
        auto& config = call.session.config();
        if (name == "default") return fail(ErrorKind::InvalidArgument, "context \"default\" cannot be removed");
        if (!client::context_exists(config.directory, name)) {
            if (!force) return fail(ErrorKind::NotFound, concat("context ", quote(name), " does not exist"));
            return name;
        }
        if (name == current) {
            if (!force) return fail(ErrorKind::Conflict, concat("context ", quote(name), " is in use, set -f flag to force remove"));
            if (config.text("currentContext") == name) TRY(set_current(call.session, "default"));
        }
        TRY(client::remove_context(config.directory, name));
        return name;
    });
}
}  // namespace

const Command kContextList = {"[OPTIONS]", "List contexts", kListFlags, kNoArguments, list};
const Command kContextShow = {"", "Print the name of the current context", {}, kNoArguments, show};
const Command kContextInspect = {"[OPTIONS] [CONTEXT] [CONTEXT...]", "Display detailed information on one or more contexts", kInspectFlags, {}, inspect};
const Command kContextUse = {"CONTEXT", "Set the current docker context", {}, exactly(1), use};
const Command kContextRemove = {"CONTEXT [CONTEXT...]", "Remove one or more contexts", kRemoveFlags, at_least(1), remove};

}  // namespace proa::cli
