// proa-shim: the parent of one container. Started by the engine with its control connection as descriptor 3 (docs/formats/shim.md).
#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "base/text.h"
#include "os/file.h"
#include "os/program_pages.h"
#include "shim/shim.h"

namespace {
char* g_title = nullptr;
size_t g_title_size = 0;

/// The argument and environment texts lie behind each other: together they are the room for what `ps` shows.
void find_title_room(int argc, char** argv, char** environment) {
    char* end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
    for (char** entry = environment; *entry && *entry == end; entry++) end = *entry + strlen(*entry) + 1;
    g_title = argv[0];
    g_title_size = static_cast<size_t>(end - argv[0]);
}

void show_id(const std::string& container_id) {
    std::string title = "proa-shim " + container_id;
    memset(g_title, 0, g_title_size);
    memcpy(g_title, title.data(), std::min(title.size(), g_title_size - 1));
}

int read_oom_score() {
    auto text = proa::os::read_file("/proc/self/oom_score_adj", 64);
    auto value = text ? proa::parse_int(proa::trim(*text)) : std::nullopt;
    return value ? static_cast<int>(*value) : 0;
}

void set_up_process() {
    ::setsid();
    ::prctl(PR_SET_NAME, "proa-shim");
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (::geteuid() == 0) ::prctl(PR_SET_DUMPABLE, 0);  // for others it would close their own /proc to them
    if (::chdir("/") < 0) ::_exit(125);
    ::umask(0022);
    ::mallopt(M_TRIM_THRESHOLD, 16 * 1024);
    ::mallopt(M_MMAP_THRESHOLD, 32 * 1024);
    ::mallopt(M_TOP_PAD, 4 * 1024);
}
}  // namespace

int main(int argc, char** argv, char** environment) {
    proa::shim::Shim::Options options;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--pool-cgroup") == 0 && i + 1 < argc) {
            options.pool_cgroup_path = argv[++i];
        } else {
            ::fprintf(stderr, "proa-shim: unknown argument %s; this program is started by proad\n", argv[i]);
            return 125;
        }
    }
    if (::fcntl(options.control_descriptor, F_GETFD) < 0) {
        ::fprintf(stderr, "proa-shim: no control connection on descriptor 3; this program is started by proad\n");
        return 125;
    }
    find_title_room(argc, argv, environment);
    options.show_id = show_id;
    options.release_program_pages = proa::os::release_program_pages;
    set_up_process();
    const int original = read_oom_score();
    // Needs CAP_SYS_RESOURCE; without it the shim has an ordinary score, and its children need not give up a better one.
    if (proa::os::write_file("/proc/self/oom_score_adj", "-998")) options.oom_score = original;
    return proa::shim::Shim(options).run() ? 0 : 1;
}
