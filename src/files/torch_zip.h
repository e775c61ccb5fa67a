// The zip archive that torch.save writes: a pickle and one stored record per tensor storage.
// Strict where other readers are lenient: every record is stored (never compressed), its CRC is checked when it is
// read, local header and directory agree, records do not overlap, names are unique and plain.
#pragma once

#include "files/file.h"
#include "files/pickle.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

struct ZipRecord {
    std::string name;     // without the archive's own folder: "data.pkl", "data/0"
    uint64_t begin, size; // of its bytes, absolute in the file
    uint32_t crc;
};

// The one of zip and zlib; before: the sum of what stands in front.
uint32_t crc32(const void* data, size_t size, uint32_t before = 0);

// The directory of a zip archive, checked against every local header; sorted by name. Reads no contents.
std::vector<ZipRecord> read_zip_directory(const ByteSource& source);

class TorchZip {
  public:
    static TorchZip open(const std::string& path);
    explicit TorchZip(ByteSource source); // memory stays the caller's

    const std::string& name() const { return source_.name(); }         // the path
    uint64_t size() const { return source_.size(); }                   // of the whole file
    const std::vector<ZipRecord>& records() const { return records_; } // by name
    const ZipRecord* find(std::string_view name) const;                // nullptr: not there
    std::string read(const ZipRecord& record) const;                   // CRC checked

    const PickleTree& tree() const { return tree_; } // of data.pkl
    // Row-major, offset and strides honoured. Each storage is read and checked once and then kept.
    std::vector<float> read_floats(const PickleTensor& tensor);
    // Elements first, first + step, ... of the tensor's storage. The record is walked through and checked, and never
    // held: a matrix may be larger than memory.
    std::vector<float> read_elements(const PickleTensor& tensor, uint64_t first, uint64_t step, uint64_t count) const;

  private:
    const ZipRecord& record_of(const PickleTensor& tensor) const;
    const std::string& storage(const PickleTensor& tensor);

    ByteSource source_;
    std::vector<ZipRecord> records_;
    PickleTree tree_;
    std::map<std::string, std::string> storages_;
};

} // namespace steer
