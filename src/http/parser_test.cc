#include "http/parser.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace proa::http {
namespace {

struct Parsed {
    int refused = 0;  ///< status, or 0
    bool done = false;
    size_t consumed = 0;
    Request request;
};

/// Feeds `text` in pieces of `step` bytes, keeping what was not consumed, as a connection does.
Parsed parse(std::string_view text, size_t step = SIZE_MAX, size_t limit = 1 << 20) {
    RequestParser parser(limit);
    Parsed parsed;
    for (size_t end = 0; end < text.size() && !parser.head_done();) {
        end += std::min(step, text.size() - end);
        auto consumed = parser.take_head(text.substr(parsed.consumed, end - parsed.consumed));
        if (!consumed) {
            parsed.refused = consumed.error().status;
            return parsed;
        }
        parsed.consumed += *consumed;
    }
    parsed.done = parser.head_done();
    if (parsed.done) parsed.request = parser.request();
    return parsed;
}

TEST(RequestParser, reads_a_head_and_leaves_early_bytes) {
    std::string_view head = "POST /v1.45/containers/a%20b/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: docker\r\n"
                            "Connection: Upgrade\r\nUpgrade: tcp\r\nX-A: 1\r\nx-a: 2\r\n\r\n";
    for (size_t step : {size_t{1}, size_t{7}, size_t{64}, SIZE_MAX}) {
        auto parsed = parse(concat(head, "early\0bytes\n"), step);
        ASSERT_TRUE(parsed.done);
        EXPECT_EQ(parsed.consumed, head.size());
        auto& request = parsed.request;
        EXPECT_EQ(request.method, Method::Post);
        EXPECT_EQ(request.target.path, "/v1.45/containers/a b/attach");
        EXPECT_EQ(request.target.raw_path, "/v1.45/containers/a%20b/attach");
        EXPECT_EQ(request.target.query.get("stdin"), "1");
        EXPECT_EQ(request.headers.get("UPGRADE"), "tcp");
        EXPECT_EQ(request.headers.count("X-A"), 2u);
        EXPECT_TRUE(request.headers.has_token("connection", "upgrade"));
        EXPECT_FALSE(request.has_body());
        EXPECT_TRUE(request.keep_alive);
    }
}

TEST(RequestParser, reads_framing_and_persistence) {
    auto counted = parse("PUT /a HTTP/1.1\r\nHost: d\r\nContent-Length: 12\r\n\r\n");
    EXPECT_EQ(counted.request.content_length, 12u);
    EXPECT_TRUE(counted.request.has_body());
    auto chunked = parse("POST /a HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: Chunked\r\n\r\n");
    EXPECT_TRUE(chunked.request.chunked);
    EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").request.keep_alive);
    EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").request.keep_alive);
    EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").request.keep_alive);
    EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: d\r\n\r\n").request.target.path, "*");
    EXPECT_EQ(parse("GET http://h:1/a?b HTTP/1.1\r\nHost: h:1\r\n\r\n").request.target.path, "/a");
    EXPECT_EQ(parse("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n").request.target.path, "/");
}

TEST(RequestParser, refuses_what_could_be_read_in_two_ways) {
    using namespace std::string_view_literals;
    struct Case {
        std::string_view head;
        int status;
    };
    for (auto& [head, status] : {
             Case{"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
             {"POST / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
             {"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
             {"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
             {"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 3, 3\r\n\r\n", 400},
             {"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: -1\r\n\r\n", 400},
             {"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: +1\r\n\r\n", 400},
             {"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 0x10\r\n\r\n", 400},
             {"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
             {"POST / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
             {"POST / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: identity\r\n\r\n", 501},
             {"POST / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
             {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
             {"POST / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding : chunked\r\n\r\n", 400},
             {"GET / HTTP/1.1\nHost: d\n\n", 400},
             {"GET / HTTP/1.1\r\nHost: d\nX: y\r\n\r\n", 400},
             {"GET / HTTP/1.1\r\nHost: d\r\nX: a\0b\r\n\r\n"sv, 400},
             {"GE\0T / HTTP/1.1\r\nHost: d\r\n\r\n"sv, 400},
             {"GET /a b HTTP/1.1\r\nHost: d\r\n\r\n", 400},
             {"GET  / HTTP/1.1\r\nHost: d\r\n\r\n", 400},
             {"GET / HTTP/1.1\r\n Host: d\r\n\r\n", 400},
             {"GET / HTTP/1.1\r\nHo st: d\r\n\r\n", 400},
             {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
             {"GET / HTTP/1.1\r\n\r\n", 400},
             {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
             {"GET /%zz HTTP/1.1\r\nHost: d\r\n\r\n", 400},
             {"GET a HTTP/1.1\r\nHost: d\r\n\r\n", 400},
             {"GET / HTTP/2.0\r\nHost: d\r\n\r\n", 505},
             {"GET / HTTP/1.1\r\nHost: d\r\nExpect: magic\r\n\r\n", 417},
             {"\r\nGET / HTTP/1.1\r\nHost: d\r\n\r\n", 400},
             {"\x16\x03\x01\x02\x00\x01\x00"sv, 400},
         }) {
        for (size_t step : {size_t{1}, SIZE_MAX}) {
            auto parsed = parse(head, step);
            EXPECT_FALSE(parsed.done) << head;
            EXPECT_EQ(parsed.refused, status) << head << " in steps of " << step;
        }
    }
}

TEST(RequestParser, limits_the_head) {
    auto head = concat("GET /?", std::string(5000, 'a'), " HTTP/1.1\r\nHost: d\r\n\r\n");
    EXPECT_EQ(parse(head, SIZE_MAX, 4096).refused, 431);
    EXPECT_EQ(parse(head, 100, 4096).refused, 431);
    EXPECT_TRUE(parse(head, 100, 8192).done);
    auto many = concat("GET / HTTP/1.1\r\nHost: d\r\n");
    for (int i = 0; i < 500; i++) many += concat("X-", i, ": some value\r\n");
    EXPECT_EQ(parse(many + "\r\n", 333, 4096).refused, 431);
    EXPECT_TRUE(parse(many + "\r\n", 333, 65536).done);
}

/// Decodes a chunked body given in pieces of `step` bytes into outputs of `room` bytes. nullopt: refused or unfinished.
std::optional<std::string> decode(std::string_view body, size_t step, size_t room, size_t* left = nullptr) {
    RequestParser parser(4096);
    std::string_view head = "POST / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_TRUE(parser.take_head(head));
    std::string out, buffer(room, 0);
    size_t consumed = 0, end = 0;
    while (!parser.body_done()) {
        auto progress = parser.take_chunked(body.substr(consumed, end - consumed), buffer);
        if (!progress) return std::nullopt;
        consumed += progress->consumed;
        out.append(buffer, 0, progress->produced);
        if (progress->produced > 0 || parser.body_done()) continue;
        if (end == body.size()) return std::nullopt;
        end += std::min(step, body.size() - end);
    }
    if (left) *left = body.size() - consumed;
    return out;
}

TEST(RequestParser, decodes_chunks_of_any_cut) {
    std::string_view body = "5\r\nhello\r\n6;x=y\r\n world\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\nGET /next";
    for (size_t step : {size_t{1}, size_t{3}, size_t{1000}})
        for (size_t room : {size_t{1}, size_t{4}, size_t{100}}) {
            size_t left = 0;
            EXPECT_EQ(decode(body, step, room, &left), "hello world0123456789") << step << ' ' << room;
            if (step == 1000) {
                EXPECT_EQ(left, 9u);
            }
        }
    EXPECT_EQ(decode("0\r\n\r\n", 3, 10), "");  // Beast asserts more than three bytes here
    for (auto* bad : {"zz\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "-1\r\n", "FFFFFFFFFFFFFFFFF\r\n", "5 \r\nhello", "5\nhello\r\n0\r\n\r\n", ""})
        EXPECT_FALSE(decode(bad, 1000, 100)) << bad;
}

TEST(ResponseParser, reads_answers) {
    ResponseParser parser(65536, false);
    std::string_view text = "HTTP/1.1 404 Not Found\r\nApi-Version: 1.45\r\nContent-Length: 3\r\n\r\nabc";
    auto consumed = parser.take_head(text);
    ASSERT_TRUE(consumed && parser.head_done());
    EXPECT_EQ(*consumed, text.size() - 3);
    EXPECT_EQ(parser.response().status, 404);
    EXPECT_EQ(parser.response().reason, "Not Found");
    EXPECT_EQ(parser.response().headers.get("api-version"), "1.45");
    EXPECT_EQ(parser.response().content_length, 3u);
    ResponseParser upgrade(65536, false);
    std::string_view switched = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nraw";
    consumed = upgrade.take_head(switched);
    ASSERT_TRUE(consumed && upgrade.head_done());
    EXPECT_EQ(*consumed, switched.size() - 3);
    ResponseParser chunked(65536, false);
    std::string_view pieces = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    consumed = chunked.take_head(pieces);
    char out[8];
    auto progress = chunked.take_chunked(pieces.substr(*consumed), out);
    ASSERT_TRUE(progress);
    if (!chunked.body_done()) (void)chunked.take_chunked(pieces.substr(*consumed + progress->consumed), out);
    EXPECT_TRUE(chunked.body_done());
    EXPECT_EQ(progress->produced, 2u);
}

TEST(Query, reads_as_go_does) {
    auto query = Query::parse("names=a&names=b%2Fc&flag&empty=&plus=a+b&&x=1=2");
    EXPECT_EQ(query.all("names"), (std::vector<std::string>{"a", "b/c"}));
    EXPECT_TRUE(query.has("flag"));
    EXPECT_EQ(query.get("plus"), "a b");
    EXPECT_EQ(query.get("x"), "1=2");
    EXPECT_EQ(query.error(), "");
    EXPECT_EQ(Query::parse("a=%4&b=1").error(), "invalid URL escape \"%4\"");
    EXPECT_EQ(Query::parse("a=%4&b=1").get("b"), "1");
    EXPECT_EQ(Query::parse("a=1;b=2").error(), "invalid semicolon separator in query");
}

TEST(Headers, compares_names_ignoring_case) {
    Headers headers{{"A", "1"}, {"b", "2"}, {"a", "3"}};
    headers.set("a", "4");
    EXPECT_EQ(headers.size(), 2u);
    EXPECT_EQ(headers.get("A"), "4");
    headers.remove("B");
    EXPECT_FALSE(headers.has("b"));
}

TEST(HttpDate, is_rfc_1123) { EXPECT_EQ(http_date(1700000000), "Tue, 14 Nov 2023 22:13:20 GMT"); }

}  // namespace
}  // namespace proa::http
