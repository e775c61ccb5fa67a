#include "files/gguf.h"

#include "files/checked.h"
#include "files/error.h"
#include "files/quote.h"
#include "files/utf8.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace steer {
namespace {

static_assert(std::endian::native == std::endian::little, "stored numbers are little-endian and are read as they are");

constexpr uint64_t kPiece = 64 << 10;
constexpr uint64_t kValueMax = 16384, kTensorMax = 16384, kKeyMax = 65535, kNameMax = 64, kDimsMax = 4;
constexpr uint64_t kAlignmentMax = 1 << 20;
constexpr uint32_t kTypeCount = 13;

size_t size_of(GgufType type) { // bytes; 0: text and arrays have no size of their own
    static constexpr uint8_t kSizes[kTypeCount] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return kSizes[static_cast<uint32_t>(type)];
}

// Reads forward through the file, a piece at a time.
class Cursor {
  public:
    explicit Cursor(const ByteSource& source) : source_(source) {}

    uint64_t at() const { return at_; }

    // Good until the next call.
    std::string_view bytes(uint64_t size) {
        if (!inside(at_, size, source_.size())) refuse("is cut short");
        if (at_ < begin_ || !inside(at_ - begin_, size, piece_.size())) {
            begin_ = at_;
            piece_ = source_.read(at_, static_cast<size_t>(std::min(std::max(size, kPiece), source_.size() - at_)));
        }
        const std::string_view out =
            std::string_view(piece_).substr(static_cast<size_t>(at_ - begin_), static_cast<size_t>(size));
        at_ += size;
        return out;
    }

    template<class T>
    T number() {
        T value;
        std::memcpy(&value, bytes(sizeof(T)).data(), sizeof(T));
        return value;
    }

    std::string text(uint64_t longest, const char* what) {
        const auto size = number<uint64_t>();
        if (size > longest) refuse(what);
        return std::string(bytes(size));
    }

    void skip(uint64_t size) { // without reading
        if (!inside(at_, size, source_.size())) refuse("is cut short");
        at_ += size;
    }

    [[noreturn]] void refuse(const char* what) const {
        fail(STEER_ERR_FORMAT, "{}: the GGUF header {} (near byte {})", source_.name(), what, at_);
    }

  private:
    const ByteSource& source_;
    std::string piece_;
    uint64_t begin_ = 0, at_ = 0;
};

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
            read_array(value.floats);
        else if (value.type == GgufType::text)
            value.text = in_.text(size_, "has a string longer than the file");
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

    void read_array(std::vector<float>& floats) {
        const GgufType item = type();
        const auto count = in_.number<uint64_t>();
        if (item == GgufType::array) in_.refuse("has an array of arrays");
        if (item == GgufType::text) {
            if (count > size_ / 8) in_.refuse("has an array longer than the file");
            for (uint64_t i = 0; i < count; ++i) in_.skip(in_.number<uint64_t>());
            return;
        }
        uint64_t bytes = 0;
        if (!checked_mul(count, size_of(item), bytes) || bytes > size_) in_.refuse("has an array longer than the file");
        if (item != GgufType::f32) return in_.skip(bytes);
        const std::string_view stored = in_.bytes(bytes);
        floats.resize(static_cast<size_t>(count));
        if (count > 0) std::memcpy(floats.data(), stored.data(), stored.size());
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

    Cursor in_;
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

void append(std::string& out, const void* bytes, size_t size) { out.append(static_cast<const char*>(bytes), size); }
template<class T>
void append(std::string& out, T number) {
    append(out, &number, sizeof number);
}
void append_text(std::string& out, std::string_view text) {
    append(out, uint64_t{text.size()});
    out += text;
}
void pad(std::string& out, size_t alignment) { out.append((alignment - out.size() % alignment) % alignment, '\0'); }

void append_value(std::string& out, const GgufValue& value) {
    append(out, static_cast<uint32_t>(value.type));
    if (value.type == GgufType::text) return append_text(out, value.text);
    if (value.type == GgufType::u32) return append(out, static_cast<uint32_t>(std::stoul(value.text)));
    if (value.type != GgufType::array) fail(STEER_ERR_INTERNAL, "a GGUF value of a type that is not written");
    append(out, static_cast<uint32_t>(GgufType::f32));
    append(out, uint64_t{value.floats.size()});
    append(out, value.floats.data(), value.floats.size() * sizeof(float));
}

} // namespace

GgufFile::GgufFile(ByteSource source) : source_(std::move(source)) {
    const uint64_t header_end = HeaderReader(source_, values_, tensors_).read();
    check_tensors(header_end);
}

// Every F32 tensor lies inside the file, where alignment allows, and no two share a byte.
void GgufFile::check_tensors(uint64_t header_end) {
    const uint64_t alignment = alignment_of(values_, name());
    const uint64_t data = (header_end + alignment - 1) / alignment * alignment;
    std::vector<std::pair<uint64_t, uint64_t>> extents;
    for (GgufTensor& tensor : tensors_) {
        const uint64_t bytes = tensor.type == kGgufF32 ? element_count(tensor, name()) * sizeof(float) : 0;
        if (tensor.begin % alignment != 0)
            fail(STEER_ERR_FORMAT, "{}: tensor {} begins at byte {} of the data, which is no multiple of {}", name(),
                 quote(tensor.name), tensor.begin, alignment);
        if (!checked_add(data, tensor.begin, tensor.begin) || !inside(tensor.begin, bytes, source_.size()))
            fail(STEER_ERR_FORMAT, "{}: tensor {} ends behind the file: is it cut short?", name(), quote(tensor.name));
        if (bytes > 0) extents.emplace_back(tensor.begin, tensor.begin + bytes);
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
    std::vector<float> values(static_cast<size_t>(element_count(tensor, name())));
    if (!values.empty()) source_.read_exact(tensor.begin, values.data(), values.size() * sizeof(float));
    return values;
}

std::string write_gguf(const GgufValues& values, const std::vector<GgufRow>& rows) {
    constexpr size_t kAlignment = 32;
    std::string out = "GGUF";
    append(out, uint32_t{3});
    append(out, uint64_t{rows.size()});
    append(out, uint64_t{values.size()});
    for (const auto& [key, value] : values) {
        append_text(out, key);
        append_value(out, value);
    }
    uint64_t at = 0;
    for (const GgufRow& row : rows) {
        append_text(out, row.name);
        append(out, uint32_t{1});
        append(out, uint64_t{row.values->size()});
        append(out, kGgufF32);
        append(out, at);
        at += (row.values->size() * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
    }
    pad(out, kAlignment);
    out.reserve(out.size() + static_cast<size_t>(at));
    for (const GgufRow& row : rows) {
        append(out, row.values->data(), row.values->size() * sizeof(float));
        pad(out, kAlignment);
    }
    return out;
}

} // namespace steer
