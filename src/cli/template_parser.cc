#include <algorithm>

#include "base/text.h"
#include "cli/template_tree.h"

namespace proa::cli {

namespace {
using Kind = TemplateNode::Kind;

enum class TokenKind { End, Identifier, Field, Variable, String, Number, Bool, Nil, Dot, Pipe, LeftParen, RightParen, Declare, Assign, Comma, Space, Character };
struct Token {
    TokenKind kind = TokenKind::End;
    std::string text;  ///< as written; strings unquoted in `value`
    std::string value;
    size_t position = 0;
};

bool is_name_char(char c) { return c == '_' || isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80; }

class Parser {
public:
    Parser(std::string_view text, std::string_view name) : text_(text), name_(name) {}

    Result<std::shared_ptr<const Template::Tree>> run() {
        tree_ = std::make_shared<Template::Tree>();
        tree_->text = text_;
        tree_->name = name_;
        std::string ended_by = TRY(list(tree_->root, false));
        if (!ended_by.empty()) return error(concat("unexpected {{", ended_by, "}}"));
        return std::shared_ptr<const Template::Tree>(tree_);
    }

private:
    Unexpected error(std::string message) const {
        size_t line = 1 + static_cast<size_t>(std::count(text_.begin(), text_.begin() + static_cast<long>(std::min(at_, text_.size())), '\n'));
        return fail(ErrorKind::InvalidArgument, concat("template: ", name_, ":", line, ": ", message));
    }

    /// Text and actions until {{end}}, {{else ...}} or the end; gives the keyword that ended the list ("" at the end).
    Result<std::string> list(std::vector<TemplateNode>& out, bool inner) {
        for (;;) {
            size_t open = text_.find("{{", at_);
            std::string_view piece = text_.substr(at_, open == text_.npos ? text_.npos : open - at_);
            bool trims_left = open != text_.npos && open + 3 < text_.size() && text_[open + 2] == '-' && isspace(static_cast<unsigned char>(text_[open + 3]));
            if (trim_next_)
                while (!piece.empty() && isspace(static_cast<unsigned char>(piece.front()))) piece.remove_prefix(1);
            trim_next_ = false;
            if (trims_left)
                while (!piece.empty() && isspace(static_cast<unsigned char>(piece.back()))) piece.remove_suffix(1);
            if (!piece.empty()) {
                TemplateNode node;
                node.text = piece;
                out.push_back(std::move(node));
            }
            if (open == text_.npos) {
                at_ = text_.size();
                if (inner) return error("unexpected EOF");
                return std::string();
            }
            at_ = open + (trims_left ? 4 : 2);
            if (text_.substr(at_).starts_with("/*")) {
                size_t close = text_.find("*/", at_);
                if (close == text_.npos) return error("unclosed comment");
                at_ = close + 2;
                while (at_ < text_.size() && isspace(static_cast<unsigned char>(text_[at_]))) at_++;
                if (text_.substr(at_).starts_with("-}}")) {
                    trim_next_ = true;
                    at_++;
                }
                if (!text_.substr(at_).starts_with("}}")) return error("comment ends before closing delimiter");
                at_ += 2;
                continue;
            }
            TRY(tokenize());
            std::string word = tokens_[0].kind == TokenKind::Identifier ? tokens_[0].text : "";
            if (word == "end" || word == "else") {
                if (!inner) return error(concat("unexpected {{", word, "}}"));
                return word;
            }
            TRY(action(out, word));
        }
    }

