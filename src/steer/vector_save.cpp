// One vector in the format that is asked for.
#include "files/error.h"
#include "files/float16.h"
#include "files/quote.h"
#include "files/torch_zip_write.h"
#include "steer/vector_io.h"

#include <algorithm>
#include <utility>

namespace steer {

int32_t key_of(const Vector& vector, int32_t layer) {
    const int32_t key = vector.applied_at(layer) + 1;
    if (key >= kLayerMax)
        fail(STEER_ERR_UNSUPPORTED, "vector {}: a row for layer {} would have no number", quote(vector.name), layer);
    return key;
}

std::string vector_to_torch(const Vector& vector) {
    std::map<int32_t, std::vector<uint16_t>> rows;
    for (int32_t layer = vector.layer_begin; layer < vector.layer_end; ++layer) {
        const VectorRow& row = vector.write[static_cast<size_t>(layer - vector.layer_begin)];
        if (!row.present()) continue;
        std::vector<uint16_t> halves(row.values.size());
        std::transform(row.values.begin(), row.values.end(), halves.begin(), float_to_f16);
        const bool lost = std::all_of(halves.begin(), halves.end(), [](uint16_t half) { return (half & 0x7fff) == 0; });
        const bool large =
            std::any_of(halves.begin(), halves.end(), [](uint16_t half) { return (half & 0x7fff) == 0x7c00; });
        if (lost || large)
            fail(STEER_ERR_UNSUPPORTED,
                 "vector {}: the row of layer {} is too {} for float16: scale it, or take another format",
                 quote(vector.name), layer, lost ? "short" : "long");
        rows.emplace(key_of(vector, layer), std::move(halves));
    }
    return write_torch_halves(rows);
}

std::string vector_to_bytes(const Vector& vector, int32_t format) {
    switch (format) {
    case STEER_FORMAT_NATIVE: return vector_to_native(vector);
    case STEER_FORMAT_GGUF: return vector_to_gguf(vector);
    case STEER_FORMAT_TORCH: return vector_to_torch(vector);
    case STEER_FORMAT_SVEC: return vector_to_svec(vector);
    default: fail(STEER_ERR_ARG, "{} is no format: STEER_FORMAT_NATIVE to STEER_FORMAT_SVEC are known", format);
    }
}

void save_vector(const Vector& vector, const std::string& path, int32_t format) {
    write_file_atomically(path, vector_to_bytes(vector, format));
}

} // namespace steer
