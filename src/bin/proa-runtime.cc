#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "bundle/command_line.h"

// proa-runtime: an OCI runtime with runc's command line.
int main(int argc, char** argv) {
    std::string fault = proa::bundle::protect_own_binary(argv);
    if (!fault.empty()) {
        fprintf(stderr, "proa-runtime: %s\n", fault.c_str());
        return 1;
    }
    try {
        return proa::bundle::run_command_line(std::vector<std::string>(argv + 1, argv + argc));
    } catch (const std::exception& fault) {  // out of memory, or what the C++ library could not get from the kernel
        fprintf(stderr, "proa-runtime: %s\n", fault.what());
        return 1;
    }
}
