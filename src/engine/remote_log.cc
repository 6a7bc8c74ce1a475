#include "engine/remote_log.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/id.h"
#include "codec/compression.h"
#include "engine/log_drivers.h"
#include "os/file.h"

namespace proa::engine {

namespace {

using container::LogMessage;
using container::Record;

struct Address {
    std::string protocol, host, port, path;
};

/// "udp://host:514", "unix:///dev/log".
Address parse_address(std::string_view text, std::string_view default_port) {
    Address address;
    auto parts = cut(text, "://");
    address.protocol = parts ? parts->first : "tcp";
    std::string_view rest = parts ? parts->second : text;
    if (address.protocol.starts_with("unix")) {
        address.path = rest;
        return address;
    }
    rest = trim_suffix(rest, "/");
    size_t colon = rest.rfind(':');
    bool has_port = colon != std::string_view::npos && rest.find(']', colon) == std::string_view::npos;
    address.host = has_port ? rest.substr(0, colon) : rest;
    address.port = has_port ? rest.substr(colon + 1) : default_port;
    address.host = trim_suffix(trim_prefix(address.host, "["), "]");
    return address;
}

constexpr int kConnectSeconds = 5;

Result<os::Fd> connect_unix(const std::string& path, int type) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.size() >= sizeof name.sun_path) return fail(ErrorKind::InvalidArgument, concat("dial unix ", path, ": path too long"));
    path.copy(name.sun_path, path.size());
    os::Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("socket");
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) < 0) return fail(errno_error(type == SOCK_DGRAM ? "dial unixgram" : "dial unix", path));
    return fd;
}

Result<os::Fd> connect_internet(const Address& address) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = address.protocol == "udp" ? SOCK_DGRAM : SOCK_STREAM;
    std::string subject = concat(address.host, ':', address.port);
    int code = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
    if (code != 0) return fail(ErrorKind::Internal, concat("dial ", address.protocol, ": lookup ", address.host, ": ", std::string_view(::gai_strerror(code))));
    Error last(ErrorKind::Internal, concat("dial ", address.protocol, ' ', subject, ": no address"));
    timeval limit{kConnectSeconds, 0};
    for (addrinfo* one = found; one; one = one->ai_next) {
        os::Fd fd(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol));
        if (!fd) continue;
        (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // bounds connect(2) too
        if (::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0) {
            ::freeaddrinfo(found);
            return fd;
        }
        last = Error(ErrorKind::Internal, concat("dial ", address.protocol, ' ', subject, ": connect: ", to_lower(std::string_view(::strerror(errno)))), errno);
    }
    ::freeaddrinfo(found);
    return fail(std::move(last));
}

/// A connection that comes back: what cannot be written is tried once more on a new one.
class Line {
public:
    explicit Line(Address address) : address_(std::move(address)) {}
    Result<void> connect() {
        if (address_.protocol == "unix" || address_.protocol == "unixgram") {
            auto fd = connect_unix(address_.path, SOCK_DGRAM);
            if (!fd || address_.protocol == "unix") {
                auto stream = connect_unix(address_.path, SOCK_STREAM);
                if (stream) fd = std::move(stream);
            }
            fd_ = TRY(std::move(fd));
        } else {
            fd_ = TRY(connect_internet(address_));
        }
        return {};
    }
    Result<void> write(std::string_view data) {
        for (int attempt = 0;; attempt++) {
            if (!fd_) TRY(connect());
            auto sent = put(data);
            if (sent || attempt > 0) return sent;
            fd_.reset();
        }
    }
    bool is_udp() const { return address_.protocol == "udp"; }

private:
    Result<void> put(std::string_view data) {
        // A server that closed is noticed before the write that would be lost.
        char probe;
        if (!is_udp() && ::recv(fd_.get(), &probe, 1, MSG_PEEK | MSG_DONTWAIT) == 0) return fail(ErrorKind::Unavailable, "the connection was closed", EPIPE);
        while (!data.empty()) {
            ssize_t sent = ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0) return fail_errno("write", concat(address_.host, address_.path));
            data.remove_prefix(static_cast<size_t>(sent));
        }
        return {};
    }
    Address address_;
    os::Fd fd_;
};

