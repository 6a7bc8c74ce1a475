#include <algorithm>

#include "base/text.h"
#include "cli/template_tree.h"
#include "cli/template_value.h"

namespace proa::cli {

std::optional<json::Value> TemplateTypes::absent_field(std::string_view, std::string_view) const { return std::nullopt; }
bool TemplateTypes::is_map(std::string_view) const { return true; }
std::string TemplateTypes::null_text(std::string_view) const { return "<no value>"; }
std::optional<std::string> TemplateTypes::own_text(std::string_view, const json::Value&) const { return std::nullopt; }
std::string TemplateTypes::left_out(std::string_view, const json::Value&) const { return ""; }
std::string TemplateTypes::missing_field(std::string_view field) const { return concat("map has no entry for key ", quote(field)); }

TemplateValue TemplateValue::of(json::Value value) {
    TemplateValue made;
    made.owner = std::make_shared<const json::Value>(std::move(value));
    made.value = made.owner.get();
    made.is_map = true;
    return made;
}

const json::Value& TemplateValue::json() const {
    static const json::Value kNull;
    return value ? *value : kNull;
}

namespace {
using Kind = TemplateNode::Kind;
constexpr int kDepthMax = 1000;

enum class Flow { Next, Break, Continue };

class Executor {
public:
    Executor(const Template::Tree& tree, const TemplateData& data) : tree_(tree), data_(data), template_name_(tree.name) {
        root_.owner = std::make_shared<const json::Value>(data.value);
        root_.value = root_.owner.get();
        variables_.emplace_back("$", root_);
    }

    Result<std::string> run() {
        TRY(list(tree_.root, root_));
        return std::move(out_);
    }

private:
    Unexpected error(size_t position, std::string_view source, std::string_view message) const {
        std::string_view before = std::string_view(tree_.text).substr(0, position);
        size_t newline = before.rfind('\n');
        size_t column = newline == before.npos ? position : position - newline - 1;
        size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
        std::string shown = source.size() > 20 ? std::string(source.substr(0, 20)) + "..." : std::string(source);
        return fail(ErrorKind::InvalidArgument,
                    concat("template: ", tree_.name, ":", line, ':', column, ": executing ", quote(template_name_), " at <", shown, ">: ", message));
    }

    Result<Flow> list(const std::vector<TemplateNode>& nodes, const TemplateValue& dot) {
        for (auto& node : nodes) {
            Flow flow = TRY(statement(node, dot));
            if (flow != Flow::Next) return flow;
        }
        return Flow::Next;
    }

    Result<Flow> statement(const TemplateNode& node, const TemplateValue& dot) {
        switch (node.kind) {
            case Kind::Text: out_ += node.text; return Flow::Next;
            case Kind::Action: {
                TemplateValue value = TRY(pipe(*node.pipe, dot));
                if (node.pipe->variables.empty()) out_ += template_text(value, data_.types);
                return Flow::Next;
            }
            case Kind::If:
            case Kind::With: {
                size_t scope = variables_.size();
                TemplateValue value = TRY(pipe(*node.pipe, dot));
                bool holds = !value.is_none() && is_true(value.json());
                const TemplateValue& inner = node.kind == Kind::With && holds ? value : dot;
                Flow flow = TRY(list(holds ? node.body : node.otherwise, inner));
                variables_.resize(scope);
                return flow;
            }
            case Kind::Range: return range(node, dot);
            case Kind::Call: return call(node, dot);
            case Kind::Break: return Flow::Break;
            case Kind::Continue: return Flow::Continue;
            default: return Flow::Next;
        }
    }

    Result<Flow> call(const TemplateNode& node, const TemplateValue& dot) {
        auto found = tree_.named.find(node.text);
        if (found == tree_.named.end()) return error(node.position, concat("{{template ", quote(node.text), "}}"), concat("template ", quote(node.text), " not defined"));
        if (++depth_ > kDepthMax) return error(node.position, node.text, "exceeded maximum template depth (100000)");
        TemplateValue argument;
        if (node.pipe) argument = TRY(pipe(*node.pipe, dot));
        auto saved = std::move(variables_);
        variables_ = {{"$", argument}};
        std::string saved_name = std::exchange(template_name_, node.text);
        auto done = list(found->second, argument);
        variables_ = std::move(saved);
        template_name_ = std::move(saved_name);
        depth_--;
        if (!done) return done;
        return Flow::Next;
    }