    Result<void> action(std::vector<TemplateNode>& out, const std::string& word) {
        TemplateNode node;
        node.position = tokens_[0].position;
        if (word == "if" || word == "range" || word == "with") {
            next_ = 1;
            node.kind = word == "if" ? Kind::If : word == "range" ? Kind::Range : Kind::With;
            TRY(control(node, word));
        } else if (word == "define" || word == "block") {
            return definition(out, word);
        } else if (word == "template") {
            next_ = 1;
            skip_space();
            node.kind = Kind::Call;
            if (peek().kind != TokenKind::String) return error(concat("unexpected ", describe(peek()), " in template clause"));
            node.position = peek().position;
            node.text = take().value;
            skip_space();
            if (peek().kind != TokenKind::End) node.pipe = TRY(pipeline("template clause"));
        } else if (word == "break" || word == "continue") {
            if (range_depth_ == 0) return error(concat("{{", word, "}} outside {{range}}"));
            node.kind = word == "break" ? Kind::Break : Kind::Continue;
        } else {
            next_ = 0;
            node.kind = Kind::Action;
            node.pipe = TRY(pipeline("command"));
        }
        out.push_back(std::move(node));
        return {};
    }

    Result<void> control(TemplateNode& node, const std::string& word) {
        size_t scope = variables_.size();
        node.pipe = TRY(pipeline(word));
        if (node.kind == Kind::Range) range_depth_++;
        std::string ended = TRY(list(node.body, true));
        if (ended == "else") {
            next_ = 1;
            skip_space();
            if (peek().kind == TokenKind::Identifier && (peek().text == "if" || peek().text == "with") && peek().text == word) {
                TemplateNode nested;
                nested.kind = node.kind;
                nested.position = peek().position;
                next_++;
                TRY(control(nested, word));
                node.otherwise.push_back(std::move(nested));
            } else if (peek().kind != TokenKind::End) {
                return error(concat("unexpected ", describe(peek()), " in else"));
            } else {
                ended = TRY(list(node.otherwise, true));
                if (ended == "else") return error("expected end; found {{else}}");
            }
        }
        if (node.kind == Kind::Range) range_depth_--;
        variables_.resize(scope);
        return {};
    }

    Result<void> definition(std::vector<TemplateNode>& out, const std::string& word) {
        next_ = 1;
        skip_space();
        if (peek().kind != TokenKind::String) return error(concat("unexpected ", describe(peek()), " in ", word, " clause"));
        TemplateNode call;
        call.kind = Kind::Call;
        call.position = tokens_[0].position;
        call.text = take().value;
        skip_space();
        if (word == "block") call.pipe = TRY(pipeline("block clause"));
        else if (peek().kind != TokenKind::End) return error("unexpected " + describe(peek()) + " in define clause");
        std::vector<TemplateNode> body;
        auto saved = std::move(variables_);
        variables_ = {};
        std::string ended = TRY(list(body, true));
        variables_ = std::move(saved);
        if (ended != "end") return error("unexpected {{else}}");
        tree_->named[call.text] = std::move(body);
        if (word == "block") out.push_back(std::move(call));
        return {};
    }

    // Tokens of one action.

    Result<void> tokenize() {
        tokens_.clear();
        next_ = 0;
        int depth = 0;
        size_t start = at_;
        while (at_ < text_.size() && isspace(static_cast<unsigned char>(text_[at_]))) at_++;
        for (;;) {
            if (at_ >= text_.size()) {
                at_ = start;
                return error("unclosed action");
            }
            size_t space = at_;
            while (space < text_.size() && isspace(static_cast<unsigned char>(text_[space]))) space++;
            bool trims = space > at_ && text_.substr(space).starts_with("-}}");
            if (trims || text_.substr(space).starts_with("}}")) {
                if (depth > 0) return error("unclosed left paren");
                tokens_.push_back({TokenKind::End, "", "", space});
                at_ = space + (trims ? 3 : 2);
                trim_next_ = trims;
                return {};
            }
            if (space > at_) {
                tokens_.push_back({TokenKind::Space, " ", "", at_});
                at_ = space;
                continue;
            }
            TRY(token(depth));
        }
    }

