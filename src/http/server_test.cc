#include "http/server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "os/socket.h"

namespace proa::http {
namespace {

class TemporaryDirectory {
public:
    TemporaryDirectory() { path = ::mkdtemp(name); }
    ~TemporaryDirectory() { (void)os::remove_tree(path); }
    std::string path;

private:
    char name[32] = "/tmp/proa-http-XXXXXX";
};

/// Reads until `end` stands in the text, the stream ends, or two seconds pass.
std::string read_until(int fd, std::string_view end) {
    std::string text;
    int64_t deadline = monotonic_nanoseconds() + 2000000000;
    while (end.empty() || text.find(end) == text.npos) {
        auto left = (deadline - monotonic_nanoseconds()) / 1000000;
        if (left <= 0) break;
        auto ready = os::wait_readable(fd, static_cast<int>(left));
        if (!ready || !*ready) break;
        char buffer[4096];
        ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) break;
        text.append(buffer, static_cast<size_t>(got));
    }
    return text;
}
std::string read_all(int fd) { return read_until(fd, ""); }

void send_text(int fd, std::string_view text) {
    ASSERT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

class ServerTest : public testing::Test {
protected:
    void start(Handler handler, ServerOptions options = {}) {
        server.emplace(std::move(handler), options);
        path = directory.path + "/s.sock";
        auto listener = listen_on_path(path, 0660, -1);
        ASSERT_TRUE(listener) << listener.error().message();
        ASSERT_TRUE(server->add(std::move(*listener)));
        ASSERT_TRUE(server->start());
    }
    os::Fd connect() {
        auto fd = os::connect_unix(path, os::SocketType::Stream);
        EXPECT_TRUE(fd);
        return std::move(*fd);
    }
    /// One request on a fresh connection; the whole answer until the server closes or is silent for long.
    std::string ask(std::string_view request) {
        auto fd = connect();
        send_text(fd.get(), request);
        return read_all(fd.get());
    }

    TemporaryDirectory directory;
    std::string path;
    std::optional<Server> server;
};

Handler echo_handler() {
    return [](Exchange& exchange) {
        auto body = exchange.read_whole_body(1 << 20);
        if (!body) {
            (void)exchange.respond(400, {}, body.error().message());
            return;
        }
        (void)exchange.respond(200, {{"Content-Type", "text/plain"}},
                               concat(exchange.request().method_name, ' ', exchange.request().target.path, ' ', *body));
    };
}

TEST_F(ServerTest, answers_on_one_connection_again_and_again) {
    start(echo_handler());
    auto fd = connect();
    for (int round = 0; round < 3; round++) {
        send_text(fd.get(), "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n");
        auto answer = read_until(fd.get(), "/_ping ");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: ")) << answer;
        EXPECT_NE(answer.find("\r\nContent-Length: 11\r\n\r\nGET /_ping "), answer.npos) << answer;
    }
}

}  // namespace
}  // namespace proa::http
