#include "engine/transfers.h"

#include <sys/utsname.h>

#include <chrono>
#include <cstdlib>

#include "base/text.h"
#include "schema/oci/image.h"

namespace proa::engine {

namespace {
/// As Docker does, the process's environment stands in for what the configuration leaves out.
std::string proxy_of(const std::string& configured, const char* upper, const char* lower) {
    if (!configured.empty()) return configured;
    for (const char* name : {upper, lower})
        if (const char* value = ::getenv(name); value && *value) return value;
    return {};
}
}  // namespace

registry::Config registry_config(const Settings& settings, std::string_view client_agent) {
    registry::Config config;
    config.mirrors = settings.mirrors;
    config.mirrors["docker.io"].insert(config.mirrors["docker.io"].begin(), settings.registry_mirrors.begin(), settings.registry_mirrors.end());
    config.insecure = settings.insecure_registries;
    config.proxies = {proxy_of(settings.http_proxy, "HTTP_PROXY", "http_proxy"), proxy_of(settings.https_proxy, "HTTPS_PROXY", "https_proxy"),
                      proxy_of(settings.no_proxy, "NO_PROXY", "no_proxy")};
    // Docker never sends what is meant for this machine through a proxy.
    config.proxies.none += concat(config.proxies.none.empty() ? "" : ",", "localhost,127.0.0.0/8,::1");
    config.attempts = static_cast<int>(std::max<int64_t>(settings.max_download_attempts, 1));
    struct utsname host{};
    ::uname(&host);
    config.user_agent =
        concat("docker/" PROA_VERSION " proa/" PROA_RELEASE " kernel/", std::string_view(host.release), " os/linux arch/", oci::Platform::host().architecture);
    if (!client_agent.empty()) config.user_agent += concat(" UpstreamClient(", replace_all(replace_all(client_agent, "(", "\\("), ")", "\\)"), ')');
    return config;
}

Result<std::shared_ptr<http::TransferSession>> Transfers::session() {
    std::lock_guard lock(mutex_);
    if (!session_) session_ = TRY(http::TransferSession::create());
    return session_;
}

template <class Ready>
Result<void> Transfers::wait(std::unique_lock<std::mutex>& lock, const Cancelled& cancelled, Ready ready) {
    while (!ready()) {
        changed_.wait_for(lock, std::chrono::milliseconds(100));
        if (cancelled && cancelled()) return fail(ErrorKind::Cancelled, "context canceled");
    }
    return {};
}

Result<Transfers::Slot> Transfers::slot(Direction direction, int64_t limit, const Cancelled& cancelled) {
    std::unique_lock lock(mutex_);
    int64_t& moving = moving_[static_cast<int>(direction)];
    TRY(wait(lock, cancelled, [&] { return limit <= 0 || moving < limit; }));
    moving++;
    return Slot(*this, direction);
}

Transfers::Slot::~Slot() {
    if (!transfers_) return;
    std::lock_guard lock(transfers_->mutex_);
    transfers_->moving_[static_cast<int>(direction_)]--;
    transfers_->changed_.notify_all();
}

Result<Transfers::Turn> Transfers::turn(const codec::Digest& digest, const Cancelled& cancelled) {
    std::unique_lock lock(mutex_);
    TRY(wait(lock, cancelled, [&] { return !arriving_.contains(digest); }));
    arriving_.insert(digest);
    return Turn(*this, digest);
}

Transfers::Turn::~Turn() {
    if (!transfers_) return;
    std::lock_guard lock(transfers_->mutex_);
    transfers_->arriving_.erase(digest_);
    transfers_->changed_.notify_all();
}

}  // namespace proa::engine