    Result<void> token(int& depth) {
        char c = text_[at_];
        size_t start = at_;
        auto push = [&](TokenKind kind, size_t length) {
            tokens_.push_back({kind, std::string(text_.substr(start, length)), "", start});
            at_ = start + length;
        };
        if (c == '"') return quoted();
        if (c == '`') {
            size_t end = text_.find('`', at_ + 1);
            if (end == text_.npos) return error("unterminated raw quoted string");
            push(TokenKind::String, end + 1 - start);
            tokens_.back().value = text_.substr(start + 1, end - start - 1);
            return {};
        }
        if (c == '\'') {
            size_t end = text_.find('\'', at_ + 1);
            if (end == text_.npos) return error("unterminated character constant");
            push(TokenKind::Character, end + 1 - start);
            return {};
        }
        if (c == '(') {
            depth++;
            push(TokenKind::LeftParen, 1);
            return {};
        }
        if (c == ')') {
            if (--depth < 0) return error("unexpected right paren");
            push(TokenKind::RightParen, 1);
            return {};
        }
        if (c == '|') return push(TokenKind::Pipe, 1), Result<void>();
        if (c == ',') return push(TokenKind::Comma, 1), Result<void>();
        if (text_.substr(at_).starts_with(":=")) return push(TokenKind::Declare, 2), Result<void>();
        if (c == '=') return push(TokenKind::Assign, 1), Result<void>();
        size_t end = at_ + 1;
        bool digit_next = end < text_.size() && isdigit(static_cast<unsigned char>(text_[end]));
        if (isdigit(static_cast<unsigned char>(c)) || ((c == '+' || c == '-' || c == '.') && digit_next)) {
            while (end < text_.size() && (isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '.' || text_[end] == '_')) end++;
            push(TokenKind::Number, end - start);
            return {};
        }
        if (c == '.' || c == '$' || is_name_char(c)) {
            while (end < text_.size() && is_name_char(text_[end])) end++;
            std::string_view word = text_.substr(start, end - start);
            TokenKind kind = c == '.'   ? (word.size() == 1 ? TokenKind::Dot : TokenKind::Field)
                             : c == '$' ? TokenKind::Variable
                             : word == "true" || word == "false" ? TokenKind::Bool
                             : word == "nil"                     ? TokenKind::Nil
                                                                 : TokenKind::Identifier;
            push(kind, word.size());
            return {};
        }
        return error(concat("unexpected ", quote(text_.substr(at_, 1)), " in command"));
    }

    Result<void> quoted() {
        size_t start = at_++;
        std::string value;
        for (;; at_++) {
            if (at_ >= text_.size() || text_[at_] == '\n') return error("unterminated quoted string");
            char c = text_[at_];
            if (c == '"') break;
            if (c != '\\') {
                value.push_back(c);
                continue;
            }
            if (++at_ >= text_.size()) return error("unterminated quoted string");
            static constexpr std::string_view kLetters = "abfnrtv\\\"'", kBytes = "\a\b\f\n\r\t\v\\\"'";
            size_t known = kLetters.find(text_[at_]);
            if (known != kLetters.npos) {
                value.push_back(kBytes[known]);
            } else if (text_[at_] == 'x' && at_ + 2 < text_.size()) {
                value.push_back(static_cast<char>(parse_uint(text_.substr(at_ + 1, 2), 16).value_or('?')));
                at_ += 2;
            } else {
                return error("bad string: invalid syntax");
            }
        }
        at_++;
        tokens_.push_back({TokenKind::String, std::string(text_.substr(start, at_ - start)), value, start});
        return {};
    }

    const Token& peek() const { return tokens_[next_]; }
    const Token& take() { return tokens_[next_ + 1 < tokens_.size() ? next_++ : next_]; }
    void skip_space() {
        while (peek().kind == TokenKind::Space) next_++;
    }
    static std::string describe(const Token& token) {
        if (token.kind == TokenKind::End) return "\"}}\"";
        return concat('<', token.text, '>');
    }

