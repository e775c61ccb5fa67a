// numpy's .npy: a magic, a header that is a Python dict in words, then the numbers. Versions 1 to 3, little-endian
// floats.
#pragma once

#include "files/dtype.h"
#include "files/file.h"

#include <cstdint>
#include <vector>

namespace steer {

struct NumpyArray {
    std::vector<int64_t> shape;
    std::vector<float> values; // row-major
};

NumpyArray read_npy(const ByteSource& source);

} // namespace steer
