#include "model/stored_linear.h"

#include "files/checked.h"
#include "files/error.h"
#include "files/quote.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace steer {
namespace {

constexpr uint64_t kQuantStateMax = 64 << 10; // bytes of JSON

bool is_plain(Dtype dtype) { return dtype == Dtype::f32 || dtype == Dtype::f16 || dtype == Dtype::bf16; }

// The tensors beside each other under one linear's name.
class Parts {
  public:
    Parts(const Package& package, const WeightShape& matrix)
        : package_(package), base_(matrix.name.substr(0, matrix.name.size() - sizeof "weight" + 1)) {}

    const WeightLocation* find(const std::string& suffix) const {
        const auto found = package_.weights.find(base_ + suffix);
        return found == package_.weights.end() ? nullptr : &found->second;
    }

    WeightLocation get(const std::string& suffix, std::initializer_list<Dtype> dtypes, const std::vector<int64_t>& shape) const {
        const WeightLocation& place = package_.weight(base_ + suffix);
        if (std::find(dtypes.begin(), dtypes.end(), place.tensor->dtype) == dtypes.end())
            fail(STEER_ERR_FORMAT, "{}: weight {} is stored as {}; {} is what its kind of quantisation has there", place.source->name(),
                 base_ + suffix, dtype_name(place.tensor->dtype), dtype_name(*dtypes.begin()));
        if (place.tensor->shape != shape)
            fail(STEER_ERR_FORMAT, "{}: weight {} has shape [{}], config.json asks for [{}]", place.source->name(), base_ + suffix,
                 fmt::join(place.tensor->shape, ", "), fmt::join(shape, ", "));
        return place;
    }

    const std::string& base() const { return base_; }

