#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "client/client.h"

namespace proa::compose {

/// Connections to one engine for work that goes on side by side: a client belongs to one thread at a time. Thread-safe.
class EnginePool {
public:
    using Connect = std::function<Result<std::unique_ptr<client::Client>>()>;
    explicit EnginePool(Connect connect) : connect_(std::move(connect)) {}

    /// A client on loan; it goes back when the lease ends.
    class Lease {
    public:
        Lease(EnginePool& pool, std::unique_ptr<client::Client> client) : pool_(&pool), client_(std::move(client)) {}
        Lease(Lease&& other) = default;
        Lease& operator=(Lease&&) = delete;
        ~Lease() {
            if (client_) pool_->give_back(std::move(client_));
        }
        client::Client& operator*() const { return *client_; }
        client::Client* operator->() const { return client_.get(); }

    private:
        EnginePool* pool_;
        std::unique_ptr<client::Client> client_;
    };
    /// The client has agreed on a version. Errors: those of Client::negotiate.
    Result<Lease> take() {
        std::unique_ptr<client::Client> client;
        {
            std::lock_guard lock(mutex_);
            if (!idle_.empty()) {
                client = std::move(idle_.back());
                idle_.pop_back();
            }
        }
        if (!client) client = TRY(connect_());
        TRY(client->negotiate());
        return Lease(*this, std::move(client));
    }

private:
    void give_back(std::unique_ptr<client::Client> client) {
        std::lock_guard lock(mutex_);
        idle_.push_back(std::move(client));
    }
    Connect connect_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<client::Client>> idle_;
};

}  // namespace proa::compose
