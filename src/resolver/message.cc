#include "resolver/message.h"

#include <netinet/in.h>

#include "base/text.h"

namespace proa::resolver {

namespace {
constexpr size_t kHeaderBytes = 12;
constexpr uint16_t kFlagResponse = 0x8000, kFlagTruncated = 0x0200, kFlagRecursionDesired = 0x0100, kFlagRecursionAvailable = 0x0080;
constexpr uint16_t kOpcodeMask = 0x7800;
constexpr size_t kNameBytesMax = 255, kLabelBytesMax = 63;
constexpr uint16_t kOwnUdpBytes = 4096;
constexpr std::string_view kPointerToQuestion{"\xc0\x0c", 2};

uint16_t read16(std::string_view bytes, size_t at) {
    return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 | static_cast<uint8_t>(bytes[at + 1]));
}

void put16(std::string& out, uint16_t value) {
    out.push_back(static_cast<char>(value >> 8));
    out.push_back(static_cast<char>(value));
}

void put32(std::string& out, uint32_t value) {
    put16(out, static_cast<uint16_t>(value >> 16));
    put16(out, static_cast<uint16_t>(value));
}

/// The name at `at` in text form; moves `at` behind it. Names in questions are not compressed.
std::optional<std::string> read_name(std::string_view message, size_t& at) {
    std::string name;
    for (;;) {
        if (at >= message.size()) return std::nullopt;
        size_t length = static_cast<uint8_t>(message[at++]);
        if (length == 0) return name;
        if (length > kLabelBytesMax || at + length > message.size() || name.size() + length > kNameBytesMax) return std::nullopt;
        if (!name.empty()) name.push_back('.');
        name += to_lower(message.substr(at, length));
        at += length;
    }
}

/// Skips the name of a record, which may end in a pointer.
bool skip_name(std::string_view message, size_t& at) {
    while (at < message.size()) {
        auto length = static_cast<uint8_t>(message[at]);
        if (length >= 0xc0) {
            at += 2;
            return at <= message.size();
        }
        at += 1u + length;
        if (length == 0) return at <= message.size();
    }
    return false;
}

/// Looks for the OPT record among the additional ones.
std::optional<uint16_t> read_edns(std::string_view message, size_t at, size_t records) {
    for (size_t i = 0; i < records; i++) {
        if (!skip_name(message, at) || at + 10 > message.size()) return std::nullopt;
        uint16_t type = read16(message, at), size = read16(message, at + 2), length = read16(message, at + 8);
        if (type == kTypeOpt) return size;
        at += 10u + length;
    }
    return std::nullopt;
}

std::string encode_name(std::string_view name) {
    std::string out;
    for (auto& label : split_nonempty(name, '.')) {
        std::string_view part = std::string_view(label).substr(0, kLabelBytesMax);
        if (out.size() + part.size() + 2 > kNameBytesMax) break;
        out.push_back(static_cast<char>(part.size()));
        out += part;
    }
    out.push_back('\0');
    return out;
}
}  // namespace

std::optional<Query> parse_query(std::string_view message) {
    if (message.size() < kHeaderBytes) return std::nullopt;
    uint16_t flags = read16(message, 2);
    if (flags & kFlagResponse) return std::nullopt;
    Query query{.id = read16(message, 0), .recursion_desired = (flags & kFlagRecursionDesired) != 0};
    if ((flags & kOpcodeMask) != 0 || read16(message, 4) != 1) return query;
    size_t at = kHeaderBytes;
    auto name = read_name(message, at);
    if (!name || at + 4 > message.size()) return query;
    query.name = std::move(*name);
    query.type = read16(message, at);
    query.question_class = read16(message, at + 2);
    query.question = message.substr(kHeaderBytes, at + 4 - kHeaderBytes);
    query.edns_bytes = read_edns(message, at + 4, size_t{read16(message, 6)} + read16(message, 8) + read16(message, 10));
    query.supported = true;
    return query;
}

Answer address_answer(const os::IpAddress& address) { return {address.is_v4() ? kTypeA : kTypeAaaa, std::string(address.bytes())}; }

Answer pointer_answer(std::string_view name) { return {kTypePtr, encode_name(name)}; }

std::string build_response(const Query& query, Rcode code, const std::vector<Answer>& answers, size_t limit) {
    std::string records;
    uint16_t count = 0;
    const size_t fixed = kHeaderBytes + query.question.size() + (query.edns_bytes ? 11 : 0);
    bool truncated = false;
    for (auto& answer : answers) {
        std::string record(kPointerToQuestion);
        put16(record, answer.type);
        put16(record, kClassIn);
        put32(record, kTtlSeconds);
        put16(record, static_cast<uint16_t>(answer.data.size()));
        record += answer.data;
        truncated = fixed + records.size() + record.size() > limit;
        if (truncated) break;
        records += record;
        count++;
    }
    uint16_t flags = kFlagResponse | kFlagRecursionAvailable | static_cast<uint16_t>(code);
    if (query.recursion_desired) flags |= kFlagRecursionDesired;
    if (truncated) flags |= kFlagTruncated;
    std::string out;
    for (uint16_t word : {query.id, flags, static_cast<uint16_t>(query.question.empty() ? 0 : 1), count, uint16_t{0},
                          static_cast<uint16_t>(query.edns_bytes ? 1 : 0)})
        put16(out, word);
    out += query.question;
    out += records;
    if (!query.edns_bytes) return out;
    out.push_back('\0');
    put16(out, kTypeOpt);
    put16(out, kOwnUdpBytes);
    put32(out, 0);
    put16(out, 0);
    return out;
}

std::optional<os::IpAddress> parse_reverse_name(std::string_view name) {
    bool v6 = name.ends_with(".ip6.arpa");
    if (!v6 && !name.ends_with(".in-addr.arpa")) return std::nullopt;
    auto labels = split(trim_suffix(name, v6 ? ".ip6.arpa" : ".in-addr.arpa"), '.');
    if (labels.size() != (v6 ? 32 : 4)) return std::nullopt;
    std::string text;
    for (size_t i = labels.size(); i-- > 0;) {
        text += labels[i];
        bool separator = v6 ? i % 4 == 0 : true;
        if (separator && i > 0) text.push_back(v6 ? ':' : '.');
    }
    return os::IpAddress::parse(text);
}

uint16_t message_id(std::string_view message) { return message.size() < 2 ? 0 : read16(message, 0); }

void set_message_id(std::string& message, uint16_t id) {
    message[0] = static_cast<char>(id >> 8);
    message[1] = static_cast<char>(id);
}

bool is_response_to(std::string_view response, std::string_view query) {
    if (response.size() < kHeaderBytes || !(read16(response, 2) & kFlagResponse) || message_id(response) != message_id(query)) return false;
    if (read16(response, 4) == 0) return true;  // some servers leave the question out of their refusals
    size_t theirs = kHeaderBytes, ours = kHeaderBytes;
    auto their_name = read_name(response, theirs), our_name = read_name(query, ours);
    if (!their_name || !our_name || *their_name != *our_name || theirs + 4 > response.size() || ours + 4 > query.size()) return false;
    return response.substr(theirs, 4) == query.substr(ours, 4);
}

Rcode response_code(std::string_view response) { return static_cast<Rcode>(read16(response, 2) & 0xf); }

}  // namespace proa::resolver
