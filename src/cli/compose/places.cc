#include "cli/compose/commands.h"

namespace proa::cli {

std::span<const Place> compose_places() {
    static const std::vector<Place> kPlaces = {
        {"compose", {"attach"}, &kComposeAttach},   {"compose", {"build"}, &kComposeBuild},     {"compose", {"cp"}, &kComposeCopy},       {"compose", {"create"}, &kComposeCreate},
        {"compose", {"down"}, &kComposeDown},       {"compose", {"events"}, &kComposeEvents},   {"compose", {"exec"}, &kComposeExec},     {"compose", {"export"}, &kComposeExport},
        {"compose", {"images"}, &kComposeImages},   {"compose", {"kill"}, &kComposeKill},       {"compose", {"logs"}, &kComposeLogs},     {"compose", {"ls"}, &kComposeList},
        {"compose", {"pause"}, &kComposePause},     {"compose", {"plan"}, &kComposePlan},       {"compose", {"port"}, &kComposePort},     {"compose", {"ps"}, &kComposePs},
        {"compose", {"pull"}, &kComposePull},       {"compose", {"push"}, &kComposePush},       {"compose", {"restart"}, &kComposeRestart}, {"compose", {"rm"}, &kComposeRemove},
        {"compose", {"run"}, &kComposeRun},         {"compose", {"scale"}, &kComposeScale},     {"compose", {"start"}, &kComposeStart},   {"compose", {"stats"}, &kComposeStats},
        {"compose", {"stop"}, &kComposeStop},       {"compose", {"top"}, &kComposeTop},         {"compose", {"unpause"}, &kComposeUnpause}, {"compose", {"up"}, &kComposeUp},
        {"compose", {"lock"}, &kComposeLock},       {"compose", {"commit"}, &kComposeCommit},   {"compose", {"watch"}, &kComposeWatch},
        {"compose", {"volumes"}, &kComposeVolumes}, {"compose", {"wait"}, &kComposeWait},
    };
    return kPlaces;
}

}  // namespace proa::cli