    Result<std::unique_ptr<TemplatePipe>> pipeline(const std::string& context) {
        auto pipe = std::make_unique<TemplatePipe>();
        skip_space();
        size_t start = next_;
        TRY(declarations(*pipe, context, start));
        for (;;) {
            skip_space();
            TokenKind kind = peek().kind;
            if (kind == TokenKind::End || kind == TokenKind::RightParen) {
                if (pipe->commands.empty()) return error(concat("missing value for ", context));
                break;
            }
            pipe->commands.push_back(TRY(command()));
            skip_space();
            if (peek().kind == TokenKind::Pipe) {
                next_++;
                skip_space();
                if (peek().kind == TokenKind::End || peek().kind == TokenKind::RightParen) return error(concat("missing value for ", context));
            }
        }
        pipe->source = source(start, next_);
        for (auto& name : pipe->variables)
            if (!pipe->assign) variables_.push_back(name);
        return pipe;
    }

    Result<void> declarations(TemplatePipe& pipe, const std::string& context, size_t start) {
        if (peek().kind != TokenKind::Variable) return {};
        std::vector<std::string> names{take().text};
        skip_space();
        if (peek().kind == TokenKind::Comma && context == "range") {
            next_++;
            skip_space();
            if (peek().kind != TokenKind::Variable) return error("range can only initialize variables");
            names.push_back(take().text);
            skip_space();
        }
        if (peek().kind != TokenKind::Declare && peek().kind != TokenKind::Assign) {
            next_ = start;
            return {};
        }
        pipe.assign = take().kind == TokenKind::Assign;
        pipe.variables = std::move(names);
        return {};
    }

    Result<TemplateCommand> command() {
        TemplateCommand command;
        size_t start = next_;
        command.position = peek().position;
        for (;;) {
            skip_space();
            TokenKind kind = peek().kind;
            if (kind == TokenKind::End || kind == TokenKind::Pipe || kind == TokenKind::RightParen) break;
            command.operands.push_back(TRY(operand()));
            kind = peek().kind;
            if (kind == TokenKind::Space || kind == TokenKind::End || kind == TokenKind::Pipe || kind == TokenKind::RightParen) continue;
            return error(concat("unexpected ", describe(peek()), " in operand"));
        }
        if (command.operands.empty()) return error("empty command");
        command.source = source(start, next_);
        return command;
    }

    Result<TemplateNode> operand() {
        size_t start = next_;
        TemplateNode node = TRY(term());
        if (peek().kind == TokenKind::Field) {
            bool joins = node.kind == Kind::Field || node.kind == Kind::Variable;
            if (!joins && node.kind != Kind::Pipe && node.kind != Kind::Dot && node.kind != Kind::Function)
                return error(concat("unexpected . after term ", quote(node.source)));
            TemplateNode chain;
            chain.kind = Kind::Chain;
            TemplateNode& target = joins ? node : chain;
            target.position = peek().position;
            while (peek().kind == TokenKind::Field) target.fields.push_back(take().text.substr(1));
            if (!joins) {
                chain.inner.push_back(std::move(node));
                node = std::move(chain);
            }
            node.source = source(start, next_);
        }
        return node;
    }

