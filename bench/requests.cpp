// requests SOCKET PATH CONNECTIONS SECONDS: keep-alive GET load on a unix socket; prints requests/s and the 50th and 99th percentile in microseconds.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

using Clock = std::chrono::steady_clock;

static int connect_to(const char* path) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
        perror("connect");
        exit(1);
    }
    return fd;
}

/// Reads one answer to its end; false when the connection broke.
static bool read_answer(int fd, std::string& buffer) {
    buffer.clear();
    size_t head = std::string::npos, length = 0;
    bool chunked = false;
    char piece[65536];
    for (;;) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got <= 0) return false;
        buffer.append(piece, static_cast<size_t>(got));
        if (head == std::string::npos) {
            head = buffer.find("\r\n\r\n");
            if (head == std::string::npos) continue;
            std::string lower = buffer.substr(0, head);
            std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(tolower(c)); });
            if (size_t at = lower.find("\ncontent-length:"); at != std::string::npos) length = strtoul(lower.c_str() + at + 16, nullptr, 10);
            chunked = lower.find("\ntransfer-encoding: chunked") != std::string::npos;
        }
        if (chunked ? buffer.ends_with("\r\n0\r\n\r\n") : buffer.size() >= head + 4 + length) return true;
    }
}

int main(int count, char** arguments) {
    if (count < 5) return 2;
    size_t connections = strtoul(arguments[3], nullptr, 10);
    double seconds = strtod(arguments[4], nullptr);
    std::string request = std::string("GET ") + arguments[2] + " HTTP/1.1\r\nHost: d\r\n\r\n";
    auto end = Clock::now() + std::chrono::duration<double>(seconds);
    std::vector<std::vector<float>> times(connections);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < connections; i++)
        threads.emplace_back([&, i] {
            int fd = connect_to(arguments[1]);
            std::string buffer;
            while (Clock::now() < end) {
                auto begin = Clock::now();
                if (write(fd, request.data(), request.size()) < 0 || !read_answer(fd, buffer)) break;
                times[i].push_back(std::chrono::duration<float, std::micro>(Clock::now() - begin).count());
            }
            close(fd);
        });
    std::vector<float> all;
    for (size_t i = 0; i < connections; i++) {
        threads[i].join();
        all.insert(all.end(), times[i].begin(), times[i].end());
    }
    if (all.empty()) return 1;
    std::sort(all.begin(), all.end());
    printf("%.0f req/s p50 %.0f us p99 %.0f us\n", static_cast<double>(all.size()) / seconds, all[all.size() / 2], all[all.size() * 99 / 100]);
}
