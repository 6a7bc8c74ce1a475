#include "store/image_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <cstdlib>
#include <thread>

#include "base/text.h"
#include "codec/tar.h"
#include "os/file.h"
#include "store/builtin_images.h"

namespace proa::store {
namespace {
using codec::TarEntry;
using codec::TarType;

struct ArchiveFile {
    std::string name, text;
};

std::string tar_of(const std::vector<ArchiveFile>& files) {
    codec::StringSink sink;
    codec::TarWriter tar(sink);
    for (auto& file : files) EXPECT_TRUE(tar.add({.name = file.name, .mode = 0644, .size = file.text.size()}, file.text));
    EXPECT_TRUE(tar.finish());
    return sink.text;
}

std::string config_of(const std::vector<std::string>& layers, const std::string& command = "sh") {
    oci::ImageConfig config;
    config.architecture = oci::Platform::host().architecture;
    config.os = "linux";
    config.created = Time{1700000000, 0};
    config.config.cmd = {{command}};
    for (auto& layer : layers) {
        config.root_fs.diff_ids.push_back(Digest::of(layer).text());
        config.history.push_back({.created = config.created, .created_by = "ADD " + command});
    }
    config.history.push_back({.created = config.created, .created_by = "CMD " + command, .empty_layer = true});
    return json::encode(config);
}

/// An archive as Docker wrote them before 25.
std::string docker_archive(const std::string& tags, const std::vector<std::string>& layers, const std::string& command = "sh") {
    std::string config = config_of(layers, command);
    std::string hex(Digest::of(config).hex());
    std::vector<ArchiveFile> files{{hex + ".json", config}};
    std::string names;
    for (size_t i = 0; i < layers.size(); i++) {
        files.push_back({concat("layer", i, "/layer.tar"), layers[i]});
        files.push_back({concat("layer", i, "/VERSION"), "1.0"});
        names += concat(i ? "," : "", "\"layer", i, "/layer.tar\"");
    }
    files.push_back({"manifest.json", concat("[{\"Config\":\"", hex, ".json\",\"RepoTags\":", tags, ",\"Layers\":[", names, "]}]")});
    return tar_of(files);
}

class ImageStoreTest : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/proa-store-XXXXXX";
        base = mkdtemp(name);
        open();
    }
    void TearDown() override {
        store.reset();
        ASSERT_TRUE(os::remove_tree(base));
    }
    void open() {
        store.reset();
        auto opened = ImageStore::open(base + "/data");
        ASSERT_TRUE(opened) << opened.error().message();
        store = std::move(*opened);
    }
    Result<std::vector<LoadedImage>> load(std::string_view archive) {
        codec::MemorySource source(archive, 100000);
        return store->load_archive(source);
    }
    void shell(const std::string& line) { ASSERT_EQ(std::system(concat("cd ", base, " && { ", line, "; }").c_str()), 0) << line; }
    std::string saved(const std::vector<std::string>& names) {
        codec::StringSink sink;
        auto done = store->save(names, sink);
        EXPECT_TRUE(done) << done.error().message();
        return sink.text;
    }
    size_t blob_count() { return store->blobs().list()->size(); }
    size_t layer_count() {
        store->settle();
        size_t count = 0;
        auto names = *os::list_directory(store->layers_directory());
        for (auto& name : names) count += name != "l" && name != "empty" && name != "bottom";
        return count;
    }
    std::string removed(std::string_view text, bool force = false, std::vector<ImageUser> users = {}) {
        auto items = store->remove(text, force, true, [&](const Digest&) { return users; });
        if (!items) return items.error().message();
        std::string out;
        for (auto& item : *items) out += concat(item.deleted ? "D " : "U ", item.text, "\n");
        return out;
    }
    std::string base;
    std::unique_ptr<ImageStore> store;
};

const std::string kBase = tar_of({{"etc/base", "base"}, {"bin/sh", "shell"}});
const std::string kTop = tar_of({{"etc/top", "top"}, {"bin/.wh.sh", ""}});

