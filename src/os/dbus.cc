#include "os/dbus.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "base/time.h"
#include "os/socket.h"

namespace proa::os::dbus {

namespace {
constexpr size_t kMessageMax = 1 << 20;
constexpr char kOrder = std::endian::native == std::endian::little ? 'l' : 'B';
enum Field : uint8_t { kPath = 1, kInterface, kMember, kErrorName, kReplySerial, kDestination, kSender, kSignature };

void align(std::string& out, size_t to) { out.append((to - out.size() % to) % to, '\0'); }
template <class T>
void put_number(std::string& out, T value) {
    align(out, sizeof value);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_text(std::string& out, std::string_view text) {
    put_number(out, static_cast<uint32_t>(text.size()));
    out.append(text).push_back('\0');
}
void put_signature(std::string& out, std::string_view text) {
    out.push_back(static_cast<char>(text.size()));
    out.append(text).push_back('\0');
}
/// An array: its length does not count the padding before the first element.
template <class F>
void put_array(std::string& out, size_t alignment, F elements) {
    put_number(out, uint32_t{0});
    size_t length_at = out.size() - 4;
    align(out, alignment);
    size_t begin = out.size();
    elements();
    uint32_t length = static_cast<uint32_t>(out.size() - begin);
    memcpy(out.data() + length_at, &length, sizeof length);
}

struct PutVariant {
    std::string& out;
    void operator()(const std::string& value) const { put_signature(out, "s"), put_text(out, value); }
    void operator()(bool value) const { put_signature(out, "b"), put_number(out, static_cast<uint32_t>(value)); }
    void operator()(uint64_t value) const { put_signature(out, "t"), put_number(out, value); }
    void operator()(const std::vector<uint32_t>& value) const {
        put_signature(out, "au");
        put_array(out, 4, [&] { for (uint32_t item : value) put_number(out, item); });
    }
    void operator()(const std::vector<uint8_t>& value) const {
        put_signature(out, "ay");
        put_array(out, 1, [&] { for (uint8_t item : value) out.push_back(static_cast<char>(item)); });
    }
};

/// Walks over marshalled data; what does not fit makes it fail for good.
class Reader {
public:
    Reader(std::string_view data, size_t at = 0) : data_(data), at_(at) {}
    bool ok() const { return ok_; }
    size_t position() const { return at_; }
    void skip_to(size_t alignment) { at_ += (alignment - at_ % alignment) % alignment; }
    template <class T>
    T number() {
        T value{};
        skip_to(sizeof value);
        if (!fits(sizeof value)) return value;
        memcpy(&value, data_.data() + at_, sizeof value);
        at_ += sizeof value;
        return value;
    }
    std::string text() { return piece(number<uint32_t>()); }
    std::string signature() { return piece(number<uint8_t>()); }

private:
    bool fits(size_t size) {
        if (at_ > data_.size() || data_.size() - at_ < size) ok_ = false;
        return ok_;
    }
    std::string piece(size_t size) {
        if (!fits(size + 1)) return "";
        std::string out(data_.substr(at_, size));
        at_ += size + 1;
        return out;
    }
    std::string_view data_;
    size_t at_;
    bool ok_ = true;
};

std::string make_call(const Method& method, const Body& body, uint32_t serial) {
    std::string out{kOrder, 1, 0, 1};
    put_number(out, static_cast<uint32_t>(body.bytes().size()));
    put_number(out, serial);
    auto field = [&](Field code, std::string_view type, std::string_view text) {
        align(out, 8);
        out.push_back(static_cast<char>(code));
        put_signature(out, type);
        if (code == kSignature) put_signature(out, text);
        else put_text(out, text);
    };
    put_array(out, 8, [&] {
        field(kPath, "o", method.path);
        field(kInterface, "s", method.interface);
        field(kMember, "s", method.name);
        field(kDestination, "s", method.destination);
        if (!body.signature().empty()) field(kSignature, "g", body.signature());
    });
    align(out, 8);
    return out + body.bytes();
}

/// The header's fields; false when they are not well formed.
bool read_fields(std::string_view header, Message& message) {
    Reader reader(header, 12);
    size_t end = reader.number<uint32_t>() + reader.position();
    while (reader.ok() && reader.position() < end) {
        reader.skip_to(8);
        auto code = reader.number<uint8_t>();
        std::string type = reader.signature();
        if (type == "u") {
            uint32_t number = reader.number<uint32_t>();
            if (code == kReplySerial) message.reply_serial = number;
        } else if (type == "g") {
            std::string text = reader.signature();
            if (code == kSignature) message.signature = text;
        } else if (type == "s" || type == "o") {
            std::string text = reader.text();
            if (code == kMember) message.member = text;
            if (code == kErrorName) message.error_name = text;
        } else {
            return false;
        }
    }
    return reader.ok();
}

Unexpected broken(std::string_view what) { return fail(ErrorKind::Internal, concat("D-Bus: ", what), EBADMSG); }
}  // namespace

Body& Body::add(std::string_view text) {
    signature_ += 's';
    put_text(bytes_, text);
    return *this;
}

Body& Body::add_flag(bool value) {
    signature_ += 'b';
    put_number(bytes_, static_cast<uint32_t>(value));
    return *this;
}

Body& Body::add_numbers(const std::vector<uint32_t>& list) {
    signature_ += "au";
    put_array(bytes_, 4, [&] { for (uint32_t item : list) put_number(bytes_, item); });
    return *this;
}

Body& Body::add_properties(const std::vector<Property>& list) {
    signature_ += "a(sv)";
    put_array(bytes_, 8, [&] {
        for (auto& property : list) {
            align(bytes_, 8);
            put_text(bytes_, property.name);
            std::visit(PutVariant{bytes_}, property.value);
        }
    });
    return *this;
}

Body& Body::add_no_units() {
    signature_ += "a(sa(sv))";
    put_array(bytes_, 8, [] {});
    return *this;
}

std::vector<std::string> Message::texts() const {
    std::vector<std::string> found;
    Reader reader(body);
    for (char type : signature) {
        if (type == 's' || type == 'o') found.push_back(reader.text());
        else if (type == 'u' || type == 'i' || type == 'b') reader.number<uint32_t>();
        else if (type == 't' || type == 'x') reader.number<uint64_t>();
        else if (type == 'v' && reader.signature() == "s") found.push_back(reader.text());
        else break;
        if (!reader.ok()) {
            found.clear();
            break;
        }
    }
    return found;
}

Result<Connection> Connection::open(const std::string& socket_path, bool on_a_bus) {
    Connection connection;
    connection.socket_ = TRY(connect_unix(socket_path, SocketType::Stream));
    TRY(write_all(connection.socket_.get(), concat('\0', "AUTH EXTERNAL\r\n")));
    int64_t deadline = monotonic_nanoseconds() + int64_t{kTimeoutMs} * 1'000'000;
    std::string line = TRY(connection.read_line(deadline));
    if (line == "DATA") {  // it asks for a name: none but that of the socket's credentials
        TRY(write_all(connection.socket_.get(), "DATA\r\n"));
        line = TRY(connection.read_line(deadline));
    }
    if (!line.starts_with("OK ")) return fail(ErrorKind::Forbidden, concat("D-Bus: ", socket_path, " refused us: ", line), EACCES);
    TRY(write_all(connection.socket_.get(), "BEGIN\r\n"));
    if (on_a_bus) TRY(connection.call({"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello"}));
    return connection;
}

Result<std::string> Connection::read_line(int64_t deadline) {
    size_t end;
    while ((end = input_.find("\r\n")) == std::string::npos) {
        if (input_.size() > 4096) return broken("the other side does not speak it");
        TRY(fill(input_.size() + 1, deadline));
    }
    std::string line = input_.substr(0, end);
    input_.erase(0, end + 2);
    return line;
}

Result<void> Connection::fill(size_t wanted, int64_t deadline) {
    char buffer[8192];
    while (input_.size() < wanted) {
        int64_t left = (deadline - monotonic_nanoseconds()) / 1'000'000;
        if (left <= 0 || !TRY(wait_readable(socket_.get(), static_cast<int>(left)))) return fail(ErrorKind::Unavailable, "D-Bus: no answer in time", ETIMEDOUT);
        size_t got = TRY(read_some(socket_.get(), buffer));
        if (got == 0) return fail(ErrorKind::Unavailable, "D-Bus: the connection was closed", ECONNRESET);
        input_.append(buffer, got);
    }
    return {};
}

Result<Message> Connection::receive(int64_t deadline) {
    TRY(fill(16, deadline));
    if (input_[0] != kOrder || input_[3] != 1) return broken("a message in another byte order or version");
    Reader lengths(input_, 4);
    size_t body = lengths.number<uint32_t>();
    Reader fields(input_, 12);
    size_t header = 16 + size_t{fields.number<uint32_t>()};
    header += (8 - header % 8) % 8;
    if (body > kMessageMax || header > kMessageMax) return broken("a message is too long");
    TRY(fill(header + body, deadline));
    Message message;
    message.type = static_cast<MessageType>(input_[1]);
    message.body = input_.substr(header, body);
    if (!read_fields(std::string_view(input_).substr(0, header), message)) return broken("a message is malformed");
    input_.erase(0, header + body);
    return message;
}

Result<Message> Connection::call(const Method& method, const Body& body) {
    const uint32_t serial = ++serial_;
    TRY(write_all(socket_.get(), make_call(method, body, serial)));
    int64_t deadline = monotonic_nanoseconds() + int64_t{kTimeoutMs} * 1'000'000;
    for (;;) {
        Message message = TRY(receive(deadline));
        if (message.type == MessageType::Signal) signals_.push_back(std::move(message));
        else if (message.reply_serial != serial) continue;
        else if (message.type == MessageType::Return) return message;
        else {
            auto texts = message.texts();
            return fail(ErrorKind::Internal, concat(message.error_name, texts.empty() ? "" : ": ", texts.empty() ? "" : texts[0]));
        }
    }
}

Result<Message> Connection::next_signal() {
    if (!signals_.empty()) {
        Message first = std::move(signals_.front());
        signals_.pop_front();
        return first;
    }
    int64_t deadline = monotonic_nanoseconds() + int64_t{kTimeoutMs} * 1'000'000;
    for (;;) {
        Message message = TRY(receive(deadline));
        if (message.type == MessageType::Signal) return message;
    }
}

}  // namespace proa::os::dbus