  private:
    const Package& package_;
    std::string base_; // "model.layers.0.mlp.up_proj."
};

// Sizes that the packed words and the groups must divide. field: what says so.
void check_division(const Package& package, const Parts& parts, int64_t size, int64_t by, const char* of, const char* field) {
    if (size % by != 0)
        fail(STEER_ERR_FORMAT, "{}: weight {} has {} {}, which {} does not divide: {} does not fit these weights; use the config.json that "
             "came with them", package.folder, parts.base() + "weight", size, of, by, field);
}
constexpr const char* kGroupField = "\"group_size\" in \"quantization_config\" of config.json";
constexpr const char* kBitsField = "\"bits\" in \"quantization_config\" of config.json";
constexpr const char* kBlockField = "\"blocksize\" in its quant_state";

void fill_int4(const Package& package, const Parts& parts, StoredLinear& linear) {
    const QuantConfig& config = package.config.quantisation;
    const int64_t n = linear.rows, k = linear.columns;
    linear.group = config.group_size == -1 ? k : config.group_size;
    linear.zeros_stored_less_1 = config.zeros_stored_less_1;
    linear.zeros_are_8 = config.symmetric;
    const bool gptq = linear.form == QuantMethod::gptq;
    check_division(package, parts, n, 8, "rows", kBitsField);
    check_division(package, parts, k, linear.group, "columns", kGroupField);
    if (gptq) check_division(package, parts, k, 8, "columns", kBitsField);
    const int64_t groups = k / linear.group;
    linear.codes = parts.get("qweight", {Dtype::i32}, gptq ? std::vector{k / 8, n} : std::vector{k, n / 8});
    linear.zeros = parts.get("qzeros", {Dtype::i32}, {groups, n / 8});
    linear.scales = parts.get("scales", {Dtype::f16, Dtype::bf16, Dtype::f32}, {groups, n});
    if (gptq && (config.act_order || parts.find("g_idx") != nullptr)) linear.order = parts.get("g_idx", {Dtype::i32}, {k});
}

// bitsandbytes keeps what describes a matrix as JSON in a tensor of bytes.
Json read_quant_state(const WeightLocation& place) {
    if (place.tensor->dtype != Dtype::u8 || place.tensor->size() > kQuantStateMax)
        fail(STEER_ERR_FORMAT, "{}: weight {} must be at most {} bytes of JSON", place.source->name(), place.tensor->name, kQuantStateMax);
    std::string text(place.tensor->size(), '\0');
    place.read(0, text.data(), text.size());
    Json state = parse_json(text, place.source->name() + ": " + place.tensor->name);
    if (!state.is_object()) fail(STEER_ERR_FORMAT, "{}: weight {} must be a JSON object", place.source->name(), place.tensor->name);
    return state;
}

void fill_nf4(const Package& package, const Parts& parts, StoredLinear& linear) {
    constexpr int64_t kGroupMax = 1 << 20;
    const int64_t n = linear.rows, k = linear.columns;
    const WeightLocation& about = package.weight(parts.base() + "weight.quant_state.bitsandbytes__nf4");
    const std::string name = about.source->name() + ": " + about.tensor->name;
    const Json state = read_quant_state(about);
    if (const std::string type = get_string_or(state, "quant_type", name, "nf4"); type != "nf4")
        fail(STEER_ERR_UNSUPPORTED, "{}: \"quant_type\" is {}, only \"nf4\" is supported: quantise the model to NF4", name, quote(type));
    linear.group = get_int(state, "blocksize", name, 1, kGroupMax);
    const Json& shape = get_array(state, "shape", name);
    const auto is = [](const Json& number, int64_t wanted) { return number.is_number_unsigned() && number.get<int64_t>() == wanted; };
    if (shape.size() != 2 || !is(shape[0], n) || !is(shape[1], k))
        fail(STEER_ERR_FORMAT, "{}: \"shape\" is {}, config.json asks for [{}, {}]", name, quote(shape.dump()), n, k);
    check_division(package, parts, k, linear.group, "columns", kBlockField);
    check_division(package, parts, k, 2, "columns", kBlockField);
    const int64_t scales = n * (k / linear.group);
    linear.codes = parts.get("weight", {Dtype::u8}, {n * k / 2, 1});
    linear.levels = parts.get("weight.quant_map", {Dtype::f32}, {16});
    if (parts.find("weight.nested_absmax") == nullptr) {
        linear.scales = parts.get("weight.absmax", {Dtype::f32}, {scales});
        return;
    }
    linear.nested_group = get_int(state, "nested_blocksize", name, 1, kGroupMax);
    linear.nested_offset = static_cast<float>(get_double(state, "nested_offset", name, -1e30, 1e30));
    linear.scales = parts.get("weight.absmax", {Dtype::u8}, {scales});
    linear.nested_scales = parts.get("weight.nested_absmax", {Dtype::f32}, {(scales + linear.nested_group - 1) / linear.nested_group});
    linear.nested_levels = parts.get("weight.nested_quant_map", {Dtype::f32}, {256});
}

} // namespace

std::vector<WeightLocation> StoredLinear::parts() const {
    std::vector<WeightLocation> all;
    for (const WeightLocation& part : {codes, scales, zeros, order, levels, nested_scales, nested_levels})
        if (part.tensor != nullptr) all.push_back(part);
    return all;
}

StoredLinear find_linear(const Package& package, const WeightShape& matrix) {
    const Parts parts(package, matrix);
    StoredLinear linear;
    linear.rows = matrix.shape[0];
    linear.columns = matrix.shape[1];
    const WeightLocation* plain = parts.find("weight");
    if (plain != nullptr && dtype_is_block(plain->tensor->dtype)) { // which only a GGUF file has
        linear.form = QuantMethod::gguf;
        linear.codes = parts.get("weight", {plain->tensor->dtype}, matrix.shape);
        return linear;
    }
    // A quantised checkpoint leaves some as they were: the head, and in "dynamic" ones whatever would lose too much.
    const bool packed = package.config.quantisation.method != QuantMethod::none && (plain == nullptr || !is_plain(plain->tensor->dtype));
    if (!packed) {
        linear.codes = parts.get("weight", {Dtype::bf16, Dtype::f16, Dtype::f32}, matrix.shape);
        return linear;
    }
    linear.form = package.config.quantisation.method;
    if (linear.form == QuantMethod::nf4) fill_nf4(package, parts, linear);
    else fill_int4(package, parts, linear);
    return linear;
}

} // namespace steer