std::string host_name() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

std::string local_time(Time time, const char* format) {
    time_t seconds = time.seconds;
    tm parts{};
    ::localtime_r(&seconds, &parts);
    char text[64];
    return std::string(text, ::strftime(text, sizeof text, format, &parts));
}

/// "+02:00", "Z".
std::string zone(Time time) {
    std::string text = local_time(time, "%z");
    if (text == "+0000") return "Z";
    return text.insert(3, ":");
}

// --- syslog. Spec: RFC 3164, RFC 5424

constexpr std::string_view kFacilities[] = {"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "", "",
                                            "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"};

class Syslog : public RemoteLog {
public:
    Syslog(Line line, std::string format, int facility, std::string tag) : line_(std::move(line)), format_(std::move(format)), facility_(facility), tag_(std::move(tag)), host_(host_name()) {}
    Result<void> send(const LogMessage& message, std::string_view text) override {
        int priority = facility_ * 8 + (message.from_stderr ? 3 : 6);
        std::string head = concat('<', priority, '>');
        if (format_.empty()) head += concat(local_time(message.time, "%b %e %H:%M:%S"), ' ', tag_, '[', ::getpid(), "]: ");
        else if (format_ == "rfc3164") head += concat(local_time(message.time, "%b %e %H:%M:%S"), ' ', host_, ' ', tag_, '[', ::getpid(), "]: ");
        else head += concat("1 ", timestamp(message.time), ' ', host_, ' ', tag_, ' ', ::getpid(), ' ', tag_, " - ");
        return line_.write(concat(head, text, '\n'));
    }

private:
    std::string timestamp(Time time) const {
        std::string text = local_time(time, "%Y-%m-%dT%H:%M:%S");
        if (format_ == "rfc5424micro") {
            std::string micro = concat(time.nanoseconds / 1000);
            text += concat('.', std::string(6 - micro.size(), '0'), micro);
        }
        return text + zone(time);
    }
    Line line_;
    std::string format_;
    int facility_;
    std::string tag_, host_;
};

Result<std::unique_ptr<RemoteLog>> open_syslog(const Record& record) {
    auto& config = record.host_config.log_config;
    std::string address = log_option(config, "syslog-address"), facility = log_option(config, "syslog-facility");
    int number = 3;
    if (!facility.empty()) {
        auto found = std::find(std::begin(kFacilities), std::end(kFacilities), facility);
        auto given = parse_uint(facility);
        if (found == std::end(kFacilities) && (!given || *given > 23)) return fail(ErrorKind::InvalidArgument, "invalid syslog facility");
        number = given ? static_cast<int>(*given) : static_cast<int>(found - std::begin(kFacilities));
    }
    Line line(parse_address(address.empty() ? "unixgram:///dev/log" : address, "514"));
    TRY(line.connect());
    return std::make_unique<Syslog>(std::move(line), log_option(config, "syslog-format"), number, TRY(log_tag(record)));
}

// --- journald. Spec: systemd "Native Journal Protocol"

class Journal : public RemoteLog {
public:
    Journal(Line line, std::string fields) : line_(std::move(line)), fields_(std::move(fields)) {}
    Result<void> send(const LogMessage& message, std::string_view text) override {
        std::string datagram = fields_;
        append(datagram, "PRIORITY", message.from_stderr ? "3" : "6");
        append(datagram, "SYSLOG_TIMESTAMP", rfc3339_nano(message.time));
        if (!message.text.ends_with('\n')) append(datagram, "CONTAINER_PARTIAL_MESSAGE", "true");
        append(datagram, "MESSAGE", text);
        return line_.write(datagram);
    }
    static void append(std::string& out, std::string_view name, std::string_view value) {
        if (value.find('\n') == std::string_view::npos) {
            out += concat(name, '=', value, '\n');
            return;
        }
        out += concat(name, '\n');
        uint64_t size = value.size();
        for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(size >> shift & 255));
        out += concat(value, '\n');
    }

