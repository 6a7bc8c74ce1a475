#include "volume/plugin_driver.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "http/parser.h"
#include "os/file.h"
#include "os/socket.h"

namespace proa::volume {

namespace {

constexpr int kCallTimeoutMs = 120'000;   // a mount may take its time
constexpr int kLookupPatienceMs = 5'000;  // the socket is there, its program is being started
constexpr size_t kAnswerBytesMax = 16 << 20;
constexpr std::string_view kSuffixes[] = {".spec", ".json"};

Result<os::Fd> connect_tcp(std::string_view address) {
    size_t colon = address.rfind(':');
    if (colon == std::string_view::npos) return fail(ErrorKind::InvalidArgument, concat("plugin address ", address, " has no port"));
    std::string host(address.substr(0, colon)), port(address.substr(colon + 1));
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (int code = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); code != 0)
        return fail(ErrorKind::Internal, concat("look up ", host, ": ", std::string_view(::gai_strerror(code))));
    std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, ::freeaddrinfo);
    int number = ECONNREFUSED;
    for (addrinfo* each = found; each; each = each->ai_next) {
        os::Fd socket(::socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol));
        if (socket && ::connect(socket.get(), each->ai_addr, each->ai_addrlen) == 0) return socket;
        number = errno;
    }
    return fail(errno_error("connect", address, number));
}

Result<os::Fd> connect_once(std::string_view address) {
    if (address.starts_with("unix://")) return os::connect_unix(std::string(address.substr(7)), os::SocketType::Stream);
    if (address.starts_with("tcp://")) return connect_tcp(address.substr(6));
    if (address.starts_with("http://")) return connect_tcp(address.substr(7));
    return fail(ErrorKind::Unsupported, concat("plugin address ", address, ": only unix:// and tcp:// are supported"));
}

Result<os::Fd> connect_patiently(std::string_view address, int patience_ms) {
    for (int waited = 0, pause = 20;; pause = std::min(pause * 2, 500)) {
        auto socket = connect_once(address);
        bool starting = !socket && (socket.error().number() == ECONNREFUSED || socket.error().number() == ENOENT);
        if (!starting || waited >= patience_ms) return socket;
        timespec slice{0, pause * 1'000'000L};
        ::nanosleep(&slice, nullptr);
        waited += pause;
    }
}

struct Answer {
    int status = 0;
    std::string body;
};

/// Until the end of the head, then until the end of the body or of the stream.
Result<Answer> read_answer(int socket) {
    http::ResponseParser parser(64 << 10, false);
    std::string input;
    Answer answer;
    auto refused = [](const http::Refusal& refusal) { return fail(ErrorKind::Internal, concat("malformed answer: ", refusal.reason)); };
    std::vector<char> chunk(64 << 10);
    for (;;) {
        if (!parser.head_done()) {
            auto taken = parser.take_head(input);
            if (!taken) return refused(taken.error());
            input.erase(0, *taken);
        }
        if (parser.head_done()) {
            auto& response = parser.response();
            answer.status = response.status;
            if (response.chunked) {
                for (;;) {
                    auto step = parser.take_chunked(input, chunk);
                    if (!step) return refused(step.error());
                    answer.body.append(chunk.data(), step->produced);
                    input.erase(0, step->consumed);
                    if (parser.body_done()) return answer;
                    if (step->consumed == 0 && step->produced == 0) break;
                }
            } else {
                answer.body += std::exchange(input, "");
                if (response.content_length && answer.body.size() >= *response.content_length) {
                    answer.body.resize(static_cast<size_t>(*response.content_length));
                    return answer;
                }
            }
        }
        if (answer.body.size() > kAnswerBytesMax) return fail(ErrorKind::Internal, "the answer is longer than 16 MiB");
        if (!TRY(os::wait_readable(socket, kCallTimeoutMs))) return fail(ErrorKind::Internal, "no answer within two minutes");
        size_t got = TRY(os::read_some(socket, chunk));
        if (got == 0) {
            bool whole = parser.head_done() && !parser.response().chunked && !parser.response().content_length;
            return whole ? Result<Answer>(answer) : fail(ErrorKind::Internal, "the plugin closed the connection");
        }
        input.append(chunk.data(), got);
    }
}

/// What a .spec or .json file says; nullopt when there is none.
Result<std::optional<std::string>> address_in_specification(const std::string& path) {
    auto text = os::read_file(path, 64 << 10);
    if (!text) return text.error().is(ErrorKind::NotFound) ? Result<std::optional<std::string>>(std::nullopt) : fail(std::move(text).error());
    if (path.ends_with(".spec")) return std::string(trim(*text));
    json::Value value = TRY_WRAP(path, json::parse(*text));
    if (!value["TLSConfig"].is_null()) return fail(ErrorKind::Unsupported, concat(path, ": TLSConfig is not supported yet by this engine"));
    return value["Addr"].as_string();
}

/// Plugins lie flat or in a directory of their own name.
std::vector<std::string> places(const std::string& directory, const std::string& name, std::string_view suffix) {
    return {concat(directory, '/', name, suffix), concat(directory, '/', name, '/', name, suffix)};
}

Result<std::string> address_of(const std::string& name, const PluginDirectories& directories) {
    bool plain = !name.empty() && name.find('/') == std::string::npos && name[0] != '.';
    if (plain) {
        for (auto& directory : directories.sockets)
            for (auto& path : places(directory, name, ".sock")) {
                auto status = os::status(path);
                if (status && S_ISSOCK(status->st_mode)) return "unix://" + path;
            }
        for (auto& directory : directories.specifications)
            for (auto suffix : kSuffixes)
                for (auto& path : places(directory, name, suffix))
                    if (auto address = TRY(address_in_specification(path))) return *address;
    }
    return fail(ErrorKind::NotFound, concat("plugin ", quote(name), " not found"));
}