TEST_F(ImageStoreTest, LoadsADockerArchive) {
    auto loaded = load(docker_archive(R"(["app:1","reg.io:5000/x/app:2"])", {kBase, kTop}));
    ASSERT_TRUE(loaded) << loaded.error().message();
    ASSERT_EQ(loaded->size(), 2u);
    EXPECT_EQ(loaded->at(0).name, "app:1");
    auto image = *store->resolve("app:1");
    EXPECT_EQ(image->id, loaded->at(0).id);
    EXPECT_EQ(image->tags, (std::vector<std::string>{"app:1", "reg.io:5000/x/app:2"}));
    EXPECT_EQ(image->manifest()->config.config.cmd->at(0), "sh");
    auto lower = store->lower_directories(*image->manifest());
    ASSERT_TRUE(lower) << lower.error().message();
    ASSERT_EQ(lower->size(), 2u);
    EXPECT_EQ(*os::read_file(lower->at(0) + "/etc/top"), "top");
    EXPECT_EQ(*os::read_file(lower->at(1) + "/etc/base"), "base");
    EXPECT_TRUE(S_ISCHR(os::link_status(lower->at(0) + "/bin/sh")->st_mode));
    auto links = *store->lower_links(*image->manifest());
    EXPECT_EQ(*os::read_file(concat(store->layers_directory(), '/', links[0], "/etc/top")), "top");
    auto history = store->history(*image, *image->manifest());
    ASSERT_EQ(history.size(), 3u);
    EXPECT_EQ(history[0].id, image->id.text());
    EXPECT_EQ(history[0].size, 0);
    EXPECT_EQ(history[2].size, 9);
    EXPECT_EQ(store->sizes(*image).unpacked, 12);
}

TEST_F(ImageStoreTest, SurvivesReopening) {
    ASSERT_TRUE(load(docker_archive(R"(["app:1"])", {kBase})));
    auto id = store->resolve("app:1").value()->id;
    open();
    auto image = store->resolve("app:1");
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ((*image)->id, id);
    EXPECT_EQ(layer_count(), 1u);
    EXPECT_EQ(blob_count(), 3u);
}

TEST_F(ImageStoreTest, ResolvesNamesAndIds) {
    ASSERT_TRUE(load(docker_archive(R"(["app:latest","me/app:x"])", {kBase})));
    auto id = store->resolve("app").value()->id;
    for (auto text : {std::string("docker.io/library/app"), std::string("me/app:x"), id.text(), std::string(id.hex()), std::string(id.hex().substr(0, 12)),
                      std::string("sha256:") + std::string(id.hex().substr(0, 5)), store->find(id)->manifest()->config_digest.text(), "app@" + id.text()})
        EXPECT_TRUE(store->resolve(text)) << text;
    auto error = [&](std::string_view text) { return store->resolve(text).error().message(); };
    EXPECT_EQ(error("nope"), "No such image: nope:latest");
    EXPECT_EQ(error("me/app"), "No such image: me/app:latest");
    EXPECT_EQ(error("other@" + id.text()), "No such image: other@" + id.text());
    EXPECT_EQ(error("UPPER"), "invalid reference format: repository name (library/UPPER) must be lowercase");
    EXPECT_EQ(store->resolve("a b").error().kind(), ErrorKind::InvalidArgument);
    EXPECT_EQ(store->resolve("nope").error().kind(), ErrorKind::NotFound);
}

TEST_F(ImageStoreTest, SaveAndLoadKeepEveryByte) {
    ASSERT_TRUE(load(docker_archive(R"(["app:1","app:2"])", {kBase, kTop})));
    ASSERT_TRUE(load(docker_archive(R"(["other:1"])", {kBase}, "other")));
    std::string first = saved({"app", "other:1"});
    auto app = store->resolve("app:1").value()->id;
    for (auto name : {"app:1", "app:2", "other:1"}) removed(name);
    EXPECT_EQ(blob_count(), 0u);
    EXPECT_EQ(layer_count(), 0u);
    auto loaded = load(first);
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_EQ(loaded->size(), 3u);
    EXPECT_EQ(store->resolve("app:2").value()->id, app);
    EXPECT_TRUE(saved({"app", "other:1"}) == first);
    EXPECT_TRUE(saved({"other:1", "app:2", "app:1"}).size() == first.size());
}