    Result<TemplateNode> term() {
        Token token = take();
        TemplateNode node;
        node.position = token.position;
        node.source = token.text;
        node.text = token.text;
        switch (token.kind) {
            case TokenKind::Identifier:
                if (!is_template_function(token.text)) return error(concat("function ", quote(token.text), " not defined"));
                node.kind = Kind::Function;
                return node;
            case TokenKind::Dot: node.kind = Kind::Dot; return node;
            case TokenKind::Nil: node.kind = Kind::Nil; return node;
            case TokenKind::Field:
                node.kind = Kind::Field;
                node.fields.push_back(token.text.substr(1));
                return node;
            case TokenKind::Variable:
                node.kind = Kind::Variable;
                if (token.text != "$" && std::find(variables_.begin(), variables_.end(), token.text) == variables_.end())
                    return error(concat("undefined variable ", quote(token.text)));
                return node;
            case TokenKind::String:
                node.kind = Kind::String;
                node.literal = token.value;
                return node;
            case TokenKind::Bool:
                node.kind = Kind::Bool;
                node.literal = token.text == "true";
                return node;
            case TokenKind::Number:
            case TokenKind::Character: return number(token, std::move(node));
            case TokenKind::LeftParen: {
                node.kind = Kind::Pipe;
                size_t start = next_ - 1;
                node.pipe = TRY(pipeline("parenthesized pipeline"));
                if (peek().kind != TokenKind::RightParen) return error("unclosed left paren");
                next_++;
                node.source = source(start, next_);
                return node;
            }
            default: return error(concat("unexpected ", describe(token), " in operand"));
        }
    }

    Result<TemplateNode> number(const Token& token, TemplateNode node) {
        node.kind = Kind::Number;
        if (token.kind == TokenKind::Character) {
            node.literal = static_cast<int64_t>(token.text.size() == 3 ? static_cast<unsigned char>(token.text[1]) : 0);
            return node;
        }
        std::string digits = replace_all(token.text, "_", "");
        std::string_view text = digits;
        bool negative = text.starts_with('-');
        if (negative || text.starts_with('+')) text.remove_prefix(1);
        int base = text.starts_with("0x") || text.starts_with("0X") ? 16 : text.starts_with("0b") ? 2 : text.starts_with("0o") || (text.size() > 1 && text[0] == '0' && text.find('.') == text.npos) ? 8 : 10;
        if (auto value = parse_uint(text.substr(base == 16 || base == 2 || text.starts_with("0o") ? 2 : 0), base)) {
            node.literal = negative ? -static_cast<int64_t>(*value) : static_cast<int64_t>(*value);
            return node;
        }
        char* end = nullptr;
        double value = strtod(digits.c_str(), &end);
        if (*end != '\0') return error(concat("bad number syntax: ", quote(token.text)));
        node.literal = value;
        return node;
    }

    std::string source(size_t from, size_t to) const {
        std::string out;
        for (size_t i = from; i < to && i < tokens_.size(); i++) out += tokens_[i].text;
        return std::string(trim(out));
    }

    std::string_view text_, name_;
    size_t at_ = 0;
    bool trim_next_ = false;
    int range_depth_ = 0;
    std::vector<Token> tokens_;
    size_t next_ = 0;
    std::vector<std::string> variables_;
    std::shared_ptr<Template::Tree> tree_;
};

bool pipe_mentions(const TemplatePipe& pipe, std::string_view field);

/// An empty `field` asks for the dot itself.
bool nodes_mention(const std::vector<TemplateNode>& nodes, std::string_view field) {
    for (auto& node : nodes) {
        if (field.empty() && node.kind == Kind::Dot) return true;
        for (auto& name : node.fields)
            if (name == field) return true;
        if (node.pipe && pipe_mentions(*node.pipe, field)) return true;
        if (nodes_mention(node.body, field) || nodes_mention(node.otherwise, field) || nodes_mention(node.inner, field)) return true;
    }
    return false;
}

bool pipe_mentions(const TemplatePipe& pipe, std::string_view field) {
    for (auto& command : pipe.commands)
        if (nodes_mention(command.operands, field)) return true;
    return false;
}
}  // namespace

Result<Template> Template::parse(std::string_view text, std::string_view name) {
    Template parsed;
    std::string copy(text);
    parsed.tree_ = TRY(Parser(copy, name).run());
    return parsed;
}

bool Template::mentions_dot() const { return mentions(""); }

bool Template::mentions(std::string_view field) const {
    if (nodes_mention(tree_->root, field)) return true;
    for (auto& [name, nodes] : tree_->named)
        if (nodes_mention(nodes, field)) return true;
    return false;
}

}  // namespace proa::cli
