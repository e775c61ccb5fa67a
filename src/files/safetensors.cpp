#include "files/safetensors.h"

#include "files/checked.h"
#include "files/error.h"
#include "files/json_value.h"
#include "files/quote.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace steer {
namespace {

static_assert(std::endian::native == std::endian::little, "stored tensors are little-endian and are read as they are");

constexpr uint64_t kHeaderMax = 16u << 20;
constexpr size_t kTensorMax = 262144, kMetadataMax = 65536, kDimsMax = 8;
constexpr uint64_t kOffsetMax = uint64_t{1} << 62; // so that sums with the header's length cannot wrap

// Takes the header's JSON events and builds the flat list. Offsets are relative to the data while it works.
class HeaderReader {
  public:
    HeaderReader(const std::string& file, std::vector<TensorInfo>& tensors, TextMap& metadata)
        : file_(file), tensors_(tensors), metadata_(metadata) {}

    bool start_object(size_t) {
        if (place_ == Place::start) return place_ = Place::top, true;
        if (place_ != Place::value) refuse("an object");
        if (in_metadata_) return place_ = Place::metadata, true;
        if (tensors_.size() == kTensorMax)
            fail(STEER_ERR_FORMAT, "{}: more than {} tensors in the header", file_, kTensorMax);
        tensors_.push_back({key_, Dtype::f32, {}, 0, 0});
        seen_ = 0;
        return place_ = Place::tensor, true;
    }

    bool end_object() {
        if (place_ == Place::tensor) finish_tensor();
        place_ = place_ == Place::top ? Place::done : Place::top;
        return true;
    }

    bool key(std::string& text) {
        if (place_ == Place::top) {
            key_ = std::move(text);
            in_metadata_ = key_ == "__metadata__";
            if (in_metadata_ && std::exchange(had_metadata_, true))
                fail(STEER_ERR_FORMAT, "{}: __metadata__ stands twice in the header", file_);
            place_ = Place::value;
        } else if (place_ == Place::metadata) {
            field_ = std::move(text);
        } else {
            start_field(text);
        }
        return true;
    }

    bool string(std::string& text) {
        if (place_ == Place::metadata) {
            if (metadata_.size() == kMetadataMax)
                fail(STEER_ERR_FORMAT, "{}: more than {} entries in __metadata__", file_, kMetadataMax);
            if (!metadata_.emplace(std::move(field_), std::move(text)).second)
                fail(STEER_ERR_FORMAT, "{}: an entry of __metadata__ stands twice", file_);
            return true;
        }
        if (place_ != Place::tensor || field_ != "dtype") refuse("a string");
        if (!dtype_from_name(text, tensors_.back().dtype))
            fail(STEER_ERR_UNSUPPORTED, "{}: tensor {} has the element type {}, which is not known here", file_,
                 quote(key_), quote(text));
        return true;
    }

    bool start_array(size_t) {
        if (place_ != Place::tensor || field_ == "dtype") refuse("a list");
        count_ = 0;
        return place_ = Place::numbers, true;
    }

    bool end_array() {
        if (field_ == "data_offsets" && count_ != 2)
            fail(STEER_ERR_FORMAT, "{}: tensor {}: data_offsets has {} numbers, 2 are needed", file_, quote(key_),
                 count_);
        return place_ = Place::tensor, true;
    }

    bool number_unsigned(uint64_t value) {
        if (place_ != Place::numbers) refuse("a number");
        if (value > kOffsetMax)
            fail(STEER_ERR_FORMAT, "{}: tensor {}: the number {} in {} is too large", file_, quote(key_), value,
                 field_);
        TensorInfo& tensor = tensors_.back();
        if (field_ == "shape") {
            if (count_ == kDimsMax)
                fail(STEER_ERR_FORMAT, "{}: tensor {} has more than {} dimensions", file_, quote(key_), kDimsMax);
            tensor.shape.push_back(static_cast<int64_t>(value));
        } else if (count_ < 2) {
            (count_ == 0 ? tensor.begin : tensor.end) = value;
        }
        return ++count_, true;
    }

    bool number_integer(int64_t) { refuse("a negative number"); }
    bool number_float(double, const std::string&) { refuse("a number that is not whole or too large"); }
    bool boolean(bool) { refuse("true or false"); }
    bool null() { refuse("null"); }
    bool binary(std::vector<uint8_t>&) { refuse("binary data"); }
    bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) {
        fail(STEER_ERR_FORMAT, "{}: the header is not JSON, near byte {}", file_, position + 8);
    }

