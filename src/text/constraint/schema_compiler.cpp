#include "text/constraint/schema_compiler.h"

#include "text/constraint/number_range.h"
#include "text/constraint/schema.h"

#include <algorithm>
#include <array>

namespace steer::constraint {
namespace {

constexpr int kDepth = 200; // of schemas within each other, references included
constexpr size_t kOneOfMax = 100;

constexpr const char* kCombinations[] = {"$ref", "anyOf", "oneOf", "allOf", "enum", "const"};

struct Keyword {
    std::string_view name;
    Kinds kinds; // of values that it says something about
};
constexpr Keyword kKeywords[] = {
    {"type", kAnyKind},
    {"nullable", kAnyKind},
    {"properties", kObject},
    {"required", kObject},
    {"additionalProperties", kObject},
    {"minProperties", kObject},
    {"maxProperties", kObject},
    {"items", kArray},
    {"prefixItems", kArray},
    {"minItems", kArray},
    {"maxItems", kArray},
    {"uniqueItems", kArray},
    {"minLength", kString},
    {"maxLength", kString},
    {"pattern", kString},
    {"format", kString},
    {"minimum", kNumber},
    {"maximum", kNumber},
    {"exclusiveMinimum", kNumber},
    {"exclusiveMaximum", kNumber},
};

const Keyword* find_keyword(std::string_view name) {
    const auto found = std::find_if(std::begin(kKeywords), std::end(kKeywords),
                                    [&](const Keyword& keyword) { return keyword.name == name; });
    return found == std::end(kKeywords) ? nullptr : &*found;
}

// Without a type the kinds are those that the keywords are for.
Kinds implied_kinds(const SchemaAt& schema) {
    Kinds kinds = 0;
    for (const auto& [key, value] : schema.json->items())
        if (const Keyword* keyword = find_keyword(key); keyword != nullptr && keyword->kinds != kAnyKind)
            kinds |= keyword->kinds;
    return kinds == 0 ? kAnyKind : kinds;
}

std::optional<NumberBound> find_bound(const SchemaAt& schema, const char* key, bool exclusive) {
    const Json* const found = find_field(*schema.json, key);
    if (found == nullptr) return {};
    if (!found->is_number()) malformed(pointer_to(schema.where, key), "must be a number");
    return NumberBound{found->dump(), exclusive, pointer_to(schema.where, key)};
}

} // namespace

Grammar compile_json_schema(std::string_view text) { return SchemaCompiler(text).compile(); }

Grammar SchemaCompiler::compile() {
    const Entry root = any_schema(reader_.root(), kAnyKind);
    if (const std::optional<std::string> where = builder_.finish(root))
        malformed(where->empty() ? "#" : *where,
                  "no document satisfies this: it allows nothing, or contains itself without end");
    return builder_.take();
}

Entry SchemaCompiler::any_schema(const SchemaAt& schema, Kinds kinds) {
    const auto key = std::pair(schema.json, kinds);
    if (const auto [found, fresh] = done_.try_emplace(key); !fresh) {
        if (found->second) return *found->second;
        const auto [forward, first] = forward_.try_emplace(key);
        if (first) forward->second = {builder_.add_rule(RuleKind::plain, schema.where), {}};
        return forward->second;
    }
    if (++depth_ > kDepth) not_known(schema.where, "schemas and references this deep in one another");
    const Entry made = new_schema(schema, kinds);
    depth_--;
    if (const auto forward = forward_.find(key); forward != forward_.end())
        builder_.call(builder_.start(forward->second.rule), made, add_end(forward->second.rule));
    done_[key] = made;
    return made;
}

Entry SchemaCompiler::new_schema(const SchemaAt& schema, Kinds kinds) {
    if (schema.json->is_boolean()) {
        if (!schema.json->get<bool>()) return one_of({}, schema.where);
        static const Json nothing = Json::object();
        return of_kinds({&nothing, schema.where}, kinds);
    }
    if (!schema.json->is_object()) malformed(schema.where, "a schema must be an object, true or false");
    const bool nullable = find_flag(schema, "nullable") && (kinds & kNull) != 0;
    kinds &= kinds_of_type(schema);
    std::optional<Entry> found = combination(schema, kinds);
    if (!found) {
        refuse_unknown_keywords(schema, nullptr);
        if (find_field(*schema.json, "type") == nullptr) kinds &= implied_kinds(schema);
        found = of_kinds(schema, kinds);
    }
    return nullable ? one_of({*found, rules_.null}, schema.where) : *found;
}

// Beside a combination there is a type at most: keywords of both at once would ask for an intersection of automata.
void SchemaCompiler::refuse_unknown_keywords(const SchemaAt& schema, const char* combination) const {
    for (const auto& [key, value] : schema.json->items()) {
        if (says_nothing(key) || (combination != nullptr && key == combination)) continue;
        if (key == "$id" && schema.where == "#") continue;
        const Keyword* const keyword = find_keyword(key);
        if (keyword == nullptr && combination == nullptr) not_known(pointer_to(schema.where, key), "not known here");
        if (combination != nullptr && (keyword == nullptr || keyword->kinds != kAnyKind))
            not_known(pointer_to(schema.where, key), "not known here beside {}", combination);
    }
}

std::optional<Entry> SchemaCompiler::combination(const SchemaAt& schema, Kinds kinds) {
    const auto present = std::find_if(std::begin(kCombinations), std::end(kCombinations),
                                      [&](const char* key) { return find_field(*schema.json, key) != nullptr; });
    if (present == std::end(kCombinations)) return {};
    const std::string_view key = *present;
    refuse_unknown_keywords(schema, *present);
    if (key == "$ref") return any_schema(reader_.resolve(schema), kinds);
    if (key == "enum" || key == "const") return values(schema, kinds);
    return alternatives(schema, *present, kinds);
}

Entry SchemaCompiler::alternatives(const SchemaAt& schema, const char* key, Kinds kinds) {
    const SchemaAt list = child(schema, key, *find_array(schema, key, false));
    const size_t count = list.json->size();
    if (key == std::string_view("allOf") && count > 1) not_known(list.where, "more than one schema in allOf");
    if (key == std::string_view("oneOf") && count > kOneOfMax)
        not_known(list.where, "more than {} alternatives in oneOf", kOneOfMax);
    if (key == std::string_view("oneOf"))
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < i; j++)
                if (!exclude_each_other(reader_, child(list, j), child(list, i)))
                    not_known(list.where, "alternatives {} and {} may both fit (anyOf allows that)", j, i);
    std::vector<Entry> entries;
    for (size_t i = 0; i < count; i++) entries.push_back(any_schema(child(list, i), kinds));
    return one_of(std::move(entries), schema.where);
}

