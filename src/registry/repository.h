#pragma once
#include "codec/digest.h"
#include "registry/session.h"
#include "schema/oci/image.h"
#include "schema/oci/reference.h"

namespace proa::registry {

using codec::Digest;

/// A manifest or an index as it came, its digest checked on these bytes.
struct Document {
    std::string bytes;
    oci::Descriptor descriptor;
};

/// One repository at one endpoint. Thread-safe. Spec: OCI distribution-spec v1.1
class Repository {
public:
    Repository(Session& session, Endpoint endpoint, std::string path, bool push = false);
    const Endpoint& endpoint() const { return endpoint_; }
    Session& session() const { return session_; }

    /// Asks for /v2/: whether a registry is there, and how it wants to be asked.
    Result<void> connect();

    /// What a tag or digest stands for, without its bytes where the registry can tell (Docker Hub counts GET as a pull).
    Result<oci::Descriptor> resolve(const std::string& reference);
    /// Rule C20: the digest is checked on the raw bytes before anything reads them, and the media type of the head must be the one inside.
    Result<Document> manifest(const std::string& reference);
    Result<std::vector<std::string>> tags();

    /// A blob's bytes from `offset` on. Errors: NotFound "blob unknown: ..."; Unavailable when the connection was cut: what came has been
    /// written, and the rest can be asked for.
    Result<void> blob(const Digest& digest, uint64_t offset, codec::Sink& sink);
    Result<bool> has_blob(const Digest& digest);

    struct Upload {
        bool mounted = false;
        std::string url;  ///< where the bytes go; empty when mounted
    };
    /// Begins an upload; with `from` the registry is first asked to take the blob from that repository of its own.
    Result<Upload> begin_upload(const Digest& digest, const std::string& from = {});
    /// A blob to be sent: `body` gives its bytes from an offset on, anew for each attempt; `progress` hears how far it has come.
    struct Outgoing {
        Digest digest;
        uint64_t size = 0;
        std::function<Result<std::unique_ptr<codec::Source>>(uint64_t offset)> body;
        std::function<Result<void>(uint64_t sent)> progress;
    };
    /// Sends all bytes and closes the upload: a small blob in one request, a larger one in a stream that goes on where it was cut, as
    /// far as the registry can say what has arrived.
    /// Errors: Unavailable when it was cut for good: another upload may succeed.
    Result<void> finish_upload(const Upload& upload, const Outgoing& blob);
    Result<void> put_manifest(const std::string& reference, const std::string& media_type, const std::string& bytes);

private:
    std::string url(std::string_view rest) const;
    std::set<std::string> scopes() const;
    Result<Response> send(const std::string& method, const std::string& url, const Outgoing& blob, uint64_t offset, http::Headers headers);
    Result<void> send_whole(const std::string& url, const Outgoing& blob);
    Result<void> take_up(std::string& url, uint64_t& arrived, const Error& cut);

    Session& session_;
    Endpoint endpoint_;
    std::string path_;
    bool push_;
};

/// The first of `candidates` that answers as a registry.
/// Errors: that of the last one asked.
Result<Endpoint> reachable_endpoint(Session& session, const std::vector<Endpoint>& candidates);

/// Asks `candidates` in turn until one gives what `ask` wants. One that does not answer is passed over, and so is a mirror that
/// fails, which the log tells; what the registry itself says is the outcome.
Result<void> ask_in_turn(Session& session, const std::vector<Endpoint>& candidates, const std::function<Result<void>(const Endpoint&)>& ask);

}  // namespace proa::registry
