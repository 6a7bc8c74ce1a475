#include "engine/build_stage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/copy_tree.h"
#include "os/file.h"

namespace proa::engine {

namespace {

/// `--mount=type=...,key=value,...` with variables expanded.
struct MountFields {
    std::string type = "bind";
    std::map<std::string, std::string> values;
    std::string get(const char* name) const {
        auto found = values.find(name);
        return found == values.end() ? "" : found->second;
    }
    bool has(const char* name) const { return values.contains(name); }
};

Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

/// Fields between commas; a field in double quotes may hold commas.
std::vector<std::string> csv_fields(std::string_view text) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (char c : text) {
        if (c == '"') quoted = !quoted;
        else if (c == ',' && !quoted) fields.emplace_back();
        else fields.back().push_back(c);
    }
    return fields;
}

Result<MountFields> parse_mount_fields(const std::string& text, const dockerfile::Lookup& lookup, char escape) {
    static const std::map<std::string, std::string> kAliases = {
        {"dst", "target"}, {"destination", "target"}, {"src", "source"}, {"ro", "readonly"}, {"rw", "readwrite"}};
    static const std::set<std::string> kKnown = {"type",    "target",   "source", "from", "readonly", "readwrite", "id",
                                                 "sharing", "required", "size",   "mode", "uid",      "gid",       "env"};
    MountFields fields;
    for (auto& field : csv_fields(text)) {
        auto pair = cut(field, "=");
        std::string name = to_lower(pair ? pair->first : field);
        if (auto alias = kAliases.find(name); alias != kAliases.end()) name = alias->second;
        if (!kKnown.contains(name)) return invalid(concat("unexpected key '", name, "' in '", field, "'"));
        bool is_switch = name == "readonly" || name == "readwrite" || name == "required";
        if (!pair && !is_switch) return invalid(concat("invalid field '", field, "' must be a key=value pair"));
        std::string value = pair ? std::string(pair->second) : "true";
        if (name != "from") value = TRY(dockerfile::expand(value, lookup, escape));
        if (is_switch && !parse_bool(value)) return invalid(concat("invalid value for ", name, ": ", value));
        if (name == "type") fields.type = to_lower(value);
        else fields.values[name] = value;
    }
    static const std::set<std::string> kTypes = {"bind", "cache", "tmpfs", "secret", "ssh"};
    if (!kTypes.contains(fields.type)) return invalid(concat("unsupported mount type ", quote(fields.type)));
    return fields;
}

bool flag(const MountFields& fields, const char* name, bool otherwise) {
    return fields.has(name) ? parse_bool(fields.get(name)).value_or(otherwise) : otherwise;
}

Result<uint32_t> number(const MountFields& fields, const char* name, uint32_t otherwise, int base) {
    if (!fields.has(name)) return otherwise;
    auto value = parse_uint(fields.get(name), base);
    if (!value || *value > 4294967294u) return invalid(concat("invalid value for ", name, ": ", fields.get(name)));
    return static_cast<uint32_t>(*value);
}

Result<void> set_owner(const std::string& path, uint32_t mode, uint32_t uid, uint32_t gid) {
    if (::chown(path.c_str(), uid, gid) < 0) return fail_errno("chown", path);
    if (::chmod(path.c_str(), mode) < 0) return fail_errno("chmod", path);
    return {};
}

class MountResolver {
public:
    MountResolver(BuildContext& build, size_t stage, const StageState& state) : build_(build), stage_(stage), state_(state) {}
    ResolvedMounts result;

    Result<void> add(const std::string& text, const dockerfile::Lookup& lookup) {
        auto fields = TRY(parse_mount_fields(text, lookup, build_.program.escape));
        result.key += concat("mount ", text, '\n');
        if (fields.type == "bind") return add_bind(fields);
        if (fields.type == "cache") return add_cache(fields);
        if (fields.type == "tmpfs") return add_tmpfs(fields);
        if (fields.type == "secret") return add_secret(fields);
        return add_ssh(fields);
    }

private:
    Result<std::string> target_of(const MountFields& fields) {
        std::string target = fields.get("target");
        if (target.empty()) return invalid(concat("invalid mount type ", quote(fields.type), ": target is required"));
        return build::working_directory(state_.config.config.working_dir, target);
    }

