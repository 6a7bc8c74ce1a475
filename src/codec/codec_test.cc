#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.h"
#include "codec/compression.h"
#include "codec/digest.h"
#include "codec/tar.h"
#include "os/file.h"

namespace proa::codec {
namespace {

class CodecTest : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/proa-codec-XXXXXX";
        directory = mkdtemp(name);
    }
    void TearDown() override { ASSERT_TRUE(os::remove_tree(directory)); }
    /// Runs a shell line in the directory.
    void shell(const std::string& line) { ASSERT_EQ(std::system(concat("cd ", directory, " && { ", line, "; } 2>&1").c_str()), 0) << line; }
    std::string file(const std::string& name) { return *os::read_file(directory + "/" + name, size_t(1) << 30); }
    void put(const std::string& name, std::string_view text) { ASSERT_TRUE(os::write_file(directory + "/" + name, text)); }
    std::string directory;
};

std::string pattern(size_t size) {
    std::string text(size, '\0');
    uint32_t state = 7;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        text[i] = static_cast<char>(i % 3 ? 'a' + (state >> 28) : state >> 24);
    }
    return text;
}

Result<std::string> unpacked(std::string_view bytes, size_t piece = SIZE_MAX, Compression* found = nullptr) {
    MemorySource source(bytes, piece);
    auto plain = TRY(decompress_detected(source, found));
    return read_all(*plain, 1 << 30);
}

std::vector<TarEntry> entries_of(std::string_view bytes, size_t piece = SIZE_MAX) {
    MemorySource source(bytes, piece);
    TarReader reader(source);
    std::vector<TarEntry> entries;
    for (;;) {
        auto entry = reader.next();
        EXPECT_TRUE(entry) << entry.error().message();
        if (!entry || !*entry) return entries;
        entries.push_back(**entry);
    }
}

