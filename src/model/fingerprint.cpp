#include "files/error.h"
#include "files/sha256.h"
#include "model/stored_linear.h"

#include <algorithm>

namespace steer {
namespace {

constexpr uint64_t kSampleBytes = 64, kSamplesPerWeight = 16;

void add_text(Sha256& hash, std::string_view text) {
    const uint64_t size = text.size(); // with its length, so that no two lists of texts run into each other
    hash.update(&size, sizeof size);
    hash.update(text.data(), text.size());
}

void add_number(Sha256& hash, int64_t number) { hash.update(&number, sizeof number); }

// Evenly spread places of the weight's own bytes: they do not depend on how the checkpoint is cut into files.
void add_samples(Sha256& hash, const WeightLocation& place) {
    const uint64_t size = place.tensor->size(), sample = std::min(size, kSampleBytes);
    const uint64_t steps = kSamplesPerWeight - 1;
    char bytes[kSampleBytes];
    for (uint64_t i = 0; i <= steps; i++) {
        place.read((size - sample) / steps * i, bytes, sample);
        hash.update(bytes, sample);
    }
}

} // namespace

std::array<uint8_t, 32> fingerprint(const Package& package, const std::array<uint8_t, 32>& tokenizer) {
    const ModelConfig& config = package.config;
    Sha256 hash;
    add_text(hash, "steer model 1");
    add_text(hash, config.architecture);
    for (const int32_t number : {config.layer_count, config.hidden_size, config.ffn_size, config.head_count,
                                 config.kv_head_count, config.head_dim, config.vocab_size, int32_t{config.tied_head}})
        add_number(hash, number);
    add_text(hash, fmt::format("{} {} {} {}", config.norm_eps, config.rope.theta, config.rope.yarn, config.rope.factor));

    auto weights = expected_weights(config);
    std::sort(weights.begin(), weights.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    for (const WeightShape& weight : weights) {
        const auto parts = weight.is_linear ? find_linear(package, weight).parts() : std::vector{package.weight(weight.name)};
        for (const WeightLocation& part : parts) {
            add_text(hash, part.tensor->name);
            add_text(hash, dtype_name(part.tensor->dtype));
            add_samples(hash, part);
        }
    }
    hash.update(tokenizer.data(), tokenizer.size());
    return hash.finish();
}

} // namespace steer
