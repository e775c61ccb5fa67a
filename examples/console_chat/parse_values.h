// Words of options and of configuration files as values. All throw UsageError, which names `what`.
#pragma once

#include <string>

#include "options.h"

namespace chat {

float parse_number(const std::string& text, const std::string& what); // finite
float parse_number_in(const std::string& text, const std::string& what, float least, float most);
int parse_whole(const std::string& text, const std::string& what, int least);
uint64_t parse_seed(const std::string& text, const std::string& what);
LayerRange parse_layer_range(const std::string& text, const std::string& what);
int32_t parse_unit(const std::string& text, const std::string& what);
int32_t parse_dtype(const std::string& text, const std::string& what);
int32_t parse_weights(const std::string& text, const std::string& what);
std::string parse_device(const std::string& text, const std::string& what); // "auto" becomes ""

} // namespace chat
