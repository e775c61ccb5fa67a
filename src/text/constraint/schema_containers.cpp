// Objects and arrays.
#include "text/constraint/schema_compiler.h"

#include <algorithm>
#include <unordered_set>

namespace steer::constraint {
namespace {

constexpr size_t kMembersMax = 512;

} // namespace

Limits SchemaCompiler::find_limits(const SchemaAt& schema, const char* min_key, const char* max_key) const {
    const Limits limits{find_count(schema, min_key).value_or(0), find_count(schema, max_key).value_or(UINT32_MAX)};
    if (limits.min > limits.max)
        malformed(pointer_to(schema.where, max_key), "is {}, {} is {}", limits.max, min_key, limits.min);
    return limits;
}

Entry SchemaCompiler::object(const SchemaAt& schema) {
    const std::optional<Entry> more = more_members(schema);
    const std::vector<Member> declared = members(schema, more.has_value());
    const Limits size = find_limits(schema, "minProperties", "maxProperties");
    if (size == Limits{}) {
        if (declared.empty() && more == rules_.value) return rules_.object;
        return object_of(schema, declared, more);
    }
    if (!declared.empty())
        not_known(pointer_to(schema.where, size.min > 0 ? "minProperties" : "maxProperties"),
                  "not known here beside properties that are declared");
    if (more) return map_of(schema, *more, size);
    return size.min > 0 ? one_of({}, schema.where) : object_of(schema, {}, {});
}

std::optional<Entry> SchemaCompiler::more_members(const SchemaAt& schema) {
    const Json* const more = find_field(*schema.json, "additionalProperties");
    if (more == nullptr) { // where properties are declared a model is better off without others
        if (find_field(*schema.json, "properties") != nullptr) return {};
        return rules_.value;
    }
    if (more->is_boolean() && !more->get<bool>()) return {};
    return any_schema(child(schema, "additionalProperties", *more), kAnyKind);
}

// The declared ones, in order, and behind them those that are only required.
std::vector<SchemaCompiler::Member> SchemaCompiler::members(const SchemaAt& schema, bool undeclared_may_be) {
    std::vector<std::string> required;
    std::unordered_set<std::string> needed;
    if (const Json* const list = find_array(schema, "required"))
        for (const Json& name : *list) {
            if (!name.is_string()) malformed(pointer_to(schema.where, "required"), "must be a list of names");
            if (needed.insert(name.get<std::string>()).second) required.push_back(name.get<std::string>());
        }
    std::vector<Member> all;
    if (const Json* const properties = find_object(schema, "properties")) {
        const SchemaAt list = child(schema, "properties", *properties);
        for (const auto& [name, value] : properties->items())
            all.push_back({name, any_schema(child(list, name, value), kAnyKind), needed.erase(name) > 0});
    }
    const Json* const more = find_field(*schema.json, "additionalProperties");
    const bool closed = more != nullptr && !undeclared_may_be;
    for (const std::string& name : required) {
        if (!needed.contains(name)) continue;
        if (closed)
            malformed(pointer_to(schema.where, "required"),
                      "{} is not among the properties, and additionalProperties is false", quote(name));
        all.push_back(
            {name, more == nullptr ? rules_.value : any_schema(child(schema, "additionalProperties", *more), kAnyKind),
             true});
    }
    if (all.size() > kMembersMax)
        not_known(pointer_to(schema.where, "properties"), "more than {} properties", kMembersMax);
    return all;
}

Entry SchemaCompiler::object_of(const SchemaAt& schema, const std::vector<Member>& members,
                                const std::optional<Entry>& more) {
    const RuleId rule = builder_.add_rule(RuleKind::container, schema.where);
    const NodeId open = builder_.literal(builder_.start(rule), "{"), close = builder_.add_node(rule);
    builder_.edge(close, '}', add_end(rule));
    const auto value_behind = [&](NodeId name_end, const Entry& value, NodeId after) {
        const NodeId before_value = builder_.add_node(rule);
        add_gap(builder_, rules_, builder_.literal(name_end, ":"), before_value);
        builder_.call(before_value, value, after);
    };
    // keys[i]: a name is expected, of the i-th member or one behind it.
    std::vector<NodeId> keys(members.size() + 1);
    for (NodeId& key : keys) key = builder_.add_node(rule);
    const auto last_required =
        std::find_if(members.rbegin(), members.rend(), [](const Member& one) { return one.required; });
    const auto optional_from = static_cast<size_t>(members.rend() - last_required);
    const auto go_on = [&](NodeId from, size_t next) { // with a member, or the end
        add_gap(builder_, rules_, builder_.literal(from, ","), keys[next]);
        if (next >= optional_from) add_gap(builder_, rules_, from, close);
    };
    add_gap(builder_, rules_, open, keys[0]);
    if (optional_from == 0) add_gap(builder_, rules_, open, close);
    for (size_t i = 0; i < members.size(); i++) {
        const NodeId after = builder_.add_node(rule);
        value_behind(builder_.literal(keys[i], spell_string(members[i].name)), members[i].value, after);
        if (!members[i].required) builder_.skip(keys[i], keys[i + 1]);
        go_on(after, i + 1);
    }
    if (more) {
        const NodeId name_end = builder_.add_node(rule), after = builder_.add_node(rule);
        builder_.call(keys.back(), rules_.name, name_end);
        value_behind(name_end, *more, after);
        go_on(after, members.size());
        std::vector<std::string> names;
        for (const Member& member : members) names.push_back(spell_inside(member.name));
        builder_.set_names(rule, std::move(names));
    }
    return {rule, {}};
}

// Free names only: counted by their commas.
Entry SchemaCompiler::map_of(const SchemaAt& schema, const Entry& value, const Limits& size) {
    const RuleId rule = builder_.add_rule(RuleKind::container, schema.where);
    const NodeId open = builder_.literal(builder_.start(rule), "{"), close = builder_.add_node(rule);
    builder_.edge(close, '}', add_end(rule));
    NodeId key = builder_.add_node(rule);
    if (size.min == 0) add_gap(builder_, rules_, open, close);
    if (size.max > 0) add_gap(builder_, rules_, open, key);
    for (uint32_t count = 1;; count++) {
        const NodeId name_end = builder_.add_node(rule), before_value = builder_.add_node(rule),
                     after = builder_.add_node(rule);
        builder_.call(key, rules_.name, name_end);
        add_gap(builder_, rules_, builder_.literal(name_end, ":"), before_value);
        builder_.call(before_value, value, after);
        if (count >= size.min) add_gap(builder_, rules_, after, close);
        const NodeId comma = builder_.add_node(rule);
        builder_.edge(after, ',', ',', comma, true);
        if (count >= size.min) { // from here on they are all alike
            add_gap(builder_, rules_, comma, key);
            break;
        }
        key = builder_.add_node(rule);
        add_gap(builder_, rules_, comma, key);
    }
    return {rule, {0, size.max == UINT32_MAX ? UINT32_MAX : std::max(size.max, 1u) - 1}};
}

Entry SchemaCompiler::array(const SchemaAt& schema) {
    if (find_flag(schema, "uniqueItems")) not_known(pointer_to(schema.where, "uniqueItems"), "not known here");
    const Json* const first = find_array(schema, "prefixItems");
    const Json* const rest = find_field(*schema.json, "items");
    if (rest != nullptr && rest->is_array())
        malformed(pointer_to(schema.where, "items"), "must be one schema; a list of them is called prefixItems");
    std::vector<Entry> items;
    for (size_t i = 0; first != nullptr && i < first->size(); i++)
        items.push_back(any_schema(child(child(schema, "prefixItems", *first), i), kAnyKind));
    // Behind declared items there are others only where "items" says so.
    std::optional<Entry> more;
    if (rest != nullptr)
        more = any_schema(child(schema, "items", *rest), kAnyKind);
    else if (first == nullptr)
        more = rules_.value;
    const Limits size = find_limits(schema, "minItems", "maxItems");
    if (items.empty() && more == rules_.value && size == Limits{}) return rules_.array;
    if (!more && size.min > items.size())
        malformed(pointer_to(schema.where, "minItems"), "is {}, there are {} items", size.min, items.size());

    const RuleId rule = builder_.add_rule(RuleKind::container, schema.where);
    const NodeId open = builder_.literal(builder_.start(rule), "["), close = builder_.add_node(rule);
    builder_.edge(close, ']', add_end(rule));
    if (size.min == 0) add_gap(builder_, rules_, open, close);
    NodeId item = builder_.add_node(rule);
    if (size.max > 0) add_gap(builder_, rules_, open, item);
    for (size_t i = 0; i < items.size() || more; i++) {
        const bool alike = i >= items.size() && i + 1 >= size.min; // from here on they are
        const NodeId after = builder_.add_node(rule), comma = builder_.add_node(rule);
        builder_.call(item, i < items.size() ? items[i] : *more, after);
        if (i + 1 >= size.min) add_gap(builder_, rules_, after, close);
        builder_.edge(after, ',', ',', comma, true);
        if (!alike) item = builder_.add_node(rule);
        add_gap(builder_, rules_, comma, item);
        if (alike) break;
    }
    return {rule, {0, size.max == UINT32_MAX ? UINT32_MAX : std::max(size.max, 1u) - 1}};
}

} // namespace steer::constraint
