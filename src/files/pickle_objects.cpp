#include "files/pickle_objects.h"

#include "files/checked.h"
#include "files/error.h"
#include "files/file.h"
#include "files/quote.h"
#include "files/utf8.h"

namespace steer {
namespace {

constexpr size_t kDimsMax = 8;

struct GlobalName {
    std::string_view name;
    PickleGlobal global;
};

constexpr GlobalName kGlobals[] = {
    {"torch._utils _rebuild_tensor_v2", kRebuildTensor},
    {"collections OrderedDict", kOrderedDict},
    {"torch DoubleStorage", kDouble},
    {"torch FloatStorage", kFloat},
    {"torch HalfStorage", kHalf},
    {"torch BFloat16Storage", kBFloat16},
    {"numpy._core.multiarray _reconstruct", kNumpyReconstruct},
    {"numpy.core.multiarray _reconstruct", kNumpyReconstruct},
    {"numpy ndarray", kNumpyArray},
    {"numpy dtype", kNumpyDtype},
    {"_codecs encode", kEncode},
};

bool numpy_dtype(std::string_view text, Dtype& out) {
    if (text == "f2") return out = Dtype::f16, true;
    if (text == "f4") return out = Dtype::f32, true;
    if (text == "f8") return out = Dtype::f64, true;
    return false;
}

} // namespace

uint32_t find_global(std::string_view module, std::string_view name, const std::string& file) {
    const std::string both = std::string(module) + " " + std::string(name);
    for (const GlobalName& known : kGlobals)
        if (both == known.name) return known.global;
    fail(STEER_ERR_UNSUPPORTED, "{}: the pickle names {}, which is not on the list of what may be read", file,
         quote(std::string(module) + "." + std::string(name), 80));
}

void PickleObjects::refuse(const char* what) const {
    fail(STEER_ERR_FORMAT, "{}: data.pkl {} (near byte {})", file_, what, at_);
}

// ('storage', torch.HalfStorage, '0', 'cpu', 5120): the record's name and how many elements it has
PickleTensor PickleObjects::storage(const PickleNode& id) const {
    const std::vector<uint32_t>& items = id.items;
    if (id.kind != Kind::tuple || items.size() != 5 || !is(items, 0, Kind::text) || !is(items, 1, Kind::global) ||
        !is(items, 2, Kind::text) || !is(items, 3, Kind::text) || !is(items, 4, Kind::integer) ||
        tree_.at(items[0]).text != "storage")
        refuse("has a reference that is not a tensor's storage");
    PickleTensor tensor;
    switch (tree_.at(items[1]).tensor) {
    case kDouble: tensor.dtype = Dtype::f64; break;
    case kFloat: tensor.dtype = Dtype::f32; break;
    case kHalf: tensor.dtype = Dtype::f16; break;
    case kBFloat16: tensor.dtype = Dtype::bf16; break;
    default: refuse("has a storage of something that is not a storage");
    }
    tensor.storage = tree_.at(items[2]).text;
    const int64_t numel = tree_.at(items[4]).integer;
    if (!is_bare_filename(tensor.storage) || numel < 0) refuse("has a storage with an odd name or size");
    tensor.storage_numel = static_cast<uint64_t>(numel);
    return tensor;
}

// (storage, offset, shape, strides, requires_grad, hooks). A seventh item would be conjugate or negative bits.
PickleTensor PickleObjects::tensor(const std::vector<uint32_t>& items) const {
    if (items.size() != 6 || !is(items, 0, Kind::storage) || !is(items, 1, Kind::integer) ||
        !is(items, 2, Kind::tuple) || !is(items, 3, Kind::tuple) || !is(items, 4, Kind::boolean) ||
        !is(items, 5, Kind::dict))
        refuse("builds a tensor from unexpected parts");
    PickleTensor tensor = tree_.tensors[tree_.at(items[0]).tensor];
    const int64_t offset = tree_.at(items[1]).integer;
    tensor.shape = sizes(tree_.at(items[2]));
    tensor.strides = sizes(tree_.at(items[3]));
    if (offset < 0 || tensor.shape.size() != tensor.strides.size()) refuse("has a tensor with an odd shape");
    tensor.offset = static_cast<uint64_t>(offset);
    return tensor;
}

std::vector<int64_t> PickleObjects::sizes(const PickleNode& tuple) const {
    std::vector<int64_t> out;
    if (tuple.items.size() > kDimsMax) refuse("has a tensor of too many dimensions");
    for (const uint32_t item : tuple.items) {
        const PickleNode& node = tree_.at(item);
        if (node.kind != Kind::integer || node.integer < 0) refuse("has a tensor with an odd shape");
        out.push_back(node.integer);
    }
    return out;
}

// _reconstruct(ndarray, (0,), b'b')
void PickleObjects::check_empty_array(const std::vector<uint32_t>& items) const {
    if (items.size() != 3 || !is(items, 0, Kind::global) || tree_.at(items[0]).tensor != kNumpyArray ||
        !is(items, 1, Kind::tuple) || !is(items, 2, Kind::bytes))
        refuse("makes a numpy array from unexpected parts");
}

// (version, shape, dtype, whether the first index runs fastest, bytes)
PickleTensor PickleObjects::numpy_array(const PickleNode& state) const {
    const std::vector<uint32_t>& items = state.items;
    if (state.kind != Kind::tuple || items.size() != 5 || !is(items, 0, Kind::integer) || !is(items, 1, Kind::tuple) ||
        !is(items, 2, Kind::numpy_dtype) || !is(items, 3, Kind::boolean) || !is(items, 4, Kind::bytes))
        refuse("fills a numpy array with unexpected parts");
    PickleTensor tensor;
    if (!numpy_dtype(tree_.at(items[2]).text, tensor.dtype)) refuse("has a numpy array of an unknown type");
    tensor.shape = sizes(tree_.at(items[1]));
    tensor.strides.assign(tensor.shape.size(), 1);
    const bool first_fastest = tree_.at(items[3]).integer != 0;
    uint64_t count = 1;
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
        const size_t dim = first_fastest ? i : tensor.shape.size() - 1 - i;
        tensor.strides[dim] = static_cast<int64_t>(count);
        if (!checked_mul(count, static_cast<uint64_t>(tensor.shape[dim]), count) || count > INT64_MAX)
            refuse("has a numpy array with an odd shape");
    }
    tensor.array = tree_.at(items[4]).tensor;
    uint64_t bytes = 0;
    if (!checked_mul(count, dtype_size(tensor.dtype), bytes) || bytes != tree_.arrays[tensor.array].size())
        refuse("has a numpy array whose shape its bytes do not fill");
    tensor.storage_numel = count;
    return tensor;
}

