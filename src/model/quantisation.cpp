#include "model/quantisation.h"

#include "files/error.h"
#include "files/quote.h"

namespace steer {
namespace {

constexpr const char* kFix = "use a GPTQ or AWQ checkpoint of 4 bits, a bitsandbytes NF4 one, or one that is not quantised";

class Reader {
  public:
    Reader(const Json& json, const std::string& name) : json_(json), name_(name) {}

    // A field that must hold one value, in words where it does not.
    void need_text(const char* field, std::string_view absent, std::string_view wanted) const {
        const std::string said = get_string_or(json_, field, name_, absent);
        if (said != wanted) refuse(field, quote(said), quote(wanted));
    }
    void need_bool(const char* field, bool absent, bool wanted) const {
        if (get_bool_or(json_, field, name_, absent) != wanted) refuse(field, wanted ? "false" : "true", wanted ? "true" : "false");
    }
    void need_4_bits(const char* field) const {
        const int64_t bits = get_int(json_, field, name_, 1, 64);
        if (bits != 4) refuse(field, fmt::format("{}", bits), "4");
    }
    int64_t group_size(const char* field) const {
        const int64_t size = get_int_or(json_, field, name_, -1, 1 << 20, 128);
        if (size == 0) fail(STEER_ERR_FORMAT, "{}: \"{}\" of \"quantization_config\" is 0: it must be above, or -1", name_, field);
        return size;
    }
    const Json& json() const { return json_; }
    const std::string& name() const { return name_; }

    [[noreturn]] void refuse(const char* field, std::string_view said, std::string_view wanted) const {
        fail(STEER_ERR_UNSUPPORTED, "{}: \"quantization_config\": \"{}\" is {}, only {} is supported: {}", name_, field, said, wanted, kFix);
    }

  private:
    const Json& json_;
    const std::string& name_;
};

QuantConfig parse_gptq(const Reader& reader) {
    reader.need_4_bits("bits");
    const Json* dynamic = find_field(reader.json(), "dynamic"); // other bits for some layers
    if (dynamic != nullptr && !dynamic->is_null() && !(dynamic->is_object() && dynamic->empty()))
        fail(STEER_ERR_UNSUPPORTED, "{}: \"quantization_config\": \"dynamic\" is not supported: {}", reader.name(), kFix);
    const std::string format = get_string_or(reader.json(), "checkpoint_format", reader.name(), "gptq");
    if (format != "gptq" && format != "gptq_v2") reader.refuse("checkpoint_format", quote(format), "\"gptq\" or \"gptq_v2\"");
    const bool act_order = get_bool_or(reader.json(), "desc_act", reader.name(), false);
    return {QuantMethod::gptq, reader.group_size("group_size"), format == "gptq", act_order};
}

QuantConfig parse_awq(const Reader& reader) {
    reader.need_4_bits("bits");
    std::string version = get_string_or(reader.json(), "version", reader.name(), "gemm");
    for (char& c : version) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (version != "gemm") reader.refuse("version", quote(version), "\"gemm\"");
    reader.need_bool("zero_point", true, true);
    return {QuantMethod::awq, reader.group_size("group_size")};
}

QuantConfig parse_bitsandbytes(const Reader& reader) {
    reader.need_bool("load_in_8bit", false, false);
    reader.need_bool("load_in_4bit", false, true);
    reader.need_text("bnb_4bit_quant_type", "fp4", "nf4");
    return {QuantMethod::nf4};
}

} // namespace

QuantConfig parse_quant_config(const Json& config, const std::string& name) {
    const Json* found = find_field(config, "quantization_config");
    if (found == nullptr || found->is_null()) return {};
    const Reader reader(get_object(config, "quantization_config", name), name);
    // Older bitsandbytes checkpoints leave the method out.
    const bool older = find_field(reader.json(), "load_in_4bit") != nullptr;
    const std::string method = get_string_or(reader.json(), "quant_method", name, older ? "bitsandbytes" : "");
    if (method == "gptq") return parse_gptq(reader);
    if (method == "awq") return parse_awq(reader);
    if (method == "bitsandbytes") return parse_bitsandbytes(reader);
    reader.refuse("quant_method", quote(method), "\"gptq\", \"awq\" or \"bitsandbytes\"");
}

} // namespace steer