json::Object named(const std::string& name) { return json::Object{{"Name", name}}; }

}  // namespace

Result<json::Value> PluginClient::call(std::string_view method, const json::Value& body, int patience_ms) const {
    std::string text = json::print(body);
    auto answer = [&]() -> Result<Answer> {
        os::Fd socket = TRY(connect_patiently(address_, patience_ms));
        TRY(os::write_all(socket.get(), concat("POST /", method, " HTTP/1.1\r\nHost: plugin\r\nUser-Agent: proa\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n"
                                               "Content-Type: application/json\r\nConnection: close\r\nContent-Length: ", text.size(), "\r\n\r\n", text)));
        return read_answer(socket.get());
    }();
    if (!answer) return fail(std::move(answer).error().with_kind(ErrorKind::Internal).wrap(method));
    auto value = json::parse(answer->body);
    std::string error = value ? (*value)["Err"].as_string() : "";
    if (answer->status != 200) return fail(ErrorKind::Internal, concat(method, ": ", error.empty() ? trim(answer->body) : std::string_view(error)), answer->status);
    if (!error.empty()) return fail(ErrorKind::Internal, concat(method, ": ", error));
    if (!value) return fail(std::move(value).error().wrap(concat(method, ": the plugin's answer")));
    return value;
}

Result<std::unique_ptr<PluginDriver>> PluginDriver::find(const std::string& name, const PluginDirectories& directories) {
    std::unique_ptr<PluginDriver> driver(new PluginDriver(name, PluginClient(TRY(address_of(name, directories)))));
    auto activated = TRY(driver->client_.call("Plugin.Activate", json::Value(), kLookupPatienceMs));
    auto& implements = activated["Implements"].as_array();
    if (std::none_of(implements.begin(), implements.end(), [](auto& what) { return what.as_string() == "VolumeDriver"; }))
        return fail(ErrorKind::NotFound, concat("plugin ", name, " does not implement VolumeDriver"));
    // Plugins of the protocol's first version have no capabilities.
    auto capabilities = driver->client_.call("VolumeDriver.Capabilities", json::Object(), 0);
    if (capabilities && to_lower((*capabilities)["Capabilities"]["Scope"].as_string()) == "global") driver->scope_ = "global";
    return driver;
}

std::vector<std::string> PluginDriver::known(const PluginDirectories& directories) {
    std::vector<std::string> names;
    auto add = [&](const std::string& directory, std::string_view suffix) {
        auto entries = os::list_directory(directory);
        if (!entries) return;
        for (auto& entry : *entries) {
            std::string name(trim_suffix(entry, suffix));
            bool found = name != entry || os::exists(concat(directory, '/', name, '/', name, suffix));
            if (found && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        }
    };
    for (auto& directory : directories.sockets) add(directory, ".sock");
    for (auto& directory : directories.specifications)
        for (auto suffix : kSuffixes) add(directory, suffix);
    return names;
}

Result<void> PluginDriver::create(const Record& record) {
    json::Object options;
    for (auto& [key, value] : record.options.value_or(docker::StringMap())) options.set(key, value);
    auto body = named(record.name);
    body.set("Opts", std::move(options));
    TRY(client_.call("VolumeDriver.Create", std::move(body), kLookupPatienceMs));
    return {};
}

Result<void> PluginDriver::remove(const Record& record) {
    TRY(client_.call("VolumeDriver.Remove", named(record.name), kLookupPatienceMs));
    return {};
}

Result<json::Value> PluginDriver::get(const std::string& volume) const {
    auto answer = TRY(client_.call("VolumeDriver.Get", named(volume), kLookupPatienceMs));
    return answer["Volume"];
}

Result<std::string> PluginDriver::mountpoint(const Record& record) { return TRY(get(record.name))["Mountpoint"].as_string(); }

json::Value PluginDriver::status(const Record& record) {
    auto volume = get(record.name);
    return volume ? (*volume)["Status"] : json::Value();
}

Result<std::string> PluginDriver::mount(const Record& record, const std::string& user) {
    auto body = named(record.name);
    body.set("ID", user);
    auto answer = TRY_WRAP(concat("error while mounting volume '", record.name, "'"), client_.call("VolumeDriver.Mount", std::move(body), kLookupPatienceMs));
    std::string path = answer["Mountpoint"].as_string();
    if (!path.starts_with('/')) return fail(ErrorKind::Internal, concat("plugin ", name_, " mounted volume ", record.name, " at ", quote(path), ", which is no absolute path"));
    return path;
}

Result<void> PluginDriver::unmount(const Record& record, const std::string& user, bool) {
    auto body = named(record.name);
    body.set("ID", user);
    TRY(client_.call("VolumeDriver.Unmount", std::move(body), kLookupPatienceMs));
    return {};
}

Result<bool> PluginDriver::has(const std::string& volume) const {
    auto found = get(volume);
    return found && (*found)["Name"].as_string() == volume;
}

Result<std::vector<std::string>> PluginDriver::list() const {
    auto answer = TRY(client_.call("VolumeDriver.List", json::Object(), 0));
    std::vector<std::string> names;
    for (auto& volume : answer["Volumes"].as_array()) names.push_back(volume["Name"].as_string());
    return names;
}

}  // namespace proa::volume
