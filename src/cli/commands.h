#pragma once
#include "cli/command.h"

// All commands, each defined in the file of its name.
namespace proa::cli {

extern const Command kAttach, kBuild, kBuilderExport, kBuilderImport, kBuilderPrune, kBuilderUsage, kCommit, kContextCreate, kContextExport, kContextImport, kContextInspect, kContextList, kContextRemove,
    kContextShow, kContextUpdate, kContextUse, kContainerInspect, kContainerPrune, kCopy, kCreate, kDialStdio, kDiff, kEvents, kExec, kExport, kHistory,
    kImageInspect, kImagePrune, kImages, kImport, kInfo, kInspect, kKill, kLoad, kLogin, kLogout, kLogs, kManifestAnnotate, kManifestCreate, kManifestInspect,
    kManifestPush, kManifestRemove, kNetworkConnect, kNetworkCreate, kNetworkDisconnect, kNetworkInspect, kNetworkList, kNetworkPrune, kNetworkRemove, kPause,
    kPort, kPs, kPull, kPush, kRegistryServe, kRemove, kRemoveImage, kRename, kRestart, kRun, kSave, kSearch, kStart, kStats, kStop, kSystemDf, kSystemFsck, kSystemPrune,
    kTag, kTop, kUnpause, kUpdate, kVersion, kVolumeClone, kVolumeCreate, kVolumeExport, kVolumeImport, kVolumeInspect, kVolumeList, kVolumePrune,
    kVolumeRemove, kVolumeRename, kVolumeSnapshot, kVolumeUpdate, kWait, kWhy, kCompletion;

/// Commands of the compose group.
extern const Command kComposeConfig, kComposeVersion;

/// The help text of every --format flag of a list.
inline constexpr const char* kFormatHelp =
    "Format output using a custom template:\n"
    "'table':            Print output in table format with column headers (default)\n"
    "'table TEMPLATE':   Print output in table format using the given Go template\n"
    "'json':             Print in JSON format\n"
    "'TEMPLATE':         Print output using the given Go template.\n"
    "Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates";
inline constexpr const char* kInspectFormatHelp =
    "Format output using a custom template:\n"
    "'json':             Print in JSON format\n"
    "'TEMPLATE':         Print output using the given Go template.\n"
    "Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates";

/// --filter values (already "key=value") by key.
client::Filters collect_filters(const std::vector<std::string>& items);
/// The --format flag, or the config's default for this list.
std::string list_format(Invocation& call, std::string_view config_key);
/// The engine; the first call to it agrees on the API version, so that arguments are checked before anything is sent.
Result<client::Client*> ready_engine(Invocation& call);

}  // namespace proa::cli
