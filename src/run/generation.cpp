#include "run/generation.h"

#include "files/error.h"
#include "files/json.h"

#include <random>

namespace steer {
namespace {

// "eos_token_id": a number or a list of them.
std::vector<int32_t> end_tokens(const Json& object, const std::string& name, int32_t vocab_size) {
    const Json* found = find_field(object, "eos_token_id");
    if (found == nullptr || found->is_null()) return {};
    if (!found->is_array()) return {static_cast<int32_t>(get_int(object, "eos_token_id", name, 0, vocab_size - 1))};
    std::vector<int32_t> tokens;
    for (const Json& entry : *found) {
        if (!entry.is_number_unsigned() || entry.get<uint64_t>() >= static_cast<uint64_t>(vocab_size))
            fail(STEER_ERR_FORMAT, "{}: \"eos_token_id\" must be token ids below {}", name, vocab_size);
        tokens.push_back(entry.get<int32_t>());
    }
    return tokens;
}

void read_sampling(const Json& json, const std::string& name, SamplingSettings& out) {
    const auto number = [&](const char* key, double min, double max, float absent) {
        return static_cast<float>(get_double_or(json, key, name, min, max, absent));
    };
    out.temperature = number("temperature", 0.0, 100.0, out.temperature);
    if (!get_bool_or(json, "do_sample", name, false)) out.temperature = 0.0f;
    out.top_p = number("top_p", 0.0, 1.0, out.top_p);
    out.min_p = number("min_p", 0.0, 1.0, out.min_p);
    out.typical_p = number("typical_p", 0.0, 1.0, out.typical_p);
    out.top_k = static_cast<int32_t>(get_int_or(json, "top_k", name, 0, INT32_MAX, out.top_k));
    out.repeat_penalty = number("repetition_penalty", 1e-3, 1e3, out.repeat_penalty);
}

} // namespace

Generation model_generation(const Package& package) {
    Generation generation;
    const int32_t vocab_size = package.config.vocab_size;
    if (!package.generation_config_text.empty()) {
        const std::string name = join_path(package.folder, "generation_config.json");
        const Json json = parse_json(package.generation_config_text, name);
        if (!json.is_object()) fail(STEER_ERR_FORMAT, "{}: must be a JSON object", name);
        read_sampling(json, name, generation.sampling);
        generation.stop_tokens = end_tokens(json, name, vocab_size);
    }
    if (generation.stop_tokens.empty()) {
        const std::string name = join_path(package.folder, "config.json");
        generation.stop_tokens = end_tokens(parse_json(package.config_text, name), name, vocab_size);
    }
    return generation;
}

uint64_t fresh_seed() {
    std::random_device source;
    const uint64_t seed = uint64_t{source()} << 32 | source();
    return seed == 0 ? 1 : seed;
}

} // namespace steer
