#include <gtest/gtest.h>

#include "base/text.h"
#include "resolver/message.h"
#include "resolver/names.h"

namespace proa::resolver {
namespace {

std::string name_bytes(std::string_view name) {
    std::string out;
    for (auto& label : split_nonempty(name, '.')) out += static_cast<char>(label.size()) + label;
    return out + '\0';
}

std::string query_bytes(std::string_view name, uint16_t type, std::optional<uint16_t> edns = std::nullopt) {
    std::string out("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00", 11);
    out.push_back(edns ? 1 : 0);
    out += name_bytes(name);
    out += std::string{static_cast<char>(type >> 8), static_cast<char>(type), 0, 1};
    if (edns) out += std::string{0, 0, 41, static_cast<char>(*edns >> 8), static_cast<char>(*edns), 0, 0, 0, 0, 0, 0};
    return out;
}

TEST(Message, queries_are_read) {
    std::string bytes = query_bytes("Web.Net1", kTypeAaaa, 1232);
    auto query = parse_query(bytes);
    ASSERT_TRUE(query && query->supported);
    EXPECT_EQ(query->id, 0x1234);
    EXPECT_EQ(query->name, "web.net1");
    EXPECT_EQ(query->type, kTypeAaaa);
    EXPECT_EQ(query->udp_bytes(), 1232u);
    EXPECT_EQ(parse_query(query_bytes("a", kTypeA))->udp_bytes(), 512u);
}

TEST(Message, malformed_ones_are_not_read_beyond_their_end) {
    std::string whole = query_bytes("a.b.example", kTypeA, 4096);
    for (size_t size = 0; size <= whole.size(); size++) (void)parse_query(std::string(whole, 0, size));
    std::string response = whole;
    response[2] |= static_cast<char>(0x80);
    EXPECT_FALSE(parse_query(response));
    std::string two = whole;
    two[5] = 2;
    EXPECT_FALSE(parse_query(two)->supported);
    std::string pointer = whole;
    pointer[12] = static_cast<char>(0xc0);
    EXPECT_FALSE(parse_query(pointer)->supported);
}

TEST(Message, answers_are_cut_at_a_record_and_marked) {
    std::string bytes = query_bytes("many", kTypeA);
    auto query = *parse_query(bytes);
    std::vector<Answer> answers(100, address_answer(*os::IpAddress::parse("10.0.0.1")));
    auto cut = build_response(query, Rcode::NoError, answers, 512);
    EXPECT_LE(cut.size(), 512u);
    EXPECT_TRUE(cut[2] & 0x02);
    EXPECT_EQ(static_cast<uint8_t>(cut[7]), (512 - 12 - query.question.size()) / 16);
    auto whole = build_response(query, Rcode::NoError, answers, 65535);
    EXPECT_FALSE(whole[2] & 0x02);
    EXPECT_EQ(static_cast<uint8_t>(whole[7]), 100u);
}

TEST(Message, responses_are_matched_to_their_query) {
    std::string bytes = query_bytes("Example.test", kTypeA);
    auto response = build_response(*parse_query(bytes), Rcode::NoError, {}, 512);
    EXPECT_TRUE(is_response_to(response, query_bytes("example.TEST", kTypeA)));
    EXPECT_FALSE(is_response_to(response, query_bytes("example.test", kTypeAaaa)));
    EXPECT_FALSE(is_response_to(response, query_bytes("other.test", kTypeA)));
    EXPECT_FALSE(is_response_to(bytes, bytes));
    set_message_id(response, 7);
    EXPECT_FALSE(is_response_to(response, bytes));
}

TEST(Message, reverse_names) {
    EXPECT_EQ(parse_reverse_name("2.0.18.172.in-addr.arpa")->text(), "172.18.0.2");
    EXPECT_EQ(parse_reverse_name("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa")->text(), "fd00::1");
    EXPECT_FALSE(parse_reverse_name("0.18.172.in-addr.arpa"));
    EXPECT_FALSE(parse_reverse_name("example.com"));
}

class NamesTest : public ::testing::Test {
protected:
    void SetUp() override {
        names_.put({.id = "A", .endpoints = {{.network_id = "n1", .network_name = "front", .names = {"web", "www"}, .address = "10.0.0.2", .address6 = "fd00::2"}}});
        names_.put({.id = "B", .endpoints = {{.network_id = "n1", .network_name = "front", .names = {"db", "www"}, .address = "10.0.0.3", .links = {{"primary", "web"}}},
                                             {.network_id = "n2", .network_name = "back", .names = {"db"}, .address = "10.1.0.3"}}});
        names_.put({.id = "C", .endpoints = {{.network_id = "n2", .network_name = "back", .names = {"Cache"}, .address = "10.1.0.4"}}});
    }
    std::vector<std::string> texts(const std::string& asker, std::string_view name, bool ipv6 = false) {
        std::vector<std::string> out;
        for (auto& address : names_.addresses_of(*names_.find(asker), name, ipv6).addresses) out.push_back(address.text());
        return out;
    }
    Names names_;
};

TEST_F(NamesTest, names_are_known_on_shared_networks_only) {
    using List = std::vector<std::string>;
    EXPECT_EQ(texts("A", "db"), List{"10.0.0.3"});
    EXPECT_EQ(texts("C", "db"), List{"10.1.0.3"});
    EXPECT_EQ(texts("A", "cache"), List{});
    EXPECT_EQ(texts("B", "cache"), List{"10.1.0.4"});
    EXPECT_EQ(texts("B", "db.back"), List{"10.1.0.3"});
    EXPECT_EQ(texts("B", "web.back"), List{});
    EXPECT_EQ(texts("A", "www"), (List{"10.0.0.2", "10.0.0.3"}));
}

TEST_F(NamesTest, families_links_and_reverse) {
    EXPECT_EQ(texts("B", "web", true), std::vector<std::string>{"fd00::2"});
    auto none = names_.addresses_of(*names_.find("A"), "db", true);
    EXPECT_TRUE(none.exists && none.addresses.empty());
    EXPECT_EQ(texts("B", "primary"), std::vector<std::string>{"10.0.0.2"});
    EXPECT_EQ(texts("A", "primary"), std::vector<std::string>{});
    EXPECT_EQ(names_.name_of(*names_.find("B"), *os::IpAddress::parse("10.0.0.2")), "web.front");
    EXPECT_FALSE(names_.name_of(*names_.find("A"), *os::IpAddress::parse("10.1.0.4")));
}

TEST_F(NamesTest, what_is_removed_or_replaced_leaves_nothing) {
    names_.put({.id = "A", .endpoints = {{.network_id = "n1", .network_name = "front", .names = {"renamed"}, .address = "10.0.0.2"}}});
    EXPECT_EQ(texts("B", "web"), std::vector<std::string>{});
    EXPECT_EQ(texts("B", "www"), std::vector<std::string>{"10.0.0.3"});
    names_.remove("A");
    EXPECT_FALSE(names_.name_of(*names_.find("B"), *os::IpAddress::parse("10.0.0.2")));
    EXPECT_EQ(names_.ids(), (std::vector<std::string>{"B", "C"}));
}

}  // namespace
}  // namespace proa::resolver