TEST_F(ImageStoreTest, SkopeoReadsWhatWeSave) {
    shell("cp /bin/busybox sh && tar --owner=0 --group=0 -cf layer.tar sh");
    ASSERT_TRUE(load(docker_archive(R"(["bb:1"])", {*os::read_file(base + "/layer.tar")})));
    ASSERT_TRUE(os::write_file(base + "/out.tar", saved({"bb:1"})));
    shell("skopeo --insecure-policy inspect docker-archive:out.tar:bb:1 > /dev/null");
    shell("skopeo --insecure-policy copy -q oci-archive:out.tar oci:layout:again");
    shell("skopeo --insecure-policy copy -q docker-archive:out.tar:bb:1 docker-archive:two.tar:bb:2");
    shell(
        "skopeo --insecure-policy copy -q --dest-compress-format zstd dir:/nonexistent dir:x 2>/dev/null; skopeo --insecure-policy copy -q oci-archive:out.tar "
        "oci-archive:three.tar:bb:3");
    for (auto [file, name] : {std::pair("two.tar", "bb:2"), {"three.tar", "bb:3"}}) {
        std::string text = *os::read_file(concat(base, '/', std::string_view(file)));
        auto loaded = load(text);
        ASSERT_TRUE(loaded) << file << ": " << loaded.error().message();
        EXPECT_EQ(loaded->at(0).name, name);
    }
}

