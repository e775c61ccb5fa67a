// Which format is it? Told by the first bytes alone; whatever its reader then says is the answer, no other one is
// tried.
#include "files/error.h"
#include "files/quote.h"
#include "steer/vector_io.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace steer {
namespace {

constexpr uint64_t kFileMax = uint64_t{1} << 30;

enum class Format { safetensors, torch_zip, gguf, numpy, json, none };

Format format_of(std::string_view head) {
    const auto begins = [head](std::string_view text) { return head.substr(0, text.size()) == text; };
    if (begins("PK\x03\x04")) return Format::torch_zip;
    if (begins("GGUF")) return Format::gguf;
    if (begins("\x93NUMPY")) return Format::numpy;
    // A safetensors file has its header's length in the first 8 bytes, of which the upper ones are zero.
    const size_t first = head.find_first_not_of(" \t\r\n");
    if (first != head.npos && head[first] == '{' && head.substr(0, 8).find('\0') == head.npos) return Format::json;
    return head.size() > 8 && head[8] == '{' ? Format::safetensors : Format::none;
}

[[noreturn]] void refuse_format(const std::string& name, std::string_view head) {
    if (head.substr(0, 1) == "\x80")
        fail(STEER_ERR_UNSUPPORTED,
             "{}: a bare pickle (torch.save before version 1.6?): load it in Python and save it "
             "again with torch.save",
             name);
    fail(STEER_ERR_FORMAT,
         "{}: neither safetensors, torch.save, GGUF, numpy nor JSON by its first bytes; rows without a header (.f32) "
         "cannot be "
         "told: save them with numpy.save",
         name);
}

// "feature:123" in the options: a row of a sparse autoencoder's decoder.
std::optional<uint64_t> wanted_feature(const std::string& name) {
    constexpr std::string_view kLead = "feature:";
    if (name.compare(0, kLead.size(), kLead) != 0) return std::nullopt;
    uint64_t feature = 0;
    const char *begin = name.data() + kLead.size(), *end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(begin, end, feature);
    if (error != std::errc() || stop != end || begin == end)
        fail(STEER_ERR_ARG, "the name {} asks for a feature: feature:NUMBER is the form", quote(name));
    return feature;
}

VectorPtr load_one_feature(ByteSource source, Format format, uint64_t feature, const VectorOptions& options) {
    if (format == Format::safetensors) return load_feature(SafetensorsFile(std::move(source)), feature, options);
    if (format == Format::torch_zip) return load_feature(TorchZip(std::move(source)), feature, options);
    fail(STEER_ERR_UNSUPPORTED,
         "{}: feature {} was asked for; autoencoders are read from safetensors files and those of torch.save",
         source.name(), feature);
}

VectorPtr load(ByteSource source, const VectorOptions& options) {
    const std::string name = source.name();
    const std::string head = source.read(0, static_cast<size_t>(std::min<uint64_t>(64, source.size())));
    const Format format = format_of(head);
    if (const auto feature = wanted_feature(options.name))
        return load_one_feature(std::move(source), format, *feature, options);
    if (source.size() > kFileMax)
        fail(STEER_ERR_FORMAT, "{}: {} bytes are too many for a vector, at most {}", name, source.size(), kFileMax);
    switch (format) {
    case Format::safetensors: return load_native_vector(SafetensorsFile(std::move(source)), options);
    case Format::torch_zip: return load_torch_vector(TorchZip(std::move(source)), options);
    case Format::gguf: return load_gguf_vector(std::move(source), options);
    case Format::numpy: return load_numpy_vector(source, options);
    case Format::json: return load_json_vector(source, options);
    case Format::none: break;
    }
    refuse_format(name, head);
}

} // namespace

void refuse_known_tensors(const SafetensorsFile& file) {
    const auto has = [&](const char* name) { return file.find(name) != nullptr; };
    const char* what = nullptr;
    if (has("hidden_states")) what = "hidden states of a run: no direction, but what one is computed from";
    if (has("W_dec") || has("decoder.weight"))
        what = "a sparse autoencoder: ask for one of its features by the name feature:NUMBER";
    if (has("rotate_layer")) what = "a LoReFT intervention (rotate_layer): a map of the state, no direction";
    for (const TensorInfo& tensor : file.tensors())
        if (tensor.name.find(".lora_A.") != std::string::npos) what = "a LoRA adapter: weights, no direction";
    if (what != nullptr) fail(STEER_ERR_UNSUPPORTED, "{}: holds {}", file.name(), what);
}

VectorPtr load_vector(const std::string& path, const VectorOptions& options) {
    return load(ByteSource(File::open(path)), options);
}

VectorPtr load_vector_bytes(std::string_view bytes, const std::string& name, const VectorOptions& options) {
    return load(ByteSource(bytes, name), options);
}

} // namespace steer
