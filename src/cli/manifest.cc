#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/manifest_store.h"
#include "client/images.h"
#include "os/file.h"
#include "registry/repository.h"

// `manifest`: lists of manifests, made here and pushed from here. The engine takes no part.
namespace proa::cli {

namespace {
const Flag kAnnotateFlags[] = {
    {"arch", 0, FlagType::String, "Set architecture"},
    {"os", 0, FlagType::String, "Set operating system"},
    {"os-features", 0, FlagType::StringSlice, "Set operating system feature"},
    {"os-version", 0, FlagType::String, "Set operating system version"},
    {"variant", 0, FlagType::String, "Set architecture variant"},
};
const Flag kCreateFlags[] = {
    {"amend", 'a', FlagType::Bool, "Amend an existing manifest list"},
    {"insecure", 0, FlagType::Bool, "Allow communication with an insecure registry"},
};
const Flag kInspectFlags[] = {
    {"insecure", 0, FlagType::Bool, "Allow communication with an insecure registry"},
    {"verbose", 'v', FlagType::Bool, "Output additional info including layers and platform"},
};
const Flag kPushFlags[] = {
    {"insecure", 0, FlagType::Bool, "Allow push to an insecure registry"},
    {"purge", 'p', FlagType::Bool, "Remove the local manifest list after push"},
};

/// The registry of one name, asked from here.
class Asker {
public:
    static Result<std::unique_ptr<Asker>> open(Invocation& call, const oci::Reference& name, bool push) {
        std::unique_ptr<Asker> asker(new Asker);
        registry::Config config;
        config.user_agent = "proa/" PROA_RELEASE;
        if (call.flags.is("insecure")) config.insecure.push_back(name.domain);
        auto credentials = registry::Credentials::from_header(client::registry_auth(call.session.config(), name.domain));
        asker->session_ = std::make_unique<registry::Session>(TRY(http::TransferSession::create()), config, credentials, registry::Session::Cancelled());
        auto purpose = push ? registry::Purpose::Push : registry::Purpose::Pull;
        auto endpoint = TRY(registry::reachable_endpoint(*asker->session_, TRY(registry::own_endpoints(config, name.domain, purpose))));
        asker->repository_ = std::make_unique<registry::Repository>(*asker->session_, endpoint, name.path, push);
        return asker;
    }
    registry::Repository& repository() { return *repository_; }

private:
    std::unique_ptr<registry::Session> session_;
    std::unique_ptr<registry::Repository> repository_;
};

Result<oci::Reference> parse_name(const std::string& text) { return TRY(oci::Reference::parse(text)).with_default_tag(); }

Result<registry::Document> fetch(registry::Repository& repository, const oci::Reference& name) {
    auto document = repository.manifest(name.digest.empty() ? name.tag : name.digest);
    if (!document && document.error().is(ErrorKind::NotFound)) return fail(ErrorKind::NotFound, concat("no such manifest: ", name.text()));
    return document;
}

/// A manifest with the platform that its configuration names.
Result<ListedManifest> describe(registry::Repository& repository, const oci::Reference& name) {
    auto document = TRY(fetch(repository, name));
    if (!oci::media_type::is_manifest(document.descriptor.media_type)) return fail(ErrorKind::InvalidArgument, concat(name.text(), " is a manifest list"));
    auto manifest = TRY(json::decode<oci::Manifest>(document.bytes));
    codec::StringSink bytes;
    TRY(repository.blob(TRY(codec::Digest::parse(manifest.config.digest)), 0, bytes));
    ListedManifest listed{name.text(), document.descriptor, std::move(document.bytes)};
    listed.descriptor.platform = TRY(json::decode<oci::ImageConfig>(bytes.text)).platform();
    return listed;
}

json::Value verbose_form(const ListedManifest& listed) {
    json::Object object{{"Ref", listed.name}, {"Descriptor", json::to_value(listed.descriptor)}, {"Raw", base64(listed.bytes)}};
    object.set(listed.descriptor.media_type == oci::media_type::kManifest ? "OCIManifest" : "SchemaV2Manifest",
               json::parse(listed.bytes).value_or(json::Value()));
    return object;
}

/// Docker's kind of list unless a member is an OCI manifest.
std::string list_bytes(const std::vector<ListedManifest>& members, std::string& media_type) {
    media_type = oci::media_type::kDockerIndex;
    oci::Index index;
    for (auto& member : members) {
        if (member.descriptor.media_type == oci::media_type::kManifest) media_type = oci::media_type::kIndex;
        index.manifests.push_back(member.descriptor);
    }
    index.media_type = media_type;
    return json::print(json::to_value(index), json::Style{false, "   "});
}

Result<int> inspect(Invocation& call) {
    auto& arguments = call.arguments;
    bool verbose = call.flags.is("verbose");
    if (arguments.size() == 2) {
        for (auto& member : TRY(read_list(call.session.config().directory, TRY(parse_name(arguments[0])))))
            if (member.name == TRY(parse_name(arguments[1])).text()) {
                put_line(json::print(verbose ? verbose_form(member) : TRY(json::parse(member.bytes)), json::Style{false, "\t"}));
                return 0;
            }
        return fail(ErrorKind::NotFound, concat("no such manifest: ", arguments[1]));
    }
    auto name = TRY(parse_name(arguments[0]));
    std::vector<ListedManifest> members;
    if (auto own = read_list(call.session.config().directory, name); own && !own->empty()) {
        members = std::move(*own);
        std::string media_type;
        if (!verbose) put_line(list_bytes(members, media_type));
    } else {
        auto asker = TRY(Asker::open(call, name, false));
        auto document = TRY(fetch(asker->repository(), name));
        bool index = oci::media_type::is_index(document.descriptor.media_type);
        if (!verbose) put_line(json::print(TRY(json::parse(document.bytes)), json::Style{false, index ? "   " : "\t"}));
        if (verbose && !index) {
            put_line(json::print(verbose_form(TRY(describe(asker->repository(), name))), json::Style{false, "\t"}));
            return 0;
        }
        if (verbose)
            for (auto& child : TRY(json::decode<oci::Index>(document.bytes)).manifests) {
                auto one = TRY(asker->repository().manifest(child.digest));
                members.push_back({concat(name.text(), '@', child.digest), child, one.bytes});
            }
    }
    if (verbose) {
        json::Array all;
        for (auto& member : members) all.push_back(verbose_form(member));
        put_line(json::print(json::Value(std::move(all)), json::Style{false, "\t"}));
    }
    return 0;
}

Result<int> create(Invocation& call) {
    auto target = TRY(parse_name(call.arguments[0]));
    const std::string& directory = call.session.config().directory;
    if (list_exists(directory, target) && !call.flags.is("amend"))
        return fail(ErrorKind::InvalidArgument, "refusing to amend an existing manifest list with no --amend flag");
    std::vector<ListedManifest> members;
    for (size_t i = 1; i < call.arguments.size(); i++) {
        auto name = TRY(parse_name(call.arguments[i]));
        auto asker = TRY(Asker::open(call, name, false));
        members.push_back(TRY(describe(asker->repository(), name)));
    }
    for (auto& member : members) TRY(keep_in_list(directory, target, member));
    put_line(concat("Created manifest list ", target.text()));
    return 0;
}

Result<int> annotate(Invocation& call) {
    auto target = TRY(parse_name(call.arguments[0])), name = TRY(parse_name(call.arguments[1]));
    const std::string& directory = call.session.config().directory;
    auto members = TRY(read_list(directory, target));
    auto member = std::find_if(members.begin(), members.end(), [&](auto& one) { return one.name == name.text(); });
    if (member == members.end()) return fail(ErrorKind::NotFound, concat("manifest for image ", call.arguments[1], " does not exist in ", call.arguments[0]));
    auto& platform = member->descriptor.platform;
    if (!platform) platform.emplace();
    if (auto text = call.flags.text("os"); !text.empty()) platform->os = text;
    if (auto text = call.flags.text("arch"); !text.empty()) platform->architecture = text;
    if (auto text = call.flags.text("variant"); !text.empty()) platform->variant = text;
    if (auto text = call.flags.text("os-version"); !text.empty()) platform->os_version = text;
    for (auto& feature : call.flags.list("os-features"))
        if (std::find(platform->os_features.begin(), platform->os_features.end(), feature) == platform->os_features.end())
            platform->os_features.push_back(feature);
    TRY(keep_in_list(directory, target, *member));
    return 0;
}

/// A member of another repository of the same registry comes into this one: its blobs by mounting, then its manifest.
Result<void> bring_member(registry::Repository& repository, const oci::Reference& target, const ListedManifest& member) {
    auto name = TRY(oci::Reference::parse(member.name));
    if (name.domain != target.domain)
        return fail(ErrorKind::InvalidArgument,
                    concat("cannot use source images from a different registry than the target image: ", name.domain, " != ", target.domain));
    if (name.path == target.path) return {};
    auto manifest = TRY(json::decode<oci::Manifest>(member.bytes));
    auto blobs = manifest.layers;
    blobs.push_back(manifest.config);
    for (auto& blob : blobs) {
        auto digest = TRY(codec::Digest::parse(blob.digest));
        if (TRY(repository.has_blob(digest))) continue;
        if (!TRY(repository.begin_upload(digest, name.path)).mounted)
            return fail(ErrorKind::Internal, concat("registry does not take ", blob.digest, " from ", name.path));
    }
    TRY(repository.put_manifest(member.descriptor.digest, member.descriptor.media_type, member.bytes));
    put_line(concat("Pushed ref ", target.name(), '@', member.descriptor.digest, " with digest: ", member.descriptor.digest));
    return {};
}

Result<int> push(Invocation& call) {
    auto target = TRY(parse_name(call.arguments[0]));
    const std::string& directory = call.session.config().directory;
    auto members = TRY(read_list(directory, target));
    if (members.empty()) return fail(ErrorKind::NotFound, concat(target.text(), " not found"));
    for (auto& member : members)
        if (!member.descriptor.platform || member.descriptor.platform->architecture.empty() || member.descriptor.platform->os.empty())
            return fail(ErrorKind::InvalidArgument, concat("manifest ", member.name, " must have an OS and Architecture to be pushed to a registry"));
    auto asker = TRY(Asker::open(call, target, true));
    for (auto& member : members) TRY(bring_member(asker->repository(), target, member));
    std::string media_type, bytes = list_bytes(members, media_type);
    TRY(asker->repository().put_manifest(target.tag, media_type, bytes));
    put_line(codec::Digest::of(bytes).text());
    if (call.flags.is("purge")) TRY(remove_list(directory, target));
    return 0;
}

Result<int> remove(Invocation& call) {
    return for_each_argument(call.arguments, [&](const std::string& text) -> Result<std::string> {
        auto target = TRY(parse_name(text));
        const std::string& directory = call.session.config().directory;
        if (!list_exists(directory, target)) return fail(ErrorKind::NotFound, concat("No such manifest: ", target.text()));
        TRY(remove_list(directory, target));
        return std::string();
    });
}
}  // namespace

const Command kManifestAnnotate = {"[OPTIONS] MANIFEST_LIST MANIFEST", "Add additional information to a local image manifest", kAnnotateFlags, exactly(2),
                                   annotate};
const Command kManifestCreate = {"MANIFEST_LIST MANIFEST [MANIFEST...]", "Create a local manifest list for annotating and pushing to a registry", kCreateFlags,
                                 at_least(2), create};
const Command kManifestInspect = {"[OPTIONS] [MANIFEST_LIST] MANIFEST", "Display an image manifest, or manifest list", kInspectFlags, {1, 2}, inspect};
const Command kManifestPush = {"[OPTIONS] MANIFEST_LIST", "Push a manifest list to a repository", kPushFlags, exactly(1), push};
const Command kManifestRemove = {"MANIFEST_LIST [MANIFEST_LIST...]", "Delete one or more manifest lists from local storage", {}, at_least(1), remove};

}  // namespace proa::cli
