// oneOf asks for exactly one alternative. A text that fits one of them fits no other if they exclude each other.
#include "text/constraint/schema_reader.h"

#include <algorithm>
#include <vector>

namespace steer::constraint {
namespace {

constexpr int kDepth = 16;

bool is_false(const Json* json) { return json != nullptr && json->is_boolean() && !json->get<bool>(); }

// The values of enum or const; false: it may be others.
bool find_values(const SchemaAt& schema, std::vector<const Json*>& values) {
    if (const Json* one = find_field(*schema.json, "const")) return values.push_back(one), true;
    const Json* const list = find_array(schema, "enum");
    if (list == nullptr) return false;
    for (const Json& value : *list) values.push_back(&value);
    return true;
}

Kinds kinds_of(const SchemaAt& schema) {
    if (is_false(schema.json)) return 0;
    if (!schema.json->is_object()) return kAnyKind;
    Kinds kinds = kinds_of_type(schema);
    if (std::vector<const Json*> values; find_values(schema, values)) {
        Kinds of_values = 0;
        for (const Json* value : values) of_values |= kind_of(*value);
        kinds &= of_values;
    }
    return find_flag(schema, "nullable") ? kinds | kNull : kinds;
}

bool requires_property(const SchemaAt& schema, std::string_view name) {
    const Json* const required = find_array(schema, "required");
    return required != nullptr && std::find(required->begin(), required->end(), name) != required->end();
}

const Json* property_of(const SchemaAt& schema, std::string_view name) {
    const Json* const properties = find_object(schema, "properties");
    return properties == nullptr ? nullptr : find_field(*properties, name);
}

bool may_be_equal(const Json& a, const Json& b) {
    if (a.is_number() && b.is_number()) return a.get<double>() == b.get<double>();
    return a.is_object() || a.is_array() ? a.type() == b.type() : a == b;
}

class Comparison {
  public:
    explicit Comparison(const SchemaReader& reader) : reader_(reader) {}

    bool exclude(const SchemaAt& one, const SchemaAt& other, int depth) {
        if (depth > kDepth || ++compared_ > kComparedMax) return false;
        const SchemaAt a = follow(one), b = follow(other);
        const Kinds both = kinds_of(a) & kinds_of(b);
        if (both == 0) return true;
        if (!a.json->is_object() || !b.json->is_object()) return false;
        if (parts_exclude(a, b, depth) || parts_exclude(b, a, depth)) return true;
        std::vector<const Json*> in_a, in_b;
        if (find_values(a, in_a) && find_values(b, in_b) && !find_flag(a, "nullable") && !find_flag(b, "nullable"))
            return std::none_of(in_a.begin(), in_a.end(), [&](const Json* value) {
                return std::any_of(in_b.begin(), in_b.end(),
                                   [&](const Json* same) { return may_be_equal(*value, *same); });
            });
        return both == kObject && (properties_exclude(a, b, depth) || properties_exclude(b, a, depth));
    }

  private:
    // A schema that only stands for another one.
    SchemaAt follow(SchemaAt schema) const {
        for (int i = 0; i < kDepth && schema.json->is_object() && !find_flag(schema, "nullable"); i++) {
            const Json* const all = find_field(*schema.json, "allOf");
            if (find_field(*schema.json, "$ref") != nullptr)
                schema = reader_.resolve(schema);
            else if (all != nullptr && all->is_array() && all->size() == 1)
                schema = {&(*all)[0], schema.where};
            else
                break;
        }
        return schema;
    }

    // All alternatives of the first.
    bool parts_exclude(const SchemaAt& a, const SchemaAt& b, int depth) {
        if (find_flag(a, "nullable")) return false;
        for (const char* key : {"anyOf", "oneOf"}) {
            const Json* const parts = find_array(a, key);
            if (parts != nullptr && std::all_of(parts->begin(), parts->end(), [&](const Json& part) {
                    return exclude({&part, a.where}, b, depth + 1);
                }))
                return true;
        }
        return false;
    }

    // Both are objects: a property that one requires keeps the other out.
    bool properties_exclude(const SchemaAt& a, const SchemaAt& b, int depth) {
        const Json* const required = find_array(a, "required");
        if (required == nullptr) return false;
        for (const Json& entry : *required) {
            if (!entry.is_string()) continue;
            const std::string name = entry.get<std::string>();
            const Json *in_a = property_of(a, name), *in_b = property_of(b, name);
            if (in_b == nullptr && is_false(find_field(*b.json, "additionalProperties"))) return true;
            if (in_a == nullptr || in_b == nullptr || !requires_property(b, name)) continue;
            if (exclude({in_a, a.where}, {in_b, b.where}, depth + 1)) return true;
        }
        return false;
    }

    static constexpr int kComparedMax = 2000;

    const SchemaReader& reader_;
    int compared_ = 0;
};

} // namespace

bool exclude_each_other(const SchemaReader& reader, const SchemaAt& a, const SchemaAt& b) {
    return Comparison(reader).exclude(a, b, 0);
}

} // namespace steer::constraint