    Result<Flow> range(const TemplateNode& node, const TemplateValue& dot) {
        size_t scope = variables_.size();
        std::vector<std::string> names = node.pipe->variables;
        TemplateValue over = TRY(pipe_value(*node.pipe, dot));
        struct Entry {
            TemplateValue key, value;
        };
        std::vector<Entry> entries;
        const json::Value& json = over.json();
        if (json.is_array()) {
            for (size_t i = 0; i < json.as_array().size(); i++) {
                TemplateValue item{over.owner, &json.as_array()[i], over.path + "[]", false};
                entries.push_back({TemplateValue::of(static_cast<int64_t>(i)), item});
            }
        } else if (json.is_object()) {
            for (auto& member : json.as_object()) entries.push_back({TemplateValue::of(member.name), member_value(over, member)});
            std::sort(entries.begin(), entries.end(), [](auto& a, auto& b) { return a.key.json().as_string() < b.key.json().as_string(); });
        } else if (json.is_integer()) {
            for (int64_t i = 0; i < json.as_int(); i++) entries.push_back({TemplateValue::of(i), TemplateValue::of(i)});
        } else if (!json.is_null()) {
            return error(node.position, node.pipe->source, concat("range can't iterate over ", template_text(over, data_.types)));
        }
        if (entries.empty()) {
            Flow flow = TRY(list(node.otherwise, dot));
            variables_.resize(scope);
            return flow;
        }
        for (auto& entry : entries) {
            variables_.resize(scope);
            if (names.size() == 1) declare(names[0], entry.value, node.pipe->assign);
            if (names.size() == 2) {
                declare(names[0], entry.key, node.pipe->assign);
                declare(names[1], entry.value, node.pipe->assign);
            }
            if (TRY(list(node.body, entry.value)) == Flow::Break) break;
        }
        variables_.resize(scope);
        return Flow::Next;
    }

    void declare(const std::string& name, const TemplateValue& value, bool assign) {
        if (assign)
            for (size_t i = variables_.size(); i-- > 0;)
                if (variables_[i].first == name) {
                    variables_[i].second = value;
                    return;
                }
        variables_.emplace_back(name, value);
    }

    Result<TemplateValue> pipe(const TemplatePipe& pipe, const TemplateValue& dot) {
        TemplateValue value = TRY(pipe_value(pipe, dot));
        if (!pipe.variables.empty()) declare(pipe.variables[0], value, pipe.assign);
        return value;
    }

    Result<TemplateValue> pipe_value(const TemplatePipe& pipe, const TemplateValue& dot) {
        std::optional<TemplateValue> last;
        for (auto& command : pipe.commands) last = TRY(run_command(command, dot, last));
        return last.value_or(TemplateValue{});
    }

    Result<TemplateValue> run_command(const TemplateCommand& command, const TemplateValue& dot, const std::optional<TemplateValue>& last) {
        auto& first = command.operands[0];
        bool has_arguments = command.operands.size() > 1 || last.has_value();
        if (first.kind == Kind::Function) return function(command, dot, last);
        if (!has_arguments) return operand(first, dot);
        if ((first.kind == Kind::Field || first.kind == Kind::Variable || first.kind == Kind::Chain) && !first.fields.empty()) {
            auto arguments = TRY(evaluate(command, dot, last));
            if (data_.method && first.kind != Kind::Chain && first.fields.size() == 1) {
                std::vector<json::Value> plain;
                for (auto& argument : arguments) plain.push_back(argument.json());
                if (auto answer = data_.method(first.fields[0], plain)) return TemplateValue::of(std::move(*answer));
            }
            return error(first.position, first.source, concat(first.fields.back(), " has arguments but cannot be invoked as function"));
        }
        if (first.kind == Kind::Nil) return error(first.position, "nil", "nil is not a command");
        return error(first.position, first.source, concat("can't give argument to non-function ", first.source));
    }

    Result<std::vector<TemplateValue>> evaluate(const TemplateCommand& command, const TemplateValue& dot, const std::optional<TemplateValue>& last) {
        std::vector<TemplateValue> arguments;
        for (size_t i = 1; i < command.operands.size(); i++) arguments.push_back(TRY(argument(command.operands[i], dot)));
        if (last) arguments.push_back(*last);
        return arguments;
    }

    Result<TemplateValue> argument(const TemplateNode& node, const TemplateValue& dot) {
        if (node.kind == Kind::Function) {
            TemplateCommand alone;
            alone.position = node.position;
            alone.source = node.source;
            return call_function(node, {}, alone);
        }
        return operand(node, dot);
    }

    Result<TemplateValue> function(const TemplateCommand& command, const TemplateValue& dot, const std::optional<TemplateValue>& last) {
        auto& name = command.operands[0].text;
        if (name == "and" || name == "or") {  // these stop at the first value that decides
            TemplateValue value;
            size_t count = command.operands.size() - 1 + (last ? 1 : 0);
            if (count == 0) return error(command.operands[0].position, name, concat("wrong number of args for ", name, ": want at least 1 got 0"));
            for (size_t i = 0; i < count; i++) {
                value = i + 1 < command.operands.size() ? TRY(argument(command.operands[i + 1], dot)) : *last;
                if (is_true(value.json()) == (name == "or")) break;
            }
            return value;
        }
        return call_function(command.operands[0], TRY(evaluate(command, dot, last)), command);
    }

