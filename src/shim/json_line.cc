#include "shim/json_line.h"

#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace proa::shim {

namespace {
constexpr char kHex[] = "0123456789abcdef";

bool is_plain(unsigned char c) {
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/// Copies plain bytes until the first that needs care; may write up to 15 bytes past the result.
void copy_plain(const char*& in, const char* end, char*& out) {
#ifdef __SSE2__
    const __m128i space = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i less = _mm_set1_epi8('<'), greater = _mm_set1_epi8('>'), ampersand = _mm_set1_epi8('&');
    while (end - in >= 16) {
        __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
        __m128i care = _mm_cmplt_epi8(bytes, space);  // signed: bytes from 0x80 up are below it too
        care = _mm_or_si128(care, _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
        care = _mm_or_si128(care, _mm_or_si128(_mm_cmpeq_epi8(bytes, less), _mm_cmpeq_epi8(bytes, greater)));
        care = _mm_or_si128(care, _mm_cmpeq_epi8(bytes, ampersand));
        auto mask = static_cast<unsigned>(_mm_movemask_epi8(care));
        int plain = mask ? __builtin_ctz(mask) : 16;
        in += plain;
        out += plain;
        if (mask) return;
    }
#endif
    while (in < end && is_plain(static_cast<unsigned char>(*in))) *out++ = *in++;
}

bool is_continuation(unsigned char c) { return (c & 0xC0) == 0x80; }

/// The length of the UTF-8 sequence at `in`; 0 when it is none (overlong forms, surrogates and cut ones included).
int sequence_length(const unsigned char* in, const unsigned char* end) {
    unsigned char lead = in[0];
    int length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || end - in < length) return 0;
    for (int i = 1; i < length; i++)
        if (!is_continuation(in[i])) return 0;
    if (lead == 0xE0 && in[1] < 0xA0) return 0;
    if (lead == 0xED && in[1] > 0x9F) return 0;
    if (lead == 0xF0 && in[1] < 0x90) return 0;
    if (lead == 0xF4 && in[1] > 0x8F) return 0;
    return length;
}

char* put(char* out, std::string_view text) {
    memcpy(out, text.data(), text.size());
    return out + text.size();
}

char* escape_ascii(unsigned char c, char* out) {
    switch (c) {
        case '"': return put(out, "\\\"");
        case '\\': return put(out, "\\\\");
        case '\n': return put(out, "\\n");
        case '\r': return put(out, "\\r");
        default:
            out = put(out, "\\u00");
            *out++ = kHex[c >> 4];
            *out++ = kHex[c & 15];
            return out;
    }
}

char* escape_sequence(const char*& in, const char* end, char* out) {
    auto bytes = reinterpret_cast<const unsigned char*>(in);
    int length = sequence_length(bytes, reinterpret_cast<const unsigned char*>(end));
    if (length == 0) {
        in++;
        return put(out, "\\ufffd");
    }
    if (length == 3 && bytes[0] == 0xE2 && bytes[1] == 0x80 && (bytes[2] == 0xA8 || bytes[2] == 0xA9)) {
        in += 3;
        out = put(out, "\\u202");
        *out++ = bytes[2] == 0xA8 ? '8' : '9';
        return out;
    }
    out = put(out, {in, static_cast<size_t>(length)});
    in += length;
    return out;
}
}  // namespace

char* escape_json(std::string_view text, char* out) {
    const char* in = text.data();
    const char* end = in + text.size();
    for (;;) {
        copy_plain(in, end, out);
        if (in == end) return out;
        auto c = static_cast<unsigned char>(*in);
        if (c < 0x80) {
            out = escape_ascii(c, out);
            in++;
        } else {
            out = escape_sequence(in, end, out);
        }
    }
}

}  // namespace proa::shim
