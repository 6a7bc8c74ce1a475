#include "dockerfile/parser.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "dockerfile/commands.h"

namespace proa::dockerfile {
namespace {

using Words = std::vector<std::string>;

Instruction only(std::string_view text) {
    auto document = parse(text);
    EXPECT_TRUE(document) << text << ": " << (document ? "" : document.error().message());
    return document ? document->instructions.at(0) : Instruction{};
}

std::string problem(std::string_view text) {
    auto document = parse(text);
    if (!document) return document.error().message();
    auto program = read_program(*document);
    return program ? "" : program.error().message();
}

TEST(Parser, JoinsContinuedLines) {
    auto run = only("run  echo a \\\n  && echo b \\  \n# a comment\n\n  && echo c\n");
    EXPECT_EQ(run.keyword, "RUN");
    EXPECT_EQ(run.original, "run  echo a   && echo b   && echo c");
    EXPECT_EQ(run.arguments, Words{"echo a   && echo b   && echo c"});
    EXPECT_EQ(run.first_line, 1);
    EXPECT_EQ(run.last_line, 5);
}

TEST(Parser, WarnsOfEmptyContinuations) {
    auto document = *parse("RUN a \\\n\n b\n");
    ASSERT_EQ(document.warnings.size(), 1u);
    EXPECT_EQ(document.warnings[0].rule, "NoEmptyContinuation");
}

TEST(Parser, TakesDosLinesAndByteOrderMarks) {
    auto document = *parse(
        "\xEF\xBB\xBF"
        "FROM a\r\nRUN x \\\r\n y\r\n");
    EXPECT_EQ(document.instructions[0].arguments, Words{"a"});
    EXPECT_EQ(document.instructions[1].arguments, Words{"x  y"});
}

TEST(Parser, ReadsDirectivesAtTheTopOnly) {
    auto document = *parse("# syntax=docker/dockerfile:1\n# Escape = `\n# check=skip=all\nFROM a\nRUN dir `\n c:\\\n");
    EXPECT_EQ(document.syntax, "docker/dockerfile:1");
    EXPECT_EQ(document.escape, '`');
    EXPECT_EQ(document.check, "skip=all");
    EXPECT_EQ(document.instructions[1].arguments, Words{"dir  c:\\"});
    EXPECT_EQ(parse("# a comment\n# escape=`\nFROM a\n")->escape, '\\');
    EXPECT_EQ(parse("# unknown=1\n# escape=`\nFROM a\n")->escape, '\\');
    EXPECT_EQ(problem("# escape=x\nFROM a\n"), "dockerfile parse error on line 1: invalid escape token 'x' does not match ` or \\");
    EXPECT_EQ(problem("# escape=`\n# escape=`\nFROM a\n"), "dockerfile parse error on line 2: only one escape parser directive can be used");
}

TEST(Parser, CutsFlagsWithQuotes) {
    auto copy = only("COPY --from=base --chown=\"a b\":c  --chmod=0\\ 1 x /y\n");
    EXPECT_EQ(copy.flags, (Words{"--from=base", "--chown=a b:c", "--chmod=0 1"}));
    EXPECT_EQ(copy.arguments, (Words{"x", "/y"}));
    EXPECT_EQ(only("RUN -- --x\n").flags, Words{});
}

TEST(Parser, TellsExecFromShellForm) {
    EXPECT_TRUE(only("CMD [\"a\", \"b c\"]\n").json);
    EXPECT_EQ(only("CMD [\"a\", \"b c\"]\n").arguments, (Words{"a", "b c"}));
    EXPECT_FALSE(only("CMD [ 'a' ]\n").json);
    EXPECT_FALSE(only("RUN [ -f /x ] && echo y\n").json);
    EXPECT_TRUE(only("COPY [\"a b\", \"/c\"]\n").json);
    EXPECT_EQ(problem("FROM a\nCMD [\"a\", 1]\n"), "dockerfile parse error on line 2: when using JSON array syntax, arrays must be comprised of strings only");
}

TEST(Parser, ReadsPairs) {
    EXPECT_EQ(only("ENV a=1 b=\"x y\" c=x\\ y\n").arguments, (Words{"a", "1", "b", "\"x y\"", "c", "x\\ y"}));
    auto legacy = only("ENV key the  value = x\n");
    EXPECT_TRUE(legacy.legacy_pair);
    EXPECT_EQ(legacy.arguments, (Words{"key", "the  value = x"}));
}

TEST(Parser, ReadsHeredocs) {
    auto document = *parse("FROM a\nRUN <<EOF\n# kept\necho \\\n\nEOF\nCOPY <<-\"A\" <<B /d/\n\tone\n\tA\ntwo\nB\nCMD x\n");
    auto& run = document.instructions[1];
    ASSERT_EQ(run.heredocs.size(), 1u);
    EXPECT_EQ(run.heredocs[0].content, "# kept\necho \\\n\n");
    EXPECT_TRUE(run.heredocs[0].expand);
    auto& copy = document.instructions[2];
    ASSERT_EQ(copy.heredocs.size(), 2u);
    EXPECT_EQ(copy.heredocs[0].name, "A");
    EXPECT_FALSE(copy.heredocs[0].expand);
    EXPECT_EQ(copy.heredocs[0].text(), "one\n");
    EXPECT_EQ(copy.heredocs[1].text(), "two\n");
    EXPECT_EQ(document.instructions[3].first_line, 12);
    EXPECT_EQ(problem("FROM a\nRUN <<EOF\nx\n"), "dockerfile parse error on line 2: unterminated heredoc");
    EXPECT_TRUE(only("RUN cat <<< word\n").heredocs.empty());
    EXPECT_TRUE(only("RUN echo \"x <<EOF\"\n").heredocs.empty());
    EXPECT_TRUE(only("CMD cat <<EOF\n").heredocs.empty());
}

TEST(Parser, NamesLineAndReason) {
    const std::pair<const char*, const char*> kCases[] = {
        {"", "the Dockerfile cannot be empty"},
        {"# only\n\n", "file with no instructions"},
        {"RUN x\n", "no build stage in current context"},
        {"ARG x\n", "no build stage in current context"},
        {"FROM a\n\nFOO bar\n", "dockerfile parse error on line 3: unknown instruction: FOO (did you mean FROM?)"},
        {"FROM a\nNOTHINGLIKEIT x\n", "dockerfile parse error on line 2: unknown instruction: NOTHINGLIKEIT"},
        {"FROM a b\n", "dockerfile parse error on line 1: FROM requires either one or three arguments"},
        {"FROM a IN b\n", "dockerfile parse error on line 1: FROM requires either one or three arguments"},
        {"FROM\n", "dockerfile parse error on line 1: FROM requires either one or three arguments"},
        {"FROM a AS 1bad\n", "dockerfile parse error on line 1: invalid name for build stage: \"1bad\", name can't start with a number or contain symbols"},
        {"FROM a\nCOPY --foo=b x y\n", "dockerfile parse error on line 2: unknown flag: foo (did you mean from?)"},
        {"FROM a\nCOPY --from=b --from=c x y\n", "dockerfile parse error on line 2: Duplicate flag specified: from"},
        {"FROM a\nCOPY --from x y\n", "dockerfile parse error on line 2: Missing a value on flag: from"},
        {"FROM a\nCOPY --link=maybe x y\n", "dockerfile parse error on line 2: Expecting boolean value for flag link, not: maybe"},
        {"FROM a\nCOPY x\n",
         "dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined"},
        {"FROM a\nADD x\n",
         "dockerfile parse error on line 2: ADD requires at least two arguments, but only one was provided. Destination could not be determined"},
        {"FROM a\nENV A\n", "dockerfile parse error on line 2: ENV must have two arguments"},
        {"FROM a\nENV\n", "dockerfile parse error on line 2: ENV requires at least one argument"},
        {"FROM a\nENV A=1 B\n", "dockerfile parse error on line 2: Syntax error - can't find = in \"B\". Must be of the form: name=value"},
        {"FROM a\nENV =1\n", "dockerfile parse error on line 2: ENV names can not be blank"},
        {"FROM a\nLABEL\n", "dockerfile parse error on line 2: LABEL requires at least one argument"},
        {"FROM a\nLABEL =x\n", "dockerfile parse error on line 2: LABEL names can not be blank"},
        {"FROM a\nSHELL bash -c\n", "dockerfile parse error on line 2: SHELL requires the arguments to be in JSON form"},
        {"FROM a\nSHELL []\n", "dockerfile parse error on line 2: SHELL requires at least one argument"},
        {"FROM a\nONBUILD FROM b\n", "dockerfile parse error on line 2: FROM isn't allowed as an ONBUILD trigger"},
        {"FROM a\nONBUILD MAINTAINER b\n", "dockerfile parse error on line 2: MAINTAINER isn't allowed as an ONBUILD trigger"},
        {"FROM a\nONBUILD ONBUILD RUN x\n", "dockerfile parse error on line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"},
        {"FROM a\nONBUILD\n", "dockerfile parse error on line 2: ONBUILD requires at least one argument"},
        {"FROM a\nONBUILD FOO x\n", "dockerfile parse error on line 2: unknown instruction: FOO (did you mean FROM?)"},
        {"FROM a\nHEALTHCHECK foo\n", "dockerfile parse error on line 2: Unknown type \"FOO\" in HEALTHCHECK (try CMD)"},
        {"FROM a\nHEALTHCHECK NONE x\n", "dockerfile parse error on line 2: HEALTHCHECK NONE takes no arguments"},
        {"FROM a\nHEALTHCHECK CMD\n", "dockerfile parse error on line 2: Missing command after HEALTHCHECK CMD"},
        {"FROM a\nHEALTHCHECK --interval=1us CMD x\n", "dockerfile parse error on line 2: Interval \"interval\" cannot be less than 1ms"},
        {"FROM a\nHEALTHCHECK --retries=x CMD x\n", "dockerfile parse error on line 2: strconv.ParseInt: parsing \"x\": invalid syntax"},
        {"FROM a\nHEALTHCHECK --retries=-1 CMD x\n", "dockerfile parse error on line 2: --retries cannot be negative (-1)"},
        {"FROM a\nRUN --network=foo x\n", "dockerfile parse error on line 2: invalid network mode \"foo\""},
        {"FROM a\nRUN --security=foo x\n", "dockerfile parse error on line 2: security \"foo\" is not supported"},
        {"FROM a\nRUN\n", "dockerfile parse error on line 2: RUN requires at least one argument"},
        {"FROM a\nUSER\n", "dockerfile parse error on line 2: USER requires exactly one argument"},
        {"FROM a\nWORKDIR\n", "dockerfile parse error on line 2: WORKDIR requires exactly one argument"},
        {"FROM a\nWORKDIR --x /a\n", "dockerfile parse error on line 2: unknown flag: x"},
        {"FROM a\nSTOPSIGNAL\n", "dockerfile parse error on line 2: STOPSIGNAL requires exactly one argument"},
        {"FROM a\nEXPOSE\n", "dockerfile parse error on line 2: EXPOSE requires at least one argument"},
        {"FROM a\nVOLUME\n", "dockerfile parse error on line 2: VOLUME requires at least one argument"},
        {"FROM a\nVOLUME [\"\"]\n", "dockerfile parse error on line 2: VOLUME specified can not be an empty string"},
        {"FROM a\nARG\n", "dockerfile parse error on line 2: ARG requires at least one argument"},
        {"FROM a\nARG =x\n", "dockerfile parse error on line 2: ARG names can not be blank"},
        {"FROM a\nMAINTAINER\n", "dockerfile parse error on line 2: MAINTAINER requires exactly one argument"},
        {"FROM a\nRUN a \\\n  b\n\n# c\nUNKNOWN x\n", "dockerfile parse error on line 6: unknown instruction: UNKNOWN"},
    };
    for (auto& [text, expected] : kCases) EXPECT_EQ(problem(text), expected) << text;
    // The same behind other beginnings: the line moves along, the reason stays.
    const std::pair<const char*, int> kBeginnings[] = {{"# comment\n\nFROM a\n", 2},
                                                       {"ARG A=1\nFROM b AS x\nRUN y \\\n  # inside\n\n  z\nFROM a\n", 6},
                                                       {"FROM b\nCOPY <<EOF <<-\"E2\" /d/\nFOO\nEOF\n\tE2\nFROM a\n", 5},
                                                       {"\xEF\xBB\xBF# syntax=docker/dockerfile:1\r\nfrom a\r\n", 1},
                                                       {"  FROM a\n  \n\t# c\n", 2}};
    int broken = 0;
    for (auto& [beginning, moved] : kBeginnings)
        for (auto& [text, expected] : kCases) {
            std::string whole(text), reason(expected), line = "dockerfile parse error on line ";
            if (!whole.starts_with("FROM a\n") || !reason.starts_with(line)) continue;
            size_t digits = reason.find(':') - line.size();
            int number = static_cast<int>(*parse_int(reason.substr(line.size(), digits)));
            EXPECT_EQ(problem(concat(beginning, whole.substr(7))), concat(line, number + moved, reason.substr(line.size() + digits))) << beginning << text;
            broken++;
        }
    EXPECT_GE(broken, 200);
}

TEST(Commands, UnderstandsEveryInstruction) {
    auto document = *parse(
        "ARG V=1\nFROM --platform=linux/amd64 a:$V AS Base\nMAINTAINER me\nENV A=1\nLABEL k v w\nRUN --mount=type=cache,target=/c --network=none "
        "--security=insecure x\n"
        "COPY --from=b --chown=1:2 --chmod=u+x --link --parents --exclude=*.o --exclude=x a b /d/\nADD --checksum=sha256:1 --keep-git-dir=true --unpack=false "
        "http://h/f /\n"
        "WORKDIR /w\nUSER me\nEXPOSE 80 90/udp\nVOLUME /v /x\nSTOPSIGNAL TERM\nSHELL [\"s\"]\nHEALTHCHECK --interval=1m --retries=2 CMD [\"t\"]\nONBUILD RUN "
        "y\nCMD z\nENTRYPOINT [\"e\"]\n");
    auto program = read_program(document);
    ASSERT_TRUE(program) << program.error().message();
    ASSERT_EQ(program->global_args.size(), 1u);
    auto& stage = program->stages.at(0);
    EXPECT_EQ(stage.name, "base");
    EXPECT_EQ(stage.base, "a:$V");
    EXPECT_EQ(stage.platform, "linux/amd64");
    ASSERT_EQ(stage.commands.size(), 16u);
    auto& copy = std::get<Copy>(stage.commands[4].what);
    EXPECT_TRUE(copy.link && copy.parents && !copy.add);
    EXPECT_EQ(copy.excludes, (Words{"*.o", "x"}));
    EXPECT_EQ(copy.sources, (Words{"a", "b"}));
    auto& add = std::get<Copy>(stage.commands[5].what);
    EXPECT_EQ(add.unpack, false);
    EXPECT_TRUE(add.keep_git_dir);
    auto& check = std::get<Healthcheck>(stage.commands[12].what);
    EXPECT_FALSE(check.command.shell);
    EXPECT_EQ(*health_duration("interval", check.interval), 60000000000);
    EXPECT_EQ(std::get<Onbuild>(stage.commands[13].what).text, "RUN y");
}

TEST(Commands, KeepsTriggersWithTheirHeredocs) {
    auto program = *read_program(*parse("FROM a\nONBUILD RUN <<EOF\nx\nEOF\n"));
    auto text = std::get<Onbuild>(program.stages[0].commands[0].what).text;
    auto trigger = read_trigger(text);
    ASSERT_TRUE(trigger) << trigger.error().message();
    EXPECT_EQ(std::get<dockerfile::Run>(trigger->what).heredocs.at(0).content, "x\n");
}

}  // namespace
}  // namespace proa::dockerfile