TEST(Digest, HashesAndParses) {
    EXPECT_EQ(Digest::of("abc").text(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(Digest::of("", DigestAlgorithm::Sha512).hex().size(), 128u);
    EXPECT_TRUE(Digest::parse(Digest::of("x").text()));
    EXPECT_EQ(Digest::parse("sha256:ab").error().message(), "invalid checksum digest length");
    EXPECT_EQ(Digest::parse("blake3:" + std::string(64, 'a')).error().message(), "unsupported digest algorithm");
    for (auto bad : {"", "sha256", "sha256:", "SHA256:00", "sha256:../../etc/passwd"}) EXPECT_FALSE(Digest::parse(bad)) << bad;
    EXPECT_FALSE(Digest::parse("sha256:" + std::string(64, 'A')));
    Hasher hasher;
    hasher.update("a");
    hasher.update("bc");
    EXPECT_EQ(hasher.finish(), Digest::of("abc"));
    EXPECT_EQ(hasher.finish(), Digest::of(""));
}

TEST_F(CodecTest, ReadsWhatTheToolsCompress) {
    std::string text = pattern(3'000'000);
    put("plain", text);
    shell("gzip -k plain; bzip2 -k plain; xz -k plain; zstd -q plain");
    for (auto& [name, kind] : {std::pair{"plain.gz", Compression::Gzip},
                               {"plain.bz2", Compression::Bzip2},
                               {"plain.xz", Compression::Xz},
                               {"plain.zst", Compression::Zstd},
                               {"plain", Compression::None}}) {
        for (size_t piece : {size_t(1000), size_t(SIZE_MAX)}) {
            Compression found;
            auto got = unpacked(file(name), piece, &found);
            ASSERT_TRUE(got) << name << ": " << got.error().message();
            EXPECT_TRUE(*got == text) << name;
            EXPECT_EQ(found, kind);
        }
        if (kind == Compression::None) continue;
        std::string damaged = file(name);
        EXPECT_FALSE(unpacked(damaged.substr(0, damaged.size() / 2))) << name << " cut";
        EXPECT_FALSE(unpacked(damaged.substr(0, damaged.size() - 3))) << name << " cut at its end";
        damaged[damaged.size() / 2] ^= 0x55;
        EXPECT_FALSE(unpacked(damaged)) << name << " damaged";
        EXPECT_TRUE(*unpacked(file(name) + file(name)) == text + text) << name << " twice";
    }
}

TEST_F(CodecTest, GzipReadersAgree) {
    put("a", "first");
    put("b", "");
    put("c", pattern(100000));
    shell("gzip a b c; cat a.gz b.gz c.gz > all.gz");
    std::string all = file("all.gz");
    for (size_t piece : {1u, 7u, 100u, 4096u, 100000u}) {
        MemorySource one(all, piece), two(all, piece);
        auto isal = gzip_source(one), zlib = zlib_gzip_source(two);
        for (auto& reader : {std::ref(isal), std::ref(zlib)}) {
            auto text = read_all(*reader.get(), 1 << 20);
            ASSERT_TRUE(text) << piece << ": " << text.error().message() << " in " << hex(all.substr(0, 200));
            EXPECT_TRUE(*text == "first" + pattern(100000)) << piece;
        }
    }
    EXPECT_EQ(*unpacked(file("a.gz") + std::string(512, '\0')), "first");
    EXPECT_FALSE(unpacked(file("a.gz") + "garbage"));
}

TEST_F(CodecTest, CompressorsAreReadByTheTools) {
    std::string text = pattern(5'500'000);
    for (auto kind : {Compression::Gzip, Compression::Zstd}) {
        std::string name = kind == Compression::Gzip ? "x.gz" : "x.zst";
        std::string again;
        for (int round = 0; round < 2; round++) {
            StringSink sink;
            auto writer = *compressor(sink, kind);
            for (size_t at = 0; at < text.size(); at += 77777) ASSERT_TRUE(writer->write(std::string_view(text).substr(at, 77777)));
            ASSERT_TRUE(writer->finish());
            if (round > 0 && kind == Compression::Gzip) {
                EXPECT_TRUE(again == sink.text);
            }
            again = sink.text;
        }
        put(name, again);
        shell(kind == Compression::Gzip ? "gzip -d x.gz" : "zstd -qd --rm x.zst");
        EXPECT_TRUE(file("x") == text);
        shell("rm x");
    }
    StringSink empty;
    auto writer = gzip_compressor(empty);
    ASSERT_TRUE(writer->finish());
    EXPECT_EQ(*unpacked(empty.text), "");
}

TEST_F(CodecTest, GzipStoresWhatDoesNotShrink) {
    std::string dense;
    for (uint64_t state = 88172645463325252; dense.size() < 3'000'000;) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        dense.append(reinterpret_cast<const char*>(&state), sizeof state);
    }
    std::string text = dense + std::string(2'000'000, 'a') + dense;
    StringSink sink;
    auto writer = gzip_compressor(sink, 6);
    ASSERT_TRUE(writer->write(text));
    ASSERT_TRUE(writer->finish());
    EXPECT_LT(sink.text.size(), dense.size() * 2 + 600'000);
    EXPECT_TRUE(*unpacked(sink.text) == text);
    put("x.gz", sink.text);
    shell("gzip -d x.gz");
    EXPECT_TRUE(file("x") == text);
}

TEST_F(CodecTest, ZstdSkipsSkippableFrames) {
    put("t", "hello");
    shell("zstd -q t");
    std::string skippable = std::string("\x50\x2a\x4d\x18\x03\x00\x00\x00", 8) + "abc";
    EXPECT_EQ(*unpacked(skippable + file("t.zst") + skippable), "hello");
}

TEST_F(CodecTest, ReadsEveryTarFlavour) {
    std::string longer(180, 'n');
    shell(concat("mkdir -p d/", std::string(90, 'x'), " && echo hi > d/file && ln d/file d/hard && ln -s file d/sym && mkfifo d/fifo && echo l > d/", longer,
                 " && touch -d '2020-01-02 03:04:05.123456789 UTC' d/file && chmod 4755 d/file"));
    for (std::string format : {"gnu", "pax", "ustar", "v7", "oldgnu"}) {
        std::string exclude = format == "ustar" || format == "v7" ? concat(" --exclude='nnn*' ") : "";
        if (format == "v7") exclude += "--exclude=fifo --exclude='xxx*' ";
        shell(concat("tar --sort=name --format=", format, exclude, " -cf t.tar d"));
        auto entries = entries_of(file("t.tar"), format == "pax" ? 100 : SIZE_MAX);
        std::map<std::string, TarEntry> by_name;
        for (auto& entry : entries) by_name[*clean_entry_name(entry.name)] = entry;
        EXPECT_EQ(by_name.at("d").type, TarType::Directory);
        EXPECT_EQ(by_name.at("d/file").size, 3u);
        EXPECT_EQ(by_name.at("d/file").mode, 04755u);
        EXPECT_EQ(by_name.at("d/hard").type, TarType::HardLink) << format;
        EXPECT_EQ(by_name.at("d/hard").link_name, "d/file");
        EXPECT_EQ(by_name.at("d/sym").link_name, "file");
        EXPECT_EQ(by_name.at("d/file").modified, (TarTime{1577934245, format == "pax" ? 123456789 : 0})) << format;
        if (format != "v7") {
            EXPECT_EQ(by_name.at("d/fifo").type, TarType::Fifo);
        }
        if (exclude.empty()) {
            EXPECT_EQ(by_name.at("d/" + longer).size, 2u);
        }
    }
}

TEST_F(CodecTest, ReadsSparseFilesOfEveryFormat) {
    shell("truncate -s 40M s && for i in $(seq 0 2 60); do printf DATA | dd of=s bs=1 seek=$((i*500000)) conv=notrunc status=none; done");
    std::string want = file("s");
    for (std::string format : {"--format=gnu", "--format=pax --sparse-version=0.0", "--format=pax --sparse-version=0.1", "--format=pax --sparse-version=1.0"}) {
        shell(concat("tar ", format, " -cSf s.tar s"));
        std::string bytes = file("s.tar");
        ASSERT_LT(bytes.size(), 2'000'000u);
        MemorySource source(bytes, 333);
        TarReader reader(source);
        auto entry = reader.next();
        ASSERT_TRUE(entry) << entry.error().message();
        EXPECT_EQ((*entry)->name, "s") << format;
        ASSERT_TRUE((*entry)->sparse);
        EXPECT_EQ((*entry)->size, want.size());
        std::string stored = *reader.content(1 << 28), got(want.size(), '\0');
        size_t at = 0;
        for (auto& segment : (*entry)->segments) {
            got.replace(segment.offset, segment.length, stored.substr(at, segment.length));
            at += segment.length;
        }
        EXPECT_TRUE(got == want) << format;
        EXPECT_FALSE(*reader.next());
    }
}

TEST_F(CodecTest, WriterIsReadByTarAndByUs) {
    StringSink sink;
    TarWriter writer(sink);
    TarEntry directory_entry{.type = TarType::Directory, .name = "dir", .mode = 0755};
    ASSERT_TRUE(writer.begin(directory_entry));
    TarEntry entry;
    entry.name = "dir/" + std::string(200, 'a') + "/" + std::string(150, 'b') + "-\xc3\xa9";
    entry.mode = 02640;
    entry.uid = 3'000'000;
    entry.gid = 7;
    entry.size = 5;
    entry.modified = {-3, 500000000};
    entry.xattrs = {{"security.capability", std::string("\x01\0\0\x02", 4)}, {"user.x", "a=b\n"}};
    ASSERT_TRUE(writer.add(entry, "hello"));
    TarEntry prefixed{.name = std::string(120, 'p') + "/q", .mode = 0600, .size = 1};
    ASSERT_TRUE(writer.add(prefixed, "!"));
    TarEntry device{.type = TarType::CharDevice, .name = "null", .mode = 0666, .device_major = 1, .device_minor = 3};
    ASSERT_TRUE(writer.begin(device));
    ASSERT_TRUE(writer.finish());
    auto entries = entries_of(sink.text, 17);
    ASSERT_EQ(entries.size(), 4u);
    EXPECT_EQ(entries[0].name, "dir/");
    EXPECT_EQ(entries[1].name, entry.name);
    EXPECT_EQ(entries[1].uid, 3'000'000);
    EXPECT_EQ(entries[1].modified, entry.modified);
    EXPECT_EQ(entries[1].xattrs, entry.xattrs);
    EXPECT_EQ(entries[2].name, prefixed.name);
    EXPECT_EQ(entries[3].device_minor, 3u);
    put("w.tar", sink.text);
    shell(
        "python3 -c \"import tarfile; t=tarfile.open('w.tar'); m=t.getmembers(); assert len(m)==4, m; "
        "assert m[1].uid==3000000 and m[1].mtime==-2.5, (m[1].uid, m[1].mtime); assert t.extractfile(m[1]).read()==b'hello'\"");
    shell("tar -tf w.tar > list && test $(wc -l < list) = 4");
}

TEST(Tar, RefusesDamageAndLimits) {
    StringSink sink;
    TarWriter writer(sink);
    for (int i = 0; i < 5; i++) ASSERT_TRUE(writer.add(TarEntry{.name = concat("f", i), .size = 600}, std::string(600, 'x')));
    ASSERT_TRUE(writer.finish());
    auto status = [](std::string_view bytes, TarLimits limits = {}) -> std::string {
        MemorySource source(bytes);
        TarReader reader(source, limits);
        for (;;) {
            auto entry = reader.next();
            if (!entry) return entry.error().message();
            if (!*entry) return "";
        }
    };
    EXPECT_EQ(status(sink.text), "");
    EXPECT_EQ(status(std::string_view(sink.text).substr(0, 700)), "archive/tar: unexpected EOF");
    EXPECT_EQ(status(std::string_view(sink.text).substr(0, 1536)), "");
    EXPECT_EQ(status(std::string_view(sink.text).substr(0, 512 + 600)), "");  // without the last padding, as docker's client ends a stream
    std::string damaged = sink.text;
    damaged[3] ^= 1;
    EXPECT_EQ(status(damaged), "archive/tar: invalid tar header");
    EXPECT_EQ(status(sink.text, TarLimits{.entries = 3}), "archive/tar: more than 3 entries");
    EXPECT_EQ(status(sink.text, TarLimits{.bytes = 1000}), "archive/tar: more than 1000 bytes");
    EXPECT_EQ(status(sink.text, TarLimits{.name_bytes = 1}), "archive/tar: name longer than 1 bytes");
}

TEST(Tar, CleansNames) {
    EXPECT_EQ(clean_entry_name("./a//b/"), "a/b");
    EXPECT_EQ(clean_entry_name("/etc/passwd"), "etc/passwd");
    EXPECT_EQ(clean_entry_name("./"), "");
    EXPECT_EQ(clean_entry_name("a/../b"), std::nullopt);
    EXPECT_EQ(clean_entry_name("a/..b/..."), "a/..b/...");
}

}  // namespace
}  // namespace proa::codec
