#include "api/router.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "api/hijack.h"
#include "base/text.h"
#include "http/connection.h"
#include "os/socket.h"

namespace proa::api {
namespace {

/// Sends `request` to a router on a private socket and gives everything that came back.
std::string ask(const Router& router, std::string_view request) {
    auto pair = os::make_socket_pair(os::SocketType::Stream);
    EXPECT_TRUE(pair);
    std::thread server([&router, socket = std::move(pair->second)]() mutable {
        http::serve_connection(std::move(socket), [&router](http::Exchange& exchange) { router.answer(exchange); });
    });
    (void)os::write_all(pair->first.get(), request);
    (void)os::shutdown_write(pair->first.get());
    auto answer = os::read_to_end(pair->first.get(), 1 << 20);
    server.join();
    return answer ? *answer : answer.error().message();
}

std::string get(const Router& router, std::string_view path, std::string_view method = "GET") {
    return ask(router, concat(method, ' ', path, " HTTP/1.1\r\nHost: d\r\n\r\n"));
}

std::string post_json(const Router& router, std::string_view path, std::string_view type, std::string_view body) {
    auto header = type.empty() ? std::string() : concat("Content-Type: ", type, "\r\n");
    return ask(router, concat("POST ", path, " HTTP/1.1\r\nHost: d\r\n", header, "Content-Length: ", body.size(),
                              "\r\n\r\n", body));
}

std::string status_line(std::string_view answer) { return std::string(answer.substr(0, answer.find("\r\n"))); }
std::string body_of(std::string_view answer) {
    auto at = answer.find("\r\n\r\n");
    return at == answer.npos ? std::string() : std::string(answer.substr(at + 4));
}
bool has_line(std::string_view answer, std::string_view line) {
    return answer.substr(0, answer.find("\r\n\r\n") + 2).find(concat("\r\n", line, "\r\n")) != answer.npos;
}

/// Routes that answer with their own pattern and parameters.
class RouterTest : public testing::Test {
protected:
    RouterTest() {
        for (auto* pattern : {"/_ping", "/containers/json", "/containers/{id}/json", "/images/json", "/images/get",
                              "/images/{name}/get", "/images/{name}/json", "/networks", "/networks/", "/networks/{id}",
                              "/info"})
            router.get(pattern, show(pattern));
        router.head("/_ping", show("/_ping"));
        router.post("/containers/create", [](Call& call) -> Result<void> {
            auto value = TRY(call.read_json(EmptyBody::Refused));
            return call.respond_json(201, json::print(*value));
        });
        router.post("/containers/{id}/update", [](Call& call) -> Result<void> {
            auto value = TRY(call.read_json(EmptyBody::Allowed));
            return call.respond_json(200, value ? json::print(*value) : "\"none\"");
        });
        router.post("/containers/{id}/attach", [](Call& call) -> Result<void> {
            if (call.parameter("id") == "nope")
                return respond_attach_error(call, Error(ErrorKind::NotFound, "No such container: nope"));
            auto stream = TRY(call.exchange().hijack(attach_head(call, call.flag("tty"))));
            return os::write_all(stream.fd.get(), "bytes:" + stream.early);
        });
        router.post("/exec/{id}/start", [](Call& call) -> Result<void> {
            auto stream = TRY(call.exchange().hijack(exec_start_head(call, false)));
            return {};
        });
        router.del("/containers/{id}", show("/containers/{id}"));
        router.del("/containers/{id}/checkpoints/{checkpoint}", show("/containers/{id}/checkpoints/{checkpoint}"));
        router.get("/fail/{kind}", [](Call& call) -> Result<void> {
            for (auto kind : {ErrorKind::Internal, ErrorKind::InvalidArgument, ErrorKind::Unauthorized, ErrorKind::Forbidden,
                              ErrorKind::NotFound, ErrorKind::Conflict, ErrorKind::NotModified, ErrorKind::Unavailable,
                              ErrorKind::Unsupported})
                if (call.parameter("kind") == concat(static_cast<int>(kind))) return fail(kind, "it <failed> & \"hurt\"");
            throw std::runtime_error("no such kind");
        });
        router.get("/flags", [](Call& call) -> Result<void> {
            auto number = TRY(call.integer("n"));
            return call.respond_text(200, concat(call.flag("b"), ' ', call.flag_or("d", true), ' ', number.value_or(-1)));
        });
    }

