#include <gtest/gtest.h>

#include "compose/load.h"

namespace proa::compose {
namespace {

TEST(ConfigHash, IsComposesOwn) {
    Service service;
    service.image = "x";
    service.environment = {{"A", "<&>"}, {"B", "1"}};
    service.networks = {{"default", std::nullopt}};
    service.deploy.emplace();
    service.deploy->replicas = 2;
    service.deploy->labels = {{"a", "b"}};
    EXPECT_EQ(config_hash(service), "c261fcfda0e7636f428d5b48c98c1a0b5b340ae20d5a6e1dec2215fbc87361d5");
}

TEST(ConfigHash, LeavesOutWhatDoesNotShapeTheContainer) {
    Service service;
    service.image = "x";
    service.command = {"a"};
    service.networks = {{"default", std::nullopt}};
    service.scale = 3;
    service.profiles = {"z"};
    EXPECT_EQ(config_hash(service), "a36a5fc1ebdd62ac944fd0e5fcaa29978a64f6a4acbedcf41e77b1a87ebff92b");
    service.pull_policy = "always";
    service.build.emplace();
    EXPECT_EQ(config_hash(service), "a36a5fc1ebdd62ac944fd0e5fcaa29978a64f6a4acbedcf41e77b1a87ebff92b");
}

TEST(Service, CountsReplicas) {
    Service service;
    EXPECT_EQ(service.replicas(), 1);
    service.deploy.emplace();
    service.deploy->replicas = 4;
    EXPECT_EQ(service.replicas(), 4);
    service.scale = 0;
    EXPECT_EQ(service.replicas(), 0);
}

}  // namespace
}  // namespace proa::compose
