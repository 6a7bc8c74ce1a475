#include "engine/remote_log.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/id.h"
#include "codec/compression.h"
#include "engine/log_drivers.h"
#include "engine/remote_line.h"
#include "os/file.h"

namespace proa::engine {

namespace {

using container::LogMessage;
using container::Record;

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
    Syslog(RemoteLine line, std::string format, int facility, std::string tag) : line_(std::move(line)), format_(std::move(format)), facility_(facility), tag_(std::move(tag)), host_(host_name()) {}
    Result<void> send(const LogMessage& message, std::string_view text) override {
        int priority = facility_ * 8 + (message.from_stderr ? 3 : 6);
        std::string head = concat('<', priority, '>');
        if (format_.empty()) head += concat(local_time(message.time, "%b %e %H:%M:%S"), ' ', tag_, '[', ::getpid(), "]: ");
        else if (format_ == "rfc3164") head += concat(local_time(message.time, "%b %e %H:%M:%S"), ' ', host_, ' ', tag_, '[', ::getpid(), "]: ");
        else head += concat("1 ", timestamp(message.time), ' ', host_, ' ', tag_, ' ', ::getpid(), ' ', tag_, " - ");
        std::string whole = concat(head, text, '\n');
        if (line_.is_encrypted() && format_.starts_with("rfc5424")) whole = concat(whole.size(), ' ', whole);  // RFC 5425 counts octets
        return line_.write(whole);
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
    RemoteLine line_;
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
    auto target = parse_log_address(address.empty() ? "unixgram:///dev/log" : address, "514");
    std::shared_ptr<http::TlsContext> tls;
    if (target.protocol == "tcp+tls") {
        http::TlsConfig wanted{http::TlsRole::Client, log_option(config, "syslog-tls-ca-cert"), log_option(config, "syslog-tls-cert"), log_option(config, "syslog-tls-key")};
        wanted.verify_peer = !config.config->contains("syslog-tls-skip-verify");  // as in Docker its presence counts
        tls = TRY(http::TlsContext::create(wanted));
    }
    RemoteLine line(std::move(target), std::move(tls));
    TRY(line.connect());
    return std::make_unique<Syslog>(std::move(line), log_option(config, "syslog-format"), number, TRY(log_tag(record)));
}

// --- journald. Spec: systemd "Native Journal Protocol"

class Journal : public RemoteLog {
public:
    Journal(RemoteLine line, std::string fields) : line_(std::move(line)), fields_(std::move(fields)) {}
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
    RemoteLine line_;
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
    RemoteLine line({"unixgram", "", "", kSocket});
    TRY(line.connect());
    return std::make_unique<Journal>(std::move(line), std::move(fields));
}

// --- GELF 1.1

class Gelf : public RemoteLog {
public:
    Gelf(RemoteLine line, json::Object fields, std::string compression, int level) : line_(std::move(line)), fields_(std::move(fields)), compression_(std::move(compression)), level_(level) {}
    Result<void> send(const LogMessage& message, std::string_view text) override {
        json::Object object = fields_;
        object.set("short_message", std::string(text));
        object.set("timestamp", static_cast<double>(message.time.unix_nano() / 1000000) / 1000.0);
        object.set("level", int64_t(message.from_stderr ? 3 : 6));
        std::string body = json::print(object);
        if (!line_.is_udp()) return line_.write(body + std::string(1, '\0'));
        if (compression_ == "zlib") {
            body = codec::zlib_compress(body, level_);
        } else if (compression_ != "none") {
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
    RemoteLine line_;
    json::Object fields_;
    std::string compression_;  ///< "", "gzip", "zlib", "none"
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
    RemoteLine line(parse_log_address(log_option(config, "gelf-address"), "12201"));
    TRY(line.connect());
    auto level = parse_int(log_option(config, "gelf-compression-level")).value_or(1);
    return std::make_unique<Gelf>(std::move(line), std::move(fields), log_option(config, "gelf-compression-type"), static_cast<int>(std::clamp<int64_t>(level, 1, 9)));
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
    struct Options {
        bool nanoseconds = false;
        bool acknowledged = false;  ///< each message waits until the server has it
    };
    Fluentd(RemoteLine line, std::string tag, docker::StringMap fields, Options options) : line_(std::move(line)), tag_(std::move(tag)), fields_(std::move(fields)), options_(options) {}
    Result<void> send(const LogMessage& message, std::string_view text) override {
        docker::StringMap fields = fields_;
        fields["source"] = message.from_stderr ? "stderr" : "stdout";
        fields["log"] = text;
        if (!message.text.ends_with('\n')) fields["partial_message"] = "true";
        std::string packed(1, static_cast<char>(options_.acknowledged ? 0x94 : 0x93));
        pack_text(packed, tag_);
        if (options_.nanoseconds) {
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
        if (!options_.acknowledged) return line_.write(packed);
        std::string chunk = random_hex(16);
        packed.push_back(static_cast<char>(0x81));
        pack_text(packed, "chunk");
        pack_text(packed, chunk);
        return line_.exchange(packed, [&](std::string_view answer) { return answer.find("ack") != answer.npos && answer.find(chunk) != answer.npos; });
    }

private:
    RemoteLine line_;
    std::string tag_;
    docker::StringMap fields_;
    Options options_;
};

Result<std::unique_ptr<RemoteLog>> open_fluentd(const Record& record) {
    auto& config = record.host_config.log_config;
    std::string address = log_option(config, "fluentd-address");
    auto target = parse_log_address(address.empty() ? "tcp://127.0.0.1:24224" : address, "24224");
    std::shared_ptr<http::TlsContext> tls;
    if (target.protocol == "tls") tls = TRY(http::TlsContext::create({.role = http::TlsRole::Client, .ca_file = "", .cert_file = "", .key_file = ""}));
    RemoteLine line(std::move(target), std::move(tls));
    auto is_on = [&](std::string_view name) { return parse_bool(log_option(config, name)).value_or(false); };
    bool async = is_on("fluentd-async") || is_on("fluentd-async-connect");
    if (auto limit = parse_duration(log_option(config, "fluentd-write-timeout"))) line.limit_writes(*limit);
    if (auto interval = parse_duration(log_option(config, "fluentd-async-reconnect-interval")); interval && async) line.renew_after(*interval);
    if (!async) TRY(line.connect());
    docker::StringMap fields = chosen_log_attributes(record);
    fields["container_id"] = record.id;
    fields["container_name"] = "/" + record.name;
    return std::make_unique<Fluentd>(std::move(line), TRY(log_tag(record)), std::move(fields),
                                     Fluentd::Options{is_on("fluentd-sub-second-precision"), is_on("fluentd-request-ack")});
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
