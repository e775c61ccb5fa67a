#include "files/gguf.h"

#include "files/gguf_cursor.h"
#include "files/quote.h"
#include "files/utf8.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace steer {
namespace {

constexpr uint64_t kValueMax = 16384, kTensorMax = 16384, kKeyMax = 65535, kNameMax = 64, kDimsMax = 4;
constexpr uint64_t kAlignmentMax = 1 << 20, kTextCountMax = 1 << 22, kHeldMax = 64 << 20;
constexpr uint32_t kTypeCount = 13;

size_t size_of(GgufType type) { // bytes; 0: text and arrays have no size of their own
    static constexpr uint8_t kSizes[kTypeCount] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return kSizes[static_cast<uint32_t>(type)];
}

class HeaderReader {
  public:
    HeaderReader(const ByteSource& source, GgufValues& values, std::vector<GgufTensor>& tensors)
        : in_(source), file_(source.name()), size_(source.size()), values_(values), tensors_(tensors) {}

    uint64_t read() { // where the header ends
        if (in_.bytes(4) != "GGUF") in_.refuse("does not begin with GGUF");
        check_version(in_.number<uint32_t>());
        const auto tensor_count = in_.number<uint64_t>(), value_count = in_.number<uint64_t>();
        if (tensor_count > kTensorMax) in_.refuse("says too many tensors");
        if (value_count > kValueMax) in_.refuse("says too many key-value pairs");
        for (uint64_t i = 0; i < value_count; ++i) read_pair();
        for (uint64_t i = 0; i < tensor_count; ++i) read_tensor();
        return in_.at();
    }

  private:
    void check_version(uint32_t version) const {
        if (version == 2 || version == 3) return;
        if (version != 0 && (version & 0xffff) == 0)
            fail(STEER_ERR_UNSUPPORTED, "{}: a GGUF file in big-endian byte order: write it again on this machine",
                 file_);
        fail(STEER_ERR_UNSUPPORTED, "{}: GGUF version {}, 2 and 3 are read", file_, version);
    }

    GgufType type() {
        const auto number = in_.number<uint32_t>();
        if (number >= kTypeCount) in_.refuse("has a value of an unknown type");
        return static_cast<GgufType>(number);
    }

    void read_pair() {
        std::string key = in_.text(kKeyMax, "has a key that is too long");
        if (key.empty() || !is_valid_utf8(key)) in_.refuse("has a key that is empty or no UTF-8");
        GgufValue value;
        value.type = type();
        if (value.type == GgufType::array)
            read_array(value);
        else if (value.type == GgufType::text)
            value.text = in_.text(std::min(size_, kHeldMax), "has a string longer than the file or than 64 MiB");
        else
            value.text = scalar(value.type);
        const auto [at, fresh] = values_.emplace(std::move(key), std::move(value));
        if (!fresh) fail(STEER_ERR_FORMAT, "{}: the key {} stands twice in the GGUF header", file_, quote(at->first));
    }

    std::string scalar(GgufType type) {
        switch (type) {
        case GgufType::u8: return fmt::format("{}", in_.number<uint8_t>());
        case GgufType::i8: return fmt::format("{}", in_.number<int8_t>());
        case GgufType::u16: return fmt::format("{}", in_.number<uint16_t>());
        case GgufType::i16: return fmt::format("{}", in_.number<int16_t>());
        case GgufType::u32: return fmt::format("{}", in_.number<uint32_t>());
        case GgufType::i32: return fmt::format("{}", in_.number<int32_t>());
        case GgufType::u64: return fmt::format("{}", in_.number<uint64_t>());
        case GgufType::i64: return fmt::format("{}", in_.number<int64_t>());
        case GgufType::f32: return fmt::format("{}", in_.number<float>());
        case GgufType::f64: return fmt::format("{}", in_.number<double>());
        default: break;
        }
        const auto flag = in_.number<uint8_t>();
        if (flag > 1) in_.refuse("has a boolean that is neither 0 nor 1");
        return flag == 1 ? "true" : "false";
    }

    void read_array(GgufValue& array) {
        array.item = type();
        array.count = in_.number<uint64_t>();
        array.begin = in_.at();
        if (array.item == GgufType::array) in_.refuse("has an array of arrays");
        if (array.item == GgufType::text) return skip_texts(array.count);
        uint64_t bytes = 0;
        if (!checked_mul(array.count, size_of(array.item), bytes) || bytes > size_)
            in_.refuse("has an array longer than the file");
        if (array.item != GgufType::f32) return in_.skip(bytes);
        if (bytes > kHeldMax) in_.refuse("has an array of more than 64 MiB");
        const std::string_view stored = in_.bytes(bytes);
        array.floats.resize(static_cast<size_t>(array.count));
        if (array.count > 0) std::memcpy(array.floats.data(), stored.data(), stored.size());
    }

    void skip_texts(uint64_t count) {
        if (count > size_ / 8) in_.refuse("has an array longer than the file");
        if (count > kTextCountMax) in_.refuse("has an array of more than 4194304 strings");
        for (uint64_t i = 0; i < count; ++i) in_.skip(in_.number<uint64_t>());
    }

    void read_tensor() {
        GgufTensor tensor;
        tensor.name = in_.text(kNameMax, "has a tensor with a name of more than 64 bytes");
        const auto dims = in_.number<uint32_t>();
        if (dims > kDimsMax) in_.refuse("has a tensor of more than 4 dimensions");
        for (uint32_t i = 0; i < dims; ++i) tensor.shape.push_back(in_.number<uint64_t>());
        tensor.type = in_.number<uint32_t>();
        tensor.begin = in_.number<uint64_t>(); // in the data, until check_tensors
        tensors_.push_back(std::move(tensor));
    }

