// proa-resolver: the name server at 127.0.0.11 of all containers of one engine. Started by the engine with its control connection as
// descriptor 3 (docs/formats/resolver.md); goes on without an engine as long as a container needs it.
#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

#include "resolver/server.h"

int main(int argc, char** argv) {
    constexpr int kControlDescriptor = 3;
    if (argc != 2 || ::fcntl(kControlDescriptor, F_GETFD) < 0) {
        ::fprintf(stderr, "proa-resolver: this program is started by proad\n");
        return 125;
    }
    ::prctl(PR_SET_NAME, "proa-resolver");
    ::prctl(PR_SET_DUMPABLE, 0);
    if (::chdir("/") < 0) return 125;
    ::mallopt(M_TRIM_THRESHOLD, 32 * 1024);
    rlimit files{};  // four descriptors for each container
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    proa::resolver::Server server({.socket_path = argv[1], .control_descriptor = kControlDescriptor});
    return server.run() ? 0 : 1;
}
