// From a schema to rules. Each kind of value has its file: schema_containers.cpp, schema_strings.cpp,
// schema_values.cpp.
#pragma once

#include "text/constraint/json_rules.h"
#include "text/constraint/schema_reader.h"

#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace steer::constraint {

class SchemaCompiler {
  public:
    explicit SchemaCompiler(std::string_view text) : reader_(text), rules_(add_json_rules(builder_)) {}

    Grammar compile();

  private:
    struct Member { // of an object
        std::string name;
        Entry value;
        bool required;
    };

    // kinds: what a "type" further out has left.
    Entry any_schema(const SchemaAt& schema, Kinds kinds);
    Entry new_schema(const SchemaAt& schema, Kinds kinds);
    std::optional<Entry> combination(const SchemaAt& schema, Kinds kinds); // $ref, anyOf, ..., const
    Entry of_kinds(const SchemaAt& schema, Kinds kinds);
    Entry alternatives(const SchemaAt& schema, const char* key, Kinds kinds);
    Entry number(const SchemaAt& schema, Kinds kinds);
    void refuse_unknown_keywords(const SchemaAt& schema, const char* combination) const;

    Entry object(const SchemaAt& schema);
    std::vector<Member> members(const SchemaAt& schema, bool undeclared_may_be);
    std::optional<Entry> more_members(const SchemaAt& schema); // behind the declared ones
    Entry object_of(const SchemaAt& schema, const std::vector<Member>& members, const std::optional<Entry>& more);
    Entry map_of(const SchemaAt& schema, const Entry& value, const Limits& size);
    Entry array(const SchemaAt& schema);
    Limits find_limits(const SchemaAt& schema, const char* min_key, const char* max_key) const;

    Entry string(const SchemaAt& schema);

    Entry values(const SchemaAt& schema, Kinds kinds); // enum, const
    Entry value(const Json& value);

    Entry one_of(std::vector<Entry> entries, const std::string& where); // none: what never ends
    NodeId add_end(RuleId rule);

    SchemaReader reader_;
    GrammarBuilder builder_;
    JsonRules rules_;
    std::map<std::pair<const Json*, Kinds>, std::optional<Entry>> done_; // nothing: being compiled
    std::map<std::pair<const Json*, Kinds>, Entry> forward_;             // of those that were needed meanwhile
    int depth_ = 0;
};

} // namespace steer::constraint
