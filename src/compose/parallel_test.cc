#include "compose/parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>

namespace proa::compose {
namespace {

TEST(RunGraph, KeepsTheOrderAndRunsTheRestSideBySide) {
    TaskGraph graph{{"a", "b", "c", "d"}, {{"b", {"a"}}, {"d", {"b", "c", "not a task"}}}};
    std::vector<std::string> order;
    std::mutex mutex;
    ASSERT_TRUE(run_graph(graph, 0, [&](const std::string& task) -> Result<void> {
        std::lock_guard lock(mutex);
        order.push_back(task);
        return {};
    }));
    auto place = [&](const char* task) { return std::find(order.begin(), order.end(), task) - order.begin(); };
    EXPECT_EQ(order.size(), 4u);
    EXPECT_LT(place("a"), place("b"));
    EXPECT_LT(place("b"), place("d"));
    EXPECT_LT(place("c"), place("d"));
    EXPECT_TRUE(graph.reversed().after["a"].contains("b"));
}

TEST(RunGraph, BeginsNothingAfterAFailure) {
    TaskGraph graph{{"a", "b"}, {{"b", {"a"}}}};
    int runs = 0;
    auto done = run_graph(graph, 1, [&](const std::string&) -> Result<void> {
        runs++;
        return fail(ErrorKind::Conflict, "no");
    });
    EXPECT_EQ(done.error().message(), "no");
    EXPECT_EQ(runs, 1);
}

TEST(RunParallel, RunsAllAndGivesTheFirstFailure) {
    std::atomic<int> runs = 0;
    auto done = run_parallel(100, 4, [&](size_t index) -> Result<void> {
        runs++;
        if (index % 10 == 7) return fail(ErrorKind::Conflict, std::to_string(index));
        return {};
    });
    EXPECT_EQ(runs, 100);
    EXPECT_EQ(done.error().message(), "7");
    EXPECT_TRUE(run_parallel(0, 0, [](size_t) -> Result<void> { return fail(ErrorKind::Internal, "never"); }));
}

}  // namespace
}  // namespace proa::compose
