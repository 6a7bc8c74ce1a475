#include "cli/image_tree.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "cli/units.h"

namespace proa::cli {

namespace {
constexpr size_t kSpacing = 3;
enum class Align { Left, Right, Centre };
struct TreeColumn {
    std::string_view title;
    Align align;
    size_t width;
};
constexpr TreeColumn kColumns[] = {{"ID", Align::Left, 12}, {"DISK USAGE", Align::Right, 10}, {"CONTENT SIZE", Align::Right, 12}, {"EXTRA", Align::Centre, 5}};

/// One line: an image's name with its values, or one of its platforms.
struct Line {
    std::string name;
    std::vector<std::string> values;
};

/// Width on the terminal of text in UTF-8.
size_t width_of(std::string_view text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(std::string_view text, Align align, size_t width) {
    size_t missing = width - std::min(width, width_of(text));
    size_t before = align == Align::Right ? missing : align == Align::Centre ? missing / 2 : 0;
    return concat(std::string(before, ' '), text, std::string(missing - before, ' '));
}

std::string platform_text(const json::Value& platform) {
    std::string text = concat(platform["os"].as_string(), '/', platform["architecture"].as_string());
    if (auto& variant = platform["variant"].as_string(); !variant.empty()) text += "/" + variant;
    return text;
}

std::vector<std::string> values_of(const std::string& id, double total, double content, bool used) {
    return {std::string(truncated_id(id)), human_size(total, 3), human_size(content, 3), used ? "U" : ""};
}

/// The lines of one image: its names (the last one with values), then its platforms.
std::vector<Line> lines_of(const json::Value& image) {
    std::vector<const json::Value*> children;
    double content = 0;
    bool used = image["Containers"].as_int() > 0;
    for (auto& manifest : image["Manifests"].as_array()) {
        if (manifest["Kind"].as_string() != "image") continue;
        children.push_back(&manifest);
        content += manifest["Size"]["Content"].as_double();
        used = used || !manifest["ImageData"]["Containers"].as_array().empty();
    }
    double total = image["Size"].as_double();
    if (!children.empty()) {
        total = 0;
        for (auto* child : children) total += (*child)["Size"]["Total"].as_double();
    }
    std::vector<Line> lines;
    for (auto& name : image["RepoTags"].as_array())
        if (name.as_string() != "<none>:<none>") lines.push_back({name.as_string(), {}});
    if (lines.empty()) lines.push_back({"<untagged>", {}});
    lines.back().values = values_of(image["Id"].as_string(), total, content, used);
    for (auto* child : children) {
        auto& data = (*child)["ImageData"];
        std::string name = concat(child == children.back() ? "\xe2\x94\x94\xe2\x94\x80 " : "\xe2\x94\x9c\xe2\x94\x80 ", platform_text(data["Platform"]));
        lines.push_back({name, values_of((*child)["ID"].as_string(), (*child)["Size"]["Total"].as_double(), (*child)["Size"]["Content"].as_double(),
                                         !data["Containers"].as_array().empty())});
    }
    return lines;
}
}  // namespace

std::string image_tree(const json::Value& images, size_t terminal_width) {
    std::vector<std::vector<Line>> groups;
    size_t widest = 5;
    for (auto& image : images.as_array()) {
        groups.push_back(lines_of(image));
        for (auto& line : groups.back()) widest = std::max(widest, width_of(line.name));
    }
    // Columns that leave the names less than 12 characters are not shown.
    size_t shown = 0, left = std::max<size_t>(terminal_width, 20);
    for (; shown < std::size(kColumns) && left >= kColumns[shown].width + kSpacing + 12; shown++) left -= kColumns[shown].width + kSpacing;
    size_t name_width = std::min(left, widest);
    auto put_line = [&](std::string& text, const std::string& name, auto value_at) {
        std::string line = padded(name, Align::Left, name_width);
        for (size_t i = 0; i < shown; i++) line += std::string(kSpacing, ' ') + padded(value_at(i), kColumns[i].align, kColumns[i].width);
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    };
    std::string text = concat(std::string(name_width, ' '), "   U  in use\n");
    put_line(text, "IMAGE", [](size_t i) { return kColumns[i].title; });
    for (auto& group : groups) {
        text += "\n";
        for (auto& line : group)
            put_line(text, line.name, [&](size_t i) { return i < line.values.size() ? std::string_view(line.values[i]) : std::string_view(); });
    }
    return text;
}

}  // namespace proa::cli
