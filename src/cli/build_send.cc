#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/build.h"
#include "cli/gzip_sink.h"
#include "codec/compression.h"
#include "codec/tar.h"
#include "os/file.h"

namespace proa::cli {

namespace {
constexpr char kBuildHeader[] = "X-Proa-Build";

Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

/// Sends what `write` writes; stops early when the engine answers early.
Result<client::Connection> send_context(client::Client& engine, const client::Call& request, bool compress,
                                        const std::function<Result<void>(codec::Sink&)>& write, uint64_t& sent) {
    auto connection = TRY(engine.begin(request));
    bool answered = false;
    codec::FunctionSink sink([&](std::string_view bytes) -> Result<void> {
        auto early = os::wait_readable(connection.fd(), 0);
        if ((early && *early) || !connection.send_chunk(bytes)) {
            answered = true;
            return fail(ErrorKind::Cancelled, "the engine answered early");
        }
        sent += bytes.size();
        return {};
    });
    Result<void> written;
    if (compress) {
        GzipSink packed(sink);
        written = write(packed);
        if (written) written = packed.finish();
    } else {
        written = write(sink);
    }
    if (!written && !answered) return fail(std::move(written).error());
    if (written) (void)connection.end_chunks();
    TRY(engine.finish(connection, request));
    return connection;
}

/// In front of the context, each below its place. What follows completes the archive.
Result<void> write_named_directories(const std::vector<NamedDirectory>& directories, codec::Sink& out) {
    for (auto& directory : directories) TRY(write_context_below(directory.context, directory.place, out));
    return {};
}
/// An engine behind a socket of this machine reads the directory itself.
bool may_read_in_place(const Invocation& call, const client::Client& engine, const BuildContext& context) {
    return engine.endpoint().text.starts_with("unix://") && !context.has_outside && !call.flags.is("compress");
}

/// Says where the context lies instead of sending it. Conflict: the engine sees another directory there.
Result<client::Connection> send_directory(client::Client& engine, const BuildPlan& plan, client::Call request, const BuildContext& context) {
    auto st = TRY(os::status(context.directory));
    json::Object extension = plan.extension;
    extension.set("directory", json::Object{{"path", context.directory}, {"device", concat(static_cast<uint64_t>(st.st_dev))}, {"inode", concat(static_cast<uint64_t>(st.st_ino))}});
    std::erase_if(request.headers, [](auto& header) { return header.first == kBuildHeader; });
    request.headers.emplace_back(kBuildHeader, base64(json::print(json::Value(std::move(extension)))));
    uint64_t sent = 0;
    return send_context(engine, request, false, [&](codec::Sink& out) -> Result<void> {
        if (plan.directories.empty()) return {};
        TRY(write_named_directories(plan.directories, out));
        return codec::TarWriter(out).finish();
    }, sent);
}
}  // namespace

Result<client::Connection> send_build(Invocation& call, client::Client& engine, const BuildPlan& plan, uint64_t& sent) {
    std::string source = call.arguments[0], file = call.flags.text("file");
    bool compress = call.flags.is("compress");
    client::Call request = plan.request;
    if (!plan.extension.empty()) request.headers.emplace_back(kBuildHeader, base64(json::print(json::Value(plan.extension))));
    auto send = [&](const std::function<Result<void>(codec::Sink&)>& main) {
        return send_context(
            engine, request, compress,
            [&](codec::Sink& out) -> Result<void> {
                TRY(write_named_directories(plan.directories, out));
                return main(out);
            },
            sent);
    };
    bool remote = source.starts_with("http://") || source.starts_with("https://") || source.starts_with("git@") || source.starts_with("git://") ||
                  source.starts_with("ssh://") || source.starts_with("github.com/");
    if (remote) {
        request.query.emplace_back("remote", source);
        if (!file.empty()) request.query.emplace_back("dockerfile", file);
        if (plan.directories.empty()) return send_context(engine, request, false, [](codec::Sink&) { return Result<void>(); }, sent);
        return send([](codec::Sink& out) { return codec::TarWriter(out).finish(); });
    }
    if (source == "-") {
        if (file == "-") return invalid("invalid argument: can't use stdin for both build context and dockerfile");
        codec::FdSource input(STDIN_FILENO);
        codec::PeekSource peeked(input);
        if (looks_like_archive(TRY(peeked.peek(512)))) {
            if (!file.empty()) request.query.emplace_back("dockerfile", file);
            if (plan.directories.empty())
                return send_context(
                    engine, request, false,
                    [&](codec::Sink& out) -> Result<void> {
                        TRY(codec::copy(peeked, out));
                        return {};
                    },
                    sent);
            bool packed = TRY(peeked.peek(2)) == "\x1f\x8b";
            if (!packed && !is_plain_tar(TRY(peeked.peek(512))))
                return invalid("a context on standard input that is compressed by other than gzip cannot be sent together with named contexts that are directories: decompress it first");
            return send([&](codec::Sink& out) -> Result<void> {
                auto plain = packed ? codec::zlib_gzip_source(peeked) : nullptr;
                TRY(codec::copy(plain ? *plain : static_cast<codec::Source&>(peeked), out));
                return {};
            });
        }
        if (!file.empty()) return invalid("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
        std::string text = TRY(codec::read_all(peeked, 16 << 20));
        return send([&](codec::Sink& out) { return write_dockerfile_context(text, out); });
    }
    BuildContext context;
    if (file == "-") {
        codec::FdSource input(STDIN_FILENO);
        context = TRY(build_context_with(source, TRY(codec::read_all(input, 16 << 20))));
    } else {
        context = TRY(open_build_context(source, file));
    }
    if (context.dockerfile != "Dockerfile") request.query.emplace_back("dockerfile", context.dockerfile);
    if (may_read_in_place(call, engine, context)) {
        auto answer = send_directory(engine, plan, request, context);
        if (answer || !answer.error().is(ErrorKind::Conflict)) return answer;
    }
    return send([&](codec::Sink& out) { return write_build_context(context, out); });
}

}  // namespace proa::cli