  private:
    enum class Place { start, top, value, tensor, numbers, metadata, done };
    enum : unsigned { kDtype = 1, kShape = 2, kOffsets = 4, kAll = 7 };

    [[noreturn]] void refuse(const char* what) const {
        const std::string where = in_metadata_ ? "__metadata__ (strings only)" : "tensor " + quote(key_);
        fail(STEER_ERR_FORMAT, "{}: {} where none may stand in the header, at {}", file_, what, where);
    }

    void start_field(const std::string& text) {
        unsigned bit = 0;
        if (text == "dtype") bit = kDtype;
        if (text == "shape") bit = kShape;
        if (text == "data_offsets") bit = kOffsets;
        if (bit == 0) fail(STEER_ERR_FORMAT, "{}: tensor {} has an unknown field {}", file_, quote(key_), quote(text));
        if (seen_ & bit) fail(STEER_ERR_FORMAT, "{}: tensor {} has {} twice", file_, quote(key_), text);
        seen_ |= bit;
        field_ = text;
    }

    void finish_tensor() {
        TensorInfo& tensor = tensors_.back();
        if (seen_ != kAll)
            fail(STEER_ERR_FORMAT, "{}: tensor {} lacks {}", file_, quote(key_),
                 !(seen_ & kDtype)   ? "dtype"
                 : !(seen_ & kShape) ? "shape"
                                     : "data_offsets");
        if (tensor.begin > tensor.end)
            fail(STEER_ERR_FORMAT, "{}: tensor {} ends at {} before it begins at {}", file_, quote(key_), tensor.end,
                 tensor.begin);
        uint64_t bytes = dtype_size(tensor.dtype);
        bool fits = true;
        for (const int64_t dim : tensor.shape) fits = fits && checked_mul(bytes, static_cast<uint64_t>(dim), bytes);
        if (!fits || bytes != tensor.size())
            fail(STEER_ERR_FORMAT, "{}: tensor {}: dtype {} and shape [{}] do not make the {} bytes of data_offsets",
                 file_, quote(key_), dtype_name(tensor.dtype), fmt::join(tensor.shape, ", "), tensor.size());
    }

    const std::string& file_;
    std::vector<TensorInfo>& tensors_;
    TextMap& metadata_;
    Place place_ = Place::start;
    std::string key_, field_;
    size_t count_ = 0;
    unsigned seen_ = 0;
    bool in_metadata_ = false, had_metadata_ = false;
};

// One after the other from 0 to the end: no gap to hide bytes in, no byte that belongs to two tensors.
void check_layout(const std::string& file, const std::vector<TensorInfo>& tensors, uint64_t data_size) {
    uint64_t at = 0;
    for (const TensorInfo& tensor : tensors) {
        if (tensor.end > data_size)
            fail(STEER_ERR_FORMAT, "{}: tensor {} ends at byte {} of the data, which has {}: is the file cut short?",
                 file, quote(tensor.name), tensor.end, data_size);
        if (tensor.begin != at)
            fail(STEER_ERR_FORMAT, "{}: tensor {} begins at byte {} of the data instead of {}: {}", file,
                 quote(tensor.name), tensor.begin, at, tensor.begin < at ? "it overlaps another" : "there is a gap");
        at = tensor.end;
    }
    if (at != data_size)
        fail(STEER_ERR_FORMAT, "{}: {} bytes after the last tensor belong to none", file, data_size - at);
}

} // namespace

SafetensorsFile SafetensorsFile::open(const std::string& path) { return SafetensorsFile(ByteSource(File::open(path))); }

SafetensorsFile::SafetensorsFile(ByteSource source) : source_(std::move(source)) {
    if (source_.size() < 8)
        fail(STEER_ERR_FORMAT, "{}: {} bytes are too few for a safetensors file", name(), source_.size());
    uint64_t header_size = 0;
    source_.read_exact(0, &header_size, 8);
    if (header_size > kHeaderMax)
        fail(STEER_ERR_FORMAT, "{}: a header of {} bytes, at most {} are allowed: is it a safetensors file?", name(),
             header_size, kHeaderMax);
    if (!inside(8, header_size, source_.size()))
        fail(STEER_ERR_FORMAT, "{}: the header of {} bytes does not fit into the file of {}", name(), header_size,
             source_.size());
    const std::string header = source_.read(8, static_cast<size_t>(header_size));
    if (header.empty() || header[0] != '{') fail(STEER_ERR_FORMAT, "{}: the header does not begin with '{{'", name());
    parse(header, 8 + header_size);
}