TEST_F(ImageStoreTest, LoadsWhatPythonPacks) {
    ASSERT_TRUE(os::write_file(base + "/pack.py", R"(
import tarfile, json, hashlib, io, sys
def add(t, name, data, **kw):
    i = tarfile.TarInfo(name); i.size = len(data)
    for k, v in kw.items(): setattr(i, k, v)
    t.addfile(i, io.BytesIO(data))
layer = io.BytesIO()
with tarfile.open(fileobj=layer, mode='w', format=tarfile.PAX_FORMAT) as t:
    add(t, 'bin/busybox', open('/bin/busybox', 'rb').read(), mode=0o755, mtime=1.5)
    l = tarfile.TarInfo('bin/sh'); l.type = tarfile.LNKTYPE; l.linkname = 'bin/busybox'; t.addfile(l)
data = layer.getvalue()
cfg = json.dumps({'architecture':'amd64','os':'linux','config':{'Cmd':['sh']},'rootfs':{'type':'layers','diff_ids':['sha256:'+hashlib.sha256(data).hexdigest()]}}).encode()
with tarfile.open('img.tar', 'w:' + sys.argv[1]) as t:
    add(t, 'c.json', cfg)
    add(t, 'aaa/layer.tar', data)
    s = tarfile.TarInfo('bbb/layer.tar'); s.type = tarfile.SYMTYPE; s.linkname = '../aaa/layer.tar'; t.addfile(s)
    add(t, 'manifest.json', json.dumps([{'Config':'c.json','RepoTags':['bb:latest'],'Layers':['bbb/layer.tar']}]).encode())
)"));
    std::string id;
    for (auto compression : {"", "gz", "bz2", "xz"}) {
        shell(concat("python3 pack.py '", std::string_view(compression), "'"));
        auto loaded = load(*os::read_file(base + "/img.tar"));
        ASSERT_TRUE(loaded) << loaded.error().message();
        if (id.empty()) id = loaded->at(0).id.text();
        EXPECT_EQ(loaded->at(0).id.text(), id);
    }
    auto lower = *store->lower_directories(*store->resolve("bb").value()->manifest());
    shell(concat(lower[0], "/bin/sh -c true"));
}

TEST_F(ImageStoreTest, RefusesBadArchives) {
    auto error = [&](const std::string& archive) { return load(archive).error().message(); };
    EXPECT_EQ(error(tar_of({{"x", "y"}})), "unrecognized image format");
    EXPECT_EQ(error("not a tar at all" + std::string(600, ' ')), "archive/tar: invalid tar header");
    std::string good = docker_archive(R"(["app:1"])", {kBase});
    EXPECT_EQ(error(good.substr(0, good.size() / 2)), "archive/tar: unexpected EOF");
    std::string config = config_of({kTop});
    EXPECT_NE(error(tar_of({{"c", config}, {"l", kBase}, {"manifest.json", R"([{"Config":"c","RepoTags":null,"Layers":["l"]}])"}}))
                  .find("the image configuration says"),
              std::string::npos);
    EXPECT_EQ(error(tar_of({{"c", config}, {"manifest.json", R"([{"Config":"c","RepoTags":null,"Layers":["l"]}])"}})),
              "manifest.json names \"l\", which is not in the archive");
    EXPECT_NE(error(tar_of({{"blobs/sha256/" + std::string(64, 'a'), "x"}, {"index.json", "{}"}})).find("unexpected commit digest"), std::string::npos);
    EXPECT_EQ(error(tar_of({{"repositories", "{}"}})), "the archive has no manifest.json: archives of Docker before 1.10 are not supported");
    EXPECT_EQ(blob_count(), 0u);
    EXPECT_EQ(layer_count(), 0u);
    EXPECT_TRUE(store->list().empty());
}

TEST_F(ImageStoreTest, ReadsIndexesAndPicksThePlatform) {
    std::vector<ArchiveFile> files;
    auto blob = [&](const std::string& text) {
        files.push_back({"blobs/sha256/" + std::string(Digest::of(text).hex()), text});
        return concat("\"digest\":\"", Digest::of(text).text(), "\",\"size\":", text.size());
    };
    auto manifest = [&](const std::string& layer, const std::string& arch) {
        std::string config = replace_all(config_of({layer}), concat('"', oci::Platform::host().architecture, '"'), concat('"', arch, '"'));
        std::string config_part = blob(config), layer_part = blob(layer);
        std::string text = concat(
            R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",)",
            config_part, R"(},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar",)", layer_part, "}]}");
        return concat(R"({"mediaType":"application/vnd.oci.image.manifest.v1+json",)", blob(text), R"(,"platform":{"os":"linux","architecture":")", arch,
                      "\"}}");
    };
    std::string host = oci::Platform::host().architecture;
    std::string index = concat(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)", manifest(kTop, "s390x"), ",",
                               manifest(kBase, host), ",", R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:)",
                               std::string(64, 'b'), R"(","size":5,"platform":{"os":"linux","architecture":"riscv64"}}]})");
    std::string target = blob(index);
    files.push_back({"oci-layout", R"({"imageLayoutVersion":"1.0.0"})"});
    files.push_back({"index.json", concat(R"({"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json",)", target,
                                          R"(,"annotations":{"io.containerd.image.name":"docker.io/library/multi:1"}}]})")});
    auto loaded = load(tar_of(files));
    ASSERT_TRUE(loaded) << loaded.error().message();
    auto image = *store->resolve("multi:1");
    EXPECT_EQ(image->id, Digest::of(index));
    ASSERT_EQ(image->manifests.size(), 3u);
    EXPECT_EQ(image->manifest()->platform->architecture, host);
    EXPECT_FALSE(image->manifests[2].available);
    EXPECT_EQ(image->manifest_for({.architecture = "s390x", .os = "linux"})->diff_ids[0], Digest::of(kTop));
    EXPECT_EQ(image->manifest_for({.architecture = "riscv64", .os = "linux"}), nullptr);
    std::string all = saved({"multi:1"});
    EXPECT_EQ(removed("multi:1"), concat("U multi:1\nD ", image->id.text(), "\n"));
    EXPECT_EQ(blob_count(), 0u);
    ASSERT_TRUE(load(all));
    EXPECT_TRUE(saved({"multi:1"}) == all);
    codec::StringSink one;
    ASSERT_TRUE(store->save({"multi:1"}, one, {oci::Platform{.architecture = "s390x", .os = "linux"}}));
    EXPECT_LT(one.text.size(), all.size());
}

