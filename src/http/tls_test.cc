#include "http/tls.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <thread>

#include "base/text.h"
#include "http/server.h"
#include "os/file.h"
#include "os/socket.h"

namespace proa::http {
namespace {

/// A certificate authority with a server's ("localhost", 127.0.0.1) and a client's certificate, and a foreign client.
class TlsTest : public testing::Test {
protected:
    static void SetUpTestSuite() {
        ::signal(SIGPIPE, SIG_IGN);  // as the programs do: os::write_all() is plain write(2)
        static char name[] = "/tmp/proa-tls-XXXXXX";
        directory = ::mkdtemp(name);
        auto script = concat("cd ", directory, R"( && exec >/dev/null 2>&1 &&
            key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
            for ca in ca other; do openssl req -x509 $key -keyout $ca.key -out $ca.pem -days 2 -subj /CN=$ca; done
            printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > names
            sign() { openssl req $key -keyout $1.key -out $1.csr -subj /CN=$1 &&
                     openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -CAcreateserial -days 2 -out $1.pem -extfile names; }
            sign server ca && sign client ca && sign stranger other)");
        have_certificates = ::system(script.c_str()) == 0;
    }
    static void TearDownTestSuite() { (void)os::remove_tree(directory); }
    void SetUp() override {
        if (!have_certificates) GTEST_SKIP() << "the openssl program is missing";
    }

    static std::string file(std::string_view name) { return concat(directory, '/', name); }
    static TlsConfig config(TlsRole role, std::string_view who, bool verify = true) {
        return {role, file("ca.pem"), who.empty() ? "" : file(concat(who, ".pem")), who.empty() ? "" : file(concat(who, ".key")),
                verify};
    }

    void start(const TlsConfig& tls, Handler handler) {
        auto context = TlsContext::create(tls);
        ASSERT_TRUE(context) << context.error().message();
        auto listeners = listen_on_tcp("127.0.0.1", 0, *context);
        ASSERT_TRUE(listeners);
        port = static_cast<uint16_t>(*parse_int(listeners->front().name.substr(10)));
        server.emplace(std::move(handler));
        ASSERT_TRUE(server->add(std::move(listeners->front())));
        ASSERT_TRUE(server->start());
    }
    os::Fd connect_plain() {
        os::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {}};
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        return fd;
    }
    Result<os::Fd> connect(std::string_view who, const std::string& name = "localhost") {
        auto context = TRY(TlsContext::create(config(TlsRole::Client, who)));
        return tls_connect(connect_plain(), *context, name);
    }