void SafetensorsFile::parse(const std::string& header, uint64_t data_begin) {
    if (const size_t zero = header.find('\0'); zero != header.npos) // which the parser takes for the end
        fail(STEER_ERR_FORMAT, "{}: the header is not JSON, near byte {}", name(), zero + 8);
    HeaderReader reader(name(), tensors_, metadata_);
    nlohmann::json::sax_parse(header, &reader);
    std::sort(tensors_.begin(), tensors_.end(), [](const TensorInfo& a, const TensorInfo& b) {
        return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    check_layout(name(), tensors_, source_.size() - data_begin);
    for (TensorInfo& tensor : tensors_) tensor.begin += data_begin, tensor.end += data_begin;

    by_name_.resize(tensors_.size());
    std::iota(by_name_.begin(), by_name_.end(), 0u);
    std::sort(by_name_.begin(), by_name_.end(),
              [this](uint32_t a, uint32_t b) { return tensors_[a].name < tensors_[b].name; });
    for (size_t i = 1; i < by_name_.size(); ++i)
        if (tensors_[by_name_[i - 1]].name == tensors_[by_name_[i]].name)
            fail(STEER_ERR_FORMAT, "{}: tensor {} stands twice in the header", name(),
                 quote(tensors_[by_name_[i]].name));
}

const TensorInfo* SafetensorsFile::find(std::string_view wanted) const {
    const auto at =
        std::lower_bound(by_name_.begin(), by_name_.end(), wanted,
                         [this](uint32_t index, std::string_view text) { return tensors_[index].name < text; });
    return at != by_name_.end() && tensors_[*at].name == wanted ? &tensors_[*at] : nullptr;
}

void SafetensorsFile::read(const TensorInfo& tensor, uint64_t offset, void* out, size_t size) const {
    if (!inside(offset, size, tensor.size()))
        fail(STEER_ERR_INTERNAL, "{}: {} bytes at {} of tensor {} asked for, it has {}", name(), size, offset,
             quote(tensor.name), tensor.size());
    source_.read_exact(tensor.begin + offset, out, size);
}

std::vector<float> SafetensorsFile::read_floats(const TensorInfo& tensor) const {
    if (!dtype_is_float(tensor.dtype))
        fail(STEER_ERR_UNSUPPORTED, "{}: tensor {} is {}; F64, F32, F16 or BF16 is needed", name(), quote(tensor.name),
             dtype_name(tensor.dtype));
    const size_t step = dtype_size(tensor.dtype);
    const std::string bytes = source_.read(tensor.begin, static_cast<size_t>(tensor.size()));
    std::vector<float> values(bytes.size() / step);
    for (size_t i = 0; i < values.size(); ++i) values[i] = to_float32(bytes.data() + i * step, tensor.dtype);
    return values;
}

std::string write_safetensors(const std::vector<TensorBytes>& tensors, const TextMap& metadata) {
    Json::object_t header;
    if (!metadata.empty()) {
        Json& entries = header.emplace_back("__metadata__", Json::object()).second;
        for (const auto& [key, value] : metadata) entries[key] = value;
    }
    uint64_t at = 0;
    for (const TensorBytes& tensor : tensors) {
        const uint64_t end = at + tensor.bytes.size();
        // Field by field: g++ 12 destroys what it has not built yet where a list of fields runs out of memory half way.
        Json& entry = header.emplace_back(tensor.name, Json::object()).second;
        entry["dtype"] = dtype_name(tensor.dtype);
        entry["shape"] = Json::array_t(tensor.shape.begin(), tensor.shape.end());
        entry["data_offsets"] = Json::array_t{at, end};
        at = end;
    }
    std::string text = Json(std::move(header)).dump(-1, /*strict=*/true);
    text.append((8 - text.size() % 8) % 8, ' '); // so that the data is aligned
    const uint64_t header_size = text.size();
    if (header_size > kHeaderMax)
        fail(STEER_ERR_ARG, "a header of {} bytes, at most {} can be written", header_size, kHeaderMax);
    std::string file(8, '\0');
    for (int i = 0; i < 8; ++i) file[static_cast<size_t>(i)] = static_cast<char>(header_size >> (8 * i));
    file.reserve(8 + text.size() + at);
    file += text;
    for (const TensorBytes& tensor : tensors) file += tensor.bytes;
    return file;
}

} // namespace steer
