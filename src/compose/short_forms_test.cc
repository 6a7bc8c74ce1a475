#include "compose/short_forms.h"

#include <gtest/gtest.h>

#include "compose/bind.h"
#include "codec/yaml/to_json.h"

namespace proa::compose {
namespace {

std::string mount(std::string_view text) {
    auto made = read_mount(text, {});
    return made ? json::print(to_json(*made)) : made.error().message();
}
std::string ports(std::string_view text) {
    auto made = read_port(text, {});
    if (!made) return made.error().message();
    std::string out;
    for (auto& port : *made)
        out += (out.empty() ? "" : " ") + port.text_at("host_ip") + ">" + port.text_at("published") + ">" + port.find("target")->text + "/" +
               port.text_at("protocol");
    return out;
}
std::string words(std::string_view line) {
    auto split = split_words(line);
    if (!split) return split.error().message();
    std::string out;
    for (auto& word : *split) out += "[" + word + "]";
    return out;
}

TEST(ShortForms, Mounts) {
    EXPECT_EQ(mount("/data"), R"({"type":"volume","target":"/data","volume":{}})");
    EXPECT_EQ(mount("db:/data:ro,nocopy"), R"({"type":"volume","source":"db","target":"/data","read_only":true,"volume":{"nocopy":true}})");
    EXPECT_EQ(mount("./x:/y/:z,rshared"),
              R"({"type":"bind","source":"./x","target":"/y","bind":{"selinux":"z","propagation":"rshared","create_host_path":true}})");
    EXPECT_EQ(mount("data::b"), "invalid spec: data::b: empty section between colons");
    EXPECT_EQ(mount("/a:/b:ro:z"), "invalid spec: /a:/b:ro:z: too many colons");
}

TEST(ShortForms, Ports) {
    EXPECT_EQ(ports("80"), ">>80/tcp");
    EXPECT_EQ(ports("127.0.0.1:8000-8001:80-81/udp"), "127.0.0.1>8000>80/udp 127.0.0.1>8001>81/udp");
    EXPECT_EQ(ports("8000-9000:80"), ">8000-9000>80/tcp");
    EXPECT_EQ(ports("[::1]:1:2"), "::1>1>2/tcp");
    EXPECT_EQ(ports("9998-10000"), ">>10000/tcp >>9998/tcp >>9999/tcp");
    EXPECT_EQ(ports("90-91:80-82"), "Invalid ranges specified for container and host Ports: 80-82 and 90-91");
    EXPECT_EQ(ports("80:a"), "Invalid containerPort: a");
    EXPECT_EQ(ports("80/foo"), "Invalid proto: foo");
}

TEST(ShortForms, CommandLines) {
    EXPECT_EQ(words("sh -c 'a  b' \"c\\\"d\" e\\ f ''"), "[sh][-c][a  b][c\"d][e f][]");
    EXPECT_EQ(words("echo a && b"), "[echo][a]");
    EXPECT_EQ(words("echo a 2>x"), "[echo][a]");
    EXPECT_EQ(words("a $(b c) d"), "[a][$(b c)][d]");
    for (auto* line : {"a 'b", "a (b)", "a)b", "a \\"}) EXPECT_EQ(words(line), "invalid command line string") << line;
}

}  // namespace
}  // namespace proa::compose