TEST_F(ImageStoreTest, RemovesByDockersRules) {
    ASSERT_TRUE(load(docker_archive(R"(["app:1","app:2","me/app:x"])", {kBase})));
    auto id = store->resolve("app:1").value()->id;
    std::string short_text(id.hex().substr(0, 12)), c(64, 'c'), c12(12, 'c');
    EXPECT_EQ(removed("nope"), "No such image: nope:latest");
    EXPECT_EQ(removed("app:1", false, {{c, true}}), "U app:1\n");
    EXPECT_EQ(removed(short_text), concat("conflict: unable to delete ", short_text, " (must be forced) - image is referenced in multiple repositories"));
    EXPECT_EQ(removed("me/app:x"), "U me/app:x\n");
    EXPECT_EQ(removed("app:2", false, {{c, false}}), concat("conflict: unable to remove repository reference \"app:2\" (must force) - container ", c12,
                                                            " is using its referenced image ", short_text));
    EXPECT_EQ(removed(short_text, false, {{c, false}}),
              concat("conflict: unable to delete ", short_text, " (must be forced) - image is being used by stopped container ", c12));
    EXPECT_EQ(removed(short_text, true, {{c, true}}),
              concat("conflict: unable to delete ", short_text, " (cannot be forced) - image is being used by running container ", c12));
    EXPECT_EQ(removed("app:2", true, {{c, true}}), "U app:2\n");
    EXPECT_TRUE(store->find(id));
    EXPECT_TRUE(store->find(id)->tags.empty());
    EXPECT_EQ(removed(short_text), concat("D ", id.text(), "\n"));
    EXPECT_EQ(blob_count(), 0u);
    EXPECT_EQ(layer_count(), 0u);
}

TEST_F(ImageStoreTest, SharedLayersStay) {
    ASSERT_TRUE(load(docker_archive(R"(["a:1"])", {kBase, kTop})));
    ASSERT_TRUE(load(docker_archive(R"(["b:1"])", {kBase}, "other")));
    EXPECT_EQ(layer_count(), 2u);
    auto b = *store->resolve("b:1");
    EXPECT_EQ(store->sizes(*b).shared, 9);
    removed("a:1");
    EXPECT_EQ(layer_count(), 1u);
    EXPECT_TRUE(os::exists(store->lower_directories(*b->manifest())->at(0) + "/etc/base"));
    auto writable = store->create_writable_layer(std::string(64, 'c'), b->id);
    ASSERT_TRUE(writable);
    ASSERT_TRUE(os::write_file(writable->upper + "/f", "12345"));
    EXPECT_EQ(*store->writable_layer_size(std::string(64, 'c')), 5u);
    EXPECT_EQ(removed("b:1", true, {{std::string(64, 'c'), false}}), concat("U b:1\nD ", b->id.text(), "\n"));
    EXPECT_EQ(blob_count(), 0u);
    EXPECT_EQ(layer_count(), 2u);
    open();
    auto lower = store->lower_directories_of(std::string(64, 'c'));
    ASSERT_TRUE(lower) << lower.error().message();
    EXPECT_TRUE(os::exists(lower->at(0) + "/etc/base"));
    ASSERT_TRUE(store->remove_writable_layer(std::string(64, 'c')));
    EXPECT_EQ(layer_count(), 0u);
}

