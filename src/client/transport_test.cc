#include "client/transport.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/text.h"
#include "client/client.h"
#include "client/config_file.h"
#include "client/context_store.h"
#include "os/file.h"
#include "os/socket.h"

namespace proa::client {
namespace {

TEST(Endpoint, ReadsUnixAndTcpAddresses) {
    auto local = Endpoint::parse("unix:///run/x.sock");
    ASSERT_TRUE(local);
    EXPECT_EQ(local->path, "/run/x.sock");
    auto remote = Endpoint::parse("tcp://[::1]:99/prefix/");
    ASSERT_TRUE(remote);
    EXPECT_EQ(remote->host, "::1");
    EXPECT_EQ(remote->port, "99");
    EXPECT_EQ(remote->base_path, "/prefix");
    EXPECT_EQ(Endpoint::parse("tcp://host")->port, "2375");
}

TEST(Endpoint, RefusesWhatItCannotSpeak) {
    EXPECT_EQ(Endpoint::parse("ssh://me@host:22")->kind, Endpoint::Kind::Ssh);
    EXPECT_EQ(Endpoint::parse("ssh://").error().kind(), ErrorKind::InvalidArgument);
    EXPECT_EQ(Endpoint::parse("nothing").error().kind(), ErrorKind::InvalidArgument);
}

TEST(ResponseHead, WaitsForTheEmptyLine) {
    std::string head = "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nX-Empty:\r\n\r\nbody";
    for (size_t length = 0; length < head.size() - 4; length++) {
        auto parsed = parse_response_head(head.substr(0, length));
        ASSERT_TRUE(parsed) << length;
        EXPECT_FALSE(*parsed) << length;
    }
    auto parsed = parse_response_head(head);
    ASSERT_TRUE(parsed && *parsed);
    EXPECT_EQ((*parsed)->first.status, 200);
    EXPECT_EQ((*parsed)->first.reason, "OK");
    EXPECT_EQ((*parsed)->first.header("api-version"), "1.45");
    EXPECT_EQ((*parsed)->second, head.size() - 4);
}

TEST(ResponseHead, RefusesMalformedInput) {
    for (std::string text :
         {"HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
          "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n", "HTTP/1.1 200 OK\r\nA: x\ry\r\n\r\n", "\r\n\r\n"})
        EXPECT_FALSE(parse_response_head(text)) << text;
    EXPECT_FALSE(parse_response_head("HTTP/1.1 200 OK\r\n" + std::string(70000, 'a')));
    std::string many = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 400; i++) many += "A: b\r\n";
    EXPECT_FALSE(parse_response_head(many + "\r\n"));
}

ResponseHead head_with(int status, HeaderList headers) {
    ResponseHead head;
    head.status = status;
    head.headers = std::move(headers);
    return head;
}

TEST(BodyFraming, FollowsTheHeaders) {
    using enum BodyFraming::Kind;
    EXPECT_EQ(body_framing(head_with(200, {{"Content-Length", "5"}}), "GET")->kind, Length);
    EXPECT_EQ(body_framing(head_with(200, {{"Content-Length", "5"}}), "HEAD")->kind, None);
    EXPECT_EQ(body_framing(head_with(204, {}), "POST")->kind, None);
    EXPECT_EQ(body_framing(head_with(200, {{"Transfer-Encoding", "chunked"}}), "GET")->kind, Chunked);
    EXPECT_EQ(body_framing(head_with(200, {}), "GET")->kind, UntilClose);
    EXPECT_EQ(body_framing(head_with(101, {}), "POST")->kind, UntilClose);
}

TEST(BodyFraming, RefusesSmugglingForms) {
    EXPECT_FALSE(body_framing(head_with(200, {{"Content-Length", "5"}, {"Content-Length", "6"}}), "GET"));
    EXPECT_FALSE(body_framing(head_with(200, {{"Content-Length", "+5"}}), "GET"));
    EXPECT_FALSE(body_framing(head_with(200, {{"Content-Length", "-1"}}), "GET"));
    EXPECT_FALSE(body_framing(head_with(200, {{"Content-Length", "99999999999999999999999"}}), "GET"));
    EXPECT_FALSE(body_framing(head_with(200, {{"Transfer-Encoding", "gzip, chunked"}}), "GET"));
    EXPECT_FALSE(body_framing(head_with(200, {{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}), "GET"));
}

/// A server that answers one connection with fixed bytes, however many requests come.
class CannedServer {
public:
    explicit CannedServer(std::string answer) {
        char directory[] = "/tmp/proa-transport-XXXXXX";
        directory_ = ::mkdtemp(directory);
        listener_ = os::listen_unix(directory_ + "/s", os::SocketType::Stream, 0600).value();
        thread_ = std::thread([this, answer = std::move(answer)] {
            auto connection = os::accept_connection(listener_.get(), false);
            if (!connection) return;
            char buffer[4096];
            (void)os::read_some(connection->get(), buffer);
            (void)os::send_message(connection->get(), answer);
        });
    }
    ~CannedServer() {
        thread_.join();
        (void)os::remove_tree(directory_);
    }
    Endpoint endpoint() const { return Endpoint::parse("unix://" + directory_ + "/s").value(); }

private:
    std::string directory_;
    os::Fd listener_;
    std::thread thread_;
};

Result<std::string> body_of(const std::string& answer, bool* reusable = nullptr) {
    CannedServer server(answer);
    auto connection = TRY(Connection::open(server.endpoint()));
    TRY(connection.send({.method = "GET", .target = "/x"}));
    TRY(connection.read_head("GET"));
    auto body = connection.read_body();
    if (reusable) *reusable = connection.reusable();
    return body;
}

TEST(Connection, ReadsBodiesOfAllFramings) {
    bool reusable = false;
    EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", &reusable).value(), "hello");
    EXPECT_TRUE(reusable);
    EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n", &reusable).value(), "hello");
    EXPECT_TRUE(reusable);
    EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\n\r\nhello", &reusable).value(), "hello");
    EXPECT_FALSE(reusable);
    EXPECT_EQ(body_of("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx").value(), "x");
}

TEST(Connection, RefusesCutAndMalformedBodies) {
    for (std::string text : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhelXX\r\n0\r\n\r\n",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n"})
        EXPECT_FALSE(body_of(text)) << text;
    EXPECT_FALSE(body_of(""));
    EXPECT_FALSE(body_of("HTTP/1.1 200"));
}

TEST(Connection, HijackKeepsEarlyBytes) {
    CannedServer server("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly");
    auto connection = Connection::open(server.endpoint());
    ASSERT_TRUE(connection);
    ASSERT_TRUE(connection->send({.method = "POST", .target = "/attach", .upgrade = true}));
    ASSERT_EQ(connection->read_head("POST")->status, 101);
    auto [fd, early] = connection->hijack();
    std::string all = early + os::read_to_end(fd.get(), 100).value();
    EXPECT_EQ(all, "early");
}

TEST(Client, NamesTheDaemonThatIsNotThere) {
    auto gone = Connection::open(Endpoint::parse("unix:///nowhere/x.sock").value());
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().message(), "Cannot connect to the Docker daemon at unix:///nowhere/x.sock. Is the docker daemon running?");
}

