#pragma once
#include "compose/up.h"

namespace proa::compose {

/// Replaces the containers that a plan wants replaced one by one: the new one runs beside the old one until it is healthy (or, without a
/// health check, has run for deploy.update_config.monitor, two seconds unless that says otherwise), only then the old one is stopped. The first
/// that fails takes all of its service back: the old ones run again, the new ones are gone.
/// Steps of other kinds are left to carry_out(): give it plan_without_replacements(). `observed` is brought up to date.
/// Errors: Conflict `service "web": rolled back: ...`; Unsupported for a service that cannot run twice: a fixed published port, a fixed address.
Result<void> roll(Work& work, const Project& project, Observed& observed, const Plan& plan, const UpOptions& options);

/// The plan with every replacement turned into a container to keep.
Plan plan_without_replacements(Plan plan);

}  // namespace proa::compose
