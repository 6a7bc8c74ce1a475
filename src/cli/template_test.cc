#include "cli/template.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "cli/inspect_output.h"
#include "cli/table.h"
#include "cli/units.h"

namespace proa::cli {
namespace {

std::string shown(std::string_view text, std::string_view json_text = R"({"Name":"n1","List":[1,2,3],"Map":{"b":"2","a":"1"},"On":true,"Zero":0,"Nil":null})") {
    auto parsed = Template::parse(text);
    if (!parsed) return "PARSE " + parsed.error().message();
    auto out = parsed->execute({json::parse(json_text).value(), nullptr, {}, false, false});
    return out ? *out : "EXEC " + out.error().message();
}

TEST(Template, PrintsFieldsAndCollectionsAsGoDoes) {
    EXPECT_EQ(shown("{{.Name}} {{.List}} {{.Map}} {{.On}} {{.Nope}}"), "n1 [1 2 3] map[a:1 b:2] true <no value>");
    EXPECT_EQ(shown("{{.Map.a}} {{index .Map \"b\"}} {{index .List 1}} {{len .List}}"), "1 2 2 3");
}

TEST(Template, ControlFlow) {
    EXPECT_EQ(shown("{{if .Zero}}a{{else if .On}}b{{else}}c{{end}}"), "b");
    EXPECT_EQ(shown("{{range $i, $e := .List}}{{if $i}},{{end}}{{$e}}{{end}}"), "1,2,3");
    EXPECT_EQ(shown("{{range .List}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{end}}"), "13");
    EXPECT_EQ(shown("{{range .List}}{{if eq . 2}}{{break}}{{end}}{{.}}{{end}}"), "1");
    EXPECT_EQ(shown("{{range $k, $v := .Map}}{{$k}}={{$v}};{{end}}"), "a=1;b=2;");
    EXPECT_EQ(shown("{{range .Nil}}x{{else}}none{{end}}"), "none");
    EXPECT_EQ(shown("{{with .Name}}<{{.}}{{$.On}}>{{else}}none{{end}}"), "<n1true>");
    EXPECT_EQ(shown("{{$x := 1}}{{range .List}}{{$x = .}}{{end}}{{$x}}"), "3");
}

TEST(Template, TrimMarkersAndComments) {
    EXPECT_EQ(shown("a  {{- .Name -}}  b"), "an1b");
    EXPECT_EQ(shown("a {{/* nothing */}} b"), "a  b");
    EXPECT_EQ(shown("a {{- /* nothing */ -}} b"), "ab");
}

TEST(Template, PipelinesAndFunctions) {
    EXPECT_EQ(shown("{{.Name | upper | printf \"%s-%s\" \"x\"}}"), "x-N1");
    EXPECT_EQ(shown("{{printf \"%-5s|%5d|%05d|%.2f|%q|%v|%x|%t|%%\" .Name 42 42 1.5 \"a\" .List 255 true}}"), "n1   |   42|00042|1.50|\"a\"|[1 2 3]|ff|true|%");
    EXPECT_EQ(shown("{{join (split \"a,b\" \",\") \"+\"}} {{title \"ab cd\"}} {{pad \"x\" 1 2}}| {{truncate \"hello\" 2}}"), "a+b Ab Cd  x  | he");
    EXPECT_EQ(shown("{{json .Map}} {{json .List}} {{json \"<\"}}"), R"({"b":"2","a":"1"} [1,2,3] "<")");
    EXPECT_EQ(shown("{{slice \"abcdef\" 1 3}} {{html \"<&>\"}} {{js \"'\"}} {{urlquery \"a b\"}}"), "bc &lt;&amp;&gt; \\' a+b");
    EXPECT_EQ(shown("{{print 1 2 \"a\" \"b\" 3}} {{println \"x\" 1}}"), "1 2ab3 x 1\n");
    EXPECT_EQ(shown("{{and 1 0}} {{or 0 \"x\"}} {{not 0}} {{eq 1 2 1}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 2}}"), "0 x true true true true true false true");
}

TEST(Template, DefinesAndCalls) {
    EXPECT_EQ(shown("{{define \"T\"}}[{{.}}]{{end}}{{template \"T\" .Name}}"), "[n1]");
    EXPECT_EQ(shown("{{block \"B\" .Name}}<{{.}}>{{end}}"), "<n1>");
}

TEST(Template, ParseErrorsCarryGosTexts) {
    EXPECT_EQ(shown("{{.A"), "PARSE template: :1: unclosed action");
    EXPECT_EQ(shown("{{foo}}"), "PARSE template: :1: function \"foo\" not defined");
    EXPECT_EQ(shown("{{if}}x{{end}}"), "PARSE template: :1: missing value for if");
    EXPECT_EQ(shown("{{if .A}}x"), "PARSE template: :1: unexpected EOF");
    EXPECT_EQ(shown("{{end}}"), "PARSE template: :1: unexpected {{end}}");
    EXPECT_EQ(shown("{{$x}}"), "PARSE template: :1: undefined variable \"$x\"");
    EXPECT_EQ(shown("{{\"a}}"), "PARSE template: :1: unterminated quoted string");
    EXPECT_EQ(shown("{{(1}}"), "PARSE template: :1: unclosed left paren");
    EXPECT_EQ(shown("a\n{{.A"), "PARSE template: :2: unclosed action");
}

TEST(Template, ExecutionErrorsNameThePlace) {
    EXPECT_EQ(shown("x{{index .List 5}}"), "EXEC template: :1:3: executing \"\" at <index .List 5>: error calling index: index out of range: 5");
    EXPECT_EQ(shown("{{.Name.Foo}}"), "EXEC template: :1:7: executing \"\" at <.Name.Foo>: can't evaluate field Foo in type string");
    EXPECT_EQ(shown("{{eq 1 \"a\"}}"), "EXEC template: :1:2: executing \"\" at <eq 1 \"a\">: error calling eq: incompatible types for comparison");
}

TEST(Template, DeepNestingAndBadInputEndInErrors) {
    EXPECT_NE(shown("{{define \"T\"}}{{template \"T\"}}{{end}}{{template \"T\"}}").find("EXEC"), std::string::npos);
    for (std::string text : {"{{", "{{-", "{{/*", "{{.}", "{{|}}", "{{. |}}", "{{range}}", "{{template}}", "{{define}}", "{{$}}{{", "{{'}}", "{{`}}", "{{)}}", "{{.a.}}", "{{1.2.3}}", "{{else}}"})
        EXPECT_NE(shown(text).find("PARSE"), std::string::npos) << text;
}

TEST(Inspect, KnowsGosTypes) {
    std::string container = R"({"Id":"x","State":{"Status":"running"},"Config":{"Labels":{"a":"b"},"Env":null},"HostConfig":{"PidsLimit":null,"LogConfig":{"Type":"t","Config":{}}},"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"","HostPort":"1"}],"81/tcp":null}}})";
    auto line = [&](const char* format) {
        auto out = print_inspected({container}, format);
        return out ? *out : "ERROR " + out.error().message();
    };
    EXPECT_EQ(line("{{.Id}} {{.ID}}"), "x x\n");
    EXPECT_EQ(line("{{if .State.Health}}h{{else}}none{{end}} {{.State.Health}}"), "none <nil>\n");
    EXPECT_EQ(line("{{.Config.Labels.zz}} {{.Config.Env}} {{.HostConfig.PidsLimit}} {{.HostConfig.LogConfig}}"), "<no value> [] <nil> {t map[]}\n");
    EXPECT_EQ(line("{{.NetworkSettings.Ports}}"), "map[80/tcp:[{ 1}] 81/tcp:[]]\n");
    EXPECT_EQ(line("{{.Nope}}"), "ERROR template parsing error: template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"");
    EXPECT_EQ(print_inspected({}, "").value(), "[]\n");
    EXPECT_EQ(print_inspected({"{\"a\":1}", "{}"}, "").value(), "[\n    {\n        \"a\": 1\n    },\n    {}\n]\n");
}

