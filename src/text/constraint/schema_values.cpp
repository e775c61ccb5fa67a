// Given values: enum and const.
#include "text/constraint/schema_compiler.h"

#include <algorithm>

namespace steer::constraint {
namespace {

bool is_container(const Json& value) { return value.is_object() || value.is_array(); }

} // namespace

Entry SchemaCompiler::values(const SchemaAt& schema, Kinds kinds) {
    std::vector<const Json*> given;
    const Json* const list = find_array(schema, "enum", false);
    const Json* const constant = find_field(*schema.json, "const");
    if (constant != nullptr)
        given.push_back(constant);
    else
        for (const Json& one : *list) given.push_back(&one);

    std::vector<std::string> texts; // of those that are one piece
    std::vector<Entry> entries;
    for (const Json* one : given) {
        if ((kind_of(*one) & kinds) == 0) continue; // not of the type
        if (is_container(*one))
            entries.push_back(value(*one));
        else
            texts.push_back(one->is_string() ? spell_string(one->get_ref<const std::string&>()) : one->dump());
    }
    if (texts.empty() && entries.empty())
        malformed(pointer_to(schema.where, constant != nullptr ? "const" : "enum"),
                  "no value of it has the type asked for");
    if (!texts.empty()) {
        const RuleId rule = builder_.add_rule(RuleKind::plain, schema.where);
        builder_.literals(builder_.start(rule), texts, add_end(rule));
        entries.push_back({rule, {}});
    }
    return one_of(std::move(entries), schema.where);
}

// One value: its own text, white space between its parts as everywhere.
Entry SchemaCompiler::value(const Json& value) {
    const bool container = is_container(value);
    const RuleId rule = builder_.add_rule(container ? RuleKind::container : RuleKind::plain);
    const NodeId start = builder_.start(rule);
    if (!container) {
        const std::string text = value.is_string() ? spell_string(value.get_ref<const std::string&>()) : value.dump();
        builder_.set_final(builder_.literal(start, text));
        return {rule, {}};
    }
    const bool object = value.is_object();
    NodeId at = builder_.literal(start, object ? "{" : "[");
    bool first = true;
    const auto gap = [&] {
        const NodeId behind = builder_.add_node(rule);
        add_gap(builder_, rules_, at, behind);
        at = behind;
    };
    const auto part = [&](const std::string& lead, const Json& inside) {
        if (!std::exchange(first, false)) at = builder_.literal(at, ",");
        gap();
        if (!lead.empty()) {
            at = builder_.literal(at, lead);
            gap();
        }
        const NodeId after = builder_.add_node(rule);
        builder_.call(at, this->value(inside), after);
        at = after;
    };
    if (object)
        for (const auto& [name, inside] : value.items()) part(spell_string(name) + ':', inside);
    else
        for (const Json& inside : value) part("", inside);
    gap();
    builder_.set_final(builder_.literal(at, object ? "}" : "]"));
    return {rule, {}};
}

} // namespace steer::constraint
