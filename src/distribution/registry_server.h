#pragma once
#include <map>

#include "distribution/shelf.h"
#include "http/exchange.h"
#include "registry/repository.h"

namespace proa::distribution {

/// Who may come in: lines `name:hash` of an htpasswd file, any hash that crypt(3) knows (bcrypt, SHA-512, ...).
class Users {
public:
    static Result<Users> read(const std::string& path);
    bool knows(const std::string& name, const std::string& password) const;

private:
    std::map<std::string, std::string> hashes_;
};

/// The registry behind an HTTP server. Spec: OCI distribution-spec v1.1. With an upstream it is a cache in front of it: what is
/// missing here is fetched there, and tags are asked for there first.
class RegistryServer {
public:
    struct Upstream {
        std::shared_ptr<http::TransferSession> transfers;
        registry::Config config;
        registry::Credentials credentials;
        std::string domain;  ///< "docker.io", "registry.example:5000"
    };
    RegistryServer(Shelf& shelf, std::optional<Users> users, std::optional<Upstream> upstream)
        : shelf_(shelf), users_(std::move(users)), upstream_(std::move(upstream)) {}

    void answer(http::Exchange& exchange);

private:
    struct Upload {
        std::string repository;
        store::BlobWriter writer;
        std::mutex mutex;
        Upload(std::string name, store::BlobWriter blob) : repository(std::move(name)), writer(std::move(blob)) {}
    };
    struct Answer;
    struct Place;
    Result<void> route(http::Exchange& exchange, const std::string& path);
    bool let_in(http::Exchange& exchange) const;

    Result<void> manifest(http::Exchange& exchange, const Place& place);
    Result<void> put_manifest(http::Exchange& exchange, const Place& place);
    Result<void> blob(http::Exchange& exchange, const Place& place);
    Result<void> begin_upload(http::Exchange& exchange, const Place& place);
    Result<void> upload(http::Exchange& exchange, const Place& place);
    Result<void> close_upload(http::Exchange& exchange, const Place& place, const std::shared_ptr<Upload>& upload);
    Result<void> tags(http::Exchange& exchange, const Place& place);
    Result<void> catalog(http::Exchange& exchange);
    Result<void> referrers(http::Exchange& exchange, const Place& place);
    Result<void> search(http::Exchange& exchange);
    Result<void> send_file(http::Exchange& exchange, const Digest& digest, http::Headers headers);

    Result<void> ask_upstream(registry::Purpose purpose, const std::string& repository, const std::function<Result<void>(registry::Repository&)>& ask);
    Result<void> fetch_manifest(const std::string& repository, const std::string& reference);
    Result<void> fetch_blob(const std::string& repository, const Digest& digest);

    Shelf& shelf_;
    std::optional<Users> users_;
    std::optional<Upstream> upstream_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Upload>> uploads_;
};

}  // namespace proa::distribution