TEST(Table, AlignsLikeTabwriter) {
    EXPECT_EQ(align_columns("A\tB\tC\nlonger text\tx\ty\n", 10, 3), "A             B         C\nlonger text   x         y\n");
    EXPECT_EQ(align_columns("A\tB\nno tabs\nlonger text\tx\n", 10, 3), "A         B\nno tabs\nlonger text   x\n");
    EXPECT_EQ(align_columns("a\u2026\tb\n", 10, 3), "a\u2026        b\n");
}

TEST(Table, FormatsRows) {
    static const Column kColumns[] = {{"ID", "THE ID"}, {"Name", "NAME"}};
    ListShape shape{"thingContext", kColumns};
    Row row;
    row.fields = {{"Name", "<n>"}, {"ID", "1"}};
    row.label = [](std::string_view key) { return key == "a.b" ? "v" : ""; };
    auto text = [&](const char* format, bool quiet = false) {
        auto made = Format::make(format, {"{{.ID}}\t{{.Name}}", "{{.ID}}", ""}, quiet);
        if (!made) return made.error().message();
        auto out = made->print(shape, {row});
        return out ? *out : out.error().message();
    };
    EXPECT_EQ(text(""), "THE ID    NAME\n1         <n>\n");
    EXPECT_EQ(text("", true), "1\n");
    EXPECT_EQ(text("json"), "{\"ID\":\"1\",\"Name\":\"\\u003cn\\u003e\"}\n");
    EXPECT_EQ(text("{{json .}}"), "{\"ID\":\"1\",\"Name\":\"\\u003cn\\u003e\"}\n");
    EXPECT_EQ(text("table {{upper .Name}}\\t{{.Label \"a.b\"}}"), "NAME      b\n<N>       v\n");
    EXPECT_EQ(text("{{.Nope}}"), "failed to execute template: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type *formatter.thingContext");
    EXPECT_EQ(text("{{.ID"), "failed to parse template: template: :1: unclosed action");
}

TEST(Units, HumanNumbers) {
    EXPECT_EQ(human_size(1982488, 3), "1.98MB");
    EXPECT_EQ(human_size(1982488), "1.982MB");
    EXPECT_EQ(human_size(0), "0B");
    EXPECT_EQ(binary_size(25276502016.0), "23.54GiB");
    EXPECT_EQ(ellipsis("abcdefgh", 5), "abcd\u2026");
    EXPECT_EQ(ellipsis("abc", 5), "abc");
    EXPECT_EQ(truncated_id("sha256:0123456789abcdef"), "0123456789ab");
}

}  // namespace
}  // namespace proa::cli
