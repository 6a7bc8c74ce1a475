#include "base/text.h"
#include "client/config_file.h"
#include "compose/create_request.h"

namespace proa::compose {

namespace {
std::map<std::string, std::string> by_key(std::string_view text) {
    std::map<std::string, std::string> hashes;
    for (auto& item : split_nonempty(text, ','))
        if (auto parts = cut(item, ":")) hashes[std::string(parts->first)] = parts->second;
    return hashes;
}
}  // namespace

std::string field_hashes(const Service& service) {
    Service shaping = service;
    shaping.build.reset();
    shaping.pull_policy.clear();
    shaping.scale.reset();
    if (shaping.deploy) shaping.deploy->replicas.reset();
    json::Value keys = *json::parse(json::encode(shaping));
    std::string text;
    for (auto& member : keys.as_object()) text += concat(text.empty() ? "" : ",", member.name, ':', client::sha256_hex(json::print(member.value)).substr(0, 8));
    return text;
}

std::vector<std::string> changed_fields(std::string_view before, std::string_view now) {
    auto old_hashes = by_key(before), new_hashes = by_key(now);
    std::vector<std::string> changed;
    for (auto& [key, hash] : new_hashes)
        if (auto found = old_hashes.find(key); found == old_hashes.end() || found->second != hash) changed.push_back(key);
    for (auto& [key, hash] : old_hashes)
        if (!new_hashes.contains(key)) changed.push_back(key);
    return changed;
}

}  // namespace proa::compose