private:
    Line line_;
    std::string fields_;
};

/// Attribute names as the journal takes them: capitals, digits, underscores, not first an underscore.
std::string journal_name(std::string_view name) {
    std::string out = to_upper(name);
    for (char& c : out)
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')) c = '_';
    return std::string(trim_prefix(out, "_"));
}

Result<std::unique_ptr<RemoteLog>> open_journal(const Record& record) {
    constexpr const char* kSocket = "/run/systemd/journal/socket";
    if (!os::exists(kSocket)) return fail(ErrorKind::Internal, "journald is not enabled on this host");
    std::string tag = TRY(log_tag(record)), fields;
    for (auto& [name, value] : {std::pair<const char*, std::string>("CONTAINER_ID", short_id(record.id)), {"CONTAINER_ID_FULL", record.id}, {"CONTAINER_NAME", record.name}, {"CONTAINER_TAG", tag},
                                {"IMAGE_NAME", record.config.image}, {"SYSLOG_IDENTIFIER", tag}})
        Journal::append(fields, name, value);
    for (auto& [name, value] : chosen_log_attributes(record)) Journal::append(fields, journal_name(name), value);
    Line line({"unixgram", "", "", kSocket});
    TRY(line.connect());
    return std::make_unique<Journal>(std::move(line), std::move(fields));
}

// --- GELF 1.1

class Gelf : public RemoteLog {
public:
    Gelf(Line line, json::Object fields, bool compressed, int level) : line_(std::move(line)), fields_(std::move(fields)), compressed_(compressed), level_(level) {}
    Result<void> send(const LogMessage& message, std::string_view text) override {
        json::Object object = fields_;
        object.set("short_message", std::string(text));
        object.set("timestamp", static_cast<double>(message.time.unix_nano() / 1000000) / 1000.0);
        object.set("level", int64_t(message.from_stderr ? 3 : 6));
        std::string body = json::print(object);
        if (!line_.is_udp()) return line_.write(body + std::string(1, '\0'));
        if (compressed_) {
            codec::StringSink packed;
            auto compressor = codec::gzip_compressor(packed, level_, 1);
            TRY(compressor->write(body));
            TRY(compressor->finish());
            body = std::move(packed.text);
        }
        return send_chunks(body);
    }

private:
    /// At most 128 datagrams of 1420 bytes, each with a head of twelve.
    Result<void> send_chunks(std::string_view body) {
        constexpr size_t kChunk = 1420 - 12;
        if (body.size() <= 1420) return line_.write(body);
        size_t count = (body.size() + kChunk - 1) / kChunk;
        if (count > 128) return fail(ErrorKind::InvalidArgument, "gelf: a message of more than 128 chunks");
        std::string id = random_hex(4);
        for (size_t i = 0; i < count; i++)
            TRY(line_.write(concat("\x1e\x0f", std::string_view(id).substr(0, 8), static_cast<char>(i), static_cast<char>(count), body.substr(i * kChunk, kChunk))));
        return {};
    }
    Line line_;
    json::Object fields_;
    bool compressed_;
    int level_;
};

Result<std::unique_ptr<RemoteLog>> open_gelf(const Record& record) {
    auto& config = record.host_config.log_config;
    json::Object fields;
    fields.set("version", "1.1");
    fields.set("host", host_name());
    for (auto& [name, value] : chosen_log_attributes(record)) fields.set("_" + name, value);
    std::vector<std::string> command = record.args;
    command.insert(command.begin(), record.path);
    fields.set("_container_id", record.id);
    fields.set("_container_name", record.name);
    fields.set("_image_id", record.image_id);
    fields.set("_image_name", record.config.image);
    fields.set("_command", join(command, " "));
    fields.set("_tag", TRY(log_tag(record)));
    fields.set("_created", rfc3339_nano(record.created));
    Line line(parse_address(log_option(config, "gelf-address"), "12201"));
    TRY(line.connect());
    auto level = parse_int(log_option(config, "gelf-compression-level")).value_or(1);
    return std::make_unique<Gelf>(std::move(line), std::move(fields), log_option(config, "gelf-compression-type") != "none", static_cast<int>(std::clamp<int64_t>(level, 1, 9)));
}