Entry SchemaCompiler::of_kinds(const SchemaAt& schema, Kinds kinds) {
    std::vector<Entry> entries;
    if ((kinds & kObject) != 0) entries.push_back(object(schema));
    if ((kinds & kArray) != 0) entries.push_back(array(schema));
    if ((kinds & kString) != 0) entries.push_back(string(schema));
    if ((kinds & kNumber) != 0) entries.push_back(number(schema, kinds));
    if ((kinds & kBoolean) != 0) entries.push_back(rules_.boolean);
    if ((kinds & kNull) != 0) entries.push_back(rules_.null);
    const Entry any[] = {rules_.object, rules_.array, rules_.text, rules_.number, rules_.boolean, rules_.null};
    if (std::equal(entries.begin(), entries.end(), std::begin(any), std::end(any))) return rules_.value;
    return one_of(std::move(entries), schema.where);
}

Entry SchemaCompiler::number(const SchemaAt& schema, Kinds kinds) {
    const bool integers = (kinds & kFraction) == 0;
    NumberRange range;
    const auto both = [&](std::optional<NumberBound>& bound, const char* key, const char* exclusive_key) {
        bound = find_bound(schema, key, false);
        const auto exclusive = find_bound(schema, exclusive_key, true);
        if (bound && exclusive) not_known(exclusive->where, "not known here beside {}", key);
        if (exclusive) bound = exclusive;
    };
    both(range.min, "minimum", "exclusiveMinimum");
    both(range.max, "maximum", "exclusiveMaximum");
    if (!range.min && !range.max) return integers ? rules_.integer : rules_.number;
    const RuleId rule = builder_.add_rule(RuleKind::plain, schema.where);
    add_number_range(builder_, builder_.start(rule), range, integers, add_end(rule));
    return {rule, {}};
}

Entry SchemaCompiler::one_of(std::vector<Entry> entries, const std::string& where) {
    std::vector<Entry> different;
    for (const Entry& entry : entries)
        if (std::find(different.begin(), different.end(), entry) == different.end()) different.push_back(entry);
    if (different.size() == 1) return different[0];
    const RuleId rule = builder_.add_rule(RuleKind::plain, where);
    const NodeId end = add_end(rule);
    for (const Entry& entry : different) builder_.call(builder_.start(rule), entry, end);
    return {rule, {}};
}

NodeId SchemaCompiler::add_end(RuleId rule) {
    const NodeId end = builder_.add_node(rule);
    builder_.set_final(end);
    return end;
}

} // namespace steer::constraint
