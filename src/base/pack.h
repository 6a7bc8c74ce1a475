#pragma once
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

// A flat binary form for messages between our own programs of one release: little-endian fixed-width integers, texts and lists
// with a 32-bit length before them. A struct takes part with `template <class A> void visit(A& archive) { archive(a, b, c); }`.
namespace proa {

class Packer {
public:
    template <class... Fields>
    void operator()(Fields&... fields) {
        (put(fields), ...);
    }
    std::string take() { return std::move(out_); }

private:
    std::string out_;

    template <class T>
    void put(T& field) {
        if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
            out_.append(reinterpret_cast<const char*>(&field), sizeof field);
        } else {
            put_compound(field);
        }
    }
    void put_size(size_t size) {
        auto length = static_cast<uint32_t>(size);
        put(length);
    }
    void put_compound(std::string& text) {
        put_size(text.size());
        out_.append(text);
    }
    template <class T>
    void put_compound(std::vector<T>& list) {
        put_size(list.size());
        for (auto& item : list) put(item);
    }
    template <class T>
    void put_compound(std::optional<T>& value) {
        bool present = value.has_value();
        put(present);
        if (present) put(*value);
    }
    template <class T>
        requires requires(T t, Packer& p) { t.visit(p); }
    void put_compound(T& object) {
        object.visit(*this);
    }
};

class Unpacker {
public:
    explicit Unpacker(std::string_view in) : in_(in) {}
    template <class... Fields>
    void operator()(Fields&... fields) {
        (get(fields), ...);
    }
    /// True when everything was read and nothing was missing or left.
    bool complete() const { return good_ && in_.empty(); }

private:
    std::string_view in_;
    bool good_ = true;

    template <class T>
    void get(T& field) {
        if constexpr (std::is_same_v<T, bool>) {
            uint8_t byte = 0;
            get(byte);
            if (byte > 1) good_ = false;  // a bool of any other value would be undefined behaviour
            field = byte == 1;
        } else if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
            if (in_.size() < sizeof field) {
                good_ = false;
                in_ = {};
                return;
            }
            memcpy(&field, in_.data(), sizeof field);
            in_.remove_prefix(sizeof field);
        } else {
            get_compound(field);
        }
    }
    uint32_t get_size() {
        uint32_t length = 0;
        get(length);
        if (length > in_.size()) {  // every item takes at least one byte
            good_ = false;
            in_ = {};
            return 0;
        }
        return length;
    }
    void get_compound(std::string& text) {
        uint32_t length = get_size();
        text.assign(in_.substr(0, length));
        in_.remove_prefix(length);
    }
    template <class T>
    void get_compound(std::vector<T>& list) {
        uint32_t length = get_size();
        list.clear();
        for (uint32_t i = 0; i < length && good_; i++) get(list.emplace_back());
    }
    template <class T>
    void get_compound(std::optional<T>& value) {
        bool present = false;
        get(present);
        if (present) get(value.emplace());
    }
    template <class T>
        requires requires(T t, Unpacker& u) { t.visit(u); }
    void get_compound(T& object) {
        object.visit(*this);
    }
};

template <class T>
std::string pack(const T& object) {
    Packer packer;
    const_cast<T&>(object).visit(packer);  // packing never writes
    return packer.take();
}

/// Errors: InvalidArgument when the bytes are not one whole T.
template <class T>
Result<T> unpack(std::string_view bytes) {
    T object{};
    Unpacker unpacker(bytes);
    object.visit(unpacker);
    if (!unpacker.complete()) return fail(ErrorKind::InvalidArgument, "malformed packed message");
    return object;
}

}  // namespace proa
