#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/create_container.h"
#include "cli/file_transfer.h"
#include "cli/progress.h"
#include "client/images.h"
#include "schema/oci/reference.h"

namespace proa::cli {

namespace {
constexpr char kPlatformHelp[] = "Take only the given platform variant (os[/arch[/variant]], e.g. linux/amd64)";
const Flag kLoadFlags[] = {
    {"input", 'i', FlagType::String, "Read from tar archive file, instead of STDIN"},
    {"platform", 0, FlagType::StringSlice, kPlatformHelp},
    {"quiet", 'q', FlagType::Bool, "Suppress the load output"},
};
const Flag kSaveFlags[] = {
    {"output", 'o', FlagType::String, "Write to a file, instead of STDOUT"},
    {"platform", 0, FlagType::StringSlice, kPlatformHelp},
};
const Flag kImportFlags[] = {
    {"change", 'c', FlagType::List, "Apply Dockerfile instruction to the created image"},
    {"message", 'm', FlagType::String, "Set commit message for imported image"},
    {"platform", 0, FlagType::String, "Set platform if server is multi-platform capable"},
};

Result<int> load(Invocation& call) {
    auto& flags = call.flags;
    std::string path = flags.text("input");
    if (path.empty() && ::isatty(STDIN_FILENO)) return fail(ErrorKind::InvalidArgument, "requested load from stdin, but stdin is empty");
    os::Fd input = TRY(open_input(path.empty() ? "-" : path));
    client::Client& engine = *TRY(ready_engine(call));
    bool quiet = flags.is("quiet") || !::isatty(STDOUT_FILENO);
    client::Call request{
        .method = "POST", .path = "/images/load", .query = {{"quiet", quiet ? "1" : "0"}}, .chunked = true, .content_type = "application/x-tar"};
    for (auto& platform : flags.list("platform")) request.query.emplace_back("platform", TRY(client::platform_parameter(platform)));
    auto answer = TRY(send_file(engine, request, input.get()));
    TRY(show_progress(answer, STDOUT_FILENO, false));
    return 0;
}

Result<int> save(Invocation& call) {
    auto& flags = call.flags;
    std::string path = flags.text("output");
    if (path.empty() && ::isatty(STDOUT_FILENO))
        return fail(ErrorKind::InvalidArgument, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    client::Client& engine = *TRY(ready_engine(call));
    client::Call request{.path = "/images/get"};
    for (auto& name : call.arguments) request.query.emplace_back("names", name);
    for (auto& platform : flags.list("platform")) request.query.emplace_back("platform", TRY(client::platform_parameter(platform)));
    if (!path.empty()) TRY_WRAP("failed to save image", check_output_path(path));
    auto answer = TRY(engine.stream(request));
    TRY(receive_file(answer, path));
    return 0;
}

Result<int> import_image(Invocation& call) {
    auto& flags = call.flags;
    const std::string& source = call.arguments[0];
    client::Call request{.method = "POST", .path = "/images/create"};
    bool remote = source.starts_with("http://") || source.starts_with("https://");
    request.query.emplace_back("fromSrc", remote ? source : "-");
    if (call.arguments.size() > 1) {
        TRY(oci::Reference::parse(call.arguments[1]));
        request.query.emplace_back("repo", call.arguments[1]);
    }
    if (auto message = flags.text("message"); !message.empty()) request.query.emplace_back("message", message);
    for (auto& change : flags.list("change")) request.query.emplace_back("changes", change);
    if (auto platform = default_platform(flags); !platform.empty()) request.query.emplace_back("platform", to_lower(platform));
    client::Client& engine = *TRY(ready_engine(call));
    if (remote) {
        auto answer = TRY(engine.stream(request));
        TRY(show_progress(answer, STDOUT_FILENO, false));
        return 0;
    }
    os::Fd input = TRY(open_input(source));
    request.chunked = true;
    request.content_type = "text/plain";
    auto answer = TRY(send_file(engine, request, input.get()));
    TRY(show_progress(answer, STDOUT_FILENO, false));
    return 0;
}
}  // namespace

const Command kLoad = {"[OPTIONS]", "Load an image from a tar archive or STDIN", kLoadFlags, kNoArguments, load};
const Command kSave = {"[OPTIONS] IMAGE [IMAGE...]", "Save one or more images to a tar archive (streamed to STDOUT by default)", kSaveFlags, at_least(1), save};
const Command kImport = {"[OPTIONS] file|URL|- [REPOSITORY[:TAG]]", "Import the contents from a tarball to create a filesystem image", kImportFlags,
                         at_least(1), import_image};

}  // namespace proa::cli
