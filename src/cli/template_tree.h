#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/template.h"

// The syntax tree between template_parser.cc and template_execute.cc.
namespace proa::cli {

struct TemplatePipe;

struct TemplateNode {
    enum class Kind { Text, Action, If, Range, With, Call, Break, Continue,  // in lists
                      Field, Variable, Dot, Nil, Bool, Number, String, Function, Pipe, Chain };  // operands
    Kind kind = Kind::Text;
    size_t position = 0;           ///< in the template's text
    std::string text;              ///< text, string, name of a function, variable, template
    std::vector<std::string> fields;
    json::Value literal;
    std::unique_ptr<TemplatePipe> pipe;
    std::vector<TemplateNode> body, otherwise;
    std::vector<TemplateNode> inner;  ///< Chain: the operand before the fields
    std::string source;            ///< as error texts show it
};

struct TemplateCommand {
    std::vector<TemplateNode> operands;
    std::string source;
    size_t position = 0;
};

struct TemplatePipe {
    std::vector<std::string> variables;
    bool assign = false;  ///< `=` instead of `:=`
    std::vector<TemplateCommand> commands;
    std::string source;
};

struct Template::Tree {
    std::string text, name;
    std::vector<TemplateNode> root;
    std::map<std::string, std::vector<TemplateNode>> named;
};

bool is_template_function(std::string_view name);

}  // namespace proa::cli
