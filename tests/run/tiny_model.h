// A model folder small enough for any test: two to four layers of hidden size 16, a byte-level tokenizer with a few merges,
// ChatML. Its weights are zeros, which the fake backend does not read.
#pragma once

#include "../tree.h"
#include "files/safetensors.h"
#include "model/package.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace tiny {

constexpr int32_t kEndOfText = 259, kImStart = 260, kImEnd = 261; // ids of the control tokens, behind 256 bytes and 3 merges
constexpr int32_t kRealVocabulary = 262, kVocabulary = 270;       // the rest is padding

// As GPT-2 writes bytes in a vocabulary: those of Latin-1 that print as they are, the others counted up from U+0100.
inline std::string byte_character(int byte) {
    const bool prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    int code = byte;
    if (!prints) {
        code = 256;
        for (int other = 0; other < byte; other++)
            if (!((other >= 0x21 && other <= 0x7e) || (other >= 0xa1 && other != 0xad))) code++;
    }
    if (code < 0x80) return std::string(1, static_cast<char>(code));
    return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

inline Tree tokenizer_json() {
        Tree vocab = Tree::object();
    for (int byte = 0; byte < 256; byte++) vocab[byte_character(byte)] = byte;
    vocab["he"] = 256;
    vocab["ll"] = 257;
    vocab["hell"] = 258;
    Tree added = Tree::array();
    const char* const names[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    for (int i = 0; i < 3; i++)
        added.push_back({{"id", kEndOfText + i}, {"content", names[i]}, {"single_word", false}, {"lstrip", false},
                         {"rstrip", false}, {"normalized", false}, {"special", true}});
    const char* const pattern = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
                                "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    Tree level{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}};
    Tree split{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    return {{"version", "1.0"},
            {"truncation", nullptr},
            {"padding", nullptr},
            {"added_tokens", added},
            {"normalizer", {{"type", "NFC"}}},
            {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", Tree::array({split, level})}}},
            {"post_processor", level},
            {"decoder", level},
            {"model",
             {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr}, {"continuing_subword_prefix", ""},
              {"end_of_word_suffix", ""}, {"fuse_unk", false}, {"byte_fallback", false}, {"vocab", vocab},
              {"merges", Tree::array({"h e", "l l", "he ll"})}}}};
}

struct Options {
    int layers = 3, hidden = 16, context = 2048;
    Tree generation = {{"do_sample", true}, {"temperature", 0.8}, {"top_p", 0.95}, {"eos_token_id", {kImEnd, kEndOfText}}};
    float weight = 0.0f; // of every element: another one, another fingerprint
};

class Folder {
  public:
    explicit Folder(const Options& options = {})
        : path_((std::filesystem::temp_directory_path() / "steer_tiny_XXXXXX").string()) {
                if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder");
        const Tree config{{"architectures", {"Qwen2ForCausalLM"}}, {"num_hidden_layers", options.layers},
                          {"hidden_size", options.hidden}, {"intermediate_size", 2 * options.hidden},
                          {"num_attention_heads", 2}, {"num_key_value_heads", 1}, {"vocab_size", kVocabulary},
                          {"max_position_embeddings", options.context}, {"tie_word_embeddings", true}};
        write("config.json", config.dump());
        write("generation_config.json", options.generation.dump());
        write("tokenizer.json", tokenizer_json().dump());
        const char* const chat_template =
            "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
            "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";
        write("tokenizer_config.json", Tree{{"eos_token", "<|im_end|>"}, {"chat_template", chat_template}}.dump());
        write_weights(config, options.weight);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    const std::string& path() const { return path_; }
    void write(const std::string& name, const std::string& bytes) const {
        std::ofstream(path_ + "/" + name, std::ios::binary) << bytes;
    }
    void write_weights(const Tree& config, float weight) const {
        const auto shapes = steer::expected_weights(steer::parse_model_config(config.dump(), "config.json"));
        const std::vector<float> values(static_cast<size_t>(kVocabulary) * 4096, weight);
        std::vector<steer::TensorBytes> tensors;
        for (const steer::WeightShape& shape : shapes) {
            size_t count = 1;
            for (const int64_t extent : shape.shape) count *= static_cast<size_t>(extent);
            tensors.push_back({shape.name, steer::Dtype::f32, shape.shape,
                               {reinterpret_cast<const char*>(values.data()), count * sizeof(float)}});
        }
        write("model.safetensors", steer::write_safetensors(tensors, {}));
    }

  private:
    std::string path_;
};

} // namespace tiny
