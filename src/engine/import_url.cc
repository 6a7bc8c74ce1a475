#include "engine/import_url.h"

#include <thread>

#include "base/text.h"
#include "engine/images.h"
#include "engine/transfers.h"
#include "store/piece_queue.h"

namespace proa::engine {

namespace {
/// Fetches `url` on a thread of its own into a queue.
class Download {
public:
    Download(registry::Session& session, registry::Endpoint endpoint, std::string url, TransferProgress& progress)
        : thread_([this, &session, endpoint = std::move(endpoint), url = std::move(url), &progress] { run(session, endpoint, url, progress); }) {}
    ~Download() {
        queue_.abandon();
        thread_.join();
    }
    store::PieceQueue& queue() { return queue_; }

private:
    void run(registry::Session& session, const registry::Endpoint& endpoint, const std::string& url, TransferProgress& progress) {
        uint64_t total = 0, came = 0;
        Pace pace;
        registry::Request request{.url = url};
        request.retry = false;
        request.head = [&](int, const http::Headers& headers) -> Result<void> {
            total = parse_uint(headers.get("Content-Length")).value_or(0);
            return {};
        };
        request.sink = [&](std::string_view bytes) -> Result<void> {
            came += bytes.size();
            if (pace.due()) progress.moved("", "Importing", came, total);
            if (!queue_.push(std::string(bytes))) return fail(ErrorKind::Cancelled, "the import has ended");
            return {};
        };
        auto answer = session.call(endpoint, request);
        if (answer) queue_.close();
        else queue_.fail(std::move(answer).error().with_kind(ErrorKind::Internal));
    }

    store::PieceQueue queue_;
    std::thread thread_;
};
}  // namespace

Result<void> import_from_url(Parts& parts, const std::string& given, const std::string& repository, const std::string& tag, const std::string& message,
                             const std::vector<std::string>& changes, const std::string& platform, const TransferCaller& caller) {
    std::string url = given.find("://") == std::string::npos ? "http://" + given : given;
    if (!url.starts_with("http://") && !url.starts_with("https://")) return fail(ErrorKind::InvalidArgument, concat("unsupported protocol scheme of ", quote(given), ": only http and https are"));
    auto config = registry_config(*parts.settings(), caller.agent);
    TransferProgress progress(caller.progress, caller.gone);
    registry::Session session(TRY(parts.transfers.session()), config, {}, [&] { return progress.cancelled(); });
    std::string host = registry::host_of(url);
    registry::Endpoint endpoint{url.substr(0, url.find('/', url.find("://") + 3)), true, TRY(registry::trust_for(config, host))};
    progress.say(concat("Downloading from ", url));
    Download download(session, endpoint, url, progress);
    store::QueueSource archive(download.queue());
    auto id = TRY(import_image(parts, archive, repository, tag, message.empty() ? concat("Imported from ", url) : message, changes, platform));
    progress.say(id);
    return {};
}

}  // namespace proa::engine
