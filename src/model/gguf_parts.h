// What read_gguf_model is made of.
#pragma once

#include "files/gguf.h"
#include "files/json_value.h"
#include "files/safetensors.h"
#include "model/config.h"

#include <optional>
#include <string>
#include <vector>

namespace steer {

// Values by key; nothing where the key is missing, STEER_ERR_FORMAT naming file and key where the value is of another kind
// or outside of [min, max].
std::optional<std::string> gguf_text(const GgufFile& file, const std::string& key); // UTF-8
std::optional<int64_t> gguf_integer(const GgufFile& file, const std::string& key, int64_t min, int64_t max);
std::optional<double> gguf_number(const GgufFile& file, const std::string& key);
bool gguf_flag(const GgufFile& file, const std::string& key); // false where it is missing
const GgufValue& gguf_array(const GgufFile& file, const std::string& key, GgufType item, uint64_t longest);
[[noreturn]] void gguf_missing(const GgufFile& file, const std::string& key);

// config.json. architecture: "qwen2" or "qwen3"; vocab_size: rows of the embedding.
Json gguf_config(const GgufFile& file, const std::string& architecture, int64_t vocab_size, bool tied);

// Every weight of the config. A tensor that is none of them is refused: what it does would be missing.
std::vector<TensorInfo> gguf_weights(const GgufFile& file, const ModelConfig& config);
const GgufTensor* find_gguf_tensor(const GgufFile& file, std::string_view name);

struct GgufTokenizer {
    std::string tokenizer_text, tokenizer_config_text;
    Json end_tokens; // ids
};
GgufTokenizer gguf_tokenizer(const GgufFile& file, int64_t vocab_size);

} // namespace steer
