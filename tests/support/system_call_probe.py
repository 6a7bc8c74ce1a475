"""A small program without a C library that makes system calls inside a container and prints their errnos."""
import functools
import json
import pathlib
import shutil
import subprocess
import tempfile

PREBUILT = pathlib.Path(__file__).parent / "prebuilt"  # what write_prebuilt() has left for a machine without a compiler (the guest)

SOURCE = r"""
static long call(long n, long a, long b, long c) {
    long r;
#if defined(__x86_64__)
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
#else
    register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    r = x0;
#endif
    return r;
}
static long call32(long n) {
    long r = -38;
#if defined(__x86_64__)
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(n) : "memory");
#endif
    return r;
}
static unsigned long number(const char* s) {
    unsigned long v = 0;
    for (; *s >= '0' && *s <= '9'; s++) v = v * 10 + (unsigned long)(*s - '0');
    return v;
}
static void print(long v) {
    char text[24];
    int i = 24;
    text[--i] = '\n';
    if (v < 0) v = -v;
    do text[--i] = (char)('0' + v % 10); while (v /= 10);
    call(WRITE, 1, (long)(text + i), 24 - i);
}
/* Arguments: groups of four words, number a b c; number 100000+n is call n of the 32-bit ABI. Prints the errno of each, 0 for success. */
void run(long* stack) {
    char** words = (char**)(stack + 1);
    for (long i = 1; i + 3 < stack[0]; i += 4) {
        long n = (long)number(words[i]);
        long r = n >= 100000 ? call32(n - 100000) : call(n, (long)number(words[i + 1]), (long)number(words[i + 2]), (long)number(words[i + 3]));
        print(r < 0 && r > -4096 ? r : 0);
    }
    call(EXIT, 0, 0, 0);
}
#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n mov %rsp,%rdi\n and $-16,%rsp\n call run\n");
#else
__asm__(".globl _start\n_start:\n mov x0,sp\n bl run\n");
#endif
"""


@functools.lru_cache(maxsize=None)
def numbers():
    """{name: number} of this architecture's system calls."""
    if (PREBUILT / "numbers.json").exists():
        return json.loads((PREBUILT / "numbers.json").read_text())
    text = subprocess.run(["gcc", "-E", "-dM", "-include", "sys/syscall.h", "-"], input="", capture_output=True, text=True, check=True).stdout
    return {line.split()[1][5:]: int(line.split()[2]) for line in text.splitlines() if line.startswith("#define __NR_") and line.split()[2].isdigit()}


@functools.lru_cache(maxsize=None)
def program():
    """The program as bytes."""
    if (PREBUILT / "probe").exists():
        return (PREBUILT / "probe").read_bytes()
    if not shutil.which("gcc"):
        raise RuntimeError("no gcc: ./dev setup installs it")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="proa-probe-"))
    (directory / "probe.c").write_text(SOURCE)
    names = numbers()
    subprocess.run(["gcc", "-Os", "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie", "-fno-stack-protector", f"-DWRITE={names['write']}", f"-DEXIT={names['exit_group']}",
                    "-o", directory / "probe", directory / "probe.c"], check=True)
    content = (directory / "probe").read_bytes()
    shutil.rmtree(directory)
    return content


def write_prebuilt(directory):
    """Both, for a machine without a compiler."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True)
    (directory / "numbers.json").write_text(json.dumps(numbers()))
    (directory / "probe").write_bytes(program())


def probe(runtime, calls, check=True, **changes):
    """The errno of each call, 0 for success; a call is a name or a number and up to three arguments."""
    (runtime.rootfs / "bin" / "probe").write_bytes(program())
    (runtime.rootfs / "bin" / "probe").chmod(0o755)
    words = []
    for name, *arguments in calls:
        number = name
        if name == "int80":
            number, arguments = 100000 + arguments[0], []
        elif isinstance(name, str):
            number = numbers()[name]
        words += [str(number), *map(str, arguments), *["0"] * (3 - len(arguments))]
    runtime.config("probe", *words, **changes)
    done = runtime("run", runtime.id())
    if not check:
        return done
    assert done.code == 0, done
    return [int(line) for line in done.out.split()]
