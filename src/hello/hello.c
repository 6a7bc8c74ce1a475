/* The program of the hello-world image: no libc, two system calls, a few hundred bytes. */

static const char greeting[] =
    "\n"
    "Hello from Proa!\n"
    "If you can read this, containers work on this machine.\n"
    "\n"
    "What has just happened:\n"
    " 1. The proa command asked the daemon, proad, for a container of \"hello-world\".\n"
    " 2. proad found the image (it carries this one itself, no download was needed),\n"
    "    put its one layer under an overlay file system, and prepared namespaces,\n"
    "    control groups, a network interface and a system call filter.\n"
    " 3. A small shim started the program in the image: the one that writes these\n"
    "    lines. It kept the output for \"proa logs\" and passed it on to you.\n"
    "\n"
    "Something to try next, a shell in a container:\n"
    " $ proa run -it --rm alpine sh\n"
    "\n"
    "Every docker command works as well: the proa program answers to both names.\n"
    "(Docker's own image of this name says \"Hello from Docker!\" here.)\n"
    "\n";

#if defined(__x86_64__)
static long system_call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}
enum { SYSTEM_WRITE = 1, SYSTEM_EXIT = 231 };
#elif defined(__aarch64__)
static long system_call(long number, long a, long b, long c) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}
enum { SYSTEM_WRITE = 64, SYSTEM_EXIT = 94 };
#else
#error "hello.c knows the system calls of x86_64 and aarch64"
#endif

void _start(void) {
    const char* text = greeting;
    long left = (long)sizeof greeting - 1;
    while (left > 0) {
        long put = system_call(SYSTEM_WRITE, 1, (long)text, left);
        if (put == -4) continue; /* EINTR */
        if (put <= 0) system_call(SYSTEM_EXIT, 1, 0, 0);
        text += put;
        left -= put;
    }
    for (;;) system_call(SYSTEM_EXIT, 0, 0, 0);
}
