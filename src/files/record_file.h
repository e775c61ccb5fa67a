// A file of records that only grows, so that long work that was cut off can go on where it stood: numbers under a key.
//
//   16 bytes: the kind of file; then records: key (32 bytes), count (uint64), SHA-256 of key and numbers (32), count x float32
//
// Little-endian, as the machine is. A record that was not written to its end is cut off when the file is opened next; one whose
// numbers no longer have their digest is not there.
#pragma once

#include "files/sha256.h"

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

class RecordFile {
  public:
    // Opens the file, or makes it. kind: at most 16 characters. STEER_ERR_FORMAT: it holds something else, and stays as it is.
    RecordFile(std::string path, std::string_view kind);

    std::optional<std::vector<float>> find(const Digest& key);
    void add(const Digest& key, std::span<const float> values); // in the file when it returns
    size_t size() const { return records_.size(); }

  private:
    struct Header {
        Digest key;
        uint64_t count;
        Digest digest;
    };
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    void read_index(uint64_t file_size);
    void seek(uint64_t offset);
    void read(void* out, size_t size);
    void write(const void* data, size_t size);
    [[noreturn]] void fail_with(const char* what) const;

    std::string path_;
    std::unique_ptr<std::FILE, Close> file_;
    std::map<Digest, uint64_t> records_; // where each begins
    uint64_t end_ = 0;
};

} // namespace steer
