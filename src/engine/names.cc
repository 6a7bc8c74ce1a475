#include "engine/names.h"

#include "base/id.h"
#include "base/text.h"

namespace proa::engine {

namespace {
constexpr std::string_view kAdjectives[] = {
    "able",    "agile",   "amber",   "ample",  "azure",    "bold",    "brave",   "breezy",  "bright",  "brisk",   "buoyant", "calm",
    "candid",  "cheery",  "civil",   "clear",  "clever",   "coral",   "cosmic",  "crisp",   "curious", "daring",  "deft",    "dreamy",
    "eager",   "earnest", "elegant", "fair",   "fearless", "festive", "fleet",   "fluent",  "frosty",  "gentle",  "gifted",  "golden",
    "graceful", "happy",  "hardy",   "hearty", "honest",   "humble",  "jolly",   "keen",    "kind",    "lively",  "loyal",   "lucid",
    "merry",   "mellow",  "nimble",  "noble",  "patient",  "placid",  "polite",  "proud",   "quick",   "quiet",   "radiant", "ready",
    "serene",  "sharp",   "silent",  "smooth", "snug",     "solid",   "spry",    "steady",  "sturdy",  "sunny",   "swift",   "tender",
    "tidy",    "tranquil", "trusty", "upbeat", "valiant",  "vivid",   "warm",    "wise",    "witty",   "zealous"};
constexpr std::string_view kNouns[] = {
    "anchor",  "atoll",   "beacon",  "bay",      "boom",    "bow",      "breeze",  "buoy",    "canoe",  "cape",   "catamaran", "cay",
    "channel", "cleat",   "compass", "cove",     "crest",   "current",  "cutter",  "delta",   "dinghy", "dolphin", "drift",    "eddy",
    "estuary", "ferry",   "fjord",   "frigate",  "gale",    "galley",   "gull",    "halyard", "harbor", "heron",  "horizon",   "inlet",
    "islet",   "jetty",   "jib",     "kayak",    "keel",    "ketch",    "lagoon",  "lantern", "ledge",  "lugger", "mainsail",  "marlin",
    "mast",    "monsoon", "mooring", "narwhal",  "oar",     "osprey",   "otter",   "outrigger", "paddle", "pelican", "petrel",  "pier",
    "plover",  "prow",    "quay",    "raft",     "reef",    "ripple",   "rudder",  "sail",    "schooner", "seal",  "sextant",  "shoal",
    "skiff",   "sloop",   "sound",   "spinnaker", "spray",  "starboard", "strait", "surf",    "swell",  "tern",   "tide",      "tiller",
    "trimaran", "voyage", "wake",    "wave",     "whaler",  "wharf",    "yawl"};
}  // namespace

std::string random_name(int attempt) {
    uint64_t number = *parse_uint(random_hex(7), 16);
    std::string name = concat(kAdjectives[number % std::size(kAdjectives)], '_', kNouns[(number >> 16) % std::size(kNouns)]);
    return attempt == 0 ? name : concat(name, (number >> 40) % (attempt < 5 ? 10 : 100000));
}

bool is_valid_name(std::string_view name) {
    auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    if (name.size() < 2 || !alphanumeric(name[0])) return false;
    for (char c : name.substr(1))
        if (!alphanumeric(c) && c != '_' && c != '.' && c != '-') return false;
    return true;
}

}  // namespace proa::engine
