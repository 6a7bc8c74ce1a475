#pragma once
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/message.h"

// HTTP/1 messages from bytes, without any I/O. The grammar is Boost.Beast's, which parser.cc alone includes.
namespace proa::http {

/// Why a message is refused: the status to answer with and a short reason ("" when Go gives none).
struct Refusal {
    int status = 400;
    std::string reason;
};

struct Progress {
    size_t consumed = 0;  ///< bytes of the input that are done with
    size_t produced = 0;  ///< bytes of body that were written to the output
};

/// One message: its head first, then, when it is chunked, its body. A fresh one is needed for every message.
/// The caller keeps bytes that were not consumed and offers them again with more behind them.
class RequestParser {
public:
    explicit RequestParser(size_t head_limit_bytes);
    ~RequestParser();
    RequestParser(RequestParser&&) noexcept;
    RequestParser& operator=(RequestParser&&) noexcept;

    /// Takes from the front of `data`; head_done() tells whether the head is whole. Never takes a byte behind it.
    /// Refuses what could be read in two ways: a length with chunked or a second length, bare line feeds, NUL.
    std::expected<size_t, Refusal> take_head(std::string_view data);
    bool head_done() const;
    /// The request; valid once head_done().
    Request& request();

    /// Decodes chunks from `data` into `out`; stops where the body ends.
    std::expected<Progress, Refusal> take_chunked(std::string_view data, std::span<char> out);
    bool body_done() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

struct Response {
    int status = 0;
    std::string reason;
    int minor_version = 1;
    Headers headers;
    std::optional<uint64_t> content_length;
    bool chunked = false;
    bool keep_alive = true;
};

/// The client's side: the same rules for answers. With neither length nor chunks a body ends with the stream.
class ResponseParser {
public:
    /// `to_head`: the answer to a HEAD request, which has no body whatever its header says.
    ResponseParser(size_t head_limit_bytes, bool to_head);
    ~ResponseParser();
    ResponseParser(ResponseParser&&) noexcept;
    ResponseParser& operator=(ResponseParser&&) noexcept;

    std::expected<size_t, Refusal> take_head(std::string_view data);
    bool head_done() const;
    Response& response();
    std::expected<Progress, Refusal> take_chunked(std::string_view data, std::span<char> out);
    bool body_done() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace proa::http
