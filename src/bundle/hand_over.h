#pragma once
#include "bundle/lifecycle.h"

// Private to bundle/: what goes to the caller of create, run and exec, and from it to the process.
namespace proa::bundle {

constexpr std::string_view kUnableToStart = "unable to start container process";

/// Errors: InvalidArgument when terminal, detaching and console socket do not fit together.
Result<void> check_console(const HandOver& wanted, bool detach, bool terminal);
runtime::Streams inherited_streams(const HandOver& wanted);
/// The terminal's master, the pidfd, and last the pid file.
Result<void> hand_over(const HandOver& wanted, const runtime::Init& init);

}  // namespace proa::bundle
