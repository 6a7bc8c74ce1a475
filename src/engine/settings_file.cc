#include "engine/settings_file.h"

#include <algorithm>

#include "base/text.h"
#include "codec/json/syntax.h"
#include "engine/settings_directives.h"
#include "os/file.h"

namespace proa::engine {

namespace {

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

void append_utf8(std::string& out, uint32_t rune) {
    if (rune < 0x80) {
        out.push_back(static_cast<char>(rune));
    } else if (rune < 0x800) {
        out.push_back(static_cast<char>(0xc0 | rune >> 6));
        out.push_back(static_cast<char>(0x80 | (rune & 0x3f)));
    } else if (rune < 0x10000) {
        out.push_back(static_cast<char>(0xe0 | rune >> 12));
        out.push_back(static_cast<char>(0x80 | (rune >> 6 & 0x3f)));
        out.push_back(static_cast<char>(0x80 | (rune & 0x3f)));
    } else {
        out.push_back(static_cast<char>(0xf0 | rune >> 18));
        out.push_back(static_cast<char>(0x80 | (rune >> 12 & 0x3f)));
        out.push_back(static_cast<char>(0x80 | (rune >> 6 & 0x3f)));
        out.push_back(static_cast<char>(0x80 | (rune & 0x3f)));
    }
}

/// Lone surrogates and an odd last byte become U+FFFD.
std::string from_utf16(std::string_view bytes, bool big_endian) {
    auto unit = [&](size_t at) -> uint32_t {
        auto first = static_cast<unsigned char>(bytes[at]), second = static_cast<unsigned char>(bytes[at + 1]);
        return big_endian ? first << 8 | second : second << 8 | first;
    };
    std::string out;
    size_t at = 0;
    for (; at + 1 < bytes.size(); at += 2) {
        uint32_t rune = unit(at);
        bool high = rune >= 0xd800 && rune < 0xdc00;
        if (high && at + 3 < bytes.size() && unit(at + 2) >= 0xdc00 && unit(at + 2) < 0xe000) {
            rune = 0x10000 + ((rune - 0xd800) << 10) + (unit(at + 2) - 0xdc00);
            at += 2;
        } else if (rune >= 0xd800 && rune < 0xe000) {
            rune = 0xfffd;
        }
        append_utf8(out, rune);
    }
    if (at < bytes.size()) append_utf8(out, 0xfffd);
    return out;
}

std::string open_problem(const std::string& path, const Error& error) {
    if (error.is(ErrorKind::NotFound)) return concat("open ", path, ": no such file or directory");
    if (os::is_directory(path)) return concat("read ", path, ": is a directory");
    return error.message();
}

}  // namespace

std::string config_context(const std::string& path) { return concat("unable to configure the Docker daemon with file ", path); }

Result<std::string> decode_config(std::string_view bytes) {
    if (bytes.starts_with("\xff\xfe")) return from_utf16(bytes.substr(2), false);
    if (bytes.starts_with("\xfe\xff")) return from_utf16(bytes.substr(2), true);
    bytes = trim_prefix(bytes, "\xef\xbb\xbf");
    std::string valid = to_valid_utf8(bytes);
    if (valid != bytes) {
        auto offset = std::mismatch(bytes.begin(), bytes.end(), valid.begin(), valid.end()).first - bytes.begin();
        return invalid(concat("failed to decode configuration JSON at offset ", offset, ": encoding: invalid UTF-8"));
    }
    return valid;
}

Result<ConfigFile> read_config(const std::string& path, const std::vector<std::pair<std::string, std::string>>& conflicting) {
    auto bytes = os::read_file(path, 4 << 20);
    if (!bytes) return fail(bytes.error().is(ErrorKind::NotFound) ? ErrorKind::NotFound : ErrorKind::InvalidArgument, open_problem(path, bytes.error()));
    std::string text = TRY(decode_config(*bytes));
    ConfigFile file;
    if (trim(text).empty()) return file;
    if (std::string fault = json::syntax_error(text); !fault.empty()) return invalid(fault);
    json::Value root = TRY(json::parse(text));
    if (root.is_null()) return file;
    if (!root.is_object()) return invalid(concat("json: cannot unmarshal ", root.type_name(), " into Go value of type map[string]interface {}"));

    std::vector<std::string> unknown, unsupported, conflicts;
    for (auto& member : root.as_object()) {
        auto known = unsupported_directives();
        if (member.name == "proxies") {  // the flags' names stand one level deeper
            if (!member.value.is_object() && !member.value.is_null()) return invalid(concat("json: cannot unmarshal ", member.value.type_name(), " into Go struct field Config.CommonConfig.proxies of type config.Proxies"));
            for (auto& proxy : member.value.as_object()) {
                bool is_proxy = proxy.name == "http-proxy" || proxy.name == "https-proxy" || proxy.name == "no-proxy";
                if (is_proxy) file.directives.set(proxy.name, proxy.value);
                else unknown.push_back(concat("proxies.", proxy.name));
            }
            continue;
        }
        if (find_directive_by_key(member.name)) file.directives.set(member.name, member.value);
        else if (std::any_of(known.begin(), known.end(), [&](const Unsupported& one) { return one.key == member.name; })) unsupported.push_back(member.name);
        else unknown.push_back(member.name);
    }
    if (!unknown.empty()) return invalid(concat("the following directives don't match any configuration option: ", join(unknown, ", ")));
    if (unsupported.size() == 1) return invalid(concat("the directive ", unsupported[0], " is not supported yet by proad"));
    if (!unsupported.empty()) return invalid(concat("the directives ", join(unsupported, ", "), " are not supported yet by proad"));
    for (auto& [key, shown] : conflicting) {
        if (key == "runtimes") continue;  // merged, flags first
        if (auto* value = file.directives.find(key)) conflicts.push_back(concat(key, ": (from flag: ", shown, ", from file: ", go_text(*value), ")"));
    }
    if (!conflicts.empty()) return invalid(concat("the following directives are specified both as a flag and in the configuration file: ", join(conflicts, ", ")));
    return file;
}

Result<void> apply_config(const ConfigFile& file, Settings& settings) {
    for (auto& member : file.directives) {
        settings.given.insert(member.name);
        auto* directive = find_directive_by_key(member.name);
        // A null leaves the default; only default-shm-size has a reader of its own that refuses it.
        if (member.value.is_null() && member.name != "default-shm-size") continue;
        TRY(directive->from_file(settings, member.value, concat("Config.", directive->place, member.name)));
    }
    return {};
}

}  // namespace proa::engine
