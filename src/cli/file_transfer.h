#pragma once
#include "cli/command.h"
#include "client/client.h"

namespace proa::cli {

/// Standard input for "-", else the file. Errors carry Go's text, "open /x: no such file or directory".
Result<os::Fd> open_input(const std::string& path);
/// Sends the whole of `input` as the call's chunked body and reads the answer's head. When the engine answers early (an
/// error), sending stops.
Result<client::Connection> send_file(client::Client& engine, const client::Call& call, int input);
/// The body to standard output, or to `path` by a temporary sibling and a rename.
Result<void> receive_file(client::Connection& answer, const std::string& path);
/// Refuses directories and missing parents with Docker's texts before anything is asked of the engine.
Result<void> check_output_path(const std::string& path);

/// An archive of the engine's to the file of `--output`, or to standard output when that is no terminal.
Result<void> export_archive(Invocation& call, const client::Call& request);
/// The file of `--input`, or standard input when that is no terminal, as an archive to the engine. Gives the answer's body.
Result<std::string> import_archive(Invocation& call, client::Call request);

extern const Flag kArchiveOutputFlags[1], kArchiveInputFlags[1];

}  // namespace proa::cli
