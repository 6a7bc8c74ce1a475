#pragma once
#include "compose/up.h"

namespace proa::compose {

/// Whether a plan's replacements can run beside what they replace; asks the engine whether one container can take over another one's ports and
/// names (`TakeOver` of ours, docs/extensions.md). To be called before anything is done.
/// Errors: Unsupported, for a service with a fixed address, with the host's network, or with a fixed published port on an engine without it.
struct RollingWays {
    bool takes_over = false;  ///< new containers are hidden until they take over ports and names
};
Result<RollingWays> check_rolling(EnginePool& engines, const Project& project, const Plan& plan);

/// Replaces the containers that a plan wants replaced one by one: the new one runs beside the old one until it is healthy (or, without a
/// health check, has run for deploy.update_config.monitor, two seconds unless that says otherwise). Then it takes over the old one's ports and
/// names, so that every new connection meets one of the two, and a second later the old one is stopped. The first
/// that fails takes all of its service back: the old ones run again, the new ones are gone.
/// Steps of other kinds are left to carry_out(): give it plan_without_replacements(). `observed` is brought up to date.
/// Errors: Conflict `service "web": rolled back: ...`.
Result<void> roll(Work& work, const Project& project, Observed& observed, const Plan& plan, const UpOptions& options, const RollingWays& ways);

/// The plan with every replacement turned into a container to keep.
Plan plan_without_replacements(Plan plan);

}  // namespace proa::compose
