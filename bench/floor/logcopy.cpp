// The floor of a json-file log: one process writes 80-byte lines into a pipe, another turns them into json-file lines. Prints MB/s of input.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

static double now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

static void write_lines(int pipe, size_t bytes) {
    std::string block;
    for (int i = 0; i < 800; i++) block += "this is a line of a log, eighty characters long, like the usual ones we meet 000\n";
    while (bytes > 0) {
        ssize_t written = write(pipe, block.data(), block.size() < bytes ? block.size() : bytes);
        if (written <= 0) _exit(1);
        bytes -= static_cast<size_t>(written);
    }
    _exit(0);
}

static void append_line(std::string& out, const char* begin, const char* end) {
    timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    char stamp[] = "2026-01-01T00:00:00.000000000Z";
    long nanoseconds = time.tv_nsec;
    for (int digit = 28; digit > 19; digit--, nanoseconds /= 10) stamp[digit] = static_cast<char>('0' + nanoseconds % 10);
    out += "{\"log\":\"";
    const char* plain = begin;
    for (const char* at = begin; at < end; at++)
        if (*at == '"' || *at == '\\' || static_cast<unsigned char>(*at) < 0x20) {
            out.append(plain, at);
            out += '\\';
            out += *at;
            plain = at + 1;
        }
    out.append(plain, end);
    out += "\\n\",\"stream\":\"stdout\",\"time\":\"";
    out += stamp;
    out += "\"}\n";
}

int main(int count, char** arguments) {
    if (count < 3) return 2;
    size_t bytes = strtoul(arguments[2], nullptr, 10) << 20;
    int file = open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC, 0600), ends[2];
    if (file < 0 || pipe(ends) < 0) return 1;
    double begin = now();
    pid_t writer = fork();
    if (writer == 0) {
        close(ends[0]);
        write_lines(ends[1], bytes);
    }
    close(ends[1]);
    static char buffer[65536];
    size_t kept = 0;
    std::string out;
    for (ssize_t got; (got = read(ends[0], buffer + kept, sizeof buffer - kept)) > 0;) {
        const char *at = buffer, *end = buffer + kept + got;
        out.clear();
        while (const char* newline = static_cast<const char*>(memchr(at, '\n', static_cast<size_t>(end - at)))) {
            append_line(out, at, newline);
            at = newline + 1;
        }
        kept = static_cast<size_t>(end - at);
        memmove(buffer, at, kept);
        if (write(file, out.data(), out.size()) < 0) return 1;
    }
    waitpid(writer, nullptr, 0);
    printf("%.1f\n", static_cast<double>(bytes) / 1e6 / (now() - begin));
    unlink(arguments[1]);
}
