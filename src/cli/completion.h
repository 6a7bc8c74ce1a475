#pragma once
#include "cli/command.h"

namespace proa::cli {

/// `__complete WORD...`: what may stand in the place of the last word, a line each, with a tab and a description behind it where there is
/// one. From the command tables; names of containers and so on from the engine, without a word when it is not there.
int complete_words(Session& session, std::span<const std::string> words, std::span<const Flag> global_flags);

/// `__man DIRECTORY`: a manual page for each command. Errors: those of writing.
int write_manual(const std::string& program, const std::string& directory, std::span<const Flag> global_flags);

}  // namespace proa::cli
