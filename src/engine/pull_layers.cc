#include "engine/pull_layers.h"

#include <thread>

#include "base/log.h"
#include "base/text.h"
#include "engine/transfers.h"

namespace proa::engine {

namespace {
constexpr int64_t kConfigLimit = 8 << 20;

/// One layer of one pull.
struct LayerPull {
    Parts& parts;
    registry::Repository& repository;
    TransferProgress& progress;
    store::Lease& lease;
    const oci::Descriptor& descriptor;
    codec::Digest digest, diff_id;
    std::string id;  ///< as progress names it

    Result<void> run();
    Result<void> attempt();
    Result<void> receive(store::LayerWriter& writer);
};

/// All bytes of the layer, over as many connections as it takes: as long as bytes come it goes on.
Result<void> LayerPull::receive(store::LayerWriter& writer) {
    auto size = static_cast<uint64_t>(descriptor.size);
    auto& session = repository.session();
    Pace pace;
    std::optional<Error> store_failed;
    codec::FunctionSink sink([&](std::string_view bytes) -> Result<void> {
        if (progress.cancelled()) return fail(ErrorKind::Cancelled, "context canceled");
        if (writer.received() + bytes.size() > size)
            return fail(ErrorKind::InvalidArgument, concat("layer ", descriptor.digest, " is larger than the ", size, " bytes of its descriptor"));
        TRY(writer.write(bytes));
        if (pace.due()) progress.moved(id, "Downloading", writer.received(), size);
        return {};
    });
    int failures = 0;
    while (writer.received() < size) {
        uint64_t before = writer.received();
        auto done = repository.blob(digest, before, sink);
        if (done && writer.received() >= size) break;
        if (writer.received() > before) failures = 0;
        if (done) done = fail(ErrorKind::Unavailable, concat("layer ", descriptor.digest, " ended after ", writer.received(), " of ", size, " bytes: unexpected EOF"));
        if (!done.error().is(ErrorKind::Unavailable)) return done;
        if (++failures >= session.config().attempts) return done;
        log::info(concat("pull of ", id, ": ", done.error().message(), "; trying again"));
        if (failures > 1) {
            int64_t seconds = std::min(1 << (failures - 2), 8);
            progress.say_about(id, concat("Retrying in ", seconds, seconds == 1 ? " second" : " seconds"));
            TRY(session.pause(seconds * 1000));
        }
    }
    return {};
}

Result<void> LayerPull::attempt() {
    auto writer = TRY(parts.images.resume_layer(lease, digest));
    if (writer->received() > static_cast<uint64_t>(descriptor.size)) writer->forget();
    if (auto done = receive(*writer); !done) {
        if (!done.error().is(ErrorKind::Unavailable) && !done.error().is(ErrorKind::Cancelled)) writer->forget();
        return done;
    }
    progress.say_about(id, "Verifying Checksum");
    progress.say_about(id, "Download complete");
    progress.moved(id, "Extracting", writer->received(), static_cast<uint64_t>(descriptor.size));
    writer->forget();
    auto written = writer->finish(digest, diff_id);
    if (!written && written.error().is(ErrorKind::InvalidArgument)) return fail(std::move(written).error().wrap(concat("filesystem layer verification failed for digest ", descriptor.digest)));
    if (!written) return fail(std::move(written).error().wrap("failed to register layer"));
    return {};
}

Result<void> LayerPull::run() {
    auto cancelled = [this] { return progress.cancelled(); };
    auto turn = TRY(parts.transfers.turn(digest, cancelled));
    // Unpacking from a blob that is here is the store's work, when a container needs it.
    if (lease.keep_blob(digest)) {
        progress.say_about(id, "Already exists");
        lease.keep_layer(diff_id);
        return {};
    }
    auto slot = TRY(parts.transfers.slot(Transfers::Direction::Download, parts.settings()->max_concurrent_downloads, cancelled));
    auto done = attempt();
    // What was damaged on its way is asked for once more; what is damaged at its source stays so.
    if (!done && done.error().is(ErrorKind::InvalidArgument) && !progress.cancelled()) done = attempt();
    if (done) progress.say_about(id, "Pull complete");
    return done;
}

Result<oci::ImageConfig> fetch_config(Parts& parts, registry::Repository& repository, store::Lease& lease, const oci::Descriptor& descriptor) {
    auto digest = TRY(codec::Digest::parse(descriptor.digest));
    if (descriptor.size > kConfigLimit) return fail(ErrorKind::InvalidArgument, concat("image configuration ", descriptor.digest, " is larger than ", kConfigLimit, " bytes"));
    if (!lease.keep_blob(digest)) {
        auto writer = TRY(parts.images.blobs().begin(digest.algorithm()));
        int64_t received = 0;
        codec::FunctionSink sink([&](std::string_view bytes) -> Result<void> {
            received += static_cast<int64_t>(bytes.size());
            if (received > descriptor.size) return fail(ErrorKind::InvalidArgument, concat("image configuration ", descriptor.digest, " is larger than the ", descriptor.size, " bytes of its descriptor"));
            return writer.write(bytes);
        });
        for (int failures = 0;;) {
            auto done = repository.blob(digest, static_cast<uint64_t>(received), sink);
            if (done) break;
            if (!done.error().is(ErrorKind::Unavailable) || ++failures >= repository.session().config().attempts) return fail(std::move(done).error());
            TRY(repository.session().pause(200 * failures));
        }
        TRY_WRAP("image config verification failed", lease.commit(writer, digest, descriptor.size));
    }
    return TRY_WRAP(concat("image configuration ", descriptor.digest), json::decode<oci::ImageConfig>(TRY(parts.images.blobs().read(digest))));
}
}  // namespace

Result<void> fetch_content(Parts& parts, registry::Repository& repository, TransferProgress& progress, store::Lease& lease, const oci::Manifest& manifest, bool& news) {
    if (manifest.layers.size() > 1000) return fail(ErrorKind::InvalidArgument, "manifest has more than 1000 layers");
    auto config = TRY(fetch_config(parts, repository, lease, manifest.config));
    if (config.root_fs.diff_ids.size() != manifest.layers.size())
        return fail(ErrorKind::InvalidArgument, concat("manifest has ", manifest.layers.size(), " layers, its configuration has ", config.root_fs.diff_ids.size()));
    std::vector<LayerPull> layers;
    std::set<codec::Digest> seen;
    for (size_t i = 0; i < manifest.layers.size(); i++) {
        auto& descriptor = manifest.layers[i];
        if (!oci::media_type::is_layer(descriptor.media_type)) return fail(ErrorKind::InvalidArgument, concat("layer ", descriptor.digest, " is of unsupported type ", quote(descriptor.media_type)));
        if (descriptor.size < 0) return fail(ErrorKind::InvalidArgument, concat("layer ", descriptor.digest, " has a negative size"));
        auto digest = TRY(codec::Digest::parse(descriptor.digest));
        if (!seen.insert(digest).second) continue;
        layers.push_back({parts, repository, progress, lease, descriptor, digest, TRY(codec::Digest::parse(config.root_fs.diff_ids[i])), std::string(digest.hex().substr(0, 12))});
    }
    for (auto& layer : layers)
        if (!lease.keep_blob(layer.digest)) {
            progress.say_about(layer.id, "Pulling fs layer");
            news = true;
        }
    // As many threads as may download at a time; each takes the next layer.
    int64_t limit = parts.settings()->max_concurrent_downloads;
    size_t count = limit <= 0 ? layers.size() : std::min<size_t>(layers.size(), static_cast<size_t>(limit));
    for (size_t i = count; i < layers.size(); i++) progress.say_about(layers[i].id, "Waiting");
    std::atomic<size_t> next = 0;
    std::mutex mutex;
    std::optional<Error> failed;
    auto work = [&] {
        for (size_t mine = next++; mine < layers.size(); mine = next++) {
            auto done = layers[mine].run();
            if (done) continue;
            std::lock_guard lock(mutex);
            if (!failed || failed->is(ErrorKind::Cancelled)) failed = std::move(done).error();
            progress.give_up();
            return;
        }
    };
    std::vector<std::thread> threads;
    for (size_t i = 1; i < count; i++) threads.emplace_back(work);
    if (count > 0) work();
    for (auto& thread : threads) thread.join();
    if (failed) return fail(std::move(*failed));
    return {};
}

}  // namespace proa::engine