TEST_F(ImageStoreTest, ParentsGoWithTheirLastChild) {
    Lease lease = store->lease();
    codec::MemorySource tar(kBase), tar2(kTop);
    auto layer = store->add_layer(lease, tar);
    ASSERT_TRUE(layer) << layer.error().message();
    auto layer2 = *store->add_layer(lease, tar2, codec::Compression::Zstd);
    oci::ImageConfig config;
    config.architecture = oci::Platform::host().architecture;
    config.os = "linux";
    auto parent = store->create_image(lease, config, {layer_descriptor(*layer)}, {layer->diff_id});
    ASSERT_TRUE(parent) << parent.error().message();
    auto child = *store->create_image(lease, config, {layer_descriptor(*layer), layer_descriptor(layer2)}, {layer->diff_id, layer2.diff_id},
                                      {*oci::Reference::parse("built")}, (*parent)->id);
    EXPECT_EQ(store->children((*parent)->id).size(), 1u);
    EXPECT_NE(removed((*parent)->id.text(), true).find("image has dependent child images"), std::string::npos);
    EXPECT_EQ(removed("built"), concat("U built:latest\nD ", child->id.text(), "\nD ", (*parent)->id.text(), "\n"));
    EXPECT_EQ(blob_count(), 6u);  // the lease still holds them
    { Lease end = std::move(lease); }
    EXPECT_EQ(blob_count(), 0u);
    EXPECT_EQ(layer_count(), 0u);
}

TEST_F(ImageStoreTest, TagsMoveAndImport) {
    ASSERT_TRUE(load(docker_archive(R"(["a:1"])", {kBase})));
    codec::MemorySource tar(kTop);
    auto imported = store->import_rootfs(tar, *oci::Reference::parse("imp"), {}, "Imported from -", oci::Platform::host());
    ASSERT_TRUE(imported) << imported.error().message();
    EXPECT_EQ((*imported)->manifest()->config.comment, "Imported from -");
    ASSERT_TRUE(store->tag((*imported)->id, *oci::Reference::parse("a:1")));
    EXPECT_EQ(store->resolve("a:1").value()->id, (*imported)->id);
    EXPECT_EQ(store->list().size(), 2u);
    EXPECT_EQ(store->tag(Digest::of("x"), *oci::Reference::parse("a:2")).error().kind(), ErrorKind::NotFound);
    auto digest_name = *oci::Reference::parse("reg.io/imp@" + (*imported)->id.text());
    Lease lease = store->lease();
    ASSERT_TRUE(store->add_image(lease, (*imported)->descriptor(), {digest_name, *oci::Reference::parse("reg.io/imp:1")}));
    EXPECT_EQ(store->resolve("imp").value()->repository_digests, std::vector<std::string>{digest_name.text()});
    EXPECT_EQ(removed("reg.io/imp:1"), concat("U reg.io/imp:1\nU ", digest_name.text(), "\n"));
}

TEST_F(ImageStoreTest, EqualLayersAppearOnce) {
    ASSERT_TRUE(load(docker_archive(R"(["twice:1","none:1"])", {kBase, kTop, kBase})));
    auto lower = *store->lower_directories(*store->resolve("twice:1").value()->manifest());
    ASSERT_EQ(lower.size(), 2u);
    EXPECT_TRUE(os::exists(lower[0] + "/etc/base"));
    ASSERT_TRUE(load(docker_archive(R"(["empty:1"])", {})));
    auto empty = store->lower_directories(*store->resolve("empty:1").value()->manifest());
    ASSERT_TRUE(empty) << empty.error().message();
    EXPECT_EQ(empty->size(), 1u);
}

