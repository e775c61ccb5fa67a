// JSON files made wrong in one place.
#pragma once

#include "../tree.h"
#include "corpus.h"

#include <utility>

namespace hostile {

struct Edit {
    const char* name;
    std::function<void(Tree&)> change;
    steer_status status;
    std::string words;
};

inline std::vector<Bad> edited(const Tree& good, const std::vector<Edit>& edits) {
    std::vector<Bad> bad;
    for (const Edit& edit : edits) {
        Tree json = good;
        edit.change(json);
        bad.push_back({edit.name, json.dump(), edit.status, edit.words});
    }
    return bad;
}

// What every JSON file is refused for before anything in it is looked at.
inline std::vector<Bad> no_json(const std::string& name) {
    const std::string deep(100000, '[');
    return {
        {"empty file", "", STEER_ERR_FORMAT, name + ": "},
        {"cut short", "{\"a\"", STEER_ERR_FORMAT, name + ": not valid JSON near byte"},
        {"two values", "{}{}", STEER_ERR_FORMAT, name + ": not valid JSON"},
        {"a byte order mark of UTF-16", "\xff\xfe{\0}", STEER_ERR_FORMAT, name + ": not valid JSON"},
        {"100,000 nested lists", deep, STEER_ERR_FORMAT, "nested deeper than 64"},
        {"a key twice", R"({"a":1,"a":2})", STEER_ERR_FORMAT, "'a' comes twice"},
        {"a key twice, with a terminal's escape", R"({"\u001b[2J":1,"\u001b[2J":2})", STEER_ERR_FORMAT,
         "'\\x1b[2J' comes twice"},
        {"a list", "[1]", STEER_ERR_FORMAT, "JSON object"},
        {"a number", "1", STEER_ERR_FORMAT, "JSON object"},
        {"null", "null", STEER_ERR_FORMAT, "JSON object"},
        {"NaN", R"({"a":NaN})", STEER_ERR_FORMAT, "not valid JSON"},
        {"a number beyond every range", R"({"a":1e999})", STEER_ERR_FORMAT, "not valid JSON"},
        {"a control character in a string", "{\"a\":\"\x01\"}", STEER_ERR_FORMAT, "not valid JSON"},
    };
}

} // namespace hostile
