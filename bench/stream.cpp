// stream serve PORT: takes whatever TCP connections send and says how much it was. stream send ADDRESS PORT SECONDS: sends for so long; prints Gbit/s that arrived.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

static std::vector<char> block(256 << 10);

static void die(const char* what) {
    perror(what);
    exit(1);
}

static sockaddr_in address_of(const char* ip, const char* port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(atoi(port)));
    if (inet_pton(AF_INET, ip, &address.sin_addr) != 1) die("address");
    return address;
}

static int serve(const char* port) {
    auto address = address_of("0.0.0.0", port);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || listen(listener, 8) < 0) die("listen");
    while (true) {
        int peer = accept(listener, nullptr, nullptr);
        if (peer < 0) die("accept");
        uint64_t total = 0;
        ssize_t got;
        while ((got = read(peer, block.data(), block.size())) > 0) total += static_cast<uint64_t>(got);
        (void)!write(peer, &total, sizeof total);
        close(peer);
    }
}

static int transfer(const char* ip, const char* port, double seconds) {
    using Clock = std::chrono::steady_clock;
    auto address = address_of(ip, port);
    int peer = -1;
    for (int attempt = 0; attempt < 500; attempt++) {  // the server has perhaps not begun
        peer = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(peer, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) break;
        close(peer);
        peer = -1;
        usleep(10000);
    }
    if (peer < 0) die("connect");
    auto begin = Clock::now();
    auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
    while (elapsed() < seconds)
        if (write(peer, block.data(), block.size()) < 0) die("write");
    shutdown(peer, SHUT_WR);
    uint64_t total = 0;
    if (read(peer, &total, sizeof total) != sizeof total || total == 0) die("nothing arrived");
    printf("%.3f\n", static_cast<double>(total) * 8 / 1e9 / elapsed());
    return 0;
}

int main(int count, char** words) {
    if (count == 3 && !strcmp(words[1], "serve")) return serve(words[2]);
    if (count == 5 && !strcmp(words[1], "send")) return transfer(words[2], words[3], atof(words[4]));
    fprintf(stderr, "usage: stream serve PORT | stream send ADDRESS PORT SECONDS\n");
    return 2;
}
