#include "volume/store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "volume/copy_tree.h"

namespace proa::volume {

namespace {

/// A data root of the test's own; records.db exists as the daemon makes it before.
class StoreTest : public testing::Test {
protected:
    StoreTest() {
        char pattern[] = "/tmp/proa-volume-XXXXXX";
        root_ = ::mkdtemp(pattern);
        (void)os::write_file(root_ + "/records.db", "");
        open();
    }
    ~StoreTest() override {
        store_.reset();
        (void)os::remove_tree(root_);
    }
    void open() {
        store_.reset();
        auto opened = Store::open(root_, root_ + "/records.db", {});
        ASSERT_TRUE(opened) << opened.error().message();
        store_ = std::move(*opened);
    }
    std::string data(const std::string& name) const { return root_ + "/volumes/" + name + "/_data"; }
    Result<Created> create(const std::string& name, const std::string& reference = "") {
        CreateOptions options;
        options.name = name;
        options.reference = reference;
        return store_->create(options);
    }
    /// A record as a daemon leaves it that dies in the middle of something.
    void leave(const Record& record) {
        store_.reset();
        auto table = RecordTable::open(root_ + "/records.db");
        ASSERT_TRUE(table);
        ASSERT_TRUE((*table)->save(record));
    }

    std::string root_;
    std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, RemembersVolumesAcrossRestarts) {
    CreateOptions options;
    options.name = "kept";
    options.labels = docker::StringMap{{"a", "b"}};
    options.options = docker::StringMap{{"type", "tmpfs"}, {"device", "tmpfs"}};
    ASSERT_TRUE(store_->create(options));
    open();
    auto found = store_->find("kept");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->labels, options.labels);
    EXPECT_EQ(found->options, options.options);
    EXPECT_EQ(found->mountpoint, data("kept"));
    EXPECT_FALSE(found->created_at.empty());
}

TEST_F(StoreTest, BootFinishesARemovalThatHadBegun) {
    ASSERT_TRUE(create("going"));
    leave(Record{.name = "going", .removing = true});
    open();
    EXPECT_FALSE(store_->find("going"));
    EXPECT_FALSE(os::exists(root_ + "/volumes/going"));
}

TEST_F(StoreTest, BootFinishesARemovalWhoseDirectoryWasMovedAway) {
    ASSERT_TRUE(create("going"));
    store_.reset();
    ASSERT_TRUE(os::rename_path(root_ + "/volumes/going", root_ + "/volumes/.removed-going"));
    open();
    EXPECT_FALSE(store_->find("going"));
    EXPECT_FALSE(os::exists(root_ + "/volumes/.removed-going"));
}

TEST_F(StoreTest, BootThrowsHalfFilledVolumesAway) {
    ASSERT_TRUE(create("half"));
    leave(Record{.name = "half", .filling = true});
    ASSERT_TRUE(os::make_directories(root_ + "/volumes/.filling-other", 0700));
    open();
    EXPECT_FALSE(store_->find("half"));
    EXPECT_FALSE(os::exists(root_ + "/volumes/half"));
    EXPECT_FALSE(os::exists(root_ + "/volumes/.filling-other"));
}

TEST_F(StoreTest, BootFinishesARenameAtEveryPointOfIt) {
    for (bool moved : {false, true}) {
        ASSERT_TRUE(create("old"));
        ASSERT_TRUE(os::write_file(data("old") + "/file", "content"));
        leave(Record{.name = "new", .labels = docker::StringMap{{"a", "b"}}, .renamed_from = "old"});
        if (moved) {
            ASSERT_TRUE(os::rename_path(root_ + "/volumes/old", root_ + "/volumes/new"));
        }
        open();
        EXPECT_FALSE(store_->find("old"));
        auto found = store_->find("new");
        ASSERT_TRUE(found);
        EXPECT_EQ(found->labels->at("a"), "b");
        EXPECT_EQ(os::read_file(data("new") + "/file").value_or(""), "content");
        ASSERT_TRUE(store_->remove("new", false));
    }
}

TEST_F(StoreTest, BootKeepsDirectoriesThatNoRecordNames) {
    ASSERT_TRUE(os::make_directories(data("restored"), 0755));
    ASSERT_TRUE(os::write_file(data("restored") + "/file", "precious"));
    open();
    EXPECT_TRUE(store_->find("restored"));
    EXPECT_EQ(os::read_file(data("restored") + "/file").value_or(""), "precious");
}

TEST_F(StoreTest, AnonymousVolumesOfContainersThatNeverCameToBeGoAtBoot) {
    auto unclaimed = create("", "container-1"), claimed = create("", "container-2"), known = create("", "container-3");
    ASSERT_TRUE(unclaimed && claimed && known);
    ASSERT_TRUE(store_->claim(claimed->volume.name));
    open();
    ASSERT_TRUE(store_->add_reference(known->volume.name, "container-3"));
    ASSERT_TRUE(store_->remove_unclaimed());
    EXPECT_FALSE(store_->find(unclaimed->volume.name));
    EXPECT_TRUE(store_->find(claimed->volume.name));
    EXPECT_TRUE(store_->find(known->volume.name));
}

TEST_F(StoreTest, ReferencesForbidRemovalAndRename) {
    ASSERT_TRUE(create("used", "one"));
    ASSERT_TRUE(store_->add_reference("used", "two"));
    auto removed = store_->remove("used", true);
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().message(), "remove used: volume is in use - [one, two]");
    EXPECT_TRUE(store_->rename("used", "other").error().is(ErrorKind::Conflict));
    store_->drop_reference("used", "one");
    store_->drop_reference("used", "two");
    EXPECT_TRUE(store_->rename("used", "other"));
    EXPECT_TRUE(store_->remove("other", false));
}