TEST(Client, ComparesVersionsByNumber) {
    EXPECT_LT(compare_versions("1.9", "1.45"), 0);
    EXPECT_EQ(compare_versions("1.45", "1.45"), 0);
    EXPECT_GT(compare_versions("2.0", "1.45"), 0);
}

TEST(Client, PrintsFiltersInMapForm) {
    EXPECT_EQ(filters_text({{"label", {"b=c", "a"}}, {"status", {"x"}}}), R"({"label":{"a":true,"b=c":true},"status":{"x":true}})");
    EXPECT_EQ(filters_text({}), "");
}

TEST(ConfigFile, HashesContextNames) {
    EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(sha256_hex("nope"), "ca3704aa0b06f5954c79ee837faa152d84d6b2d42838f0637a15eda8337dbdce");
    EXPECT_EQ(sha256_hex(std::string(200, 'a')), "c2a908d98f5df987ade41b5fce213067efbcc21ef2240212a41e54b5e7c28ae5");
}

TEST(ConfigFile, ChoosesTheEndpointInDockersOrder) {
    char made[] = "/tmp/proa-config-XXXXXX";
    std::string directory = ::mkdtemp(made);
    std::string meta = context_directory(directory, "meta", "far") + "/meta.json";
    ASSERT_TRUE(os::make_directories(os::directory_of(meta), 0755));
    ASSERT_TRUE(os::write_file(meta, R"({"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///far.sock"}}})"));
    ::unsetenv("DOCKER_HOST");
    ::unsetenv("DOCKER_CONTEXT");
    ConfigFile config{directory, json::Object{{"currentContext", "far"}}};
    EXPECT_EQ(choose_endpoint(config, "", "", "unix:///d")->host, "unix:///far.sock");
    EXPECT_EQ(choose_endpoint(config, "", "default", "unix:///d")->host, "unix:///d");
    EXPECT_EQ(choose_endpoint(config, "tcp://a:1", "", "unix:///d")->host, "tcp://a:1");
    EXPECT_FALSE(choose_endpoint(config, "tcp://a:1", "far", "unix:///d"));
    EXPECT_TRUE(choose_endpoint(config, "", "nope", "unix:///d").error().is(ErrorKind::NotFound));
    ::setenv("DOCKER_HOST", "/x.sock", 1);
    EXPECT_EQ(choose_endpoint(config, "", "", "unix:///d")->host, "unix:///x.sock");
    EXPECT_EQ(choose_endpoint(config, "", "far", "unix:///d")->host, "unix:///far.sock");
    ::unsetenv("DOCKER_HOST");
    EXPECT_TRUE(os::remove_tree(directory));
}

}  // namespace
}  // namespace proa::client
