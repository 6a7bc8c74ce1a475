#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/zip_entries.h"
#include "codec/tar.h"
#include "os/file.h"

namespace proa::cli {

namespace {
constexpr size_t kArchiveMax = 10 << 20;  // docker's limit for what is imported

class TextSink : public codec::Sink {
public:
    Result<void> write(std::string_view bytes) override {
        text.append(bytes);
        return {};
    }
    std::string text;
};

/// meta.json and tls/ENDPOINT/FILE, owned by root at the epoch: the same context gives the same bytes.
Result<std::string> archive_of(const client::Context& context) {
    TextSink out;
    codec::TarWriter tar(out);
    auto add = [&](codec::TarType type, std::string name, mode_t mode, std::string_view content) {
        codec::TarEntry entry{.type = type, .name = std::move(name), .link_name = {}, .mode = mode};
        entry.size = content.size();
        return tar.add(entry, content);
    };
    TRY(add(codec::TarType::Regular, "meta.json", 0644, json::print(context.meta, {.escape_html = true, .indent = {}})));
    TRY(add(codec::TarType::Directory, "tls", 0700, ""));
    for (auto& [endpoint, files] : context.tls) {
        TRY(add(codec::TarType::Directory, concat("tls/", endpoint), 0700, ""));
        for (auto& [file, bytes] : files) TRY(add(codec::TarType::Regular, concat("tls/", endpoint, '/', file), 0600, bytes));
    }
    TRY(tar.finish());
    return out.text;
}

/// Takes one file of an archive into the context. Errors: InvalidArgument `NAME: unexpected context file`.
Result<void> take_file(std::string_view name, std::string content, client::Context& context) {
    if (name == "meta.json") {
        json::Value meta = TRY(json::parse(content));
        context.meta = meta.as_object();
        return {};
    }
    auto parts = split(name, '/');
    bool plain = parts.size() == 3 && parts[0] == "tls";
    for (auto& part : parts) plain &= !part.empty() && part != "." && part != "..";
    if (!plain) return fail(ErrorKind::InvalidArgument, concat(name, ": unexpected context file"));
    context.tls[parts[1]][parts[2]] = std::move(content);
    return {};
}

Result<client::Context> context_of(std::string_view archive) {
    client::Context context;
    if (archive.starts_with("PK\x03\x04")) {
        for (auto& entry : TRY(read_zip(archive, kArchiveMax))) TRY(take_file(entry.name, std::move(entry.content), context));
    } else {
        codec::MemorySource source(archive);
        codec::TarReader tar(source);
        while (auto entry = TRY(tar.next())) {
            if (entry->type == codec::TarType::Directory) continue;
            if (entry->type != codec::TarType::Regular) return fail(ErrorKind::InvalidArgument, concat(entry->name, ": unexpected context file"));
            TRY(take_file(entry->name, TRY(tar.content(kArchiveMax)), context));
        }
    }
    if (context.meta.empty()) return fail(ErrorKind::InvalidArgument, "invalid context: no metadata found");
    return context;
}

Result<int> export_context(Invocation& call) {
    auto& name = call.arguments[0];
    if (name != "default") TRY(client::check_context_name(name));
    std::string path = call.arguments.size() > 1 ? call.arguments[1] : name + ".dockercontext";
    std::string archive = TRY(archive_of(TRY(call.session.context(name))));
    if (path == "-") {
        if (::isatty(STDOUT_FILENO)) return fail(ErrorKind::InvalidArgument, "cowardly refusing to export to a terminal, specify a file path");
        put(archive);
        return 0;
    }
    auto file = os::open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!file && file.error().is(ErrorKind::Conflict)) return fail(ErrorKind::Conflict, concat("open ", path, ": file exists"));
    if (!file) return fail(file.error());
    TRY(os::write_all(file->get(), archive));
    put_error_line(concat("Written file ", quote(path)));
    return 0;
}

Result<int> import_context(Invocation& call) {
    auto &name = call.arguments[0], &path = call.arguments[1];
    auto& directory = call.session.config().directory;
    TRY(client::check_context_name(name));
    if (client::context_exists(directory, name)) return fail(ErrorKind::Conflict, concat("context ", quote(name), " already exists"));
    auto archive = path == "-" ? os::read_to_end(STDIN_FILENO, kArchiveMax) : os::read_file(path, kArchiveMax);
    if (!archive && archive.error().is(ErrorKind::NotFound)) return fail(ErrorKind::NotFound, concat("open ", path, ": no such file or directory"));
    if (!archive) return fail(archive.error());
    client::Context context = TRY(context_of(*archive));
    context.meta.set("Name", name);
    TRY(client::save_context(directory, context));
    put_line(name);
    put_error_line(concat("Successfully imported context ", quote(name)));
    return 0;
}
}  // namespace

const Command kContextExport = {
    "[OPTIONS] CONTEXT [FILE|-]", "Export a context to a tar archive FILE or a tar stream on STDOUT.", {}, Arity{1, 2}, export_context};
const Command kContextImport = {"CONTEXT FILE|-", "Import a context from a tar or zip file", {}, exactly(2), import_context};

}  // namespace proa::cli
