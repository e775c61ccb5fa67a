// A whole model in one GGUF file, as llama.cpp's converter writes Qwen2 and Qwen3: told as the files of a Hugging Face
// folder would tell it. Weights stay where they are; q and k of these families are stored in the order that we compute in.
#pragma once

#include "files/gguf.h"
#include "files/safetensors.h"
#include "model/config.h"

#include <string>
#include <vector>

namespace steer {

struct GgufModel {
    ModelConfig config;
    std::string config_text, generation_config_text; // JSON as in a folder
    std::string tokenizer_text, tokenizer_config_text;
    std::string chat_template;       // empty: none
    std::vector<TensorInfo> weights; // each that the config asks for, by its name and shape in a folder
};

bool is_gguf_file(const std::string& path); // a regular file that begins as one

// STEER_ERR_FORMAT and STEER_ERR_UNSUPPORTED name the file and the key or tensor.
GgufModel read_gguf_model(const GgufFile& file);

} // namespace steer
