#include "cli/commands.h"

#include "base/text.h"
#include "cli/compose/commands.h"

namespace proa::cli {

client::Filters collect_filters(const std::vector<std::string>& items) {
    client::Filters filters;
    for (auto& item : items) {
        auto parts = cut(item, "=");
        auto& values = filters[std::string(parts->first)];
        values.emplace_back(parts->second);
    }
    return filters;
}

std::string list_format(Invocation& call, std::string_view config_key) {
    std::string format = call.flags.text("format");
    return format.empty() ? call.session.config().text(config_key) : format;
}

Result<client::Client*> ready_engine(Invocation& call) { return call.session.engine(); }

std::span<const Group> groups() {
    static const Group kGroups[] = {
        {"builder", "Manage builds"},       {"compose", "Define and run multi-container applications with Docker", false, compose_flags(), true},
        {"container", "Manage containers"}, {"context", "Manage contexts"},
        {"image", "Manage images"},         {"manifest", "Manage image manifests and manifest lists"},
        {"network", "Manage networks"},     {"registry", "Serve a registry"},
        {"system", "Manage the engine"},    {"volume", "Manage volumes"},
    };
    return kGroups;
}

std::span<const Place> places() {
    static const std::vector<Place> kOwn = {
        // Top-level names; the common ones in help's order.
        {"", {"run"}, &kRun, true},
        {"", {"exec"}, &kExec, true},
        {"", {"ps"}, &kPs, true},
        {"", {"build"}, &kBuild, true},
        {"", {"pull"}, &kPull, true},
        {"", {"push"}, &kPush, true},
        {"", {"images"}, &kImages, true},
        {"", {"login"}, &kLogin, true},
        {"", {"logout"}, &kLogout, true},
        {"", {"search"}, &kSearch, true},
        {"", {"version"}, &kVersion, true},
        {"", {"info"}, &kInfo, true},
        {"", {"attach"}, &kAttach},
        {"", {"commit"}, &kCommit},
        {"", {"cp"}, &kCopy},
        {"", {"create"}, &kCreate},
        {"", {"diff"}, &kDiff},
        {"", {"events"}, &kEvents},
        {"", {"export"}, &kExport},
        {"", {"history"}, &kHistory},
        {"", {"import"}, &kImport},
        {"", {"inspect"}, &kInspect},
        {"", {"kill"}, &kKill},
        {"", {"load"}, &kLoad},
        {"", {"logs"}, &kLogs},
        {"", {"pause"}, &kPause},
        {"", {"port"}, &kPort},
        {"", {"rename"}, &kRename},
        {"", {"restart"}, &kRestart},
        {"", {"rm"}, &kRemove},
        {"", {"rmi"}, &kRemoveImage},
        {"", {"save"}, &kSave},
        {"", {"start"}, &kStart},
        {"", {"stats"}, &kStats},
        {"", {"stop"}, &kStop},
        {"", {"tag"}, &kTag},
        {"", {"top"}, &kTop},
        {"", {"unpause"}, &kUnpause},
        {"", {"update"}, &kUpdate},
        {"", {"wait"}, &kWait},
        {"", {"why"}, &kWhy},
        {"", {"completion"}, &kCompletion},
        {"builder", {"build"}, &kBuild},
        {"builder", {"export"}, &kBuilderExport},
        {"builder", {"import"}, &kBuilderImport},
        {"builder", {"prune"}, &kBuilderPrune},
        {"builder", {"du"}, &kBuilderUsage},
        {"compose", {"config", "convert"}, &kComposeConfig},
        {"compose", {"version"}, &kComposeVersion},
        {"container", {"attach"}, &kAttach},
        {"container", {"commit"}, &kCommit},
        {"container", {"cp"}, &kCopy},
        {"container", {"create"}, &kCreate},
        {"container", {"diff"}, &kDiff},
        {"container", {"exec"}, &kExec},
        {"container", {"export"}, &kExport},
        {"container", {"inspect"}, &kContainerInspect},
        {"container", {"kill"}, &kKill},
        {"container", {"logs"}, &kLogs},
        {"container", {"ls", "list", "ps"}, &kPs},
        {"container", {"pause"}, &kPause},
        {"container", {"port"}, &kPort},
        {"container", {"prune"}, &kContainerPrune},
        {"container", {"rename"}, &kRename},
        {"container", {"restart"}, &kRestart},
        {"container", {"rm", "remove"}, &kRemove},
        {"container", {"run"}, &kRun},
        {"container", {"start"}, &kStart},
        {"container", {"stats"}, &kStats},
        {"container", {"stop"}, &kStop},
        {"container", {"top"}, &kTop},
        {"container", {"unpause"}, &kUnpause},
        {"container", {"update"}, &kUpdate},
        {"container", {"wait"}, &kWait},
        {"container", {"why"}, &kWhy},
        {"context", {"create"}, &kContextCreate},
        {"context", {"export"}, &kContextExport},
        {"context", {"import"}, &kContextImport},
        {"context", {"inspect"}, &kContextInspect},
        {"context", {"ls", "list"}, &kContextList},
        {"context", {"rm", "remove"}, &kContextRemove},
        {"context", {"show"}, &kContextShow},
        {"context", {"update"}, &kContextUpdate},
        {"context", {"use"}, &kContextUse},
        {"image", {"build"}, &kBuild},
        {"image", {"history"}, &kHistory},
        {"image", {"import"}, &kImport},
        {"image", {"inspect"}, &kImageInspect},
        {"image", {"load"}, &kLoad},
        {"image", {"ls", "list"}, &kImages},
        {"image", {"prune"}, &kImagePrune},
        {"image", {"pull"}, &kPull},
        {"image", {"push"}, &kPush},
        {"image", {"rm", "remove"}, &kRemoveImage},
        {"image", {"save"}, &kSave},
        {"image", {"tag"}, &kTag},
        {"manifest", {"annotate"}, &kManifestAnnotate},
        {"manifest", {"create"}, &kManifestCreate},
        {"manifest", {"inspect"}, &kManifestInspect},
        {"manifest", {"push"}, &kManifestPush},
        {"manifest", {"rm"}, &kManifestRemove},
        {"network", {"connect"}, &kNetworkConnect},
        {"network", {"create"}, &kNetworkCreate},
        {"network", {"disconnect"}, &kNetworkDisconnect},
        {"network", {"inspect"}, &kNetworkInspect},
        {"network", {"ls", "list"}, &kNetworkList},
        {"network", {"prune"}, &kNetworkPrune},
        {"network", {"rm", "remove"}, &kNetworkRemove},
        {"registry", {"serve"}, &kRegistryServe},
        {"system", {"dial-stdio"}, &kDialStdio, false, true},
        {"system", {"df"}, &kSystemDf},
        {"system", {"events"}, &kEvents},
        {"system", {"fsck"}, &kSystemFsck},
        {"system", {"info"}, &kInfo},
        {"system", {"prune"}, &kSystemPrune},
        {"volume", {"clone"}, &kVolumeClone},
        {"volume", {"create"}, &kVolumeCreate},
        {"volume", {"export"}, &kVolumeExport},
        {"volume", {"import"}, &kVolumeImport},
        {"volume", {"inspect"}, &kVolumeInspect},
        {"volume", {"ls", "list"}, &kVolumeList},
        {"volume", {"prune"}, &kVolumePrune},
        {"volume", {"rename"}, &kVolumeRename},
        {"volume", {"rm", "remove"}, &kVolumeRemove},
        {"volume", {"snapshot"}, &kVolumeSnapshot},
        {"volume", {"update"}, &kVolumeUpdate},
    };
    static const std::vector<Place> kPlaces = [] {
        auto all = kOwn;
        all.insert(all.end(), compose_places().begin(), compose_places().end());
        return all;
    }();
    return kPlaces;
}

}  // namespace proa::cli
