#include "engine/attach_container.h"

#include "container/log_reader.h"
#include "container/shim_link.h"
#include "engine/container_events.h"
#include "engine/log_drivers.h"
#include "os/socket.h"
#include "schema/docker/stream.h"

namespace proa::engine {

namespace {

std::string framed(const container::LogMessage& message) {
    std::string frame;
    docker::append_frame(frame, message.from_stderr ? docker::StreamId::Stderr : docker::StreamId::Stdout, message.text);
    return frame;
}

Result<void> replay_logs(const Parts& parts, const container::Record& record, const AttachOptions& options, const os::Fd& stream) {
    if (!is_log_readable(record.host_config.log_config)) return {};
    container::LogOptions wanted;
    wanted.with_stdout = options.use_stdout;
    wanted.with_stderr = options.use_stderr;
    auto reader = TRY(container::LogReader::open(log_file(parts.paths, record), wanted));
    while (auto message = TRY(reader.next())) TRY(os::write_all(stream.get(), record.config.tty || options.raw ? message->text : framed(*message)));
    return {};
}

}  // namespace

void wait_for_reader(const os::Fd& stream) {
    constexpr int kHeadMilliseconds = 50;
    (void)os::wait_until_read(stream.get(), kHeadMilliseconds);  // a client that is busy elsewhere gets its bytes all the same
}

Result<std::string> parse_detach_keys(const std::string& text) {
    if (text.empty()) return std::string("\x10\x11");
    std::string keys;
    for (auto& key : split(text, ',')) {
        if (key.size() == 1) {
            keys += key;
            continue;
        }
        char c = key.size() == 6 && to_lower(key).starts_with("ctrl-") ? to_lower(key)[5] : '\0';
        if (c >= 'a' && c <= 'z') keys.push_back(static_cast<char>(c - 'a' + 1));
        else if (c == '@') keys.push_back('\0');
        else if (c == '[') keys.push_back(27);
        else if (c == '\\') keys.push_back(28);
        else if (c == ']') keys.push_back(29);
        else if (c == '^') keys.push_back(30);
        else if (c == '_') keys.push_back(31);
        else return fail(ErrorKind::InvalidArgument, concat("Invalid detach keys (", text, ") provided"));
    }
    return keys;
}

Result<void> check_attachable(const container::Container& container) {
    auto state = container.state();
    if (state.paused) return fail(ErrorKind::Conflict, concat("container ", container.name(), " is paused, unpause the container before attach"));
    if (state.restarting) return fail(ErrorKind::Conflict, concat("container ", container.name(), " is restarting, wait until the container is running"));
    return {};
}

Result<void> attach_container(Parts& parts, const container::ContainerPointer& container, const AttachOptions& options, const OpenStream& open) {
    ClientStream client;
    if (options.logs) {
        // A long log and a slow client must not hold up the container's life: it is sent before the operation is taken.
        client = TRY(open());
        wait_for_reader(client.stream);
        TRY(replay_logs(parts, container->record(), options, client.stream));
    }
    if (!options.stream) {
        if (!options.logs) client = TRY(open());
        return {};
    }
    std::unique_lock operation(container->operation());
    if (!client.stream) client = TRY(open());
    publish_container_event(parts.events, *container, "attach");
    auto record = container->record();
    bool wants_stdin = options.use_stdin && record.config.open_stdin;
    if (!record.state.running) {
        container::PendingAttach pending;
        pending.stream = std::move(client.stream);
        pending.use_stdin = wants_stdin;
        pending.use_stdout = options.use_stdout;
        pending.use_stderr = options.use_stderr;
        pending.framed = !record.config.tty && !options.raw;
        if (record.config.tty) pending.detach_keys = options.detach_keys;  // bytes that are piped in are data, never keys
        pending.early_bytes = std::move(client.early_bytes);
        container->add_pending_attach(std::move(pending));
        return {};
    }
    shim::Attach attach;
    attach.use_stdin = wants_stdin;
    attach.use_stdout = options.use_stdout;
    attach.use_stderr = options.use_stderr;
    attach.framed = !record.config.tty && !options.raw;
    if (record.config.tty) attach.detach_keys = options.detach_keys;
    attach.early_bytes = std::move(client.early_bytes);
    wait_for_reader(client.stream);
    return container::attach(parts.paths.state(record.id), attach, client.stream);
}

}  // namespace proa::engine
