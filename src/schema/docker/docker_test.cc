#include <gtest/gtest.h>

#include "schema/docker/container.h"
#include "schema/docker/event.h"

namespace proa::docker {

TEST(DockerSchema, CreateRequestTakesConfigAtTheTopLevel) {
    auto request = json::decode<CreateRequest>(
        R"({"Image":"bb","Cmd":["sh"],"tty":true,"HostConfig":{"Memory":7340032,"PortBindings":{"80/tcp":[{"HostPort":"8080"}]},"Init":null},"NetworkingConfig":{"EndpointsConfig":{"n":null}}})");
    ASSERT_TRUE(request) << request.error().message();
    EXPECT_EQ(request->config.image, "bb");
    EXPECT_TRUE(request->config.tty);
    EXPECT_EQ(request->host_config.resources.memory, 7340032);
    EXPECT_EQ(request->host_config.port_bindings->find("80/tcp")->at(0).host_port, "8080");
    EXPECT_FALSE(request->host_config.init);
}

TEST(DockerSchema, UnsetHostConfigPrintsNulls) {
    std::string text = json::encode(HostConfig{});
    EXPECT_NE(text.find("\"Binds\":null"), std::string::npos);
    EXPECT_NE(text.find("\"CpuShares\":0"), std::string::npos);
    EXPECT_EQ(text.find("\"Init\""), std::string::npos);
}

TEST(DockerSchema, NeverStartedStateHasZeroTimes) {
    EXPECT_EQ(json::encode(ContainerState{}),
              R"({"Status":"created","Running":false,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":0,"ExitCode":0,"Error":"","StartedAt":"0001-01-01T00:00:00Z","FinishedAt":"0001-01-01T00:00:00Z"})");
}

}  // namespace proa::docker
