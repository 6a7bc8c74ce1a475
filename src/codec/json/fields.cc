#include "codec/json/fields.h"

namespace proa::json {

Error type_mismatch(const Value& value, std::string_view wanted) {
    std::string what(value.type_name());
    // As Go: only a number of the right kind that does not fit is shown.
    bool integer = wanted.starts_with("int") || wanted.starts_with("uint");
    if (value.is_number() && integer) what += " " + print(value);
    return Error(ErrorKind::InvalidArgument, concat("cannot unmarshal ", what, " into Go value of type ", wanted));
}

Result<void> decode_fields(const Value& value, void* object, std::span<const Field> fields, const char* type_name) {
    for (auto& field : fields) {
        if (field.flags & kInline) {
            TRY(decode_fields(value, field.at(object), field.inner(), type_name));
            continue;
        }
        const Value* member = value.as_object().find_ignoring_case(field.name);
        if (!member) continue;
        auto done = field.type->decode(*member, field.at(object));
        if (!done) {
            // "cannot unmarshal string into Go value of type int64" becomes "... into Go struct field T.Name of type int64"
            std::string message = replace_all(done.error().message(), "into Go value", concat("into Go struct field ", type_name, ".", field.name));
            return fail(ErrorKind::InvalidArgument, message);
        }
    }
    return {};
}

void encode_fields(std::string& out, const void* object, std::span<const Field> fields, bool escape_html) {
    for (auto& field : fields) {
        const void* member = field.at(const_cast<void*>(object));
        if (field.flags & kInline) {
            encode_fields(out, member, field.inner(), escape_html);
            continue;
        }
        if ((field.flags & kOmitEmpty) && field.type->is_empty(member)) continue;
        if (out.back() != '{') out.push_back(',');
        print_string(out, field.name, escape_html);
        out.push_back(':');
        field.type->encode(out, member, escape_html);
    }
}

void encode_object(std::string& out, const void* object, std::span<const Field> fields, bool escape_html) {
    out.push_back('{');
    encode_fields(out, object, fields, escape_html);
    out.push_back('}');
}

}  // namespace proa::json
