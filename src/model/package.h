// A model, a folder or one GGUF file, opened and checked but not read: what is known of it before any weight moves.
#pragma once

#include "files/file.h"
#include "files/gguf.h"
#include "files/safetensors.h"
#include "model/config.h"
#include "model/manifest.h"

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace steer {

struct WeightShape {
    std::string name; // as in the checkpoint: "model.layers.0.mlp.up_proj.weight"
    std::vector<int64_t> shape;
    bool is_linear = false; // a linear layer's matrix, which a checkpoint may hold packed: stored_linear.h
};

// Every weight that a checkpoint of this config must have.
std::vector<WeightShape> expected_weights(const ModelConfig& config);

struct WeightLocation {
    const ByteSource* source = nullptr; // nullptr: there is none
    const TensorInfo* tensor = nullptr;

    void read(uint64_t offset, void* out, size_t size) const; // of the tensor's bytes. Any thread
};

struct Package {
    std::string folder; // or the GGUF file
    ModelConfig config;
    std::string config_text, generation_config_text; // the files as they are; the second may be empty
    std::string tokenizer_text;  // tokenizer.json; where it is empty, the next
    std::string tokenizer_model; // of sentencepiece
    std::string tokenizer_config_text, added_tokens_text, special_tokens_text;
    std::string chat_template; // chat_template.jinja, else tokenizer_config.json's; empty: none
    std::deque<SafetensorsFile> files; // their addresses stay
    std::optional<GgufFile> gguf;      // instead of them
    std::vector<TensorInfo> gguf_tensors;
    std::unordered_map<std::string, WeightLocation> weights; // by name as in the checkpoint
    Dtype stored_dtype{}; // of the embedding; BF16 where that is in blocks
    std::string decoder_archive;          // TorchScript, which is code; empty: the backend's own decoder
    std::optional<Manifest> manifest;     // of an exported folder
    std::vector<std::string> small_files; // names of what was read whole

    const WeightLocation& weight(const std::string& name) const; // STEER_ERR_FORMAT where it is missing
};

constexpr const char* kDecoderArchive = "decoder.pt";

// Reads the small files of a Hugging Face folder, or of an exported one, and the headers of its safetensors, or the header of
// a GGUF file; checks names, shapes and dtypes of every weight against the config. Weights themselves are not read. In an
// exported folder each file must be the one of the manifest; one that holds code is refused unless allow_code.
std::shared_ptr<const Package> open_package(const std::string& path, bool allow_code = false);

// Holds the weight files against the manifest, which must be there. Takes reading all of them.
void verify_weights(const Package& package, const std::function<void(float fraction)>& told);

// Writes an exported folder: the decoder's code, the package's files (linked where the file system can, else copied), last
// the manifest. folder is made where it is missing; else it must be empty, or the package's own, which then gets code and
// manifest.
void export_package(const Package& package, const Digest& fingerprint, std::string_view decoder_archive,
                    const std::string& folder, const std::function<void(float fraction)>& told);

// Ties vectors and states to a model. SHA-256 over the config's numbers, every weight's name, dtype, shape and some of its
// bytes at places that its shape fixes, and the tokenizer's own fingerprint: a few hundred KB are read, however large the
// model is, and how it is cut into files makes no difference.
std::array<uint8_t, 32> fingerprint(const Package& package, const std::array<uint8_t, 32>& tokenizer);

} // namespace steer
