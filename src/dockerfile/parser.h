#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// A Dockerfile as text to a list of instructions. No instruction is understood here beyond how its arguments are cut: commands.h
// does that. Spec: Dockerfile reference; moby/buildkit's parser is the measure where the reference is silent.
namespace proa::dockerfile {

/// The lines of one `<<NAME` of an instruction.
struct Heredoc {
    std::string name;
    std::string content;      ///< with its line ends, leading tabs still there
    bool expand = true;       ///< false when the name was quoted
    bool strip_tabs = false;  ///< `<<-`
    /// The content with leading tabs gone where `<<-` asks for it.
    std::string text() const;
};

struct Instruction {
    std::string keyword;             ///< upper case
    std::string written;             ///< as it stands in the file: "from"
    std::string original;            ///< the whole line, continuations joined, trimmed
    std::vector<std::string> flags;  ///< "--from=base", quotes gone
    /// ENV and LABEL: name, value, name, value ...; HEALTHCHECK: type and command; ONBUILD: none; others: their words, or one text.
    std::vector<std::string> arguments;
    bool json = false;         ///< the arguments stood in a JSON array
    bool legacy_pair = false;  ///< ENV and LABEL: "NAME the value"
    std::vector<Heredoc> heredocs;
    std::shared_ptr<Instruction> trigger;  ///< of ONBUILD
    std::string comment;                   ///< the line of comment right above it, without "#"
    int first_line = 0, last_line = 0;
};

/// Something that works and should be written otherwise.
struct Warning {
    std::string rule;  ///< "NoEmptyContinuation"
    std::string text;
    int line = 0;
};

struct Document {
    std::vector<Instruction> instructions;
    char escape = '\\';
    std::string syntax, check;  ///< the parser directives
    std::vector<Warning> warnings;
};

/// An error that says where: "dockerfile parse error on line N: text", InvalidArgument.
Unexpected parse_error(int line, std::string_view text);

/// Errors as parse_error(), and "the Dockerfile cannot be empty", "file with no instructions".
Result<Document> parse(std::string_view text);

/// One instruction without heredocs, as ONBUILD keeps it.
Result<Instruction> parse_instruction(std::string_view line, char escape, int line_number);

/// The heredocs that a line announces, without content.
std::vector<Heredoc> find_heredocs(std::string_view line, char escape);

/// A whole word of the form `<<NAME`; empty name otherwise.
Heredoc heredoc_of_word(std::string_view word);

}  // namespace proa::dockerfile