    static CallHandler show(std::string pattern) {
        return [pattern](Call& call) -> Result<void> {
            auto text = concat(pattern, " v", call.version().text());
            for (auto* name : {"id", "name", "checkpoint"})
                if (auto& value = call.parameter(name); !value.empty()) text += concat(' ', name, '=', value);
            return call.respond_text(200, text);
        };
    }

    Router router;
};

TEST_F(RouterTest, finds_the_route_and_decodes_its_parameters) {
    struct Case {
        const char *method, *path, *body;
    };
    for (auto& [method, path, body] : {
             Case{"GET", "/_ping", "/_ping v1.56"},
             {"GET", "/v1.41/_ping", "/_ping v1.41"},
             {"GET", "/containers/json", "/containers/json v1.56"},
             {"GET", "/containers/abc/json", "/containers/{id}/json v1.56 id=abc"},
             {"GET", "/v1.44/containers/abc/json?size=1", "/containers/{id}/json v1.44 id=abc"},
             {"GET", "/images/get", "/images/get v1.56"},
             {"GET", "/images/get/get", "/images/{name}/get v1.56 name=get"},
             {"GET", "/images/curlimages/curl:latest/json", "/images/{name}/json v1.56 name=curlimages/curl:latest"},
             {"GET", "/images/curlimages%2Fcurl:latest/json", "/images/{name}/json v1.56 name=curlimages/curl:latest"},
             {"GET", "/images/a/json/json", "/images/{name}/json v1.56 name=a/json"},
             {"GET", "/networks", "/networks v1.56"},
             {"GET", "/networks/", "/networks/ v1.56"},
             {"GET", "/networks/a%20b", "/networks/{id} v1.56 id=a b"},
             {"DELETE", "/containers/a/b", "/containers/{id} v1.56 id=a/b"},
             {"DELETE", "/containers/a/checkpoints/c1", "/containers/{id}/checkpoints/{checkpoint} v1.56 id=a checkpoint=c1"},
             {"GET", "http://docker/v1.40/info", "/info v1.40"},
         })
        EXPECT_EQ(body_of(get(router, path, method)), body) << method << ' ' << path;
}

TEST_F(RouterTest, answers_unknown_paths_and_methods_with_404_without_docker_headers) {
    for (auto [method, path] : {std::pair{"GET", "/nope"},
                                {"GET", "/"},
                                {"POST", "/_ping"},
                                {"HEAD", "/info"},
                                {"GET", "/info/"},
                                {"GET", "/v1.41/nope"},
                                {"GET", "/v1.99/nope"},
                                {"GET", "/vx/info"},
                                {"BREW", "/info"},
                                {"GET", "/containers/"}}) {
        auto answer = get(router, path, method);
        EXPECT_EQ(status_line(answer), "HTTP/1.1 404 Not Found") << path;
        if (std::string_view(method) != "HEAD") {
            EXPECT_EQ(body_of(answer), "{\"message\":\"page not found\"}\n");
        }
        EXPECT_TRUE(has_line(answer, "Content-Type: application/json"));
        EXPECT_EQ(answer.find("Api-Version"), answer.npos);
        EXPECT_EQ(answer.find("Server:"), answer.npos);
    }
}

TEST_F(RouterTest, sends_docker_headers_on_matched_routes) {
    for (auto* path : {"/info", "/fail/0", "/v1.45/info"}) {
        auto answer = get(router, path);
        EXPECT_TRUE(has_line(answer, "Api-Version: 1.56")) << answer;
        EXPECT_TRUE(has_line(answer, "Docker-Experimental: false"));
        EXPECT_TRUE(has_line(answer, "Ostype: linux"));
        EXPECT_TRUE(has_line(answer, concat("Server: Docker/", PROA_VERSION, " (linux)")));
    }
}

TEST_F(RouterTest, refuses_versions_outside_its_range) {
    struct Case {
        const char *version, *text;
    };
    for (auto& [version, text] : {
             Case{"1.39", "client version 1.39 is too old. Minimum supported API version is 1.40, please upgrade your client to "
                          "a newer version"},
             {"1.99", "client version 1.99 is too new. Maximum supported API version is 1.56"},
             {"2.0", "client version 2.0 is too new. Maximum supported API version is 1.56"},
             {"1.56.1", "client version 1.56.1 is too new. Maximum supported API version is 1.56"},
         }) {
        auto answer = get(router, concat("/v", version, "/_ping"));
        EXPECT_EQ(status_line(answer), "HTTP/1.1 400 Bad Request");
        EXPECT_EQ(body_of(answer), concat("{\"message\":\"", text, "\"}\n"));
        EXPECT_TRUE(has_line(answer, "Api-Version: 1.56"));
        EXPECT_EQ(answer.find("Docker-Experimental"), answer.npos);
    }
    auto ancient = get(router, "/v1/_ping");
    EXPECT_TRUE(has_line(ancient, "Content-Type: text/plain; charset=utf-8"));
    EXPECT_EQ(body_of(ancient), "client version 1 is too old. Minimum supported API version is 1.40, please upgrade your "
                                "client to a newer version\n");
    Router wide({.version_min = kApiVersionFloor});
    wide.get("/info", show("/info"));
    EXPECT_EQ(body_of(get(wide, "/v1.24/info")), "/info v1.24");
    EXPECT_EQ(body_of(get(wide, "/v1.40.0/info")), "/info v1.40");
}

TEST_F(RouterTest, redirects_paths_that_are_not_clean) {
    for (auto [path, location] : {std::pair{"//containers/json", "/containers/json"},
                                  {"/containers/../info", "/info"},
                                  {"/containers/./json?all=1", "/containers/json?all=1"},
                                  {"/networks//", "/networks/"},
                                  {"/images/a%2F%2Fb%20c/json", "/images/a/b%20c/json"}}) {
        auto answer = get(router, path);
        EXPECT_EQ(status_line(answer), "HTTP/1.1 301 Moved Permanently") << path;
        EXPECT_TRUE(has_line(answer, concat("Location: ", location))) << answer;
        EXPECT_EQ(answer.find("Api-Version"), answer.npos);
    }
}

TEST_F(RouterTest, answers_options_on_every_path) {
    for (auto* path : {"/", "/nope", "/v1.44/containers/json", "*"}) {
        auto answer = get(router, path, "OPTIONS");
        EXPECT_EQ(status_line(answer), "HTTP/1.1 200 OK") << path;
        EXPECT_TRUE(has_line(answer, "Content-Length: 0"));
    }
    EXPECT_EQ(status_line(get(router, "/v1.99/x", "OPTIONS")), "HTTP/1.1 400 Bad Request");
}

TEST_F(RouterTest, answers_head_with_the_headers_alone) {
    auto answer = get(router, "/_ping", "HEAD");
    EXPECT_EQ(status_line(answer), "HTTP/1.1 200 OK");
    EXPECT_EQ(body_of(answer), "");
}

TEST_F(RouterTest, maps_error_kinds_to_status_and_message) {
    for (auto [kind, status] : {std::pair{ErrorKind::Internal, 500},
                                {ErrorKind::InvalidArgument, 400},
                                {ErrorKind::Unauthorized, 401},
                                {ErrorKind::Forbidden, 403},
                                {ErrorKind::NotFound, 404},
                                {ErrorKind::Conflict, 409},
                                {ErrorKind::Unavailable, 503},
                                {ErrorKind::Unsupported, 501}}) {
        auto answer = get(router, concat("/fail/", static_cast<int>(kind)));
        EXPECT_TRUE(answer.starts_with(concat("HTTP/1.1 ", status, ' '))) << answer;
        EXPECT_TRUE(has_line(answer, "Content-Type: application/json"));
        EXPECT_EQ(body_of(answer), "{\"message\":\"it <failed> & \\\"hurt\\\"\"}\n");
    }
    auto unchanged = get(router, concat("/fail/", static_cast<int>(ErrorKind::NotModified)));
    EXPECT_EQ(status_line(unchanged), "HTTP/1.1 304 Not Modified");
    EXPECT_EQ(unchanged.find("Content-"), unchanged.npos);
    EXPECT_EQ(body_of(unchanged), "");
    EXPECT_EQ(status_line(get(router, "/fail/x")), "HTTP/1.1 500 Internal Server Error");
    Router wide({.version_min = kApiVersionFloor});
    wide.get("/info", [](Call&) -> Result<void> { return fail(ErrorKind::NotFound, "gone"); });
    EXPECT_EQ(body_of(get(wide, "/v1.24/info")), "{\"message\":\"gone\"}\n");
}

TEST_F(RouterTest, checks_json_bodies_with_dockers_texts) {
    struct Case {
        const char *type, *body, *message;
    };
    for (auto& [type, body, message] : {
             Case{"text/plain", "{}", "unsupported Content-Type header (text/plain): must be 'application/json'"},
             {"", "{}", "malformed Content-Type header (): mime: no media type"},
             {"text", "{}", "unsupported Content-Type header (text): must be 'application/json'"},
             {"a/b/c", "{}", "malformed Content-Type header (a/b/c): mime: unexpected content after media subtype"},
             {"application/json; x", "{}", "malformed Content-Type header (application/json; x): mime: invalid media parameter"},
             {"application/json", "{}{}", "unexpected content after JSON"},
             {"application/json", "{\"a\":", "invalid JSON: unexpected EOF"},
             {"application/json", "", "invalid JSON: got EOF while reading request body"},
             {"", "", "invalid JSON: got EOF while reading request body"},
         }) {
        auto answer = post_json(router, "/containers/create", type, body);
        EXPECT_EQ(status_line(answer), "HTTP/1.1 400 Bad Request");
        EXPECT_EQ(body_of(answer), concat("{\"message\":", json::print(json::Value(message)), "}\n"));
    }
    auto bad = post_json(router, "/containers/create", "application/json", "{bad");
    EXPECT_TRUE(body_of(bad).starts_with("{\"message\":\"invalid JSON: invalid character 'b'")) << bad;
    for (auto* type : {"application/json", "application/json; charset=utf-8", "Application/JSON", "application/json;"})
        EXPECT_EQ(body_of(post_json(router, "/containers/create", type, "{\"a\":1}\n")), "{\"a\":1}\n") << type;
    EXPECT_EQ(body_of(post_json(router, "/containers/x/update", "", "")), "\"none\"\n");
}

TEST_F(RouterTest, reads_query_values_as_docker_does) {
    for (auto [query, expected] : {std::pair{"", "false true -1"},
                                   {"b=1&d=0&n=7", "true false 7"},
                                   {"b=True&d=", "true false -1"},
                                   {"b=off&d=NONE&n=-3", "true false -3"},
                                   {"b=no&d=2", "false true -1"},
                                   {"b=%20false%20", "false true -1"}})
        EXPECT_EQ(body_of(get(router, concat("/flags?", query))), expected) << query;
    auto bad = [&](std::string_view query) { return body_of(get(router, concat("/flags?", query))); };
    EXPECT_EQ(bad("n=abc"), "{\"message\":\"strconv.ParseInt: parsing \\\"abc\\\": invalid syntax\"}\n");
    EXPECT_EQ(bad("n=99999999999999999999"),
              "{\"message\":\"strconv.ParseInt: parsing \\\"99999999999999999999\\\": value out of range\"}\n");
    EXPECT_EQ(bad("b=%zz"), "{\"message\":\"invalid URL escape \\\"%zz\\\"\"}\n");
    EXPECT_EQ(bad("b=1;c=2"), "{\"message\":\"invalid semicolon separator in query\"}\n");
}

TEST_F(RouterTest, writes_the_heads_of_hijacked_streams) {
    auto upgrade = [&](std::string_view path) {
        return ask(router, concat("POST ", path, " HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly"));
    };
    EXPECT_EQ(upgrade("/v1.42/containers/c/attach"),
              "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\n"
              "Upgrade: tcp\r\n\r\nbytes:early");
    auto raw = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n"
               "Upgrade: tcp\r\n\r\nbytes:early";
    EXPECT_EQ(upgrade("/v1.41/containers/c/attach"), raw);
    EXPECT_EQ(upgrade("/containers/c/attach?tty=1"), raw);
    EXPECT_EQ(get(router, "/containers/c/attach", "POST"),
              "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nbytes:");
    EXPECT_EQ(get(router, "/containers/nope/attach", "POST"),
              "HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nNo such container: nope\r\n");
    EXPECT_EQ(upgrade("/v1.42/exec/e/start"),
              concat("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n"
                     "Connection: Upgrade\r\nUpgrade: tcp\r\nApi-Version: 1.56\r\nDocker-Experimental: false\r\n"
                     "Ostype: linux\r\nServer: Docker/",
                     PROA_VERSION, " (linux)\r\n\r\n"));
}

TEST(ApiVersion, compares_number_by_number) {
    auto version = [](std::string_view text) { return ApiVersion::parse(text).value(); };
    EXPECT_LT(version("1"), version("1.24"));
    EXPECT_LT(version("1.9"), version("1.10"));
    EXPECT_LT(version("1.45"), version("1.45.1"));
    EXPECT_EQ(version("1.45.0"), ApiVersion(1, 45));
    EXPECT_GT(version("2.0"), kApiVersionMax);
    EXPECT_GT(version("1.99999999999999999999"), kApiVersionMax);
    EXPECT_FALSE(ApiVersion::parse("1.x"));
    EXPECT_FALSE(ApiVersion::parse(""));
}

}  // namespace
}  // namespace proa::api