    void bind(const std::string& source, const std::string& target, bool read_only) {
        docker::MountRequest mount;
        mount.type = "bind";
        mount.source = source;
        mount.target = target;
        mount.read_only = read_only;
        result.mounts.push_back(std::move(mount));
        result.stubs.push_back(target);
    }

    Result<std::string> fresh_directory() {
        result.scratch.push_back(TRY(ScratchDirectory::make(build_.scratch)));
        return result.scratch.back().path();
    }

    /// A copy of what is mounted: the command may write to it, and nothing comes back.
    Result<std::string> copy_source(const std::string& from, const std::string& path) {
        std::string place = TRY(fresh_directory()) + "/tree";
        std::optional<SourceRoot> opened;
        os::RootDirectory context;
        const os::RootDirectory* root = &context;
        if (!from.empty()) {
            opened.emplace(TRY(open_source_root(build_, stage_, from)));
            root = &opened->root();
        } else if (build_.context_directory.empty()) {
            TRY(os::make_directory(place, 0755));
            return place;
        } else {
            context = TRY(os::RootDirectory::at(build_.context_directory));
        }
        bool in_place = from.empty() && build_.context_in_place;
        auto hidden = in_place ? build_.hidden : build::Hidden();
        os::PathInRoot inside("/" + path);
        auto st = root->stat(inside);
        std::string clean(trim_prefix(os::clean_path("/" + path), "/"));
        if (!st || (hidden && !clean.empty() && hidden(clean, S_ISDIR(st->st_mode))))
            return fail(
                ErrorKind::NotFound,
                concat("failed to compute cache key: failed to calculate checksum of ref: ", quote("/" + std::string(trim_prefix(path, "/"))), ": not found"));
        build::SourceItem item{.path = clean, .directory = S_ISDIR(st->st_mode)};
        result.key += TRY(build::hash_source(*root, item, {nullptr, !from.empty(), !in_place, hidden, in_place ? build_.file_hashes : nullptr})).text() + "\n";
        if (S_ISDIR(st->st_mode)) {
            TRY(os::make_directory(place, 0755));
            TRY(set_owner(place, in_place && clean.empty() ? 0755 : st->st_mode & 07777, in_place ? 0 : st->st_uid, in_place ? 0 : st->st_gid));
            os::Fd source = TRY(root->open(inside, O_RDONLY | O_DIRECTORY));
            os::Fd target = TRY(os::open_file(place, O_RDONLY | O_DIRECTORY));
            os::CopyOptions options;
            options.attributes = !in_place;
            if (in_place) options.owner = std::pair(0u, 0u);
            if (hidden)
                options.skip = [&](const std::string& below, bool directory) { return hidden(clean.empty() ? below : concat(clean, '/', below), directory); };
            TRY(os::TreeCopier(options).copy_content(source.get(), target.get()));
            return place;
        }
        os::Fd file = TRY(root->open_regular(inside));
        codec::FdSource source(file.get());
        os::Fd target = TRY(os::open_file(place, O_WRONLY | O_CREAT | O_EXCL, 0600));
        codec::FdSink sink(target.get());
        TRY(codec::copy(source, sink));
        TRY(set_owner(place, st->st_mode & 07777, in_place ? 0 : st->st_uid, in_place ? 0 : st->st_gid));
        return place;
    }

    Result<void> add_bind(const MountFields& fields) {
        std::string target = TRY(target_of(fields));
        bool writable = flag(fields, "readwrite", false) && !flag(fields, "readonly", false);
        bind(TRY(copy_source(fields.get("from"), fields.get("source"))), target, !writable);
        return {};
    }

