#include "client/config_file.h"

#include <bit>
#include <cstdlib>

#include "base/text.h"
#include "client/context_store.h"
#include "os/file.h"

namespace proa::client {

namespace {
std::string environment(const char* name) {
    const char* value = ::getenv(name);
    return value ? value : "";
}
}  // namespace

std::string default_config_directory() {
    std::string directory = environment("DOCKER_CONFIG");
    if (!directory.empty()) return directory;
    std::string home = environment("HOME");
    return (home.empty() ? "/root" : home) + "/.docker";
}

ConfigFile load_config_file(const std::string& directory, std::string& warning) {
    ConfigFile config{directory, json::Object()};
    std::string path = directory + "/config.json";
    auto text = os::read_file(path);
    if (!text) {
        if (!text.error().is(ErrorKind::NotFound)) warning = concat("WARNING: Error loading config file: ", text.error().message());
        return config;
    }
    auto content = json::parse(*text);
    if (!content) warning = concat("WARNING: Error parsing config file (", path, "): ", content.error().message());
    else if (content->is_object()) config.content = std::move(*content);
    return config;
}

std::string complete_host(std::string_view host, std::string_view default_host) {
    std::string_view text = trim(host);
    if (text.empty()) return std::string(default_host);
    if (text.find("://") != text.npos) {
        if (text == "tcp://") return "tcp://localhost:2375";
        if (text == "unix://") return "unix:///var/run/docker.sock";
        return std::string(text);
    }
    if (text.starts_with('/')) return concat("unix://", text);
    return concat("tcp://", text.starts_with(':') ? "localhost" : "", text);
}

Result<void> save_config_file(const ConfigFile& config) {
    TRY(os::make_directories(config.directory, 0700));
    std::string path = config.directory + "/config.json";
    auto old = os::status(path);
    json::Object content = config.content.as_object();
    if (!content.find("auths")) content.set("auths", json::Object());
    return os::replace_file(path, json::print(json::Value(std::move(content)), json::Style{true, "\t"}), old ? old->st_mode & 0777 : 0600, false);
}

Result<std::string> choose_context(const ConfigFile& config, std::string_view host_flag, std::string_view context_flag) {
    if (!host_flag.empty() && !context_flag.empty()) return fail(ErrorKind::InvalidArgument, "conflicting options: cannot specify both --host and --context");
    if (!context_flag.empty()) return std::string(context_flag);
    if (!host_flag.empty() || !environment("DOCKER_HOST").empty()) return "default";
    std::string name = environment("DOCKER_CONTEXT");
    if (name.empty()) name = config.text("currentContext");
    return name.empty() ? "default" : name;
}

Result<EndpointChoice> choose_endpoint(const ConfigFile& config, std::string_view host_flag, std::string_view context_flag, std::string_view default_host) {
    std::string name = TRY(choose_context(config, host_flag, context_flag));
    if (name == "default") {
        std::string host = host_flag.empty() ? environment("DOCKER_HOST") : std::string(host_flag);
        return EndpointChoice{name, complete_host(host, default_host), std::nullopt};
    }
    json::Value meta = TRY_WRAP("Failed to initialize: unable to resolve docker endpoint", load_context_meta(config.directory, name));
    auto& endpoint = meta["Endpoints"]["docker"];
    EndpointChoice choice{name, complete_host(endpoint["Host"].as_string(), default_host), std::nullopt};
    std::string files = context_directory(config.directory, "tls", name) + "/docker/";
    auto file = [&](const char* base) { return os::exists(files + base) ? files + base : std::string(); };
    TlsFiles tls{file("ca.pem"), file("cert.pem"), file("key.pem"), !endpoint["SkipTLSVerify"].as_bool()};
    if (!tls.ca.empty() || !tls.certificate.empty() || !tls.verify) choice.tls = std::move(tls);
    return choice;
}

// SHA-256 (FIPS 180-4), for context directory names only: libcrypto would be the only shared library on the start path.
std::string sha256_hex(std::string_view data) {
    static constexpr uint32_t kRound[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
        0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
        0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
        0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
        0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
        0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::string message(data);
    message.push_back('\x80');
    while (message.size() % 64 != 56) message.push_back('\0');
    for (int shift = 56; shift >= 0; shift -= 8) message.push_back(static_cast<char>((data.size() * 8) >> shift));
    for (size_t block = 0; block < message.size(); block += 64) {
        uint32_t w[64];
        for (size_t i = 0; i < 16; i++) {
            w[i] = 0;
            for (size_t j = 0; j < 4; j++) w[i] = (w[i] << 8) | static_cast<unsigned char>(message[block + i * 4 + j]);
        }
        for (int i = 16; i < 64; i++) {
            uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
            uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        uint32_t v[8];
        for (int i = 0; i < 8; i++) v[i] = state[i];
        for (int i = 0; i < 64; i++) {
            uint32_t s1 = std::rotr(v[4], 6) ^ std::rotr(v[4], 11) ^ std::rotr(v[4], 25);
            uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + kRound[i] + w[i];
            uint32_t s0 = std::rotr(v[0], 2) ^ std::rotr(v[0], 13) ^ std::rotr(v[0], 22);
            uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            for (int j = 7; j > 0; j--) v[j] = v[j - 1];
            v[4] += t1;
            v[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++) state[i] += v[i];
    }
    std::string digest;
    for (uint32_t word : state)
        for (int shift = 24; shift >= 0; shift -= 8) digest.push_back(static_cast<char>(word >> shift));
    return hex(digest);
}

}  // namespace proa::client
