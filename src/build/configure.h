#pragma once
#include <string>

#include "dockerfile/commands.h"
#include "dockerfile/expand.h"
#include "schema/oci/image.h"

namespace proa::build {

/// What one instruction that changes only the configuration did.
struct Configured {
    std::string summary;  ///< for history: "ENV A=1", "CMD [\"a\"]"
};

/// Applies ENV, LABEL, CMD, ENTRYPOINT, USER, EXPOSE, VOLUME, STOPSIGNAL, SHELL, HEALTHCHECK, ONBUILD and MAINTAINER. Variables are
/// expanded with what held before the instruction. `command_set`: a CMD stood earlier in this stage. Errors: InvalidArgument.
Result<Configured> configure(const dockerfile::Command& command, oci::ImageConfig& config, bool& command_set, const dockerfile::Lookup& lookup, char escape);

/// The words that run: the shell's before the text for the shell form.
std::vector<std::string> full_command(const dockerfile::CommandLine& command, const oci::ImageConfig& config);
std::vector<std::string> shell_of(const oci::ImageConfig& config);

/// `created_by` of history as the classic builder writes it: "/bin/sh -c #(nop)  ENV A=1".
std::string history_text(const oci::ImageConfig& config, const std::string& summary);

/// The absolute path that WORKDIR means.
std::string working_directory(const std::string& current, const std::string& given);

}  // namespace proa::build
