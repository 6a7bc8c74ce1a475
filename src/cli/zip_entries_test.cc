#include "cli/zip_entries.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace proa::cli {
namespace {

/// "a" (stored "hi\n"), the directory "d/" and "b" (deflated, 200 times "x").
std::string sample() {
    return *from_base64(
        "UEsDBBQAAAAAAAAAIQB6em/tAwAAAAMAAAABAAAAYWhpClBLAwQUAAAAAAAAACEAAAAAAAAAAAAAAAAAAgAAAGQvUEsDBBQAAAAIAAAAIQCma8t+BgAAAMgAAAABAAAAYquoGB4AAFBL"
        "AQIUAxQAAAAAAAAAIQB6em/tAwAAAAMAAAABAAAAAAAAAAAAAACAAQAAAABhUEsBAhQDFAAAAAAAAAAhAAAAAAAAAAAAAAAAAAIAAAAAAAAAAAAAAIABIgAAAGQvUEsBAhQDFAAAAAgA"
        "AAAhAKZry34GAAAAyAAAAAEAAAAAAAAAAAAAAIABQgAAAGJQSwUGAAAAAAMAAwCOAAAAZwAAAAAA");
}

TEST(Zip, ReadsStoredAndDeflatedFiles) {
    auto entries = read_zip(sample(), 1000);
    ASSERT_TRUE(entries) << entries.error().message();
    ASSERT_EQ(entries->size(), 2u);
    EXPECT_EQ((*entries)[0].name, "a");
    EXPECT_EQ((*entries)[0].content, "hi\n");
    EXPECT_EQ((*entries)[1].name, "b");
    EXPECT_EQ((*entries)[1].content, std::string(200, 'x'));
    EXPECT_FALSE(read_zip(sample(), 202));
}

TEST(Zip, RefusesEveryDamage) {
    std::string whole = sample();
    for (size_t cut = 0; cut < whole.size(); cut++) EXPECT_FALSE(read_zip(whole.substr(0, cut), 1000)) << cut;
    for (size_t at = 0; at < whole.size(); at++) {
        std::string bent = whole;
        bent[at] = static_cast<char>(~bent[at]);
        auto entries = read_zip(bent, 1 << 20);  // must not crash; what it still gives is what was put in
        if (!entries) continue;
        for (auto& entry : *entries) EXPECT_TRUE(entry.content == "hi\n" || entry.content == std::string(200, 'x') || entry.content.empty()) << at;
    }
}

}  // namespace
}  // namespace proa::cli
