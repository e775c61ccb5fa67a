#include "json_lines.h"

#include <charconv>
#include <cmath>

#include <nlohmann/json.hpp>

namespace chat {

namespace {

using Json = nlohmann::ordered_json;

// The shortest decimals that read back as this float; null where there is no value.
Json number(float value) {
    if (!std::isfinite(value)) return nullptr;
    char digits[48];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    double shortest = 0;
    std::from_chars(digits, end, shortest);
    return shortest;
}

double rounded(double value) { return std::round(value * 1000) / 1000; }

std::string line(const Json& object) { return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

} // namespace

std::string token_line(const ReplyToken& token, const std::vector<LayerGauge>& gauges) {
    Json values = Json::object();
    for (std::size_t i = 0; i < token.gauges.size(); ++i) {
        values[std::to_string(gauges[i].layer)] = {{"raw", number(token.gauges[i].raw)},
                                                   {"own", number(token.gauges[i].own)}};
    }
    return line({{"type", "token"},
                 {"id", token.id},
                 {"text", token.text},
                 {"logprob", number(token.log_prob)},
                 {"strength", number(token.strength)},
                 {"gauges", std::move(values)}});
}

std::string done_line(const ReplyResult& result) {
    return line({{"type", "done"},
                 {"text", result.text},
                 {"finish_reason", finish_name(result.finish)},
                 {"tokens", result.tokens},
                 {"tokens_per_second", rounded(result.tokens_per_second)},
                 {"first_token_ms", rounded(result.first_token_ms)}});
}

} // namespace chat
