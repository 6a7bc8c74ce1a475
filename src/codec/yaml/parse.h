#pragma once
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/yaml/node.h"

namespace proa::yaml {

/// All documents of a text; none when it holds only blanks and comments. Anchors are resolved into copies (at most 200,000 nodes come out of
/// them), `<<` into members, at most 200 levels deep; `source` goes into every mark.
/// Errors (InvalidArgument): yaml.v3's texts, `yaml: line 3: did not find expected key`, and for repeated keys
/// `yaml: unmarshal errors:\n  line 3: mapping key "a" already defined at line 2`; a key that is no text is
/// `Non-string key in services.a: 80`. `at`, when given, is set to where the first one is.
Result<std::vector<Node>> parse(std::string_view text, int source = 0, Mark* at = nullptr);

}  // namespace proa::yaml
