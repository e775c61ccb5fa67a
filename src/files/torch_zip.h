// The zip archive that torch.save writes: a pickle and one stored record per tensor storage.
// Strict where other readers are lenient: every record is stored (never compressed), its CRC is checked when it is
// read, local header and directory agree, records do not overlap, names are unique and plain.
#pragma once

#include "files/file.h"
#include "files/pickle.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

struct ZipRecord {
    std::string name;     // without the archive's own folder: "data.pkl", "data/0"
    uint64_t begin, size; // of its bytes, absolute in the file
    uint32_t crc;
};

uint32_t crc32(const void* data, size_t size, uint32_t before = 0);

class TorchZip {
  public:
    static TorchZip open(const std::string& path);
    explicit TorchZip(ByteSource source); // memory stays the caller's

    const std::string& name() const { return source_.name(); }         // the path
    const std::vector<ZipRecord>& records() const { return records_; } // by name
    const ZipRecord* find(std::string_view name) const;
    std::string read(const ZipRecord& record) const; // CRC checked

    const PickleTree& tree() const { return tree_; }                  // of data.pkl, read when opened
    std::vector<float> read_floats(const PickleTensor& tensor) const; // row-major, strides and offset honoured

  private:
    ByteSource source_;
    std::vector<ZipRecord> records_;
    PickleTree tree_;
};

} // namespace steer
