#include "os/dbus.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/text.h"
#include "os/socket.h"

namespace proa::os::dbus {
namespace {

std::string number(uint32_t value) { return std::string(reinterpret_cast<const char*>(&value), sizeof value); }

TEST(Dbus, MarshalsPropertiesWithTheirPadding) {
    Body body;
    body.add("x").add_properties({{"N", uint64_t{5}}, {"P", std::vector<uint32_t>{7}}});
    EXPECT_EQ(body.signature(), "sa(sv)");
    const std::string expected = number(1) + std::string("x\0\0\0", 4) + number(44) + std::string(4, '\0') +                                    // s, length, padding
                                 number(1) + std::string("N\0\1t\0\0\0\0\0\0\0\0", 12) + std::string("\5\0\0\0\0\0\0\0", 8) +  // name, variant
                                 number(1) + std::string("P\0\2au\0\0\0", 8) + number(4) + number(7);
    EXPECT_EQ(hex(body.bytes()), hex(expected));
}

/// A peer that lets anybody in and answers the calls with what it is given.
class Peer {
public:
    explicit Peer(std::vector<std::string> answers) : answers_(std::move(answers)) {
        char name[] = "/tmp/proa-dbus-XXXXXX";
        directory_ = ::mkdtemp(name);
        listener_ = *listen_unix(path(), SocketType::Stream, 0600);
        thread_ = std::thread([this] { serve(); });
    }
    ~Peer() {
        thread_.join();
        ::unlink(path().c_str());
        ::rmdir(directory_.c_str());
    }
    std::string path() const { return directory_ + "/s"; }
    std::string received;

private:
    void serve() {
        Fd connection = *accept_connection(listener_.get(), false);
        char buffer[4096];
        auto read_until = [&](auto done) {
            while (!done()) {
                size_t got = read_some(connection.get(), buffer).value_or(0);
                if (got == 0) return;
                received.append(buffer, got);
            }
        };
        read_until([&] { return received.ends_with("\r\n"); });
        (void)write_all(connection.get(), "DATA\r\n");
        read_until([&] { return received.ends_with("DATA\r\n"); });
        (void)write_all(connection.get(), "OK 1234\r\n");
        for (auto& answer : answers_) {
            size_t before = received.size();
            read_until([&] { return received.size() > before + 16; });
            (void)write_all(connection.get(), answer);
        }
    }
    std::vector<std::string> answers_;
    std::string directory_;
    Fd listener_;
    std::thread thread_;
};

/// A message of a peer: its header has the fields given, already marshalled.
std::string message(char type, const std::string& fields, const std::string& body) {
    std::string out = std::string{'l', type, 0, 1} + number(static_cast<uint32_t>(body.size())) + number(9) + number(static_cast<uint32_t>(fields.size())) + fields;
    out.append((8 - out.size() % 8) % 8, '\0');
    return out + body;
}
const std::string kReplyToFirst = std::string("\5\1u\0", 4) + number(1);
const std::string kSignatureO = std::string("\10\1g\0\1o\0", 7), kSignatureS = std::string("\10\1g\0\1s\0", 7);

TEST(Dbus, ReturnsTheAnswerAndKeepsSignals) {
    std::string member = std::string("\3\1s\0", 4) + number(4) + std::string("Gone\0\0\0\0", 8);
    Peer peer({message(4, member + kSignatureS, number(2) + std::string("hi\0", 3)) + message(2, kReplyToFirst + kSignatureO, number(4) + std::string("/job\0", 5))});
    auto connection = Connection::open(peer.path(), false);
    ASSERT_TRUE(connection.has_value()) << connection.error().message();
    auto answer = connection->call({"a.b", "/a", "a.b.C", "Do"}, Body().add("x"));
    ASSERT_TRUE(answer.has_value()) << answer.error().message();
    EXPECT_EQ(answer->texts(), std::vector<std::string>{"/job"});
    auto signal = connection->next_signal();
    ASSERT_TRUE(signal.has_value());
    EXPECT_EQ(signal->member, "Gone");
    EXPECT_EQ(signal->texts(), std::vector<std::string>{"hi"});
    EXPECT_NE(peer.received.find("AUTH EXTERNAL\r\nDATA\r\n"), std::string::npos);
}

TEST(Dbus, NamesErrorsAndRefusesNonsense) {
    {
        std::string name = std::string("\4\1s\0", 4) + number(7) + std::string("a.b.Bad\0", 8);
        Peer peer({message(3, kReplyToFirst + name + kSignatureS, number(3) + std::string("why\0", 4))});
        auto answer = Connection::open(peer.path(), false)->call({"a.b", "/a", "a.b.C", "Do"});
        ASSERT_FALSE(answer.has_value());
        EXPECT_EQ(answer.error().message(), "a.b.Bad: why");
    }
    for (auto& nonsense : {std::string(64, 'x'), std::string{'l', 2, 0, 1} + number(1u << 30) + number(1) + number(0), message(2, std::string(24, '\xff'), "")}) {
        Peer peer({nonsense});
        EXPECT_FALSE(Connection::open(peer.path(), false)->call({"a.b", "/a", "a.b.C", "Do"}).has_value());
    }
    EXPECT_FALSE(Connection::open("/nowhere/at/all", true).has_value());
}

}  // namespace
}  // namespace proa::os::dbus