    static inline std::string directory;
    static inline bool have_certificates = false;
    uint16_t port = 0;
    std::optional<Server> server;
};

void answer(Exchange& exchange) {
    auto body = exchange.read_whole_body(64 << 20);
    (void)exchange.respond(200, {{"X-Tls", exchange.is_tls() ? "yes" : "no"}}, body ? *body : body.error().message());
}

std::string ask(os::Fd& fd, std::string_view body) {
    auto head = concat("POST / HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: ", body.size(), "\r\n\r\n");
    std::thread sender([&] { (void)os::write_all(fd.get(), concat(head, body)); });
    auto text = os::read_to_end(fd.get(), 128 << 20);
    sender.join();
    return text ? *text : text.error().message();
}

TEST_F(TlsTest, carries_requests_of_known_clients) {
    start(config(TlsRole::Server, "server"), answer);
    for (auto* name : {"localhost", "127.0.0.1"}) {
        auto fd = connect("client", name);
        ASSERT_TRUE(fd) << fd.error().message();
        auto text = ask(*fd, "hello");
        EXPECT_TRUE(text.starts_with("HTTP/1.1 200 OK\r\nX-Tls: yes\r\n")) << text;
        EXPECT_TRUE(text.ends_with("\r\n\r\nhello"));
    }
}

TEST_F(TlsTest, carries_large_bodies_both_ways) {
    start(config(TlsRole::Server, "server"), answer);
    auto fd = connect("client");
    ASSERT_TRUE(fd);
    std::string body(20 << 20, 0);
    for (size_t i = 0; i < body.size(); i++) body[i] = static_cast<char>(i * 31 >> 3);
    auto text = ask(*fd, body);
    EXPECT_EQ(text.size() - text.find("\r\n\r\n") - 4, body.size());
    EXPECT_TRUE(text.ends_with(body));
}

TEST_F(TlsTest, refuses_clients_without_a_certificate_of_ours) {
    start(config(TlsRole::Server, "server"), answer);
    for (auto* who : {"", "stranger"}) {
        auto fd = connect(who);  // TLS 1.3: the refusal comes after the client's side of the handshake
        if (fd) {
            EXPECT_EQ(ask(*fd, "hello").find("HTTP/1.1 200"), std::string::npos) << who;
        }
    }
    auto fd = connect("client");
    ASSERT_TRUE(fd);
    EXPECT_TRUE(ask(*fd, "still here").ends_with("still here"));
}

TEST_F(TlsTest, takes_any_client_without_tlsverify) {
    start(config(TlsRole::Server, "server", false), answer);
    auto fd = connect("");
    ASSERT_TRUE(fd);
    EXPECT_TRUE(ask(*fd, "hi").ends_with("hi"));
}

TEST_F(TlsTest, client_checks_the_server) {
    start(config(TlsRole::Server, "server"), answer);
    auto wrong_name = connect("client", "example.org");
    ASSERT_FALSE(wrong_name);
    EXPECT_TRUE(wrong_name.error().is(ErrorKind::Forbidden)) << wrong_name.error().message();
    auto wanted = config(TlsRole::Client, "client");
    wanted.ca_file = file("other.pem");
    auto context = TlsContext::create(wanted);
    ASSERT_TRUE(context);
    auto wrong_ca = tls_connect(connect_plain(), **context, "localhost");
    ASSERT_FALSE(wrong_ca);
    EXPECT_TRUE(wrong_ca.error().is(ErrorKind::Forbidden));
    wanted.verify_peer = false;
    context = TlsContext::create(wanted);
    EXPECT_TRUE(tls_connect(connect_plain(), **context, "example.org"));
}

TEST_F(TlsTest, tells_plain_http_clients_what_is_wrong) {
    start(config(TlsRole::Server, "server"), answer);
    auto fd = connect_plain();
    (void)os::write_all(fd.get(), "GET / HTTP/1.1\r\nHost: d\r\n\r\n");
    char text[200] = "";
    ssize_t got = ::recv(fd.get(), text, sizeof text - 1, MSG_WAITALL);
    EXPECT_GT(got, 0);
    EXPECT_STREQ(text, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
}

TEST_F(TlsTest, hijacked_streams_half_close_both_ways) {
    start(config(TlsRole::Server, "server"), [](Exchange& exchange) {
        auto stream = exchange.hijack("HTTP/1.1 101 UPGRADED\r\n\r\n");
        ASSERT_TRUE(stream);
        std::thread([stream = std::move(*stream)] {
            auto rest = os::read_to_end(stream.fd.get(), 1 << 20);
            (void)os::write_all(stream.fd.get(), concat("got ", stream.early, *rest));
        }).detach();
    });
    auto fd = connect("client");
    ASSERT_TRUE(fd);
    (void)os::write_all(fd->get(), "POST /attach HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n\r\nearly ");
    (void)os::write_all(fd->get(), "late");
    (void)os::shutdown_write(fd->get());
    auto text = os::read_to_end(fd->get(), 1 << 20);
    ASSERT_TRUE(text);
    EXPECT_EQ(*text, "HTTP/1.1 101 UPGRADED\r\n\r\ngot early late");
}

TEST_F(TlsTest, handler_sees_the_client_leave) {
    std::atomic<bool> gone{false};
    os::Fd never = std::move(*os::make_eventfd()), seen = std::move(*os::make_eventfd());
    start(config(TlsRole::Server, "server"), [&](Exchange& exchange) {
        (void)exchange.begin_stream(200, {});
        gone = !exchange.wait_event(never.get(), 3000);
        os::signal_eventfd(seen.get());
    });
    auto fd = connect("client");
    ASSERT_TRUE(fd);
    (void)os::write_all(fd->get(), "GET /events HTTP/1.1\r\nHost: d\r\n\r\n");
    (void)os::wait_readable(fd->get(), 1000);
    fd->reset();
    (void)os::wait_readable(seen.get(), 2000);
    EXPECT_TRUE(gone);
    server.reset();  // before the descriptors that its handlers use
}

TEST_F(TlsTest, names_bad_files) {
    auto missing = config(TlsRole::Server, "nobody");
    auto context = TlsContext::create(missing);
    ASSERT_FALSE(context);
    EXPECT_TRUE(context.error().is(ErrorKind::NotFound));
    EXPECT_NE(context.error().message().find("nobody.pem"), std::string::npos);
    auto mixed = config(TlsRole::Server, "server");
    mixed.key_file = file("client.key");
    EXPECT_FALSE(TlsContext::create(mixed));
    mixed.key_file = file("names");
    EXPECT_FALSE(TlsContext::create(mixed));
}

}  // namespace
}  // namespace proa::http
