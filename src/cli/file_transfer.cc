#include "cli/file_transfer.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/id.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "os/file.h"

namespace proa::cli {

namespace {
constexpr size_t kBuffer = 256 << 10;
}  // namespace

Result<os::Fd> open_input(const std::string& path) {
    if (path == "-") return os::duplicate(STDIN_FILENO);
    auto fd = os::open_file(path, O_RDONLY);
    if (!fd && fd.error().is(ErrorKind::NotFound)) return fail(ErrorKind::NotFound, concat("open ", path, ": no such file or directory"));
    return fd;
}

Result<client::Connection> send_file(client::Client& engine, const client::Call& call, int input) {
    auto connection = TRY(engine.begin(call));
    std::string buffer(kBuffer, '\0');
    for (;;) {
        size_t got = TRY(os::read_some(input, buffer));
        if (got == 0) break;
        auto early = os::wait_readable(connection.fd(), 0);
        if ((early && *early) || !connection.send_chunk(std::string_view(buffer).substr(0, got))) {
            TRY(engine.finish(connection, call));
            return connection;
        }
    }
    (void)connection.end_chunks();
    TRY(engine.finish(connection, call));
    return connection;
}

Result<void> check_output_path(const std::string& path) {
    std::string directory = os::directory_of(path);
    if (directory.empty()) directory = ".";
    if (path.find('/') != std::string::npos && !os::is_directory(directory))
        return fail(ErrorKind::InvalidArgument, concat("invalid output path: stat ", directory, ": no such file or directory"));
    if (os::is_directory(path)) return fail(ErrorKind::InvalidArgument, concat("invalid output path: ", quote(path), " must be a regular file"));
    return {};
}

Result<void> receive_file(client::Connection& answer, const std::string& path) {
    std::string temporary = path.empty() ? "" : concat(path, ".", random_hex(4), ".tmp");
    os::Fd file;
    if (!path.empty()) file = TRY(os::open_file(temporary, O_CREAT | O_EXCL | O_WRONLY, 0600));
    std::string buffer(kBuffer, '\0');
    for (;;) {
        auto got = answer.read(buffer);
        Result<void> written;
        if (got && *got > 0) {
            std::string_view data = std::string_view(buffer).substr(0, *got);
            if (file) written = os::write_all(file.get(), data);
            else put(data);
        }
        if (got && *got > 0 && written) continue;
        if (got && *got == 0 && path.empty()) return {};
        if (got && *got == 0) return os::rename_path(temporary, path);
        if (file) (void)os::remove_file(temporary);
        return fail(got ? written.error() : got.error());
    }
}

Result<void> export_archive(Invocation& call, const client::Call& request) {
    std::string path = call.flags.text("output");
    if (path.empty() && ::isatty(STDOUT_FILENO))
        return fail(ErrorKind::InvalidArgument, "cowardly refusing to export to a terminal. Use the -o flag or redirect");
    if (!path.empty()) TRY(check_output_path(path));
    client::Client& engine = *TRY(ready_engine(call));
    auto answer = TRY(engine.stream(request));
    return receive_file(answer, path);
}

Result<std::string> import_archive(Invocation& call, client::Call request) {
    std::string path = call.flags.text("input");
    if (path.empty() && ::isatty(STDIN_FILENO)) return fail(ErrorKind::InvalidArgument, "requested import from stdin, but stdin is empty");
    os::Fd input = TRY(open_input(path.empty() ? "-" : path));
    client::Client& engine = *TRY(ready_engine(call));
    request.chunked = true;
    request.content_type = "application/x-tar";
    auto answer = TRY(send_file(engine, request, input.get()));
    return answer.read_body();
}

const Flag kArchiveOutputFlags[1] = {{"output", 'o', FlagType::String, "Write to a file, instead of STDOUT"}};
const Flag kArchiveInputFlags[1] = {{"input", 'i', FlagType::String, "Read from tar archive file, instead of STDIN"}};

}  // namespace proa::cli