TEST_F(ImageStoreTest, ConcurrentWorkAgrees) {
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (int i = 0; i < 6; i++)
        threads.emplace_back([&, i] {
            for (int round = 0; round < 5; round++) {
                if (!load(docker_archive(concat("[\"app:", i, "\"]"), {kBase, kTop}))) failures++;
                if (i % 2) (void)store->remove(concat("app:", i), true, true, [](auto&) { return std::vector<ImageUser>(); });
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(failures, 0);
    auto lower = store->lower_directories(*store->resolve("app:0").value()->manifest());
    ASSERT_TRUE(lower) << lower.error().message();
    EXPECT_EQ(layer_count(), 2u);
    EXPECT_EQ(blob_count(), 4u);
}

TEST_F(ImageStoreTest, UnpacksOnceForManyCallers) {
    ASSERT_TRUE(load(docker_archive(R"(["app:1"])", {kBase, kTop})));
    auto image = *store->resolve("app:1");
    store.reset();
    shell("rm -rf data/overlay2");
    open();
    std::vector<std::thread> threads;
    std::atomic<int> good = 0;
    for (int i = 0; i < 8; i++) threads.emplace_back([&] { good += store->lower_directories(*image->manifest()).has_value(); });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(good, 8);
    EXPECT_EQ(layer_count(), 2u);
}

TEST_F(ImageStoreTest, LeftoversOfACrashAreSwept) {
    ASSERT_TRUE(load(docker_archive(R"(["app:1"])", {kBase})));
    shell(
        "echo part > data/content/ingest/abc; mkdir -p data/overlay2/unpacking-1/diff/etc data/overlay2/discarded-2 data/overlay2/0123; echo x > "
        "data/content/blobs/sha256/" +
        std::string(64, '1'));
    open();
    EXPECT_EQ(layer_count(), 1u);
    EXPECT_EQ(blob_count(), 3u);
    EXPECT_TRUE(os::list_directory(base + "/data/content/ingest")->empty());
}

TEST_F(ImageStoreTest, AKillAtAnyPointIsAllOrNothing) {
    std::string big = tar_of({{"big", std::string(3'000'000, 'b')}, {"etc/base", "base"}});
    std::string archive = docker_archive(R"(["app:1"])", {big, kTop});
    ASSERT_TRUE(load(docker_archive(R"(["before:1"])", {kBase}, "before")));
    for (size_t limit : {size_t(700), size_t(100'000), size_t(1'500'000), archive.size() - 9000, archive.size() - 700, SIZE_MAX}) {
        store.reset();
        pid_t child = fork();
        if (child == 0) {
            auto own = ImageStore::open(base + "/data");
            size_t given = 0;
            codec::FunctionSource source([&]() -> Result<std::string_view> {
                if (given >= limit) raise(SIGKILL);
                std::string_view piece = std::string_view(archive).substr(given, 65536);
                given += piece.size();
                return piece;
            });
            auto loaded = (*own)->load_archive(source);
            if (loaded) raise(SIGKILL);
            _exit(1);
        }
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status));
        open();
        EXPECT_TRUE(store->resolve("before:1"));
        EXPECT_EQ(store->resolve("app:1").has_value(), limit == SIZE_MAX) << limit;
        EXPECT_EQ(layer_count(), limit == SIZE_MAX ? 3u : 1u) << limit;
        EXPECT_EQ(blob_count(), limit == SIZE_MAX ? 7u : 3u) << limit;
    }
    auto lower = store->lower_directories(*store->resolve("app:1").value()->manifest());
    ASSERT_TRUE(lower) << lower.error().message();
    EXPECT_EQ(os::read_file(lower->at(1) + "/big")->size(), 3'000'000u);
}

TEST_F(ImageStoreTest, DamagedRecordsAreSetAside) {
    ASSERT_TRUE(load(docker_archive(R"(["good:1"])", {kBase})));
    ASSERT_TRUE(load(docker_archive(R"(["bad:1"])", {kTop}, "bad")));
    auto bad = *store->resolve("bad:1");
    std::string path = store->blobs().path_of(bad->id);
    store.reset();
    ASSERT_EQ(truncate(path.c_str(), 10), 0);
    open();
    EXPECT_TRUE(store->resolve("good:1"));
    EXPECT_EQ(store->resolve("bad:1").error().kind(), ErrorKind::NotFound);
    EXPECT_TRUE(store->blobs().has(bad->id));  // kept for whoever looks
    store.reset();
    ASSERT_TRUE(os::write_file(base + "/data/images.db", "garbage, not a database, and long enough to be looked at as one"));
    open();
    EXPECT_TRUE(store->list().empty());
    EXPECT_EQ(blob_count(), 6u);
    auto again = load(docker_archive(R"(["good:1"])", {kBase}));
    ASSERT_TRUE(again) << again.error().message();
}

TEST_F(ImageStoreTest, LayersThatWereNotOnDiskAreUnpackedAgain) {
    ASSERT_TRUE(load(docker_archive(R"(["app:1"])", {kBase})));
    store.reset();
    shell(
        "sqlite3 data/images.db \"UPDATE layers SET boot='another boot'\" 2>/dev/null || python3 -c \"import sqlite3; c=sqlite3.connect('data/images.db'); "
        "c.execute(\\\"UPDATE layers SET boot='another boot'\\\"); c.commit()\"; find data/overlay2 -name base -exec truncate -s 0 {} +");
    open();
    auto lower = store->lower_directories(*store->resolve("app:1").value()->manifest());
    ASSERT_TRUE(lower) << lower.error().message();
    EXPECT_EQ(*os::read_file(lower->at(0) + "/etc/base"), "base");
}

TEST_F(ImageStoreTest, CarriesHelloWorld) {
    auto archive = builtin_image_archive(*oci::Reference::parse("hello-world"));
    ASSERT_TRUE(archive);
    EXPECT_FALSE(builtin_image_archive(*oci::Reference::parse("hello-world:other")));
    EXPECT_FALSE(builtin_image_archive(*oci::Reference::parse("busybox")));
    auto loaded = load(*archive);
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_EQ(loaded->at(0).name, "hello-world:latest");
    auto lower = *store->lower_directories(*store->resolve("hello-world").value()->manifest());
    shell(lower[0] + "/hello > out");
    EXPECT_NE(os::read_file(base + "/out")->find("\nHello from Proa!\n"), std::string::npos);
    ASSERT_TRUE(os::write_file(base + "/hello.tar", *archive));
    shell("skopeo --insecure-policy inspect oci-archive:hello.tar > /dev/null && skopeo --insecure-policy inspect docker-archive:hello.tar > /dev/null");
}

TEST_F(ImageStoreTest, UpperDirectoriesBecomeLayers) {
    ASSERT_TRUE(load(docker_archive(R"(["app:1"])", {kBase})));
    auto image = *store->resolve("app:1");
    std::string id(64, 'd');
    auto writable = *store->create_writable_layer(id, image->id);
    ASSERT_TRUE(os::write_file(writable.upper + "/new", "text"));
    ASSERT_EQ(mknod((writable.upper + "/bin").c_str(), S_IFCHR, 0), 0);
    Lease lease = store->lease();
    auto layer = store->adopt_layer(lease, writable.upper);
    ASSERT_TRUE(layer) << layer.error().message();
    EXPECT_EQ(layer->size, 4u);
    oci::ImageConfig config = image->manifest()->config;
    auto layers = image->manifest()->layers;
    auto diff_ids = image->manifest()->diff_ids;
    layers.push_back(layer_descriptor(*layer));
    diff_ids.push_back(layer->diff_id);
    auto committed = store->create_image(lease, config, layers, diff_ids, {*oci::Reference::parse("committed")}, image->id);
    ASSERT_TRUE(committed) << committed.error().message();
    auto lower = *store->lower_directories(*(*committed)->manifest());
    EXPECT_EQ(*os::read_file(lower[0] + "/new"), "text");
    ASSERT_TRUE(store->keep_writable_layers({}));
    shell("rm -rf again");
    std::string archive = saved({"committed"});
    auto other = *ImageStore::open(base + "/again");
    codec::MemorySource source(archive);
    auto loaded = other->load_archive(source);
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_TRUE(S_ISCHR(os::link_status(other->lower_directories(*other->resolve("committed").value()->manifest())->at(0) + "/bin")->st_mode));
}

}  // namespace
}  // namespace proa::store
