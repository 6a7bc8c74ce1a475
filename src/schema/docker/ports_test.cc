#include "schema/docker/ports.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace proa::docker {
namespace {

std::string published(uint32_t first, uint32_t last, uint32_t shift) {
    std::string text = "{";
    for (uint32_t port = first; port <= last; port++)
        text += concat(port == first ? "" : ",", '"', port, R"(/tcp":[{"HostIp":"","HostPort":")", port + shift, "\"}]");
    return text + "}";
}

PortMap read(const std::string& text) {
    PortMap map;
    auto done = json::decode(*json::parse(text), map);
    EXPECT_TRUE(done) << (done ? "" : done.error().message());
    return map;
}

PortBindings bound(std::string address, std::string port) {
    PortBindings bindings;
    bindings.emplace().push_back({std::move(address), std::move(port)});
    return bindings;
}

TEST(PortMap, KeepsConsecutivePortsAsOneRun) {
    PortMap map = read(published(10000, 59999, 300));
    ASSERT_EQ(map.runs().size(), 1u);
    EXPECT_EQ(map.size(), 50000u);
    EXPECT_EQ(map.runs()[0].last, 59999);
    EXPECT_EQ(map.find("59999/tcp")->at(0).host_port, "60299");
    EXPECT_FALSE(map.contains("60000/tcp") || map.contains("10000/udp"));
    EXPECT_EQ(json::encode(map), published(10000, 59999, 300));
    EXPECT_EQ(read(published(1, 9, 0)).runs().size(), 1u);
}

TEST(PortMap, ComesOutAsItWentIn) {
    for (const char* text :
         {R"({})", R"({"80/tcp":null})", R"({"80/tcp":[]})", R"({"1000/tcp":null,"80/tcp":null,"81/udp":null})",
          R"({"80/tcp":[{"HostIp":"","HostPort":"80"}],"81/tcp":[{"HostIp":"","HostPort":"80"}]})",
          R"({"80/tcp":[{"HostIp":"","HostPort":"0"}],"81/tcp":[{"HostIp":"","HostPort":"1"}]})",
          R"({"080/tcp":null,"80":null,"80-90/tcp":null,"80/TCP":null,"80/tcp":[{"HostIp":"","HostPort":"8000-9000"}],"x":null})",
          R"({"80/tcp":[{"HostIp":"::","HostPort":"80"},{"HostIp":"","HostPort":""}],"81/tcp":[{"HostIp":"::","HostPort":"81"},{"HostIp":"","HostPort":""}]})"})
        EXPECT_EQ(json::encode(read(text)), text);
    EXPECT_EQ(json::decode<PortMap>(R"({"80/tcp":[1]})").error().message().substr(0, 29), "json: cannot unmarshal number");
}

TEST(PortMap, ChangesOfOnePortSplitARun) {
    PortMap map = read(published(100, 199, 1000));
    map.erase("150/tcp");
    EXPECT_EQ(map.runs().size(), 2u);
    EXPECT_EQ(map.size(), 99u);
    EXPECT_EQ(map.find("151/tcp")->at(0).host_port, "1151");
    map.set("150/tcp", bound("", "1150"));
    EXPECT_EQ(map.runs().size(), 1u);
    map.set("100/tcp", std::nullopt);
    map.add("199/tcp", {"127.0.0.1", "7"});
    ASSERT_EQ(map.runs().size(), 3u);
    EXPECT_EQ(map.find("101/tcp")->at(0).host_port, "1101");
    EXPECT_EQ(map.find("199/tcp")->size(), 2u);
    map.set_run({"tcp", 50, 250, std::nullopt});
    EXPECT_EQ(map.runs().size(), 1u);
    EXPECT_EQ(map.size(), 201u);
    PortMap more = read(published(40, 60, 0));
    more.merge(map);
    EXPECT_EQ(more.size(), 211u);
    EXPECT_EQ(more.find("60/tcp")->at(0).host_port, "60");
}

TEST(PortMap, OrderOfArrivalDoesNotMatter) {
    std::vector<uint32_t> ports;
    for (uint32_t i = 0; i < 997; i++) ports.push_back(1000 + i * 31 % 997);
    PortMap map;
    for (auto port : ports) map.set(concat(port, "/udp"), bound("::1", concat(port + 7)));
    ASSERT_EQ(map.runs().size(), 1u);
    EXPECT_EQ(map.runs()[0].bindings->at(0).host_port, "1007");
}

TEST(PortMap, RecordsHoldLongRunsAsOneMember) {
    PortMap map = read(published(10000, 59999, 0));
    PortSet set;
    set.insert("53/udp");
    set.insert_run("tcp", 10000, 59999);
    CompactPorts on;
    EXPECT_EQ(json::encode(map), R"({"10000..59999/tcp":[{"HostIp":"","HostPort":"10000"}]})");
    EXPECT_EQ(json::encode(set), R"({"10000..59999/tcp":{},"53/udp":{}})");
    EXPECT_EQ(read(json::encode(map)).size(), 50000u);
    EXPECT_EQ(json::decode<PortSet>(json::encode(set))->size(), 50001u);
    set.insert_run("tcp", 0, 65535);
    EXPECT_EQ(json::decode<PortSet>(json::encode(set))->size(), 65537u);
    EXPECT_EQ(json::encode(read(published(1, 3, 0))), published(1, 3, 0));
}

TEST(PortSet, PrintsEmptyObjects) {
    EXPECT_EQ(json::encode(*json::decode<PortSet>(R"({"81/tcp":{},"80/tcp":null,"odd":{}})")), R"({"80/tcp":{},"81/tcp":{},"odd":{}})");
}

}  // namespace
}  // namespace proa::docker
