#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/file_transfer.h"
#include "client/containers.h"
#include "schema/oci/reference.h"

namespace proa::cli {

namespace {
const Flag kCommitFlags[] = {
    {"author", 'a', FlagType::String, "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"},
    {"change", 'c', FlagType::List, "Apply Dockerfile instruction to the created image"},
    {"message", 'm', FlagType::String, "Commit message"},
    {"no-pause", 0, FlagType::Bool, "Do not pause the container during commit"},
    {"pause", 'p', FlagType::Bool, "Pause container during commit", "(default true)", "true"},
};
const Flag kExportFlags[] = {{"output", 'o', FlagType::String, "Write to a file, instead of STDOUT"}};

Result<int> commit(Invocation& call) {
    auto& flags = call.flags;
    client::Call request{.method = "POST", .path = "/commit", .query = {{"container", call.arguments[0]}}};
    if (call.arguments.size() > 1) {
        auto reference = TRY(oci::Reference::parse(call.arguments[1]));
        if (!reference.digest.empty()) return fail(ErrorKind::InvalidArgument, "refusing to create a tag with a digest reference");
        reference = reference.with_default_tag();
        request.query.emplace_back("repo", reference.familiar_name());
        request.query.emplace_back("tag", reference.tag);
    }
    if (auto message = flags.text("message"); !message.empty()) request.query.emplace_back("comment", message);
    if (auto author = flags.text("author"); !author.empty()) request.query.emplace_back("author", author);
    for (auto& change : flags.list("change")) request.query.emplace_back("changes", change);
    if (!flags.is("pause") || flags.is("no-pause")) request.query.emplace_back("pause", "0");
    client::Client& engine = *TRY(ready_engine(call));
    put_line(TRY(engine.json(request))["Id"].as_string());
    return 0;
}

Result<int> export_container(Invocation& call) {
    std::string path = call.flags.text("output");
    if (path.empty() && ::isatty(STDOUT_FILENO))
        return fail(ErrorKind::InvalidArgument, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    if (!path.empty())
        if (auto good = check_output_path(path); !good) return fail(ErrorKind::InvalidArgument, "failed to export container: " + good.error().message());
    client::Client& engine = *TRY(ready_engine(call));
    auto answer = TRY(engine.stream({.path = client::container_path(call.arguments[0], "export")}));
    TRY(receive_file(answer, path));
    return 0;
}
}  // namespace

const Command kCommit = {"[OPTIONS] CONTAINER [REPOSITORY[:TAG]]", "Create a new image from a container's changes", kCommitFlags, {1, 2}, commit};
const Command kExport = {"[OPTIONS] CONTAINER", "Export a container's filesystem as a tar archive", kExportFlags, exactly(1), export_container};

}  // namespace proa::cli