TEST_F(StoreTest, FillsOnlyWhatIsEmpty) {
    ASSERT_TRUE(create("vol"));
    ASSERT_TRUE(os::make_directories(root_ + "/image/sub", 0711));
    ASSERT_TRUE(os::write_file(root_ + "/image/file", "one"));
    ASSERT_EQ(::mkfifo((root_ + "/image/fifo").c_str(), 0600), 0);
    auto image = os::open_file(root_ + "/image", O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(image);
    ASSERT_TRUE(store_->fill_when_empty("vol", image->get()));
    EXPECT_EQ(os::list_directory(data("vol")).value(), (std::vector<std::string>{"file", "sub"}));
    EXPECT_EQ(os::status(data("vol") + "/sub")->st_mode & 07777, 0711u);
    ASSERT_TRUE(os::write_file(root_ + "/image/file", "two"));
    ASSERT_TRUE(store_->fill_when_empty("vol", image->get()));
    EXPECT_EQ(os::read_file(data("vol") + "/file").value_or(""), "one");
    EXPECT_EQ(os::list_directory(root_ + "/volumes").value(), (std::vector<std::string>{"vol"}));
}

TEST_F(StoreTest, AFailedFillLeavesNothing) {
    auto made = store_->create_filled("vol", {}, [](int) -> Result<void> { return fail(ErrorKind::Internal, "no"); });
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message(), "create vol: no");
    EXPECT_TRUE(os::list_directory(root_ + "/volumes").value().empty());
    EXPECT_TRUE(create("vol")->is_new);
}

TEST_F(StoreTest, AHugeSparseFileStaysSparse) {
    ASSERT_TRUE(create("from"));
    {
        auto file = os::open_file(data("from") + "/sparse", O_WRONLY | O_CREAT, 0600);
        ASSERT_EQ(::ftruncate(file->get(), off_t(1) << 40), 0);
        ASSERT_EQ(::pwrite(file->get(), "x", 1, off_t(1) << 39), 1);
    }
    ASSERT_TRUE(store_->copy("from", "to", {}));
    auto copied = os::status(data("to") + "/sparse");
    ASSERT_TRUE(copied);
    EXPECT_EQ(copied->st_size, off_t(1) << 40);
    EXPECT_LT(copied->st_blocks, 4096);
    EXPECT_GE(store_->size("to"), off_t(1) << 40);
}

TEST(CopyTreeTest, FollowsNoLinksAndKeepsHardLinks) {
    char pattern[] = "/tmp/proa-copy-XXXXXX";
    std::string root = ::mkdtemp(pattern);
    ASSERT_TRUE(os::make_directories(root + "/from/deep", 0755));
    ASSERT_TRUE(os::make_directories(root + "/to", 0755));
    ASSERT_TRUE(os::write_file(root + "/from/deep/file", "content"));
    ASSERT_EQ(::link((root + "/from/deep/file").c_str(), (root + "/from/other").c_str()), 0);
    ASSERT_TRUE(os::make_symlink("/etc", root + "/from/etc"));
    auto from = os::open_file(root + "/from", O_RDONLY | O_DIRECTORY), to = os::open_file(root + "/to", O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(copy_tree(from->get(), to->get(), Keep::FilesOnly));
    EXPECT_EQ(os::status(root + "/to/other")->st_ino, os::status(root + "/to/deep/file")->st_ino);
    EXPECT_EQ(os::read_link(root + "/to/etc").value_or(""), "/etc");
    EXPECT_EQ(tree_size(to->get()).value_or(0), 11);  // seven bytes once, and the link's four
    ASSERT_TRUE(change_owner(to->get(), ::getuid(), ::getgid()));
    (void)os::remove_tree(root);
}

TEST(MountOptionsTest, ReadsDockersForms) {
    auto parse = [](docker::StringMap options) { return parse_mount_options(options); };
    EXPECT_FALSE(parse({})->has_value());
    auto bind = parse({{"type", "none"}, {"device", "/x"}, {"o", "bind,ro,rshared"}});
    ASSERT_TRUE(bind && *bind);
    EXPECT_EQ((*bind)->data, "");
    EXPECT_NE((*bind)->flags, 0u);
    auto nfs = parse({{"type", "nfs"}, {"device", ":/export"}, {"o", "addr=10.0.0.1,rw,vers=4"}});
    ASSERT_TRUE(nfs && *nfs);
    EXPECT_EQ((*nfs)->data, "addr=10.0.0.1,vers=4");
    EXPECT_EQ(parse({{"odd", "x"}}).error().message(), "invalid option: \"odd\"");
    EXPECT_EQ(parse({{"device", "x"}}).error().message(), "missing required option: \"type\"");
    EXPECT_EQ(parse({{"size", "10g"}}).error().message(), "quota size requested but no quota support");
}

TEST(MountOptionsTest, PasswordsStayOutOfErrors) {
    char pattern[] = "/tmp/proa-mount-XXXXXX";
    std::string root = ::mkdtemp(pattern);
    auto target = os::open_file(root, O_PATH | O_DIRECTORY);
    auto options = parse_mount_options(docker::StringMap{{"type", "nosuchfs"}, {"device", "dev"}, {"o", "username=me,password=secret"}});
    auto mounted = mount_volume(**options, target->get(), root);
    ASSERT_FALSE(mounted);
    EXPECT_NE(mounted.error().message().find("password=********"), std::string::npos);
    EXPECT_EQ(mounted.error().message().find("secret"), std::string::npos);
    (void)os::remove_tree(root);
}

}  // namespace

}  // namespace proa::volume
