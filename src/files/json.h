// JSON from files and callers: strict, with limits, and with errors that say where.
#pragma once

#include "files/json_value.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace steer {

struct JsonLimits {
    size_t depth = 64;
    size_t values = size_t{8} << 20; // a tokenizer.json of 152k tokens holds about 610k
    size_t text_size = size_t{256} << 20;
    size_t memory = size_t{16} << 20; // of the values, beside 12 times the text: "[[],[],[],..." takes more
};

// Refuses what RFC 8259 refuses, keys that come twice in an object, and whatever exceeds the limits: STEER_ERR_FORMAT
// with name and the byte where it was found.
Json parse_json(std::string_view text, const std::string& name, const JsonLimits& limits = {});

// Fields of an object, STEER_ERR_FORMAT naming file, key and what was expected. Numbers are checked against [min, max].
const Json* find_field(const Json& object, std::string_view key); // nullptr: absent, or the value is no object
const Json& get_field(const Json& object, std::string_view key, const std::string& name);
const Json& get_object(const Json& object, std::string_view key, const std::string& name);
const Json& get_array(const Json& object, std::string_view key, const std::string& name);
std::string get_string(const Json& object, std::string_view key, const std::string& name);
int64_t get_int(const Json& object, std::string_view key, const std::string& name, int64_t min, int64_t max);
double get_double(const Json& object, std::string_view key, const std::string& name, double min, double max);
bool get_bool(const Json& object, std::string_view key, const std::string& name);

// The same where the key may be absent or null.
std::string get_string_or(const Json& object, std::string_view key, const std::string& name, std::string_view absent);
int64_t get_int_or(const Json& object, std::string_view key, const std::string& name, int64_t min, int64_t max,
                   int64_t absent);
double get_double_or(const Json& object, std::string_view key, const std::string& name, double min, double max,
                     double absent);
bool get_bool_or(const Json& object, std::string_view key, const std::string& name, bool absent);

} // namespace steer
