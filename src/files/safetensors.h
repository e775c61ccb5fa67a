// safetensors: 8 bytes of header length, a JSON header, then the tensors' bytes without gaps.
// Only the header is held; it is read by one pass into a flat list, never into a JSON tree.
#pragma once

#include "files/dtype.h"
#include "files/file.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

struct TensorInfo {
    std::string name;
    Dtype dtype;
    std::vector<int64_t> shape;
    uint64_t begin, end; // absolute in the file

    uint64_t size() const { return end - begin; } // bytes: elements times dtype_size
};

using TextMap = std::map<std::string, std::string>;

class SafetensorsFile {
  public:
    static SafetensorsFile open(const std::string& path);
    explicit SafetensorsFile(ByteSource source); // memory stays the caller's

    const std::string& name() const { return source_.name(); }          // the path
    const ByteSource& source() const { return source_; }                // the whole file
    const std::vector<TensorInfo>& tensors() const { return tensors_; } // by position in the file
    const TensorInfo* find(std::string_view name) const;                // nullptr: not there
    const TextMap& metadata() const { return metadata_; }

    // size bytes of a tensor, from its own byte offset on. Any thread.
    void read(const TensorInfo& tensor, uint64_t offset, void* out, size_t size) const;
    std::vector<float> read_floats(const TensorInfo& tensor) const; // F64, F32, F16, BF16; else STEER_ERR_UNSUPPORTED

  private:
    void parse(const std::string& header, uint64_t data_begin);
    ByteSource source_;
    std::vector<TensorInfo> tensors_;
    std::vector<uint32_t> by_name_; // indices into tensors_
    TextMap metadata_;
};

struct TensorBytes {
    std::string name;
    Dtype dtype;
    std::vector<int64_t> shape;
    std::string_view bytes;
};

// The whole file in memory, ready for write_file_atomically.
std::string write_safetensors(const std::vector<TensorBytes>& tensors, const TextMap& metadata);

} // namespace steer
