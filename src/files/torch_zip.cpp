#include "files/torch_zip.h"

#include "files/checked.h"
#include "files/error.h"
#include "files/quote.h"

#include <algorithm>
#include <array>

namespace steer {
namespace {

constexpr uint64_t kPickleMax = 16u << 20; // numpy arrays lie in the pickle itself
constexpr uint64_t kPiece = 1 << 20;

constexpr std::array<uint32_t, 256> make_crc_table() {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0u);
        table[i] = value;
    }
    return table;
}

constexpr auto kCrcTable = make_crc_table();

// Elements of the tensor; refuses a view that leaves its storage. A tensor with more elements than its storage (made by
// expand) is refused too, so that a small file cannot ask for much memory.
uint64_t check_view(const PickleTensor& tensor, const std::string& file) {
    uint64_t count = 1, last = tensor.offset;
    bool fits = true;
    for (const int64_t dim : tensor.shape) fits = fits && checked_mul(count, static_cast<uint64_t>(dim), count);
    for (size_t i = 0; i < tensor.shape.size() && fits && count > 0; ++i) {
        uint64_t span = 0;
        fits =
            checked_mul(static_cast<uint64_t>(tensor.shape[i] - 1), static_cast<uint64_t>(tensor.strides[i]), span) &&
            checked_add(last, span, last);
    }
    const bool outside = count > 0 && last >= tensor.storage_numel;
    if (!fits || outside || count > tensor.storage_numel)
        fail(STEER_ERR_FORMAT, "{}: a tensor of shape [{}] reaches outside its storage {} of {} elements", file,
             fmt::join(tensor.shape, ", "), quote(tensor.storage), tensor.storage_numel);
    return count;
}

[[noreturn]] void refuse_damaged(const ZipRecord& record, const std::string& file) {
    fail(STEER_ERR_FORMAT, "{}: record {} is damaged: its CRC is wrong", file, quote(record.name));
}

} // namespace

uint32_t crc32(const void* data, size_t size, uint32_t before) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    uint32_t crc = ~before;
    for (size_t i = 0; i < size; ++i) crc = crc >> 8 ^ kCrcTable[(crc ^ bytes[i]) & 0xff];
    return ~crc;
}

TorchZip TorchZip::open(const std::string& path) { return TorchZip(ByteSource(File::open(path))); }

TorchZip::TorchZip(ByteSource source) : source_(std::move(source)), records_(read_zip_directory(source_)) {
    for (const ZipRecord& record : records_)
        if (record.name == "constants.pkl" || record.name.compare(0, 5, "code/") == 0)
            fail(STEER_ERR_UNSUPPORTED, "{}: a TorchScript archive holds code and is not read as data", name());
    const ZipRecord* pickle = find("data.pkl");
    if (pickle == nullptr) fail(STEER_ERR_FORMAT, "{}: no data.pkl in the archive: not made by torch.save", name());
    if (pickle->size > kPickleMax)
        fail(STEER_ERR_FORMAT, "{}: data.pkl has {} bytes, at most {} are allowed", name(), pickle->size, kPickleMax);
    const ZipRecord* order = find("byteorder");
    if (order != nullptr && (order->size > 16 || read(*order) != "little"))
        fail(STEER_ERR_UNSUPPORTED, "{}: not in little-endian byte order", name());
    tree_ = parse_pickle(read(*pickle), name());
}

const ZipRecord* TorchZip::find(std::string_view wanted) const {
    const auto at = std::lower_bound(records_.begin(), records_.end(), wanted,
                                     [](const ZipRecord& record, std::string_view text) { return record.name < text; });
    return at != records_.end() && at->name == wanted ? &*at : nullptr;
}

std::string TorchZip::read(const ZipRecord& record) const {
    std::string bytes = source_.read(record.begin, static_cast<size_t>(record.size));
    if (crc32(bytes.data(), bytes.size()) != record.crc) refuse_damaged(record, name());
    return bytes;
}

const ZipRecord& TorchZip::record_of(const PickleTensor& tensor) const {
    const ZipRecord* record = find("data/" + tensor.storage);
    if (record == nullptr)
        fail(STEER_ERR_FORMAT, "{}: the record data/{} of a tensor is missing", name(), tensor.storage);
    uint64_t bytes = 0;
    if (!checked_mul(tensor.storage_numel, dtype_size(tensor.dtype), bytes) || bytes != record->size)
        fail(STEER_ERR_FORMAT, "{}: the record data/{} has {} bytes, {} elements of {} are declared", name(),
             tensor.storage, record->size, tensor.storage_numel, dtype_name(tensor.dtype));
    return *record;
}

const std::string& TorchZip::storage(const PickleTensor& tensor) {
    if (tensor.storage.empty()) return tree_.arrays[tensor.array]; // of numpy
    const ZipRecord& record = record_of(tensor);
    const auto known = storages_.find(tensor.storage);
    return known != storages_.end() ? known->second : storages_.emplace(tensor.storage, read(record)).first->second;
}

std::vector<float> TorchZip::read_elements(const PickleTensor& tensor, uint64_t first, uint64_t step,
                                           uint64_t count) const {
    check_view(tensor, name());
    uint64_t span = 0;
    if (count == 0 || count > tensor.storage_numel || !checked_mul(step, count - 1, span) ||
        !checked_add(first, span, span) || span >= tensor.storage_numel)
        fail(STEER_ERR_FORMAT, "{}: {} elements, {} apart, are outside of a tensor's storage", name(), count, step);
    const size_t size = dtype_size(tensor.dtype);
    std::vector<float> values;
    values.reserve(static_cast<size_t>(count));
    // Elements of [begin, end) that are wanted.
    const auto take = [&](const char* bytes, uint64_t begin, uint64_t end) {
        for (uint64_t at; values.size() < count && (at = first + values.size() * step) < end;)
            values.push_back(to_float32(bytes + (at - begin) * size, tensor.dtype));
    };
    if (tensor.storage.empty()) return take(tree_.arrays[tensor.array].data(), 0, tensor.storage_numel), values;
    const ZipRecord& record = record_of(tensor);
    std::string piece;
    uint32_t crc = 0;
    for (uint64_t at = 0; at < record.size; at += piece.size()) { // a piece is a whole number of elements
        piece = source_.read(record.begin + at, static_cast<size_t>(std::min(kPiece, record.size - at)));
        crc = crc32(piece.data(), piece.size(), crc);
        take(piece.data(), at / size, (at + piece.size()) / size);
    }
    if (crc != record.crc) refuse_damaged(record, name());
    return values;
}

std::vector<float> TorchZip::read_floats(const PickleTensor& tensor) {
    const uint64_t count = check_view(tensor, name());
    const std::string& bytes = storage(tensor);
    std::vector<float> values;
    values.reserve(static_cast<size_t>(count));
    const size_t step = dtype_size(tensor.dtype), dims = tensor.shape.size();
    std::vector<int64_t> index(dims, 0);
    uint64_t at = tensor.offset;
    while (values.size() < count) {
        values.push_back(to_float32(bytes.data() + at * step, tensor.dtype));
        for (size_t d = dims; d-- > 0;) { // the last dimension runs fastest
            const auto stride = static_cast<uint64_t>(tensor.strides[d]);
            if (++index[d] < tensor.shape[d]) {
                at += stride;
                break;
            }
            at -= stride * static_cast<uint64_t>(tensor.shape[d] - 1);
            index[d] = 0;
        }
    }
    return values;
}

} // namespace steer
