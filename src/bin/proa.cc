#include <csignal>

#include "cli/command.h"
#include "os/file.h"

int main(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_IGN);  // a write that fails says so; see cli::put
    std::string name = argc > 0 ? proa::os::base_name(argv[0]) : "proa";
    return proa::cli::run_program(name == "docker" ? "docker" : "proa", std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
