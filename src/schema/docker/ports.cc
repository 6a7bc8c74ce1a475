#include "schema/docker/ports.h"

#include <algorithm>

#include "base/text.h"

namespace proa::docker {

namespace {
constexpr size_t kShortRun = 16;  // up to here a record names the ports one by one
thread_local bool compact = false;

/// A number as Go prints it, at most 65535.
std::optional<uint16_t> plain_number(std::string_view text) {
    if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
    uint32_t number = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        number = number * 10 + static_cast<uint32_t>(c - '0');
    }
    if (number > 65535) return std::nullopt;
    return static_cast<uint16_t>(number);
}

struct Name {
    uint16_t first = 0, last = 0;
    std::string_view protocol;
};

/// "80/tcp", in compact form also "10000..59999/tcp".
std::optional<Name> parse_name(std::string_view text) {
    auto slash = text.find('/');
    if (slash == text.npos) return std::nullopt;
    Name name{.protocol = text.substr(slash + 1)};
    if (name.protocol != "tcp" && name.protocol != "udp" && name.protocol != "sctp") return std::nullopt;
    std::string_view numbers = text.substr(0, slash);
    auto dots = compact ? numbers.find("..") : numbers.npos;
    auto first = plain_number(numbers.substr(0, dots));
    auto last = dots == numbers.npos ? first : plain_number(numbers.substr(dots + 2));
    if (!first || !last || *last < *first) return std::nullopt;
    name.first = *first;
    name.last = *last;
    return name;
}

std::optional<uint32_t> rising_number(const std::string& host_port) {
    auto number = plain_number(host_port);
    if (!number || *number == 0) return std::nullopt;
    return *number;
}

PortBindings shifted(const PortBindings& bindings, uint32_t by) {
    if (!bindings || by == 0) return bindings;
    PortBindings moved = bindings;
    for (auto& binding : *moved)
        if (auto number = rising_number(binding.host_port)) binding.host_port = concat(*number + by);
    return moved;
}

/// Whether `bindings` is what `first` becomes `by` ports later. Makes no copy: decoding asks this for every port.
bool is_shifted(const PortBindings& first, uint32_t by, const PortBindings& bindings) {
    if (!first || !bindings) return !first && !bindings;
    if (first->size() != bindings->size()) return false;
    for (size_t i = 0; i < first->size(); i++) {
        auto &a = (*first)[i], &b = (*bindings)[i];
        if (a.host_ip != b.host_ip) return false;
        auto x = rising_number(a.host_port);
        if (x ? rising_number(b.host_port) != *x + by : a.host_port != b.host_port) return false;
    }
    return true;
}

template <class Visitor>
void for_each_by_name(const PortMap& map, Visitor visit) {
    struct Entry {
        std::string name;
        const PortRun* run;            // or
        const PortBindings* bindings;  // of another name
        uint16_t port;
    };
    std::vector<Entry> entries;
    auto runs = map.runs();
    for (auto& run : runs) {
        if (compact && run.count() > kShortRun) {
            entries.push_back({concat(run.first, "..", run.last, '/', run.protocol), &run, nullptr, run.first});
            continue;
        }
        for (uint32_t port = run.first; port <= run.last; port++)
            entries.push_back({concat(port, '/', run.protocol), &run, nullptr, static_cast<uint16_t>(port)});
    }
    for (auto& [name, bindings] : map.others()) entries.push_back({name, nullptr, &bindings, 0});
    std::sort(entries.begin(), entries.end(), [](auto& a, auto& b) { return a.name < b.name; });
    for (auto& entry : entries) {
        if (entry.bindings) visit(entry.name, *entry.bindings);
        else visit(entry.name, entry.run->bindings_of(entry.port));
    }
}
}  // namespace

PortBindings PortRun::bindings_of(uint16_t port) const { return shifted(bindings, static_cast<uint32_t>(port - first)); }

size_t PortMap::size() const {
    size_t count = others_.size();
    for (auto& [key, rest] : runs_) count += static_cast<size_t>(rest.last - key.second) + 1;
    return count;
}

std::map<PortMap::Key, PortMap::Rest>::const_iterator PortMap::run_of(std::string_view protocol, uint16_t port) const {
    auto run = runs_.upper_bound({std::string(protocol), port});
    if (run == runs_.begin()) return runs_.end();
    run--;
    return run->first.first == protocol && port <= run->second.last ? run : runs_.end();
}

bool PortMap::contains(std::string_view port) const {
    auto name = parse_name(port);
    return name ? run_of(name->protocol, name->first) != runs_.end() : others_.contains(std::string(port));
}

PortBindings PortMap::find(std::string_view port) const {
    auto name = parse_name(port);
    if (!name) {
        auto found = others_.find(std::string(port));
        return found == others_.end() ? PortBindings() : found->second;
    }
    auto run = run_of(name->protocol, name->first);
    if (run == runs_.end()) return std::nullopt;
    return shifted(run->second.bindings, static_cast<uint32_t>(name->first - run->first.second));
}

