#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/transport.h"
#include "codec/json/value.h"

namespace proa::client {

inline constexpr std::string_view kApiVersion = "1.51";         ///< newest API this client speaks
inline constexpr std::string_view kApiVersionFallback = "1.24";  ///< of a server that names none

using Parameters = std::vector<std::pair<std::string, std::string>>;
/// `filters` as the command line collects them: key to values, both in first-seen order of Go's map form (sorted).
using Filters = std::map<std::string, std::vector<std::string>>;
/// {"label":{"a=b":true}}, or "" when there is no filter.
std::string filters_text(const Filters& filters);

/// One API request, relative to the negotiated version: path "/containers/json".
struct Call {
    std::string method = "GET";
    std::string path;
    Parameters query = {};
    std::optional<json::Value> body = std::nullopt;  ///< sent as application/json
    std::string json_text = {};                      ///< the same, already printed
    HeaderList headers = {};
    bool upgrade = false;
    bool chunked = false;  ///< the body follows through Connection::send_chunk
    std::string content_type = {};
    bool versioned = true;
};

/// What a hijacked answer leaves: the raw socket, bytes that came with the head and how they are framed.
struct RawStream {
    os::Fd socket;
    std::string early;
    std::string content_type;
    bool multiplexed() const { return content_type == "application/vnd.docker.multiplexed-stream"; }
};

/// What /_ping told.
struct Ping {
    std::string api_version, os_type, builder_version, swarm;
    bool experimental = false;
};

/// The engine behind an endpoint. Keeps one connection open for short calls; streams get connections of their own.
/// Every failed answer becomes an Error with Docker's text "Error response from daemon: ..." and a kind by status; an engine
/// that cannot be reached gives Unavailable. One thread.
class Client {
public:
    Client(Endpoint endpoint, HeaderList headers, std::optional<std::string> pinned_version);

    /// Agrees on an API version once (HEAD, then GET /_ping); later calls use it. Nothing is asked when a version is pinned.
    Result<void> negotiate();
    /// Negotiated or pinned version, "1.45"; the newest one before negotiation.
    const std::string& version() const { return version_; }
    bool version_at_least(std::string_view wanted) const;
    Result<Ping> ping();
    const Endpoint& endpoint() const { return endpoint_; }

    /// The whole answer's body.
    Result<std::string> text(const Call& call);
    Result<json::Value> json(const Call& call);
    /// An answer to be read piecewise (logs, events, progress, tar) on its own connection.
    Result<Connection> stream(const Call& call);
    /// Sends `call` on a connection of its own without waiting; finish() reads the head. Two calls can be under way at once.
    Result<Connection> begin(const Call& call);
    Result<ResponseHead> finish(Connection& connection, const Call& call);
    Result<RawStream> hijack(const Call& call);
    /// As hijack(), for a request that begin() has sent.
    Result<RawStream> finish_hijack(Connection connection, const Call& call);
    /// The answer's headers alone, any 2xx.
    Result<ResponseHead> head(const Call& call);

private:
    Request request_for(const Call& call) const;
    Result<void> connect_main();
    Error answer_error(Connection& connection, const ResponseHead& head, const std::string& target);

    Endpoint endpoint_;
    HeaderList headers_;
    std::string version_;
    bool agreed_ = false;
    std::optional<Connection> main_;
    std::optional<Ping> ping_;
};

/// Numeric comparison of "1.9" and "1.45": negative, 0 or positive.
int compare_versions(std::string_view a, std::string_view b);

}  // namespace proa::client