    Result<TemplateValue> call_function(const TemplateNode& node, const std::vector<TemplateValue>& arguments, const TemplateCommand& command) {
        if (node.text == "json" && data_.row && arguments.size() == 1 && arguments[0].value == root_.value) {
            json::Object sorted = root_.json().as_object();
            sorted.sort();
            return TemplateValue::of(json::print(json::Value(std::move(sorted)), {.escape_html = true, .indent = ""}));
        }
        auto answer = call_template_function(node.text, arguments, data_.types, data_.header);
        if (answer) return answer;
        const std::string& message = answer.error().message();
        if (message.starts_with("wrong number of args")) return error(node.position, node.text, message);
        return error(node.position, command.source, concat("error calling ", node.text, ": ", message));
    }

    Result<TemplateValue> operand(const TemplateNode& node, const TemplateValue& dot) {
        switch (node.kind) {
            case Kind::Dot: return dot;
            case Kind::Nil: return error(node.position, "nil", "nil is not a command");
            case Kind::Bool:
            case Kind::Number:
            case Kind::String: return TemplateValue::of(node.literal);
            case Kind::Pipe: return pipe_value(*node.pipe, dot);
            case Kind::Field: return fields(dot, node, &dot == &root_ || dot.value == root_.value);
            case Kind::Chain: {
                TemplateValue inner = TRY(argument(node.inner[0], dot));
                return fields(inner, node, false);
            }
            case Kind::Variable: {
                for (size_t i = variables_.size(); i-- > 0;)
                    if (variables_[i].first == node.text) {
                        TemplateValue value = variables_[i].second;
                        return fields(value, node, value.value == root_.value);
                    }
                return error(node.position, node.source, concat("undefined variable: ", node.text));
            }
            default: return error(node.position, node.source, "unexpected operand");
        }
    }

    TemplateValue member_value(const TemplateValue& owner, const json::Object::Member& member) const {
        TemplateValue value{owner.owner, &member.value, child_path(owner.path, member.name), false};
        value.is_map = !data_.types || data_.types->is_map(value.path);
        return value;
    }

    Result<TemplateValue> fields(TemplateValue value, const TemplateNode& node, bool at_root) {
        for (size_t i = 0; i < node.fields.size(); i++) {
            value = TRY(field(value, node, node.fields[i], at_root && i == 0));
        }
        return value;
    }

    Result<TemplateValue> field(const TemplateValue& value, const TemplateNode& node, const std::string& name, bool at_root) {
        const json::Value& json = value.json();
        if (at_root && data_.method)
            if (auto answer = data_.method(name, {})) return TemplateValue::of(std::move(*answer));
        if (json.is_object()) {
            for (auto& member : json.as_object())
                if (member.name == name) return member_value(value, member);
            bool map = value.is_map && !at_root;
            if (data_.types && !map && data_.types->ignores_case())
                for (auto& member : json.as_object())
                    if (equals_ignoring_case(member.name, name)) return member_value(value, member);
            if (map || !data_.types) return TemplateValue{};
            if (auto zero = data_.types->absent_field(value.path, name)) {
                TemplateValue made = TemplateValue::of(std::move(*zero));
                made.path = child_path(value.path, name);
                made.is_map = data_.types->is_map(made.path);
                return made;
            }
            return error(node.position, node.source, data_.types->missing_field(name));
        }
        if (value.is_none() || json.is_null()) {
            if (!data_.types || value.is_none()) {
                if (value.is_none()) return error(node.position, node.source, concat("nil data; no entry for key ", quote(name)));
                return error(node.position, node.source, concat("nil pointer evaluating interface {}.", name));
            }
            return error(node.position, node.source, concat("map has no entry for key ", quote(value.path.empty() ? name : value.path.substr(value.path.rfind('.') + 1))));
        }
        std::string_view type = json.is_string() ? "string" : json.is_bool() ? "bool" : json.is_array() ? "[]interface {}" : json.is_double() ? "float64" : "int";
        return error(node.position, node.source, concat("can't evaluate field ", name, " in type ", type));
    }

    const Template::Tree& tree_;
    const TemplateData& data_;
    TemplateValue root_;
    std::string out_, template_name_;
    std::vector<std::pair<std::string, TemplateValue>> variables_;
    int depth_ = 0;
};
}  // namespace

Result<std::string> Template::execute(const TemplateData& data) const { return Executor(*tree_, data).run(); }

}  // namespace proa::cli
