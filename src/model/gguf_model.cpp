#include "model/gguf_model.h"

#include "files/error.h"
#include "files/json.h"
#include "files/quote.h"
#include "model/gguf_parts.h"

namespace steer {
namespace {

std::string architecture_of(const GgufFile& file) {
    const auto said = gguf_text(file, "general.architecture");
    if (!said) gguf_missing(file, "general.architecture");
    if (*said == "controlvector" || *said == "steeringvector")
        fail(STEER_ERR_UNSUPPORTED, "{}: a persona vector, no model: steer_vector_load reads it", file.name());
    if (*said != "qwen2" && *said != "qwen3")
        fail(STEER_ERR_UNSUPPORTED, "{}: architecture {} is not supported; \"qwen2\" and \"qwen3\" are", file.name(), quote(*said));
    return *said;
}

void refuse_what_is_no_whole_model(const GgufFile& file) {
    const std::string kind = gguf_text(file, "general.type").value_or("model");
    if (kind != "model")
        fail(STEER_ERR_UNSUPPORTED, "{}: general.type is {}; only a whole \"model\" is opened", file.name(), quote(kind));
    if (const auto parts = gguf_integer(file, "split.count", 0, UINT16_MAX); parts.value_or(0) > 1)
        fail(STEER_ERR_UNSUPPORTED, "{}: one of {} parts: join them with llama.cpp's llama-gguf-split --merge", file.name(), *parts);
    if (const auto version = gguf_integer(file, "general.quantization_version", 0, UINT32_MAX); version.value_or(2) != 2)
        fail(STEER_ERR_UNSUPPORTED, "{}: general.quantization_version is {}; 2 is supported: quantise the model again",
             file.name(), *version);
}

int64_t embedding_rows(const GgufFile& file) {
    const GgufTensor* embedding = find_gguf_tensor(file, "token_embd.weight");
    if (embedding == nullptr) fail(STEER_ERR_FORMAT, "{}: tensor token_embd.weight is missing", file.name());
    constexpr uint64_t most = 1 << 21;
    if (embedding->shape.size() != 2 || embedding->shape[1] == 0 || embedding->shape[1] > most)
        fail(STEER_ERR_FORMAT, "{}: tensor token_embd.weight has the dimensions [{}]; hidden size and vocabulary are needed",
             file.name(), fmt::join(embedding->shape, ", "));
    return static_cast<int64_t>(embedding->shape[1]);
}

// Sampling as the model's makers advise it: generation_config.json's words for it.
void add_sampling(const GgufFile& file, Json& generation) {
    const auto temperature = gguf_number(file, "general.sampling.temp");
    if (temperature) {
        generation["do_sample"] = *temperature > 0.0;
        generation["temperature"] = *temperature;
    }
    if (const auto top_k = gguf_integer(file, "general.sampling.top_k", 0, INT32_MAX)) generation["top_k"] = *top_k;
    if (const auto top_p = gguf_number(file, "general.sampling.top_p")) generation["top_p"] = *top_p;
    if (const auto min_p = gguf_number(file, "general.sampling.min_p")) generation["min_p"] = *min_p;
    if (const auto penalty = gguf_number(file, "general.sampling.penalty_repeat")) generation["repetition_penalty"] = *penalty;
}

} // namespace

bool is_gguf_file(const std::string& path) {
    if (!file_exists(path)) return false;
    const File file = File::open(path);
    char magic[4] = {};
    if (file.size() < sizeof magic) return false;
    file.read_exact(0, magic, sizeof magic);
    return std::string_view(magic, sizeof magic) == "GGUF";
}

GgufModel read_gguf_model(const GgufFile& file) {
    const std::string architecture = architecture_of(file);
    refuse_what_is_no_whole_model(file);
    const int64_t rows = embedding_rows(file);
    const bool tied = find_gguf_tensor(file, "output.weight") == nullptr;
    GgufModel model;
    model.config_text = gguf_config(file, architecture, rows, tied).dump(2);
    model.config = parse_model_config(model.config_text, file.name());
    model.weights = gguf_weights(file, model.config);
    GgufTokenizer tokenizer = gguf_tokenizer(file, rows);
    model.tokenizer_text = std::move(tokenizer.tokenizer_text);
    model.tokenizer_config_text = std::move(tokenizer.tokenizer_config_text);
    model.chat_template = gguf_text(file, "tokenizer.chat_template").value_or("");
    Json generation = Json::object();
    generation["eos_token_id"] = std::move(tokenizer.end_tokens);
    add_sampling(file, generation);
    model.generation_config_text = generation.dump(2);
    return model;
}

} // namespace steer
