#include "http/server.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
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

TEST_F(ServerTest, answers_pipelined_requests_in_order) {
    start(echo_handler());
    auto answer = ask("POST /a HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: d\r\n\r\n"
                      "POST /c HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
                      "GET /d HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
    auto a = answer.find("POST /a abc"), b = answer.find("GET /b "), c = answer.find("POST /c xyz"), d = answer.find("GET /d ");
    EXPECT_TRUE(a < b && b < c && c < d && d != answer.npos) << answer;
    EXPECT_NE(answer.find("Connection: close"), answer.npos);
}

TEST_F(ServerTest, refuses_malformed_heads_at_once_and_closes) {
    start(echo_handler());
    EXPECT_EQ(ask("GET / HTTP/1.1\r\n\r\n"),
              "HTTP/1.1 400 Bad Request: missing required Host header\r\nContent-Type: text/plain; charset=utf-8\r\n"
              "Connection: close\r\n\r\n400 Bad Request: missing required Host header");
    EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
              "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request");
    EXPECT_TRUE(ask("\x16\x03\x01hello\n").starts_with("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_TRUE(ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").starts_with("HTTP/1.1 505 HTTP Version Not Supported"));
    EXPECT_TRUE(ask("POST / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: gzip\r\n\r\n").ends_with("Unsupported transfer encoding"));
    auto big = concat("GET / HTTP/1.1\r\nHost: d\r\nX: ", std::string(2 << 20, 'x'));
    auto fd = connect();
    std::thread sender([&] { (void)!::send(fd.get(), big.data(), big.size(), MSG_NOSIGNAL); });
    EXPECT_TRUE(read_all(fd.get()).starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    fd.reset();
    sender.join();
}

TEST_F(ServerTest, sends_100_continue_when_the_body_is_read) {
    start(echo_handler());
    auto fd = connect();
    send_text(fd.get(), "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(read_until(fd.get(), "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(fd.get(), "hi");
    EXPECT_TRUE(read_until(fd.get(), "POST /x hi").starts_with("HTTP/1.1 200 OK"));
}

TEST_F(ServerTest, answers_old_clients_in_their_version) {
    start(echo_handler());
    auto answer = ask("GET /x HTTP/1.0\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.0 200 OK\r\n")) << answer;
    EXPECT_EQ(answer.find("Connection"), answer.npos);
    auto fd = connect();
    for (int round = 0; round < 2; round++) {
        send_text(fd.get(), "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        EXPECT_NE(read_until(fd.get(), "GET /x ").find("\r\nConnection: keep-alive\r\n"), std::string::npos);
    }
}

TEST_F(ServerTest, answers_a_body_that_ends_early) {
    start(echo_handler());
    auto fd = connect();
    send_text(fd.get(), "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 50\r\n\r\nonly this");
    (void)os::shutdown_write(fd.get());
    EXPECT_TRUE(read_all(fd.get()).ends_with("\r\n\r\nunexpected EOF"));
}

TEST_F(ServerTest, closes_when_an_announced_body_was_not_asked_for) {
    start([](Exchange& exchange) { (void)exchange.respond(409, {}, "no"); });
    auto answer = ask("POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 409 Conflict\r\n"));
    EXPECT_NE(answer.find("Connection: close"), answer.npos);
    EXPECT_EQ(answer.find("100 Continue"), answer.npos);
}

TEST_F(ServerTest, skips_a_small_unread_body_and_closes_on_a_large_one) {
    start([](Exchange& exchange) { (void)exchange.respond(200, {}, exchange.request().target.path); });
    auto answer = ask(concat("POST /a HTTP/1.1\r\nHost: d\r\nContent-Length: 100000\r\n\r\n", std::string(100000, 'x'),
                             "POST /b HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                             "GET /c HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"));
    EXPECT_NE(answer.find("/a"), answer.npos);
    EXPECT_NE(answer.find("/b"), answer.npos);
    EXPECT_TRUE(answer.ends_with("/c")) << answer;
    auto fd = connect();
    send_text(fd.get(), "POST /big HTTP/1.1\r\nHost: d\r\nContent-Length: 100000000\r\n\r\nxxxx");
    answer = read_all(fd.get());
    EXPECT_NE(answer.find("Connection: close"), answer.npos);
    EXPECT_TRUE(answer.ends_with("/big"));
}

TEST_F(ServerTest, leaves_out_bodies_where_http_has_none) {
    start([](Exchange& exchange) {
        auto& path = exchange.request().target.path;
        Headers headers{{"Content-Type", "text/plain"}};
        if (path == "/204") (void)exchange.respond(204, headers, "x");
        else if (path == "/304") (void)exchange.respond(304, headers, "x");
        else if (path == "/empty") (void)exchange.respond(200, {}, "");
        else (void)exchange.respond(200, headers, "body");
    });
    auto close = " HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
    for (auto* path : {"/204", "/304"}) {
        auto answer = ask(concat("GET ", path, close));
        EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
        EXPECT_EQ(answer.find("Content-"), answer.npos);
    }
    auto head = ask(concat("HEAD /x", close));
    EXPECT_NE(head.find("Content-Length: 4\r\n"), head.npos);
    EXPECT_TRUE(head.ends_with("\r\n\r\n"));
    EXPECT_NE(ask(concat("GET /empty", close)).find("Content-Length: 0\r\n"), std::string::npos);
}

TEST_F(ServerTest, streams_chunks_as_they_are_written) {
    os::Fd go = std::move(*os::make_eventfd());
    start([&](Exchange& exchange) {
        (void)exchange.begin_stream(200, {{"Content-Type", "application/json"}});
        auto woken = exchange.wait_event(go.get(), 5000);
        (void)exchange.write_chunk(woken && *woken ? "{\"StatusCode\":0}\n" : "lost");
        (void)exchange.write_chunk("");
        (void)exchange.write_chunk("more");
        (void)exchange.end_stream();
    });
    auto fd = connect();
    send_text(fd.get(), "POST /wait HTTP/1.1\r\nHost: d\r\n\r\n");
    auto head = read_until(fd.get(), "\r\n\r\n");
    EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n\r\n"), head.npos);
    os::signal_eventfd(go.get());
    EXPECT_EQ(read_until(fd.get(), "0\r\n\r\n"), "11\r\n{\"StatusCode\":0}\n\r\n4\r\nmore\r\n0\r\n\r\n");
    send_text(fd.get(), "POST /wait HTTP/1.1\r\nHost: d\r\n\r\n");
    EXPECT_TRUE(read_until(fd.get(), "0\r\n\r\n").starts_with("HTTP/1.1 200 OK"));
    os::signal_eventfd(go.get());
    auto old = ask("GET /wait HTTP/1.0\r\n\r\n");
    EXPECT_EQ(old.find("chunked"), old.npos);
    EXPECT_TRUE(old.ends_with("\r\n\r\n{\"StatusCode\":0}\nmore")) << old;
    server.reset();  // before the descriptors that its handlers use
}

TEST_F(ServerTest, tells_a_handler_that_its_client_left) {
    os::Fd never = std::move(*os::make_eventfd()), seen = std::move(*os::make_eventfd());
    std::atomic<int> kind{-1};
    std::atomic<bool> gone_before{true}, gone_after{false};
    start([&](Exchange& exchange) {
        gone_before = exchange.client_gone();
        (void)exchange.begin_stream(200, {});
        auto woken = exchange.wait_event(never.get(), 5000);
        kind = woken ? -2 : static_cast<int>(woken.error().kind());
        gone_after = exchange.client_gone();
        os::signal_eventfd(seen.get());
    });
    for (bool half : {false, true}) {
        kind = -1;
        auto fd = connect();
        send_text(fd.get(), "GET /events HTTP/1.1\r\nHost: d\r\n\r\n");
        read_until(fd.get(), "\r\n\r\n");
        if (half) (void)os::shutdown_write(fd.get());
        else fd.reset();
        auto noticed = os::wait_readable(seen.get(), 2000);
        ASSERT_TRUE(noticed && *noticed);
        uint64_t drop;
        (void)!::read(seen.get(), &drop, sizeof drop);
        EXPECT_EQ(kind, static_cast<int>(ErrorKind::Cancelled));
        EXPECT_FALSE(gone_before);
        EXPECT_TRUE(gone_after);
    }
    server.reset();  // before the descriptors that its handlers use
}

TEST_F(ServerTest, writing_to_a_lost_client_is_an_error_and_no_signal) {
    os::Fd done = std::move(*os::make_eventfd());
    std::atomic<bool> cancelled{false};
    start([&](Exchange& exchange) {
        (void)exchange.begin_stream(200, {});
        for (int i = 0; i < 1000; i++) {
            auto sent = exchange.write_chunk(std::string(65536, 'x'));
            if (sent) continue;
            cancelled = sent.error().is(ErrorKind::Cancelled);
            break;
        }
        os::signal_eventfd(done.get());
    });
    auto fd = connect();
    send_text(fd.get(), "GET / HTTP/1.1\r\nHost: d\r\n\r\n");
    read_until(fd.get(), "\r\n\r\n");
    fd.reset();
    (void)os::wait_readable(done.get(), 2000);
    EXPECT_TRUE(cancelled);
    server.reset();  // before the descriptors that its handlers use
}

TEST_F(ServerTest, hands_over_the_connection_with_early_bytes) {
    start([](Exchange& exchange) {
        auto body = exchange.read_whole_body(100);
        auto stream = exchange.hijack("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
        ASSERT_TRUE(body && stream);
        std::thread([stream = std::move(*stream), body = *body] {
            (void)os::write_all(stream.fd.get(), concat(body, '|', stream.early, '|'));
            auto rest = os::read_to_end(stream.fd.get(), 1000);  // until the client's half-close
            (void)os::write_all(stream.fd.get(), *rest);
        }).detach();
    });
    auto fd = connect();
    send_text(fd.get(), "POST /exec/x/start HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\nUpgrade: tcp\r\n\r\nbodyearly");
    auto answer = read_until(fd.get(), "|early|");
    EXPECT_TRUE(answer.ends_with("Upgrade: tcp\r\n\r\nbody|early|")) << answer;
    send_text(fd.get(), "later");
    (void)os::shutdown_write(fd.get());
    EXPECT_EQ(read_all(fd.get()), "later");
    EXPECT_EQ(server->counts().connections, 0u);
}

TEST_F(ServerTest, survives_exceptions_and_silent_handlers) {
    start([](Exchange& exchange) {
        auto& path = exchange.request().target.path;
        if (path == "/throw") throw std::runtime_error("test");
        if (path == "/odd") throw 7;
        if (path == "/half") {
            (void)exchange.begin_stream(200, {});
            (void)exchange.write_chunk("part");
            throw std::bad_alloc();
        }
    });
    for (auto* path : {"/throw", "/odd", "/silent"}) {
        auto fd = connect();
        for (int round = 0; round < 2; round++) {
            send_text(fd.get(), concat("GET ", path, " HTTP/1.1\r\nHost: d\r\n\r\n"));
            auto answer = read_until(fd.get(), "\r\n\r\n");
            EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n")) << path;
        }
    }
    auto half = ask("GET /half HTTP/1.1\r\nHost: d\r\n\r\n");
    EXPECT_TRUE(half.ends_with("4\r\npart\r\n")) << half;
}

TEST_F(ServerTest, header_values_cannot_split_the_answer) {
    start([](Exchange& exchange) { (void)exchange.respond(200, {{"X-Path", "a\r\nSet-Cookie: b"}}, ""); });
    auto answer = ask("GET / HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
    EXPECT_NE(answer.find("X-Path: a  Set-Cookie: b\r\n"), answer.npos) << answer;
}

TEST_F(ServerTest, closes_half_sent_heads_after_their_time) {
    ServerOptions options;
    options.head_timeout_seconds = 1;
    options.first_head_timeout_seconds = 1;
    start(echo_handler(), options);
    auto silent = connect(), slow = connect(), used = connect();
    send_text(slow.get(), "GET / HTT");
    send_text(used.get(), "GET / HTTP/1.1\r\nHost: d\r\n\r\n");
    read_until(used.get(), "GET / ");
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    (void)::send(slow.get(), "P", 1, MSG_NOSIGNAL);  // a byte now and then does not prolong it
    auto slow_ended = os::wait_readable(slow.get(), 2500), silent_ended = os::wait_readable(silent.get(), 2500);
    EXPECT_TRUE(slow_ended && *slow_ended && silent_ended && *silent_ended);
    char byte;
    EXPECT_LE(::recv(slow.get(), &byte, 1, MSG_DONTWAIT), 0);
    send_text(used.get(), "GET /again HTTP/1.1\r\nHost: d\r\n\r\n");
    EXPECT_NE(read_until(used.get(), "/again ").find("/again"), std::string::npos);
}

TEST_F(ServerTest, accepts_heads_in_pieces) {
    start(echo_handler());
    auto fd = connect();
    for (char c : std::string_view("GET /slow HTTP/1.1\r\nHost: d\r\n\r\n")) {
        send_text(fd.get(), std::string_view(&c, 1));
        std::this_thread::sleep_for(std::chrono::milliseconds(c == '/' ? 60 : 1));
    }
    EXPECT_NE(read_until(fd.get(), "GET /slow ").find("GET /slow "), std::string::npos);
}

TEST_F(ServerTest, serves_many_blocked_requests_and_lets_threads_go) {
    ServerOptions options;
    options.workers.idle_seconds = 1;
    os::Fd go = std::move(*os::make_eventfd());
    start([&](Exchange& exchange) {
        if (exchange.request().target.path == "/block") (void)exchange.wait_event(go.get(), 10000);
        (void)exchange.respond(200, {}, "done");
    }, options);
    std::vector<os::Fd> blocked;
    for (int i = 0; i < 200; i++) {
        blocked.push_back(connect());
        send_text(blocked.back().get(), "GET /block HTTP/1.1\r\nHost: d\r\n\r\n");
    }
    EXPECT_TRUE(ask("GET / HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").ends_with("done"));
    os::signal_eventfd(go.get());
    for (auto& fd : blocked) EXPECT_TRUE(read_until(fd.get(), "done").ends_with("done"));
    for (int i = 0; i < 40 && server->counts().threads > 2; i++) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_LE(server->counts().threads, 2u);
    EXPECT_EQ(server->counts().connections, 200u);
    EXPECT_EQ(server->counts().running, 0u);
    server.reset();  // before the descriptors that its handlers use
}

TEST_F(ServerTest, stops_gracefully) {
    start([](Exchange& exchange) {
        if (exchange.request().target.path == "/slow") std::this_thread::sleep_for(std::chrono::milliseconds(300));

        (void)exchange.respond(200, {}, "done");
    });
    auto idle = connect(), slow = connect();
    send_text(idle.get(), "GET / HTTP/1.1\r\nHost: d\r\n\r\n");
    read_until(idle.get(), "done");
    send_text(slow.get(), "GET /slow HTTP/1.1\r\nHost: d\r\n\r\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_TRUE(server->stop(5000));
    EXPECT_FALSE(os::exists(path));
    EXPECT_TRUE(read_all(slow.get()).ends_with("done"));
    EXPECT_EQ(read_all(idle.get()), "");
    EXPECT_EQ(server->counts().connections, 0u);
}

TEST_F(ServerTest, cuts_what_does_not_end_in_time) {
    os::Fd never = std::move(*os::make_eventfd());
    start([&](Exchange& exchange) {
        (void)exchange.begin_stream(200, {});
        (void)exchange.wait_event(never.get(), -1);
    });
    auto fd = connect();
    send_text(fd.get(), "GET /events HTTP/1.1\r\nHost: d\r\n\r\n");
    read_until(fd.get(), "\r\n\r\n");
    EXPECT_TRUE(server->stop(50));
    server.reset();  // before the descriptors that its handlers use
}

TEST_F(ServerTest, knows_the_peer_of_a_unix_socket) {
    start([](Exchange& exchange) {
        auto peer = exchange.peer_credentials();
        (void)exchange.respond(200, {}, peer ? concat(peer->pid, ' ', peer->uid, ' ', exchange.peer_address()) : "none");
    });
    EXPECT_TRUE(ask("GET / HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").ends_with(concat(::getpid(), ' ', ::getuid(), " @")));
    EXPECT_EQ(os::status(path)->st_mode & 0777, 0660u);
}

TEST_F(ServerTest, reads_deep_json_sized_stacks) {
    start([](Exchange& exchange) {
        volatile char deep[700 << 10];  // a handler may use most of a megabyte
        for (size_t i = 0; i < sizeof deep; i += 4096) deep[i] = 1;
        (void)exchange.respond(200, {}, deep[4096] ? "deep" : "");
    });
    EXPECT_TRUE(ask("GET / HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").ends_with("deep"));
}

TEST(TcpListener, serves_loopback) {
    Server server(echo_handler());
    auto listeners = listen_on_tcp("127.0.0.1", 0, nullptr);
    ASSERT_TRUE(listeners) << listeners.error().message();
    ASSERT_EQ(listeners->size(), 1u);
    auto name = listeners->front().name;
    EXPECT_TRUE(name.starts_with("127.0.0.1:") && !name.ends_with(":0")) << name;
    int port = static_cast<int>(*parse_int(name.substr(10)));
    ASSERT_TRUE(server.start());
    ASSERT_TRUE(server.add(std::move(listeners->front())));
    os::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{AF_INET, htons(static_cast<uint16_t>(port)), {htonl(INADDR_LOOPBACK)}, {}};
    ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    send_text(fd.get(), "GET /tcp HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(read_all(fd.get()).ends_with("GET /tcp "));
}

TEST(ListenAddress, parses_host_flags) {
    auto parse = [](std::string_view text, bool tls = false) { return ListenAddress::parse(text, tls); };
    EXPECT_EQ(parse("unix:///run/x.sock")->path, "/run/x.sock");
    EXPECT_EQ(parse("unix://")->path, "/var/run/docker.sock");
    EXPECT_EQ(parse("tcp://")->host, "localhost");
    EXPECT_EQ(parse("tcp://")->port, 2375);
    EXPECT_EQ(parse("tcp://0.0.0.0", true)->port, 2376);
    EXPECT_EQ(parse("tcp://:4243")->host, "");
    EXPECT_EQ(parse("tcp://:4243")->port, 4243);
    EXPECT_EQ(parse("tcp://[::1]:4243")->host, "::1");
    EXPECT_EQ(parse("127.0.0.1:80")->port, 80);
    EXPECT_FALSE(parse("fd://")->fd);
    EXPECT_EQ(parse("fd://4")->fd, 4);
    for (auto* bad : {"", "npipe://x", "tcp://a:b", "tcp://a:99999", "tcp://::1:80", "tcp://[::1", "fd://x", "fd://1", "tcp://a/b"})
        EXPECT_FALSE(parse(bad)) << bad;
    EXPECT_TRUE(is_loopback_host("127.0.0.1"));
    EXPECT_TRUE(is_loopback_host("::1"));
    EXPECT_FALSE(is_loopback_host("0.0.0.0"));
    EXPECT_FALSE(is_loopback_host(""));
}

TEST(InheritedListeners, come_from_the_environment_once) {
    TemporaryDirectory directory;
    EXPECT_FALSE(inherited_listeners(std::nullopt, nullptr));
    auto socket = os::listen_unix(directory.path + "/a", os::SocketType::Stream, 0600);
    os::Fd kept;
    if (socket->get() != 3) {  // descriptor 3 belongs to the test program: keep it aside
        kept = os::Fd(::dup(3));
        ASSERT_EQ(::dup2(socket->get(), 3), 3);
    }
    ::setenv("LISTEN_PID", concat(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "1", 1);
    EXPECT_FALSE(inherited_listeners(4, nullptr));
    auto listeners = inherited_listeners(std::nullopt, nullptr);
    ASSERT_TRUE(listeners) << listeners.error().message();
    ASSERT_EQ(listeners->size(), 1u);
    EXPECT_TRUE(listeners->front().unix_socket);
    EXPECT_EQ(listeners->front().name, directory.path + "/a");
    EXPECT_EQ(::getenv("LISTEN_FDS"), nullptr);
    listeners->clear();
    if (kept) ::dup2(kept.get(), 3);
}

}  // namespace
}  // namespace proa::http
