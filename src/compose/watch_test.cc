#include "compose/watch.h"

#include <gtest/gtest.h>

namespace proa::compose {
namespace {

WatchTrigger rule(std::string action, std::string path, std::string target = "") {
    WatchTrigger trigger;
    trigger.action = std::move(action);
    trigger.path = std::move(path);
    trigger.target = std::move(target);
    return trigger;
}

Project project_with(std::vector<WatchTrigger> triggers, bool builds = true) {
    Project project;
    Service service;
    service.name = "web";
    if (builds) service.build.emplace().context = "/nowhere";
    service.develop.emplace().watch = std::move(triggers);
    project.services["web"] = std::move(service);
    return project;
}

using Synced = std::set<SyncedPath>;

TEST(WatchRules, MapPathsToWhereTheyBelong) {
    auto project = project_with({rule("sync", "/src", "/app"), rule("sync", "/etc/one.conf", "/conf/other.conf"), rule("sync+restart", "/src/boot", "/boot")});
    auto rules = *WatchRules::of(project, {});
    EXPECT_EQ(rules.paths(), (std::vector<std::string>{"/etc/one.conf", "/src"}));
    auto work = rules.work_for({"/src/a/b", "/etc/one.conf", "/src/boot/x", "/srcs/no"});
    EXPECT_EQ(work.sync["web"],
              (Synced{{"/src/a/b", "/app/a/b"}, {"/etc/one.conf", "/conf/other.conf"}, {"/src/boot/x", "/app/boot/x"}, {"/src/boot/x", "/boot/x"}}));
    EXPECT_EQ(work.restart, std::set<std::string>{"web"});
    EXPECT_TRUE(work.rebuild.empty() && work.exec.empty());
}

TEST(WatchRules, LeaveOutWhatIsIgnored) {
    auto trigger = rule("sync", "/src", "/app");
    trigger.ignore = {"node_modules/", "*.log", "!keep.log"};
    auto project = project_with({trigger});
    auto rules = *WatchRules::of(project, {});
    auto work = rules.work_for({"/src/node_modules/x", "/src/a.log", "/src/keep.log", "/src/.git/HEAD", "/src/sub/.git/HEAD", "/src/.x.swp", "/src/x~",
                                "/src/4913", "/src/.gitignore"});
    EXPECT_EQ(work.sync["web"], (Synced{{"/src/keep.log", "/app/keep.log"}, {"/src/.gitignore", "/app/.gitignore"}}));
    EXPECT_TRUE(rules.skips("/src/.git"));
    EXPECT_TRUE(rules.skips("/src/.git/objects"));
    EXPECT_FALSE(rules.skips("/src"));
    EXPECT_FALSE(rules.skips("/src/sub"));
}

TEST(WatchRules, IncludeOnlyWhatIsNamed) {
    auto trigger = rule("sync", "/src", "/app");
    trigger.include = {"*.py", "templates/**"};
    auto project = project_with({trigger});
    auto work = (*WatchRules::of(project, {})).work_for({"/src/a.py", "/src/b.txt", "/src/templates/x/y.html"});
    EXPECT_EQ(work.sync["web"], (Synced{{"/src/a.py", "/app/a.py"}, {"/src/templates/x/y.html", "/app/templates/x/y.html"}}));
}

TEST(WatchRules, RunACommandOnceForManyFiles) {
    auto trigger = rule("sync+exec", "/src", "/app");
    trigger.exec.command = std::vector<std::string>{"reload"};
    auto project = project_with({trigger});
    auto work = (*WatchRules::of(project, {})).work_for({"/src/a", "/src/b"});
    ASSERT_EQ(work.exec["web"].size(), 1u);
    EXPECT_EQ(work.sync["web"].size(), 2u);
}

TEST(WatchRules, SynchroniseAtFirstOnlyWhereAsked) {
    auto first = rule("sync", "/src", "/app");
    first.initial_sync = true;
    auto project = project_with({first, rule("sync", "/src/later", "/later")});
    auto work = (*WatchRules::of(project, {})).initial_work({"/src", "/src/later/x"});
    EXPECT_EQ(work.sync["web"], (Synced{{"/src", "/app"}, {"/src/later/x", "/app/later/x"}}));
}

TEST(WatchRules, RefuseWhatCannotWork) {
    auto without_build = project_with({rule("rebuild", "/src")}, false);
    EXPECT_EQ(WatchRules::of(without_build, {}).error().message(), "can't watch service \"web\" with action rebuild without a build context");
    auto without_command = project_with({rule("sync+exec", "/src", "/app")});
    EXPECT_EQ(WatchRules::of(without_command, {}).error().message(), "can't watch service \"web\" with action sync+exec without a command");
    auto project = project_with({rule("sync", "/src", "/app")});
    EXPECT_TRUE(WatchRules::of(project, {"other"}).error().message().starts_with("none of the selected services is configured for watch"));
}

TEST(WatchRules, WarnOfWhatAMountShowsAlready) {
    auto project = project_with({rule("sync", "/src/part", "/app"), rule("rebuild", "/src")});
    ServiceVolume mount;
    mount.type = "bind";
    mount.source = "/src";
    project.services["web"].volumes.push_back(mount);
    auto rules = *WatchRules::of(project, {});
    ASSERT_EQ(rules.warnings().size(), 1u);
    EXPECT_TRUE(rules.work_for({"/src/part/x"}).sync.empty());
    EXPECT_EQ(rules.work_for({"/src/part/x"}).rebuild, std::set<std::string>{"web"});
}

}  // namespace
}  // namespace proa::compose
