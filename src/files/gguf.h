// GGUF, versions 2 and 3, little-endian: typed key-value pairs, a list of tensors, then their bytes. Written from the
// format's description (docs/gguf.md of ggml). Only what leads to the tensors is held; their bytes are read when they
// are asked for.
#pragma once

#include "files/file.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

enum class GgufType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

struct GgufValue {
    GgufType type = GgufType::text;
    std::string text;          // a string's bytes; a number or boolean as it is written in decimal; of an array nothing
    std::vector<float> floats; // an array of f32; arrays of anything else are walked over and not kept
};
using GgufValues = std::map<std::string, GgufValue, std::less<>>;

inline constexpr uint32_t kGgufF32 = 0; // the one tensor type that is read and written here

struct GgufTensor {
    std::string name;
    std::vector<uint64_t> shape;
    uint32_t type = kGgufF32; // others keep their number
    uint64_t begin = 0;       // absolute in the file
};

class GgufFile {
  public:
    explicit GgufFile(ByteSource source); // memory stays the caller's

    const std::string& name() const { return source_.name(); } // the path
    const GgufValues& values() const { return values_; }
    const GgufValue* find(std::string_view key) const; // nullptr: not there
    const std::vector<GgufTensor>& tensors() const { return tensors_; }
    std::vector<float> read_floats(const GgufTensor& tensor) const; // F32; anything else STEER_ERR_UNSUPPORTED

  private:
    void check_tensors(uint64_t header_end);

    ByteSource source_;
    GgufValues values_;
    std::vector<GgufTensor> tensors_;
};

struct GgufRow { // a tensor of one dimension
    std::string name;
    const std::vector<float>* values;
};

// The whole file in memory, version 3: strings, u32 and arrays of f32 as values, F32 rows as tensors.
std::string write_gguf(const GgufValues& values, const std::vector<GgufRow>& rows);

} // namespace steer
