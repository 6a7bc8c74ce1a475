#include "registry/challenge.h"

#include <gtest/gtest.h>

namespace proa::registry {

TEST(Challenge, ReadsBearerWithAllParameters) {
    auto found = parse_challenges(R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push")");
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].scheme, "bearer");
    EXPECT_EQ(found[0].parameter("realm"), "https://auth.docker.io/token");
    EXPECT_EQ(found[0].parameter("scope"), "repository:a/b:pull,push");
    EXPECT_EQ(found[0].parameter("error"), "");
}

TEST(Challenge, ReadsSeveralInOneField) {
    auto found = parse_challenges(R"(Basic realm="a, b", Bearer service=x , realm="y\"z", Negotiate)");
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found[0].parameter("realm"), "a, b");
    EXPECT_EQ(found[1].parameter("realm"), "y\"z");
    EXPECT_EQ(found[1].parameter("service"), "x");
    EXPECT_EQ(found[2].scheme, "negotiate");
}

TEST(Challenge, SurvivesNonsense) {
    for (auto text : {"", ",,,", "=", "\"", "Bearer realm=\"", "Bearer =x", "\x01\x02", "a=b"}) (void)parse_challenges(text);
    EXPECT_TRUE(parse_challenges("a=b").empty());
}

}  // namespace proa::registry
