#include "base/text.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "os/file.h"

namespace proa::cli {

namespace {

/// Text for roff: backslashes, hyphens of flags, and dots and quotes that begin a line would be read as orders.
std::string roff(std::string_view text) {
    std::string out;
    bool line_begins = true;
    for (char c : text) {
        if (line_begins && (c == '.' || c == '\'')) out += "\\&";
        line_begins = c == '\n';
        if (c == '\\') out += "\\e";
        else if (c == '-') out += "\\-";
        else out += c;
    }
    return out;
}

std::string flags_section(std::string_view title, std::span<const Flag> flags) {
    if (!has_visible_flags(flags)) return "";
    std::string text = concat(".SH ", title, "\n");
    for (auto& flag : flags) {
        if (flag.options & kHidden) continue;
        std::string names = flag.shorthand ? concat("\\fB\\-", flag.shorthand, "\\fR, ") : "";
        names += concat("\\fB\\-\\-", roff(flag.name), "\\fR");
        if (flag.type != FlagType::Bool) names += " \\fIvalue\\fR";
        text += concat(".TP\n", names, "\n", roff(flag.description), flag.shown_default ? concat(" ", roff(flag.shown_default)) : "", "\n");
        if (flag.deprecation) text += concat("(deprecated: ", roff(flag.deprecation), ")\n");
    }
    return text;
}

std::string page(const std::string& program, const std::string& path, const Command& command) {
    std::string upper = to_upper(replace_all(path, " ", "-"));
    return concat(".TH \"", upper, "\" \"1\" \"\" \"", program, " ", std::string_view(PROA_RELEASE), "\"\n.SH NAME\n", roff(replace_all(path, " ", "-")), " \\- ", roff(command.description),
                  "\n.SH SYNOPSIS\n\\fB", roff(path), "\\fR ", roff(command.usage), "\n.SH DESCRIPTION\n", roff(command.long_description ? command.long_description : command.description), "\n",
                  flags_section("OPTIONS", command.flags), ".SH SEE ALSO\n\\fB", roff(program), "\\fR(1)\n");
}

}  // namespace

int write_manual(const std::string& program, const std::string& directory, std::span<const Flag> global_flags) {
    auto write_all = [&]() -> Result<void> {
        TRY(os::make_directories(directory, 0755));
        std::string overview = concat(".TH \"", to_upper(program), "\" \"1\"\n.SH NAME\n", program, " \\- build, run and look after containers\n.SH SYNOPSIS\n\\fB", program,
                                      "\\fR [OPTIONS] COMMAND\n", flags_section("GLOBAL OPTIONS", global_flags), ".SH COMMANDS\n");
        for (auto& place : places()) {
            std::string path = concat(program, place.group.empty() ? "" : " ", place.group, ' ', place.names[0]);
            overview += concat(".TP\n\\fB", roff(path), "\\fR\n", roff(place.command->description), "\n");
            TRY(os::write_file(concat(directory, '/', replace_all(path, " ", "-"), ".1"), page(program, path, *place.command)));
        }
        return os::write_file(concat(directory, '/', program, ".1"), overview);
    };
    auto written = write_all();
    if (!written) put_error_line(written.error().message());
    return written ? 0 : 1;
}

}  // namespace proa::cli
