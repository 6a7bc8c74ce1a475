// proa-archive: copies files into and out of one container. Started by the engine for each copy (docs/formats/archive.md).
#include <fcntl.h>
#include <signal.h>

#include <cstdio>

#include "archive/serve.h"

int main() {
    if (::fcntl(proa::archive::kRequestDescriptor, F_GETFD) < 0) {
        ::fprintf(stderr, "proa-archive: no request on descriptor 4; this program is started by proad\n");
        return 125;
    }
    return proa::archive::serve() ? 0 : 1;
}
