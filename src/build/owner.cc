#include "build/owner.h"

#include "base/text.h"

namespace proa::build {

namespace {
struct Entry {
    uint32_t id = 0, group = 0;
};

std::optional<uint32_t> number_of(std::string_view text) {
    auto number = parse_uint(text);
    if (!number || *number > 4294967294u) return std::nullopt;
    return static_cast<uint32_t>(*number);
}

/// The line of `name` in a passwd or group file of the image.
std::optional<Entry> find_entry(const os::RootDirectory& root, const char* file, std::string_view name) {
    auto text = root.read_file(os::PathInRoot(file));
    if (!text) return std::nullopt;
    for (auto& line : split(*text, '\n')) {
        auto fields = split(line, ':');
        if (fields.size() < 3 || fields[0] != name) continue;
        auto id = number_of(fields[2]);
        if (!id) continue;
        return Entry{*id, fields.size() > 3 ? number_of(fields[3]).value_or(0) : 0};
    }
    return std::nullopt;
}

Unexpected unknown(std::string_view what, std::string_view name) {
    return fail(ErrorKind::InvalidArgument, concat("unable to convert uid/gid chown string to host mapping: can't find ", what == "user" ? "uid" : "gid", " for ", what, ' ', name,
                                                   ": no such ", what, ": ", name));
}
}  // namespace

Result<Owner> find_owner(const std::string& text, const os::RootDirectory& root) {
    Owner owner;
    auto parts = cut(text, ":");
    std::string_view user = parts ? parts->first : std::string_view(text);
    if (!user.empty()) {
        if (auto number = number_of(user)) {
            owner.uid = owner.gid = *number;
        } else {
            auto entry = find_entry(root, "/etc/passwd", user);
            if (!entry) return unknown("user", user);
            owner.uid = entry->id;
            owner.gid = entry->group;
        }
    }
    if (!parts) return owner;
    auto group = parts->second;
    if (group.empty()) return owner;
    if (auto number = number_of(group)) {
        owner.gid = *number;
        return owner;
    }
    auto entry = find_entry(root, "/etc/group", group);
    if (!entry) return unknown("group", group);
    owner.gid = entry->id;
    return owner;
}

Result<ModeChange> ModeChange::parse(const std::string& text) {
    auto bad = [&] { return fail(ErrorKind::InvalidArgument, concat("invalid chmod parameter: '", text, "'. it should be octal string and between 0 and 07777")); };
    ModeChange change;
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos) {
        auto number = parse_uint(text, 8);
        if (!number || *number > 07777) return bad();
        change.absolute_ = static_cast<mode_t>(*number);
        return change;
    }
    for (auto& clause : split(text, ',')) {
        size_t at = 0;
        mode_t who = 0;
        for (; at < clause.size() && std::string_view("ugoa").find(clause[at]) != std::string_view::npos; at++)
            who |= clause[at] == 'u' ? 0700 : clause[at] == 'g' ? 0070 : clause[at] == 'o' ? 0007 : 0777;
        if (who == 0) who = 0777;
        if (at >= clause.size()) return bad();
        while (at < clause.size()) {
            char operation = clause[at++];
            if (operation != '+' && operation != '-' && operation != '=') return bad();
            size_t end = clause.find_first_of("+-=", at);
            std::string permissions = clause.substr(at, end == std::string::npos ? end : end - at);
            if (permissions.find_first_not_of("rwxXstugo") != std::string::npos) return bad();
            at += permissions.size();
            change.clauses_.push_back({who, operation, permissions});
        }
    }
    if (change.clauses_.empty()) return bad();
    return change;
}

mode_t ModeChange::apply(mode_t mode, bool directory) const {
    if (absolute_) return *absolute_;
    for (auto& clause : clauses_) {
        mode_t bits = 0, special = 0;
        for (char c : clause.permissions) {
            if (c == 'r') bits |= 0444;
            else if (c == 'w') bits |= 0222;
            else if (c == 'x') bits |= 0111;
            else if (c == 'X') bits |= directory || (mode & 0111) ? 0111 : 0;
            else if (c == 's') special |= ((clause.who & 0700) ? 04000 : 0) | ((clause.who & 0070) ? 02000 : 0);
            else if (c == 't') special |= 01000;
            else {
                mode_t from = c == 'u' ? mode >> 6 & 7 : c == 'g' ? mode >> 3 & 7 : mode & 7;
                bits |= from * 0111;
            }
        }
        bits &= clause.who;
        if (clause.operation == '+') mode |= bits | special;
        else if (clause.operation == '-') mode &= ~(bits | special);
        else {
            mode_t cleared = clause.who | (directory ? 0 : ((clause.who & 0700 ? 04000 : 0) | (clause.who & 0070 ? 02000 : 0)));
            mode = (mode & ~cleared) | bits | special;
        }
    }
    return mode;
}

}  // namespace proa::build
