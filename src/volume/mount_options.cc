#include "volume/mount_options.h"

#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

#include "os/mount.h"
#include "os/mount_names.h"

namespace proa::volume {

namespace {

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

constexpr std::pair<std::string_view, unsigned long> kPropagationNames[] = {
    {"private", MS_PRIVATE}, {"rprivate", MS_PRIVATE | MS_REC}, {"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},
    {"slave", MS_SLAVE},     {"rslave", MS_SLAVE | MS_REC},     {"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC},
};

void read_word(MountOptions& options, std::string_view word) {
    auto flag = std::find_if(std::begin(os::kMountFlagNames), std::end(os::kMountFlagNames), [&](auto& entry) { return entry.name == word; });
    if (flag != std::end(os::kMountFlagNames) && flag->flag != MS_REMOUNT) {  // there is nothing yet that could be mounted again
        options.flags = flag->clear ? options.flags & ~flag->flag : options.flags | flag->flag;
        options.cleared = flag->clear ? options.cleared | flag->flag : options.cleared & ~flag->flag;
        return;
    }
    auto propagation = std::find_if(std::begin(kPropagationNames), std::end(kPropagationNames), [&](auto& entry) { return entry.first == word; });
    if (propagation != std::end(kPropagationNames)) options.propagation = propagation->second;
    else options.data += concat(options.data.empty() ? "" : ",", word);
}

void read_words(MountOptions& options, std::string_view text) {
    for (auto& word : split_nonempty(text, ',')) read_word(options, word);
}

/// The first address of a host name, IPv4 before IPv6. May wait for the network.
Result<std::string> resolve_host(const std::string& name) {
    for (int family : {AF_INET, AF_INET6}) {
        addrinfo hints{};
        hints.ai_family = family;
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) continue;
        std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, ::freeaddrinfo);
        char text[NI_MAXHOST];
        if (::getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) return std::string(text);
    }
    return fail(ErrorKind::Internal, concat("error resolving passed in network volume address: lookup ", name, ": no such host"));
}

/// Network file systems want a number: a name behind `addr=` is looked up now, not when the volume was made.
Result<std::string> with_resolved_address(const MountOptions& options) {
    if (options.type != "nfs" && options.type != "nfs4" && options.type != "cifs") return options.data;
    auto words = split_nonempty(options.data, ',');
    for (auto& word : words) {
        if (!word.starts_with("addr=")) continue;
        std::string name = word.substr(5);
        word = "addr=" + TRY(resolve_host(name));
    }
    return join(words, ",");
}

/// A failed mount in Docker's form, without the password that may stand among the options.
Error mount_error(Error error, const MountOptions& options, std::string_view subject) {
    char flags[24];
    auto end = std::to_chars(flags, flags + sizeof flags, options.flags, 16).ptr;
    std::string message = concat("failed to mount local volume: mount ", options.device, ":", subject);
    if (options.flags != 0) message += concat(", flags: 0x", std::string_view(flags, static_cast<size_t>(end - flags)));
    std::vector<std::string> shown = split_nonempty(options.data, ',');
    for (auto& word : shown)
        if (word.starts_with("password=") || word.starts_with("pass=")) word = word.substr(0, word.find('=')) + "=********";
    if (!shown.empty()) message += ", data: " + join(shown, ",");
    return Error(ErrorKind::Internal, concat(message, ": ", to_lower(std::string_view(::strerror(error.number())))), error.number());
}

Result<void> bind_volume(const MountOptions& options, int target, std::string_view subject) {
    os::Fd tree = TRY(os::clone_tree(AT_FDCWD, options.device, (options.flags & MS_REC) != 0));
    os::MountChange change;
    change.set = os::mount_attributes(options.flags);
    change.clear = os::mount_attributes_to_clear(options.flags, options.cleared) & ~(change.set & ~static_cast<uint64_t>(MOUNT_ATTR__ATIME));
    if (change.set || change.clear) TRY(os::change_mount(tree.get(), change, subject));
    if (options.propagation) TRY(os::change_mount(tree.get(), {0, 0, options.propagation & ~static_cast<unsigned long>(MS_REC), -1, (options.propagation & MS_REC) != 0}, subject));
    return os::move_mount(tree.get(), target, subject);
}

}  // namespace

Result<std::optional<MountOptions>> parse_mount_options(const docker::OptionalStringMap& given) {
    if (!given || given->empty()) return std::optional<MountOptions>();
    for (auto& [key, value] : *given)
        if (key != "type" && key != "device" && key != "o" && key != "size") return invalid(concat("invalid option: ", quote(key)));
    auto value_of = [&](const char* key) {
        auto found = given->find(key);
        return found == given->end() ? std::string() : found->second;
    };
    if (given->contains("size")) {
        auto size = parse_bytes(value_of("size"));
        if (!size) return invalid(concat("invalid size: '", value_of("size"), "'"));
        if (*size > 0) return invalid("quota size requested but no quota support");
    }
    if (given->size() == (given->contains("size") ? 1u : 0u)) return std::optional<MountOptions>();
    for (auto key : {"device", "type"})
        if (!given->contains(key)) return invalid(concat("missing required option: ", quote(key)));
    MountOptions options;
    options.type = value_of("type");
    options.device = value_of("device");
    read_words(options, value_of("o"));
    return std::optional(std::move(options));
}

Result<void> mount_volume(const MountOptions& options, int target, std::string_view subject) {
    if (options.device.empty()) return fail(ErrorKind::InvalidArgument, "missing device in volume options");
    MountOptions ready = options;
    ready.data = TRY(with_resolved_address(options));
    auto mounted = ready.flags & MS_BIND ? bind_volume(ready, target, subject)
                                         : os::mount_onto(target, ready.type, ready.device, ready.flags, ready.data, subject);
    if (!mounted) return fail(mount_error(std::move(mounted).error(), ready, subject));
    if (ready.flags & MS_BIND || !ready.propagation) return {};
    return os::change_propagation(std::string(subject), ready.propagation);
}

}  // namespace proa::volume