// --- Fluentd's forward protocol, message mode. Spec: Fluentd Forward Protocol Specification v1

/// MessagePack, as much as this needs.
void pack_text(std::string& out, std::string_view text) {
    size_t size = text.size();
    if (size < 32) out.push_back(static_cast<char>(0xa0 | size));
    else if (size < 256) out += {static_cast<char>(0xd9), static_cast<char>(size)};
    else if (size < 65536) out += {static_cast<char>(0xda), static_cast<char>(size >> 8), static_cast<char>(size & 255)};
    else out += {static_cast<char>(0xdb), static_cast<char>(size >> 24), static_cast<char>(size >> 16 & 255), static_cast<char>(size >> 8 & 255), static_cast<char>(size & 255)};
    out += text;
}

void pack_number(std::string& out, uint32_t number) {
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift & 255));
}

class Fluentd : public RemoteLog {
public:
    Fluentd(Line line, std::string tag, docker::StringMap fields, bool nanoseconds) : line_(std::move(line)), tag_(std::move(tag)), fields_(std::move(fields)), nanoseconds_(nanoseconds) {}
    Result<void> send(const LogMessage& message, std::string_view text) override {
        docker::StringMap fields = fields_;
        fields["source"] = message.from_stderr ? "stderr" : "stdout";
        fields["log"] = text;
        if (!message.text.ends_with('\n')) fields["partial_message"] = "true";
        std::string packed(1, static_cast<char>(0x93));
        pack_text(packed, tag_);
        if (nanoseconds_) {
            packed += {static_cast<char>(0xd7), '\0'};
            pack_number(packed, static_cast<uint32_t>(message.time.seconds));
            pack_number(packed, static_cast<uint32_t>(message.time.nanoseconds));
        } else {
            packed.push_back(static_cast<char>(0xce));
            pack_number(packed, static_cast<uint32_t>(message.time.seconds));
        }
        packed += {static_cast<char>(0xde), static_cast<char>(fields.size() >> 8), static_cast<char>(fields.size() & 255)};
        for (auto& [name, value] : fields) {
            pack_text(packed, name);
            pack_text(packed, value);
        }
        return line_.write(packed);
    }

private:
    Line line_;
    std::string tag_;
    docker::StringMap fields_;
    bool nanoseconds_;
};

Result<std::unique_ptr<RemoteLog>> open_fluentd(const Record& record) {
    auto& config = record.host_config.log_config;
    std::string address = log_option(config, "fluentd-address");
    Line line(parse_address(address.empty() ? "tcp://127.0.0.1:24224" : address, "24224"));
    bool later = parse_bool(log_option(config, "fluentd-async")).value_or(false) || parse_bool(log_option(config, "fluentd-async-connect")).value_or(false);
    if (!later) TRY(line.connect());
    docker::StringMap fields = chosen_log_attributes(record);
    fields["container_id"] = record.id;
    fields["container_name"] = "/" + record.name;
    return std::make_unique<Fluentd>(std::move(line), TRY(log_tag(record)), std::move(fields), parse_bool(log_option(config, "fluentd-sub-second-precision")).value_or(false));
}

}  // namespace

Result<std::unique_ptr<RemoteLog>> open_remote_log(const Record& record) {
    auto& type = record.host_config.log_config.type;
    if (type == "syslog") return open_syslog(record);
    if (type == "journald") return open_journal(record);
    if (type == "gelf") return open_gelf(record);
    return open_fluentd(record);
}

}  // namespace proa::engine
