// GGUF, versions 2 and 3, little-endian: typed key-value pairs, a list of tensors, then their bytes. Written from the
// format's description (docs/gguf.md of ggml). Only what leads to the tensors is held; their bytes, and long arrays, are
// read when they are asked for.
#pragma once

#include "files/dtype.h"
#include "files/file.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

enum class GgufType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

struct GgufValue {
    GgufType type = GgufType::text;
    std::string text;          // a string's bytes; a number or boolean as it is written in decimal; of an array nothing
    std::vector<float> floats; // an array of f32; of other arrays only where they stand
    GgufType item = GgufType::u8;
    uint64_t count = 0, begin = 0; // of an array: its items, and the byte where they begin
};
using GgufValues = std::map<std::string, GgufValue, std::less<>>;

inline constexpr uint32_t kGgufF32 = 0;
std::optional<Dtype> gguf_dtype(uint32_t type); // F32, F16, BF16, Q4_0, Q8_0, Q4_K, Q6_K; else nothing
std::string gguf_type_name(uint32_t type);      // "Q5_K" of those that are known by name, else its number

struct GgufTensor {
    std::string name;
    std::vector<uint64_t> shape; // the dimension that lies together first
    uint32_t type = kGgufF32;
    uint64_t begin = 0; // absolute in the file
    uint64_t size = 0;  // bytes, which are inside the file; 0 where the type is none of gguf_dtype
};

class GgufFile {
  public:
    explicit GgufFile(ByteSource source); // memory stays the caller's

    const std::string& name() const { return source_.name(); } // the path
    const ByteSource& source() const { return source_; }
    const GgufValues& values() const { return values_; }
    const GgufValue* find(std::string_view key) const; // nullptr: not there
    const std::vector<GgufTensor>& tensors() const { return tensors_; }
    std::vector<float> read_floats(const GgufTensor& tensor) const; // F32; anything else STEER_ERR_UNSUPPORTED

    // Each text of an array, read from the file again; a longer one is STEER_ERR_FORMAT. key: for the words.
    using UseText = std::function<void(uint64_t index, std::string_view text)>;
    void read_texts(std::string_view key, const GgufValue& array, uint64_t longest, const UseText& use) const;
    std::vector<int32_t> read_i32(const GgufValue& array) const; // of i32 and u32, as they stand

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