void PortMap::carve_out(const std::string& protocol, uint16_t first, uint16_t last) {
    while (true) {
        auto run = runs_.upper_bound({protocol, last});
        if (run == runs_.begin()) return;
        run--;
        if (run->first.first != protocol || run->second.last < first) return;
        const uint16_t run_first = run->first.second;
        Rest rest = std::move(run->second);
        runs_.erase(run);
        if (rest.last > last) {
            const auto after = static_cast<uint16_t>(last + 1);
            runs_.emplace(Key(protocol, after), Rest{rest.last, shifted(rest.bindings, static_cast<uint32_t>(after - run_first))});
        }
        if (run_first < first) runs_.emplace(Key(protocol, run_first), Rest{static_cast<uint16_t>(first - 1), std::move(rest.bindings)});
    }
}

void PortMap::set_run(PortRun run) {
    carve_out(run.protocol, run.first, run.last);
    auto next = runs_.upper_bound({run.protocol, run.first});
    if (next != runs_.end() && next->first.first == run.protocol && next->first.second == run.last + 1 &&
        is_shifted(run.bindings, static_cast<uint32_t>(next->first.second - run.first), next->second.bindings)) {
        run.last = next->second.last;
        next = runs_.erase(next);
    }
    if (next != runs_.begin()) {
        auto before = std::prev(next);
        if (before->first.first == run.protocol && before->second.last + 1 == run.first &&
            is_shifted(before->second.bindings, static_cast<uint32_t>(run.first - before->first.second), run.bindings)) {
            before->second.last = run.last;
            return;
        }
    }
    runs_.emplace_hint(next, Key(std::move(run.protocol), run.first), Rest{run.last, std::move(run.bindings)});
}

void PortMap::set(std::string_view port, PortBindings bindings) {
    if (auto name = parse_name(port)) set_run({std::string(name->protocol), name->first, name->last, std::move(bindings)});
    else others_[std::string(port)] = std::move(bindings);
}

void PortMap::add(std::string_view port, PortBinding binding) {
    auto bindings = find(port);
    if (!bindings) bindings.emplace();
    bindings->push_back(std::move(binding));
    set(port, std::move(bindings));
}

void PortMap::erase(std::string_view port) {
    if (auto name = parse_name(port)) carve_out(std::string(name->protocol), name->first, name->last);
    else others_.erase(std::string(port));
}

void PortMap::merge(const PortMap& more) {
    PortMap mine = std::move(*this);
    *this = more;
    for (auto& run : mine.runs()) set_run(std::move(run));
    for (auto& [name, bindings] : mine.others_) others_[name] = std::move(bindings);
}

std::vector<PortRun> PortMap::runs() const {
    std::vector<PortRun> runs;
    runs.reserve(runs_.size());
    for (auto& [key, rest] : runs_) runs.push_back({key.first, key.second, rest.last, rest.bindings});
    return runs;
}

std::vector<std::pair<std::string, PortBindings>> PortMap::expanded() const {
    std::vector<std::pair<std::string, PortBindings>> ports;
    for_each_by_name(*this, [&](std::string& name, PortBindings bindings) { ports.emplace_back(std::move(name), std::move(bindings)); });
    return ports;
}

CompactPorts::CompactPorts() : before_(std::exchange(compact, true)) {}
CompactPorts::~CompactPorts() { compact = before_; }

namespace {
Result<void> decode_map(const json::Value& value, void* target) {
    auto& map = *static_cast<PortMap*>(target);
    map.clear();
    if (value.is_null()) return {};
    if (!value.is_object()) return fail(json::type_mismatch(value, "map[string]value"));
    auto& type = json::type_of<PortBindings>();
    for (auto& member : value.as_object()) {
        PortBindings bindings;
        TRY(type.decode(member.value, &bindings));
        map.set(member.name, std::move(bindings));
    }
    return {};
}
void encode_map(std::string& out, const void* source, bool escape_html) {
    auto& type = json::type_of<PortBindings>();
    out += '{';
    for_each_by_name(*static_cast<const PortMap*>(source), [&](const std::string& name, const PortBindings& bindings) {
        if (out.back() != '{') out += ',';
        json::print_string(out, name, escape_html);
        out += ':';
        type.encode(out, &bindings, escape_html);
    });
    out += '}';
}
bool is_empty_map(const void* source) { return static_cast<const PortMap*>(source)->empty(); }

Result<void> decode_set(const json::Value& value, void* target) {
    auto& set = *static_cast<PortSet*>(target);
    set.clear();
    if (value.is_null()) return {};
    if (!value.is_object()) return fail(json::type_mismatch(value, "map[string]value"));
    for (auto& member : value.as_object()) set.insert(member.name);
    return {};
}
void encode_set(std::string& out, const void* source, bool escape_html) {
    out += '{';
    for_each_by_name(static_cast<const PortSet*>(source)->ports(), [&](const std::string& name, const PortBindings&) {
        if (out.back() != '{') out += ',';
        json::print_string(out, name, escape_html);
        out += ":{}";
    });
    out += '}';
}
bool is_empty_set(const void* source) { return static_cast<const PortSet*>(source)->empty(); }
}  // namespace

}  // namespace proa::docker

template <>
const proa::json::Type& proa::json::type_of<proa::docker::PortMap>() {
    static constexpr Type kType{proa::docker::decode_map, proa::docker::encode_map, proa::docker::is_empty_map};
    return kType;
}
template <>
const proa::json::Type& proa::json::type_of<proa::docker::PortSet>() {
    static constexpr Type kType{proa::docker::decode_set, proa::docker::encode_set, proa::docker::is_empty_set};
    return kType;
}
