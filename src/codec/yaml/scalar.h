#pragma once
#include <string_view>

#include "codec/yaml/node.h"

namespace proa::yaml {

/// What a plain scalar is: null, a boolean, a number (octal with a leading 0, 0o, 0x, 0b, with underscores), a date (which becomes Go's text
/// of it), or text. YAML 1.2's core schema as yaml.v3 reads it: yes, no, on and off are texts.
Node resolve_plain(std::string_view text, Mark mark);

/// Whether a plain scalar of this text would be read as something else than text, by YAML 1.1 too (y, no, on, 22:22).
bool needs_quotes(std::string_view text);

}  // namespace proa::yaml
