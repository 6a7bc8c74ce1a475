#include <gtest/gtest.h>

#include "engine/watch_events.h"

namespace proa::engine {
namespace {

TEST(WatchEvents, MissesNothingThatItsClientCausesOnceItIsAnswered) {
    container::EventBus bus;
    std::vector<std::string> seen;
    EventSink sink;
    sink.begin = [&]() -> Result<void> {
        bus.publish("daemon", "reload", "id", {});
        return {};
    };
    sink.event = [&](docker::Event event) -> Result<void> {
        seen.push_back(event.action);
        return {};
    };
    sink.wait = [](int, int) -> Result<bool> { return fail(ErrorKind::Cancelled, "the client went away"); };
    EXPECT_FALSE(watch_events(bus, {}, sink));
    EXPECT_EQ(seen, std::vector<std::string>{"reload"});
}

}  // namespace
}  // namespace proa::engine
