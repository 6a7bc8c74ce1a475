#pragma once
#include "cli/compose/project_session.h"

// The commands below `compose`, each defined in the file of its name.
namespace proa::cli {

extern const Command kComposeAttach, kComposeBuild, kComposeCommit, kComposeCopy, kComposeCreate, kComposeDown, kComposeEvents, kComposeExec, kComposeExport, kComposeImages, kComposeKill, kComposeList, kComposeLock,
    kComposeLogs, kComposePause, kComposePlan, kComposePort, kComposePs, kComposePull, kComposePush, kComposeRemove, kComposeRestart, kComposeRun, kComposeScale, kComposeStart,
    kComposeStats, kComposeStop, kComposeTop, kComposeUnpause, kComposeUp, kComposeVolumes, kComposeWait, kComposeWatch;

/// Where they stand, for places().
std::span<const Place> compose_places();

}  // namespace proa::cli
