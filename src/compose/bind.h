#pragma once
#include "compose/context.h"

namespace proa::compose {

/// The canonical model as the tree that the structs' tables read: lists of "key=value" as objects, commands cut into words, texts as the numbers
/// and booleans they stand for, `x-` keys gathered in "#extensions".
/// Errors (InvalidArgument): compose's `decoding failed due to the following error(s):\n\nerror decoding 'services[a].mem_limit': invalid size: 'abc'`.
Result<json::Value> bind_model(Context& context, const yaml::Node& model);

/// A command line into its words as compose cuts it: quotes and backslashes, and nothing behind an unquoted ; & | < or >.
/// Errors: InvalidArgument "invalid command line string".
Result<std::vector<std::string>> split_words(std::string_view line);

}  // namespace proa::compose
