// A JSON Schema document as its compiler reads it: pointers into it, references, keywords of the right kind.
#pragma once

#include "files/error.h"
#include "files/json.h"
#include "files/quote.h"

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace steer::constraint {

struct SchemaAt {
    const Json* json;
    std::string where; // its pointer, "#/properties/name"
};

std::string pointer_to(const std::string& where, std::string_view key);

// malformed(where, "is {}, must be ...", value): the schema is broken there.
template<class... Args>
[[noreturn]] void malformed(const std::string& where, fmt::format_string<Args...> what, Args&&... args) {
    fail(STEER_ERR_FORMAT, "constraint_text: {}: {}", quote(where, 120),
         fmt::format(what, std::forward<Args>(args)...));
}
template<class... Args>
[[noreturn]] void not_known(const std::string& where, fmt::format_string<Args...> why, Args&&... args) {
    fail(STEER_ERR_UNSUPPORTED, "constraint_text: {}: {}", quote(where, 120),
         fmt::format(why, std::forward<Args>(args)...));
}

class SchemaReader {
  public:
    explicit SchemaReader(std::string_view text);

    SchemaAt root() const { return {&root_, "#"}; }
    SchemaAt resolve(const SchemaAt& schema) const; // of its $ref

  private:
    Json root_;
};

SchemaAt child(const SchemaAt& of, std::string_view key, const Json& value);
SchemaAt child(const SchemaAt& of, size_t index); // of an array

bool says_nothing(std::string_view keyword); // about the text: title, default, ...

// Keywords; nullptr or nothing where absent.
const Json* find_array(const SchemaAt& schema, std::string_view key, bool may_be_empty = true);
const Json* find_object(const SchemaAt& schema, std::string_view key);
std::optional<uint32_t> find_count(const SchemaAt& schema, std::string_view key);
std::optional<std::string> find_text(const SchemaAt& schema, std::string_view key);
bool find_flag(const SchemaAt& schema, std::string_view key); // absent: false

// The kinds of values that JSON has, as a set.
using Kinds = uint32_t;
enum Kind : Kinds {
    kNull = 1,
    kBoolean = 2,
    kInteger = 4,
    kFraction = 8,
    kString = 16,
    kArray = 32,
    kObject = 64,
    kNumber = kInteger | kFraction,
    kAnyKind = 127
};

Kinds kind_of(const Json& value);
Kinds kinds_of_type(const SchemaAt& schema); // its "type"; all where absent

// No value can fit both of two schemas, as far as that can be seen from their kinds, values, and the properties that
// both require. False: unknown.
bool exclude_each_other(const SchemaReader& reader, const SchemaAt& a, const SchemaAt& b);

} // namespace steer::constraint
