#pragma once
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "codec/digest.h"
#include "engine/settings.h"
#include "registry/session.h"

namespace proa::engine {

/// What all pulls and pushes share: connections, the limits on how many move at a time, and who brings which blob. Thread-safe.
class Transfers {
public:
    using Cancelled = std::function<bool()>;
    enum class Direction { Download, Upload };

    /// Made when first asked for. Unsupported when the module is missing.
    Result<std::shared_ptr<http::TransferSession>> session();

    /// A place among those that may move bytes; given back by its destructor.
    class Slot {
    public:
        Slot(Transfers& transfers, Direction direction) : transfers_(&transfers), direction_(direction) {}
        Slot(Slot&& other) noexcept : transfers_(std::exchange(other.transfers_, nullptr)), direction_(other.direction_) {}
        ~Slot();

    private:
        Transfers* transfers_;
        Direction direction_;
    };
    /// Waits until fewer than `limit` move (0: no limit). Cancelled when the client goes first.
    Result<Slot> slot(Direction direction, int64_t limit, const Cancelled& cancelled);

    /// The right to bring in one blob: of several pulls one fetches it and the others find it there.
    class Turn {
    public:
        Turn(Transfers& transfers, codec::Digest digest) : transfers_(&transfers), digest_(std::move(digest)) {}
        Turn(Turn&& other) noexcept : transfers_(std::exchange(other.transfers_, nullptr)), digest_(std::move(other.digest_)) {}
        ~Turn();

    private:
        Transfers* transfers_;
        codec::Digest digest_;
    };
    Result<Turn> turn(const codec::Digest& digest, const Cancelled& cancelled);

private:
    template <class Ready>
    Result<void> wait(std::unique_lock<std::mutex>& lock, const Cancelled& cancelled, Ready ready);

    std::mutex mutex_;
    std::condition_variable changed_;
    std::shared_ptr<http::TransferSession> session_;
    int64_t moving_[2] = {0, 0};
    std::set<codec::Digest> arriving_;
};

/// What `settings` says about registries.
registry::Config registry_config(const Settings& settings, std::string_view client_agent = {});

}  // namespace proa::engine