    Result<void> add_cache(const MountFields& fields) {
        std::string target = TRY(target_of(fields));
        std::string sharing = fields.has("sharing") ? fields.get("sharing") : "shared";
        static const std::map<std::string, build::Cache::Sharing> kSharing = {
            {"shared", build::Cache::Sharing::Shared}, {"private", build::Cache::Sharing::Private}, {"locked", build::Cache::Sharing::Locked}};
        auto known = kSharing.find(sharing);
        if (known == kSharing.end()) return invalid(concat("unsupported sharing value ", quote(sharing)));
        std::string id = fields.has("id") ? fields.get("id") : target;
        auto space = build_.request.arguments.find("BUILDKIT_CACHE_MOUNT_NS");
        if (space != build_.request.arguments.end() && space->second) id = concat(*space->second, '/', id);
        auto held = TRY(build_.parts.builds.mount(id, known->second, [&] { return !build_.listener.cancelled(); }));
        if (held.fresh) {
            uint32_t mode = TRY(number(fields, "mode", 0755, 8)), uid = TRY(number(fields, "uid", 0, 10)), gid = TRY(number(fields, "gid", 0, 10));
            if (fields.has("from")) {
                std::string source = TRY(copy_source(fields.get("from"), fields.get("source")));
                os::Fd from = TRY(os::open_file(source, O_RDONLY | O_DIRECTORY)), to = TRY(os::open_file(held.path, O_RDONLY | O_DIRECTORY));
                TRY(os::TreeCopier({}).copy_content(from.get(), to.get()));
            }
            TRY(set_owner(held.path, mode, uid, gid));
        }
        bind(held.path, target, flag(fields, "readonly", false));
        result.held.push_back(std::move(held));
        return {};
    }

    Result<void> add_tmpfs(const MountFields& fields) {
        docker::MountRequest mount;
        mount.type = "tmpfs";
        mount.target = TRY(target_of(fields));
        if (fields.has("size")) {
            auto size = parse_bytes(fields.get("size"));
            if (!size) return invalid(concat("invalid value for size: ", fields.get("size")));
            mount.tmpfs_options.emplace().size_bytes = *size;
        }
        result.stubs.push_back(mount.target);
        result.mounts.push_back(std::move(mount));
        return {};
    }

    Result<void> add_secret(const MountFields& fields) {
        std::string target = fields.get("target"), id = fields.get("id");
        if (id.empty()) id = fields.has("source") ? fields.get("source") : os::base_name(target);
        if (id.empty() || id == "/") return invalid("invalid secret mount: one of source, target required");
        auto secret = build_.request.secrets.find(id);
        if (secret == build_.request.secrets.end()) {
            if (flag(fields, "required", false)) return fail(ErrorKind::NotFound, concat("secret ", id, ": not found"));
            return {};
        }
        if (fields.has("env")) {
            result.secret_environment.push_back(concat(fields.get("env"), '=', secret->second));
            if (target.empty()) return {};
        }
        if (target.empty()) target = "/run/secrets/" + id;
        target = build::working_directory(state_.config.config.working_dir, target);
        // In the exec root, which is memory on most hosts: a secret must not stay on a disk.
        std::string root = secrets_root(build_.parts);
        TRY(os::make_directories(root, 0700));
        result.scratch.push_back(TRY(ScratchDirectory::make(root)));
        std::string path = result.scratch.back().path() + "/secret";
        TRY(os::write_file(path, secret->second, 0600));
        TRY(set_owner(path, TRY(number(fields, "mode", 0400, 8)), TRY(number(fields, "uid", 0, 10)), TRY(number(fields, "gid", 0, 10))));
        bind(path, target, true);
        return {};
    }

    Result<void> add_ssh(const MountFields& fields) {
        std::string id = fields.has("id") ? fields.get("id") : "default";
        auto agent = build_.request.ssh.find(id);
        if (agent == build_.request.ssh.end()) {
            if (flag(fields, "required", false)) return fail(ErrorKind::NotFound, concat("unset ssh forward key ", id));
            return {};
        }
        std::string target = fields.has("target") ? fields.get("target") : concat("/run/buildkit/ssh_agent.", agents_++);
        result.environment.push_back("SSH_AUTH_SOCK=" + target);
        bind(agent->second, target, false);
        return {};
    }

    BuildContext& build_;
    size_t stage_;
    const StageState& state_;
    int agents_ = 0;
};
}  // namespace

Result<ResolvedMounts> resolve_build_mounts(BuildContext& build, size_t stage, const StageState& state, const std::vector<std::string>& texts,
                                            const dockerfile::Lookup& lookup) {
    MountResolver resolver(build, stage, state);
    for (auto& text : texts) TRY(resolver.add(text, lookup));
    return std::move(resolver.result);
}

}  // namespace proa::engine