    GgufCursor in_;
    const std::string& file_;
    uint64_t size_;
    GgufValues& values_;
    std::vector<GgufTensor>& tensors_;
};

uint64_t alignment_of(const GgufValues& values, const std::string& file) {
    const auto at = values.find("general.alignment");
    if (at == values.end()) return 32;
    const std::string& text = at->second.text;
    uint64_t alignment = 0;
    if (at->second.type == GgufType::u32 && text.size() < 8) alignment = std::stoull(text);
    if (!std::has_single_bit(alignment) || alignment > kAlignmentMax)
        fail(STEER_ERR_FORMAT, "{}: general.alignment is {}, a power of two is needed", file, quote(text));
    return alignment;
}

uint64_t element_count(const GgufTensor& tensor, const std::string& file) {
    uint64_t count = 1;
    for (const uint64_t dim : tensor.shape)
        if (!checked_mul(count, dim, count) || count > uint64_t{1} << 60)
            fail(STEER_ERR_FORMAT, "{}: tensor {} of shape [{}] is too large", file, quote(tensor.name),
                 fmt::join(tensor.shape, ", "));
    return count;
}

// Where gguf_dtype knows the type; else 0.
uint64_t byte_count(const GgufTensor& tensor, const std::string& file) {
    const std::optional<Dtype> dtype = gguf_dtype(tensor.type);
    if (!dtype) return 0;
    const DtypeBlock block = dtype_block(*dtype);
    const uint64_t count = element_count(tensor, file), row = tensor.shape.empty() ? 1 : tensor.shape[0];
    if (row % block.elements != 0)
        fail(STEER_ERR_FORMAT, "{}: tensor {} has rows of {} elements, which are no whole blocks of {}: {} has {} in each",
             file, quote(tensor.name), row, dtype_name(*dtype), dtype_name(*dtype), block.elements);
    return count / block.elements * block.bytes;
}

} // namespace

GgufFile::GgufFile(ByteSource source) : source_(std::move(source)) {
    const uint64_t header_end = HeaderReader(source_, values_, tensors_).read();
    check_tensors(header_end);
}

// Every tensor of a type that is known here lies inside the file, where alignment allows, and no two share a byte.
void GgufFile::check_tensors(uint64_t header_end) {
    const uint64_t alignment = alignment_of(values_, name());
    const uint64_t data = (header_end + alignment - 1) / alignment * alignment;
    std::vector<std::pair<uint64_t, uint64_t>> extents;
    for (GgufTensor& tensor : tensors_) {
        tensor.size = byte_count(tensor, name());
        if (tensor.begin % alignment != 0)
            fail(STEER_ERR_FORMAT, "{}: tensor {} begins at byte {} of the data, which is no multiple of {}", name(),
                 quote(tensor.name), tensor.begin, alignment);
        if (!checked_add(data, tensor.begin, tensor.begin) || !inside(tensor.begin, tensor.size, source_.size()))
            fail(STEER_ERR_FORMAT, "{}: tensor {} ends behind the file: is it cut short?", name(), quote(tensor.name));
        if (tensor.size > 0) extents.emplace_back(tensor.begin, tensor.begin + tensor.size);
    }
    std::sort(extents.begin(), extents.end());
    for (size_t i = 1; i < extents.size(); ++i)
        if (extents[i].first < extents[i - 1].second)
            fail(STEER_ERR_FORMAT, "{}: two tensors overlap at byte {}", name(), extents[i].first);
}

const GgufValue* GgufFile::find(std::string_view key) const {
    const auto at = values_.find(key);
    return at == values_.end() ? nullptr : &at->second;
}

std::vector<float> GgufFile::read_floats(const GgufTensor& tensor) const {
    if (tensor.type != kGgufF32)
        fail(STEER_ERR_UNSUPPORTED, "{}: tensor {} has the element type {}; F32 is needed", name(), quote(tensor.name),
             tensor.type);
    std::vector<float> values(static_cast<size_t>(tensor.size / sizeof(float)));
    if (!values.empty()) source_.read_exact(tensor.begin, values.data(), values.size() * sizeof(float));
    return values;
}

void GgufFile::read_texts(std::string_view key, const GgufValue& array, uint64_t longest, const UseText& use) const {
    GgufCursor in(source_, array.begin);
    for (uint64_t i = 0; i < array.count; ++i) {
        const auto size = in.number<uint64_t>();
        if (size > longest)
            fail(STEER_ERR_FORMAT, "{}: {}[{}] has {} bytes, allowed are {}", name(), key, i, size, longest);
        use(i, in.bytes(size));
    }
}

std::vector<int32_t> GgufFile::read_i32(const GgufValue& array) const {
    if (array.item != GgufType::i32 && array.item != GgufType::u32) fail(STEER_ERR_INTERNAL, "an array that is no i32");
    uint64_t bytes = 0;
    if (!checked_mul(array.count, sizeof(int32_t), bytes) || !inside(array.begin, bytes, source_.size()))
        fail(STEER_ERR_INTERNAL, "an array of another file");
    std::vector<int32_t> values(static_cast<size_t>(array.count));
    if (!values.empty()) source_.read_exact(array.begin, values.data(), static_cast<size_t>(bytes));
    return values;
}

} // namespace steer
