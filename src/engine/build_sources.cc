#include "engine/build_sources.h"

#include <algorithm>

#include "base/text.h"
#include "codec/digest.h"
#include "engine/build_downloads.h"

namespace proa::engine {

namespace {
Unexpected refuse_checksum(const std::string& source) {
    return fail(ErrorKind::InvalidArgument, concat("ADD failed: checksum can't be specified for non-HTTP(S) sources: ", source));
}

/// Finds the sources of one COPY or ADD.
class Gatherer {
public:
    Gatherer(BuildContext& build, size_t stage, const dockerfile::Copy& copy, const dockerfile::Lookup& lookup, build::CopyWork& work)
        : build_(build), stage_(stage), copy_(copy), lookup_(lookup), work_(work) {}

    Result<void> run() {
        std::string name = copy_.add ? "ADD" : "COPY";
        const os::RootDirectory* root = nullptr;
        if (!copy_.from.empty()) {
            sources.from.emplace(TRY(open_source_root(build_, stage_, copy_.from)));
            root = own(TRY(sources.from->root().open_root(os::PathInRoot("/"))));
        } else if (!build_.context_directory.empty()) {
            root = own(TRY(os::RootDirectory::at(build_.context_directory)));
        }
        for (auto& word : copy_.sources) {
            auto mark = dockerfile::heredoc_of_word(word);
            auto heredoc = std::find_if(copy_.heredocs.begin(), copy_.heredocs.end(), [&](auto& one) { return !mark.name.empty() && one.name == mark.name; });
            if (heredoc != copy_.heredocs.end()) {
                TRY(add_heredoc(*heredoc));
                continue;
            }
            std::string source = TRY(dockerfile::expand(word, lookup_, build_.program.escape));
            if (copy_.add && is_remote_source(source)) {
                TRY(add_download(source));
                continue;
            }
            if (!copy_.checksum.empty()) return refuse_checksum(source);
            if (!root) return fail(ErrorKind::InvalidArgument, concat(name, " failed: no build context: stat ", source, ": file does not exist"));
            bool in_place = copy_.from.empty() && build_.context_in_place;
            auto hidden = in_place ? build_.hidden : build::Hidden();
            auto items = build::find_sources(*root, source, copy_.parents, hidden);
            if (!items) return fail(std::move(items).error().wrap(concat(name, " failed")));
            std::erase_if(*items, [&](auto& item) { return !item.path.empty() && work_.excludes.excludes(item.path); });
            work_.parts.push_back({root, std::move(*items), copy_.add && copy_.unpack.value_or(true), "", hidden, !in_place});
        }
        return {};
    }

    CopySources sources;

private:
    const os::RootDirectory* own(os::RootDirectory root) {
        sources.roots.push_back(std::make_unique<os::RootDirectory>(std::move(root)));
        return sources.roots.back().get();
    }

    Result<void> add_heredoc(const dockerfile::Heredoc& heredoc) {
        sources.scratch.push_back(TRY(ScratchDirectory::make(build_.scratch)));
        std::string text = heredoc.text();
        if (heredoc.expand) text = TRY(dockerfile::expand_heredoc(text, lookup_, build_.program.escape));
        auto root = TRY(os::RootDirectory::at(sources.scratch.back().path()));
        TRY(root.write_file(os::PathInRoot("/file"), text, 0644));
        work_.parts.push_back({own(std::move(root)), {{.path = "file"}}, false, heredoc.name});
        return {};
    }

    Result<void> add_download(const std::string& source) {
        if (!copy_.checksum.empty() && is_git_source(source)) return refuse_checksum(source);
        std::string checksum = TRY(dockerfile::expand(copy_.checksum, lookup_, build_.program.escape));
        sources.scratch.push_back(TRY(ScratchDirectory::make(build_.scratch)));
        auto progress = [this](const json::Object& line) {
            build_.messages.object(stage_, line);
            return Result<void>();
        };
        auto fetched = TRY_WRAP("ADD failed", fetch_source(build_.parts, source, sources.scratch.back().path(),
                                                           {copy_.keep_git_dir, checksum, progress, build_.listener.cancelled}));
        auto* root = own(TRY(os::RootDirectory::at(fetched.directory)));
        if (fetched.file.empty()) {
            work_.parts.push_back({root, {{.path = "", .directory = true}}, false, ""});
            return {};
        }
        bool names_file = !work_.destination.ends_with('/');
        if (fetched.name.empty() && !names_file) return fail(ErrorKind::InvalidArgument, concat("cannot determine filename for source ", source));
        work_.parts.push_back({root, {{.path = fetched.file}}, copy_.unpack.value_or(false), fetched.name.empty() ? std::string("file") : fetched.name});
        return {};
    }

    BuildContext& build_;
    size_t stage_;
    const dockerfile::Copy& copy_;
    const dockerfile::Lookup& lookup_;
    build::CopyWork& work_;
};
}  // namespace

Result<CopySources> gather_sources(BuildContext& build, size_t stage, const dockerfile::Copy& copy, const dockerfile::Lookup& lookup, build::CopyWork& work) {
    Gatherer gatherer(build, stage, copy, lookup, work);
    TRY(gatherer.run());
    return std::move(gatherer.sources);
}

Result<std::string> hash_sources(const BuildContext& build, const build::CopyWork& work, size_t count, bool with_owner, build::StepInputs* inputs) {
    codec::Hasher all;
    std::string kind = count > 1 ? "multi" : "file", single;
    for (auto& part : work.parts)
        for (auto& item : part.items) {
            if (count == 1 && item.directory) kind = "dir";
            build::HashOptions options{&work.excludes, with_owner, part.attributes, part.hidden, part.attributes ? nullptr : build.file_hashes};
            std::string name = part.as_name.empty() ? item.path : part.as_name;
            if (inputs)
                options.listener = [&](const std::string& path, std::string_view sum) {
                    inputs->add(concat(name, name.empty() || path.empty() ? "" : "/", path), sum);
                };
            auto digest = TRY(build::hash_source(*part.root, item, options));
            single = digest.hex();
            all.update(concat(digest.text(), item.directory ? "" : part.as_name, item.kept_path, item.keep_name ? item.path : "", part.unpack, '\n'));
        }
    return concat(kind, ':', all.finish().hex());
}

}  // namespace proa::engine