// dtype('f4', align, copy)
std::string PickleObjects::dtype(const std::vector<uint32_t>& items) const {
    if (items.size() != 3 || !is(items, 0, Kind::text)) refuse("has a numpy dtype of unexpected parts");
    const std::string& text = tree_.at(items[0]).text;
    Dtype known{};
    if (!numpy_dtype(text, known))
        fail(STEER_ERR_UNSUPPORTED, "{}: a numpy array of type {}; f2, f4 and f8 are read", file_, quote(text));
    return text;
}

// (3, '<', ...): little-endian, or the machine's own order where the file does not say
void PickleObjects::check_byte_order(const PickleNode& state) const {
    if (state.kind != Kind::tuple || state.items.size() < 2 || !is(state.items, 1, Kind::text))
        refuse("has a numpy dtype of unexpected parts");
    const std::string& order = tree_.at(state.items[1]).text;
    if (order == ">") fail(STEER_ERR_UNSUPPORTED, "{}: a numpy array in big-endian byte order: save it again", file_);
    if (order != "<" && order != "=" && order != "|") refuse("has a numpy dtype of unexpected parts");
}

// encode(text, 'latin1'): protocol 2 has no bytes of its own
std::string PickleObjects::bytes(const std::vector<uint32_t>& items, size_t longest) const {
    if (items.size() != 2 || !is(items, 0, Kind::text) || !is(items, 1, Kind::text) ||
        tree_.at(items[1]).text != "latin1")
        refuse("makes bytes from unexpected parts");
    const std::string& text = tree_.at(items[0]).text;
    if (!is_valid_utf8(text)) refuse("has bytes that are no text");
    std::string out;
    for (const char *at = text.data(), *end = at + text.size(); at < end;) {
        const uint32_t code = decode_valid_utf8(at);
        if (code > 0xff) refuse("has bytes that are none");
        out += static_cast<char>(code);
    }
    if (out.size() > longest) refuse("uses the same bytes too often");
    return out;
}

} // namespace steer
