#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "os/fd.h"

// As much of a D-Bus client as talking to the service manager needs: small enough for the static programs.
// Spec: https://dbus.freedesktop.org/doc/dbus-specification.html
namespace proa::os::dbus {

/// A property: its D-Bus type follows from the alternative (s, b, t, au, ay).
using Value = std::variant<std::string, bool, uint64_t, std::vector<uint32_t>, std::vector<uint8_t>>;
struct Property {
    std::string name;
    Value value;
};

/// Marshals the arguments of one message.
class Body {
public:
    Body& add(std::string_view text);                         ///< s
    Body& add_flag(bool value);                               ///< b
    Body& add_numbers(const std::vector<uint32_t>& list);     ///< au
    Body& add_properties(const std::vector<Property>& list);  ///< a(sv)
    Body& add_no_units();                                     ///< an empty a(sa(sv)), StartTransientUnit's last argument
    const std::string& signature() const { return signature_; }
    const std::string& bytes() const { return bytes_; }

private:
    std::string signature_, bytes_;
};

/// Where a call goes.
struct Method {
    std::string_view destination, path, interface, name;
};

enum class MessageType : uint8_t { Call = 1, Return = 2, Error = 3, Signal = 4 };
struct Message {
    MessageType type = MessageType::Return;
    uint32_t reply_serial = 0;
    std::string member, error_name, signature, body;

    /// The texts (s, o, and v that holds one) among the arguments, in order; integers are passed over. Stops at any other type.
    std::vector<std::string> texts() const;
};

/// A connection to a bus, or straight to one peer. Blocks; nothing takes longer than `kTimeoutMs`.
class Connection {
public:
    static constexpr int kTimeoutMs = 25'000;
    /// As whom the kernel says that we are (EXTERNAL), which is right in a user namespace too. `on_a_bus`: a bus wants to be greeted first.
    static Result<Connection> open(const std::string& socket_path, bool on_a_bus);

    /// Sends and waits for the answer; signals that come meanwhile are kept. An error answer is an Error whose message begins with
    /// the error's D-Bus name.
    Result<Message> call(const Method& method, const Body& body = {});
    /// The next signal, one that is kept first.
    Result<Message> next_signal();

private:
    Result<std::string> read_line(int64_t deadline);
    Result<Message> receive(int64_t deadline);
    Result<void> fill(size_t wanted, int64_t deadline);

    Fd socket_;
    uint32_t serial_ = 0;
    std::string input_;
    std::deque<Message> signals_;
};

}  // namespace proa::os::dbus
