#include "base/text.h"

#include <cstdlib>

namespace proa {

namespace {
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
/// Length of the valid UTF-8 sequence at the start of `text`, 0 when there is none.
size_t utf8_sequence(std::string_view text) {
    auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    unsigned char first = byte(0);
    if (first < 0x80) return 1;
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) > 0x8f) return 0;
    return length;
}
}  // namespace

std::string quote(std::string_view text) {
    std::string out = "\"";
    for (size_t i = 0; i < text.size();) {
        char c = text[i];
        size_t length = utf8_sequence(text.substr(i));
        if (length > 1) {
            out.append(text.substr(i, length));
            i += length;
            continue;
        }
        i++;
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\a': out += "\\a"; break;
            case '\b': out += "\\b"; break;
            case '\f': out += "\\f"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            case '\v': out += "\\v"; break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
                    out += "\\x" + hex(std::string_view(&c, 1));
                else
                    out += c;
        }
    }
    return out + "\"";
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> pieces;
    for (;;) {
        size_t at = text.find(separator);
        pieces.emplace_back(text.substr(0, at));
        if (at == std::string_view::npos) return pieces;
        text.remove_prefix(at + 1);
    }
}

std::vector<std::string> split_nonempty(std::string_view text, char separator) {
    std::vector<std::string> pieces;
    for (auto& piece : split(text, separator))
        if (!piece.empty()) pieces.push_back(std::move(piece));
    return pieces;
}

std::vector<std::string> split_fields(std::string_view text) {
    std::vector<std::string> pieces;
    for (size_t i = 0; i < text.size();) {
        while (i < text.size() && is_space(text[i])) i++;
        size_t start = i;
        while (i < text.size() && !is_space(text[i])) i++;
        if (i > start) pieces.emplace_back(text.substr(start, i - start));
    }
    return pieces;
}

std::optional<std::pair<std::string_view, std::string_view>> cut(std::string_view text, std::string_view separator) {
    size_t at = text.find(separator);
    if (at == std::string_view::npos) return std::nullopt;
    return std::pair{text.substr(0, at), text.substr(at + separator.size())};
}

std::string join(const std::vector<std::string>& pieces, std::string_view separator) {
    std::string out;
    for (size_t i = 0; i < pieces.size(); i++) {
        if (i > 0) out.append(separator);
        out.append(pieces[i]);
    }
    return out;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

std::string_view trim_suffix(std::string_view text, std::string_view suffix) {
    return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}

std::string_view trim_prefix(std::string_view text, std::string_view prefix) {
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

std::string to_lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = lower(c);
    return out;
}

std::string to_upper(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = upper(c);
    return out;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i++)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
    std::string out;
    for (;;) {
        size_t at = text.find(from);
        out.append(text.substr(0, at));
        if (at == std::string_view::npos) return out;
        out.append(to);
        text.remove_prefix(at + from.size());
    }
}

std::optional<int64_t> parse_int(std::string_view text, int base) {
    int64_t value = 0;
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<uint64_t> parse_uint(std::string_view text, int base) {
    uint64_t value = 0;
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<bool> parse_bool(std::string_view text) {
    for (auto yes : {"1", "t", "T", "TRUE", "true", "True"})
        if (text == yes) return true;
    for (auto no : {"0", "f", "F", "FALSE", "false", "False"})
        if (text == no) return false;
    return std::nullopt;
}

Result<int64_t> parse_bytes(std::string_view text) {
    auto invalid = [&] { return fail(ErrorKind::InvalidArgument, concat("invalid size: '", text, "'")); };
    size_t digits = 0;
    while (digits < text.size() && (text[digits] == '.' || (text[digits] >= '0' && text[digits] <= '9'))) digits++;
    if (digits == 0) return invalid();
    std::string number(text.substr(0, digits));
    char* end = nullptr;
    double value = strtod(number.c_str(), &end);
    if (*end != '\0') return invalid();
    std::string unit = to_lower(trim(text.substr(digits)));
    if (text.size() > digits && text[digits] == ' ' && unit.empty()) return invalid();
    double scale = 1;
    if (!unit.empty() && unit != "b") {
        size_t power = std::string_view("kmgtp").find(unit[0]);
        std::string_view rest = std::string_view(unit).substr(1);
        if (power == std::string_view::npos || (rest != "" && rest != "b" && rest != "ib")) return invalid();
        for (size_t step = 0; step <= power; step++) scale *= 1024;  // pow() would load libm into every start of the client
    }
    value *= scale;
    if (value >= 9.2e18) return invalid();
    return static_cast<int64_t>(value);
}

std::string hex(std::string_view bytes) {
    static const char kDigits[] = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (unsigned char byte : bytes) {
        out.push_back(kDigits[byte >> 4]);
        out.push_back(kDigits[byte & 15]);
    }
    return out;
}

std::string base64(std::string_view bytes) {
    static const char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (size_t i = 0; i < bytes.size(); i += 3) {
        uint32_t group = 0;
        size_t have = std::min<size_t>(3, bytes.size() - i);
        for (size_t j = 0; j < 3; j++)
            group = group << 8 | (j < have ? static_cast<unsigned char>(bytes[i + j]) : 0u);
        for (size_t j = 0; j < 4; j++)
            out.push_back(j <= have ? kAlphabet[group >> (18 - 6 * j) & 63] : '=');
    }
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    while (!text.empty() && text.back() == '=') text.remove_suffix(1);
    std::string out;
    uint32_t bits = 0;
    int count = 0;
    for (char c : text) {
        uint32_t value;
        if (c >= 'A' && c <= 'Z') value = static_cast<uint32_t>(c - 'A');
        else if (c >= 'a' && c <= 'z') value = static_cast<uint32_t>(c - 'a' + 26);
        else if (c >= '0' && c <= '9') value = static_cast<uint32_t>(c - '0' + 52);
        else if (c == '+' || c == '-') value = 62;
        else if (c == '/' || c == '_') value = 63;
        else return std::nullopt;
        bits = bits << 6 | value;
        if ((count += 6) >= 8) {
            count -= 8;
            out.push_back(static_cast<char>(bits >> count & 255));
        }
    }
    if (text.size() % 4 == 1) return std::nullopt;
    return out;
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            out.push_back(static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])));
            i += 2;
        } else {
            out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
        }
    }
    return out;
}

std::string percent_encode(std::string_view text) {
    std::string out;
    for (char c : text) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
            c == '.' || c == '~') {
            out.push_back(c);
        } else {
            out.push_back('%');
            out.append(to_upper(hex(std::string_view(&c, 1))));
        }
    }
    return out;
}

std::string to_valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size();) {
        size_t length = utf8_sequence(text.substr(i));
        if (length == 0) {
            out.append("\xef\xbf\xbd");
            i++;
        } else {
            out.append(text.substr(i, length));
            i += length;
        }
    }
    return out;
}

}  // namespace proa
