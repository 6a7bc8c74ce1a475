#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/ip_address.h"

// The few parts of DNS messages that the resolver reads and writes. Everything else is passed on byte for byte.
// Spec: RFC 1035 (messages), RFC 6891 (EDNS), RFC 3596 (AAAA, ip6.arpa)
namespace proa::resolver {

constexpr uint16_t kTypeA = 1, kTypePtr = 12, kTypeAaaa = 28, kTypeOpt = 41, kTypeAny = 255;
constexpr uint16_t kClassIn = 1;
constexpr size_t kUdpBytesMin = 512;      ///< what every client takes
constexpr size_t kMessageBytesMax = 65535;

enum class Rcode : uint8_t { NoError = 0, FormatError = 1, ServerFailure = 2, NameError = 3, NotImplemented = 4, Refused = 5 };

/// A query as we need it. The views point into the message that was read.
struct Query {
    uint16_t id = 0;
    bool recursion_desired = false;
    bool supported = false;        ///< a standard query with exactly one question
    std::string name;              ///< lower case, without the last dot; "" is the root
    uint16_t type = 0, question_class = 0;
    std::string_view question;     ///< as it was asked, for the answer
    std::optional<uint16_t> edns_bytes;  ///< what the client takes by UDP, when it says so

    size_t udp_bytes() const { return edns_bytes && *edns_bytes > kUdpBytesMin ? *edns_bytes : kUdpBytesMin; }
};

/// nullopt for what deserves no answer at all: too short, or an answer itself.
std::optional<Query> parse_query(std::string_view message);

/// One answer; every one carries `kTtlSeconds`, as Docker's do.
struct Answer {
    uint16_t type;
    std::string data;  ///< RDATA
};
constexpr uint32_t kTtlSeconds = 600;

Answer address_answer(const os::IpAddress& address);
/// `name` in text form, with or without its last dot.
Answer pointer_answer(std::string_view name);

/// An answer to `query`. What is longer than `limit` bytes is cut at a record and marked as truncated.
std::string build_response(const Query& query, Rcode code, const std::vector<Answer>& answers, size_t limit);

/// The address that a name of in-addr.arpa or ip6.arpa stands for.
std::optional<os::IpAddress> parse_reverse_name(std::string_view name);

uint16_t message_id(std::string_view message);
void set_message_id(std::string& message, uint16_t id);
/// Whether `response` answers `query` (a message with the same id and question).
bool is_response_to(std::string_view response, std::string_view query);
Rcode response_code(std::string_view response);

}  // namespace proa::resolver
