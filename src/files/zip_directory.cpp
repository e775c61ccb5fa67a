// Layout facts: PKWARE's APPNOTE.TXT 6.3. torch (miniz) writes flags 0x0808: UTF-8 names, sizes in a descriptor behind
// the data and zeros in the local header; it pads the local extra field to align the data, and adds zip64 records at
// the end.
#include "files/checked.h"
#include "files/error.h"
#include "files/quote.h"
#include "files/torch_zip.h"

#include <algorithm>
#include <cstring>

namespace steer {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50, kDescriptor = 0x08074b50;
constexpr uint64_t kEntryMax = 65536, kDirectoryMax = 32u << 20, kNameMax = 512;
constexpr uint32_t kIn64 = 0xffffffff; // the real number stands in the zip64 extra field

uint16_t u16(std::string_view bytes, size_t at) {
    return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) | static_cast<uint8_t>(bytes[at + 1]) << 8);
}
uint32_t u32(std::string_view bytes, size_t at) { return u16(bytes, at) | uint32_t{u16(bytes, at + 2)} << 16; }
uint64_t u64(std::string_view bytes, size_t at) { return u32(bytes, at) | uint64_t{u32(bytes, at + 4)} << 32; }

struct Extent { // of one record, from its local header to the end of its descriptor
    uint64_t begin, end;
};

struct Entry { // as the directory tells it
    std::string_view name;
    uint16_t flags = 0, method = 0;
    uint32_t crc = 0;
    uint64_t packed = 0, size = 0, header = 0;
};

struct Directory {
    uint64_t begin = 0, size = 0, entries = 0;
};

class Reader {
  public:
    explicit Reader(const ByteSource& source) : source_(source), file_(source.name()) {}

    std::vector<ZipRecord> read() {
        const Directory directory = find_directory();
        const std::string bytes = source_.read(directory.begin, static_cast<size_t>(directory.size));
        std::vector<ZipRecord> records;
        std::vector<Extent> extents;
        size_t at = 0;
        for (uint64_t i = 0; i < directory.entries; ++i) {
            const Entry entry = read_entry(bytes, at);
            check_entry(entry);
            records.push_back(check_local(entry, directory.begin, extents));
        }
        if (at != bytes.size())
            fail(STEER_ERR_FORMAT, "{}: {} bytes of the zip directory belong to no record", file_, bytes.size() - at);
        check_extents(extents);
        check_names(records);
        return records;
    }

  private:
    // [records] directory [zip64 end, zip64 locator] end, each touching the next; no archive comment.
    Directory find_directory() {
        constexpr uint64_t kEndSize = 22, kLocatorSize = 20, kEnd64Size = 56;
        if (source_.size() < kEndSize) fail(STEER_ERR_FORMAT, "{}: too short for a zip archive", file_);
        const uint64_t end_at = source_.size() - kEndSize;
        const std::string end = source_.read(end_at, kEndSize);
        if (u32(end, 0) != kEnd || u16(end, 20) != 0)
            fail(STEER_ERR_FORMAT, "{}: the zip end record is not at the end: is the file cut short?", file_);
        if (u16(end, 4) != 0 || u16(end, 6) != 0 || u16(end, 8) != u16(end, 10))
            fail(STEER_ERR_UNSUPPORTED, "{}: a zip archive in several parts", file_);
        Directory directory{u32(end, 16), u32(end, 12), u16(end, 10)};
        uint64_t directory_end = end_at;
        const bool has_locator =
            end_at >= kLocatorSize + kEnd64Size && u32(source_.read(end_at - kLocatorSize, 4), 0) == kLocator64;
        if (has_locator) directory = read_end64(end_at - kLocatorSize, directory, directory_end);
        if (directory.entries > kEntryMax)
            fail(STEER_ERR_FORMAT, "{}: {} records, at most {} are allowed", file_, directory.entries, kEntryMax);
        if (directory.size > kDirectoryMax || directory.size < directory.entries * 46)
            fail(STEER_ERR_FORMAT, "{}: a zip directory of {} bytes for {} records", file_, directory.size,
                 directory.entries);
        if (!inside(directory.begin, directory.size, directory_end) ||
            directory.begin + directory.size != directory_end)
            fail(STEER_ERR_FORMAT, "{}: the zip directory does not lie where the end record says", file_);
        return directory;
    }

    Directory read_end64(uint64_t locator_at, const Directory& narrow, uint64_t& directory_end) {
        const std::string locator = source_.read(locator_at, 20);
        const uint64_t at = u64(locator, 8);
        if (u32(locator, 4) != 0 || u32(locator, 16) > 1)
            fail(STEER_ERR_UNSUPPORTED, "{}: a zip archive in several parts", file_);
        if (at != locator_at - 56)
            fail(STEER_ERR_FORMAT, "{}: the zip64 end record is not where the locator says", file_);
        const std::string end = source_.read(at, 56);
        if (u32(end, 0) != kEnd64 || u64(end, 4) != 44 || u32(end, 16) != 0 || u32(end, 20) != 0 ||
            u64(end, 24) != u64(end, 32))
            fail(STEER_ERR_FORMAT, "{}: the zip64 end record is damaged", file_);
        const Directory wide{u64(end, 48), u64(end, 40), u64(end, 32)};
        const bool agree = (narrow.begin == kIn64 || narrow.begin == wide.begin) &&
                           (narrow.size == kIn64 || narrow.size == wide.size) &&
                           (narrow.entries == 0xffff || narrow.entries == wide.entries);
        if (!agree) fail(STEER_ERR_FORMAT, "{}: the two zip end records disagree", file_);
        directory_end = at;
        return wide;
    }

    Entry read_entry(std::string_view bytes, size_t& at) {
        if (!inside(at, 46, bytes.size()) || u32(bytes, at) != kCentral)
            fail(STEER_ERR_FORMAT, "{}: the zip directory is damaged at its byte {}", file_, at);
        Entry entry;
        entry.flags = u16(bytes, at + 8), entry.method = u16(bytes, at + 10), entry.crc = u32(bytes, at + 16);
        entry.packed = u32(bytes, at + 20), entry.size = u32(bytes, at + 24), entry.header = u32(bytes, at + 42);
        const uint64_t name = u16(bytes, at + 28), extra = u16(bytes, at + 30), comment = u16(bytes, at + 32);
        if (!inside(at + 46, name + extra + comment, bytes.size()))
            fail(STEER_ERR_FORMAT, "{}: the zip directory is damaged at its byte {}", file_, at);
        if (u16(bytes, at + 34) != 0) fail(STEER_ERR_UNSUPPORTED, "{}: a zip archive in several parts", file_);
        entry.name = bytes.substr(at + 46, name);
        widen(bytes.substr(at + 46 + name, extra), {&entry.size, &entry.packed, &entry.header}, entry.name);
        at += 46 + name + extra + comment;
        return entry;
    }

    // Replaces numbers that say 0xffffffff by those of the zip64 extra field, which stand there in the same order.
    void widen(std::string_view extra, std::initializer_list<uint64_t*> numbers, std::string_view name) {
        const bool needed = std::any_of(numbers.begin(), numbers.end(), [](uint64_t* n) { return *n == kIn64; });
        if (!needed) return;
        for (size_t at = 0; at + 4 <= extra.size();) {
            const size_t size = u16(extra, at + 2);
            if (!inside(at + 4, size, extra.size())) break;
            std::string_view field = extra.substr(at + 4, size);
            if (u16(extra, at) == 1) {
                for (uint64_t* number : numbers) {
                    if (*number != kIn64) continue;
                    if (field.size() < 8)
                        fail(STEER_ERR_FORMAT, "{}: record {}: short zip64 field", file_, quote(name));
                    *number = u64(field, 0);
                    field.remove_prefix(8);
                }
                return;
            }
            at += 4 + size;
        }
        fail(STEER_ERR_FORMAT, "{}: record {}: the zip64 field is missing", file_, quote(name));
    }

    void check_entry(const Entry& entry) {
        const std::string_view name = entry.name;
        const bool odd_byte = std::any_of(name.begin(), name.end(), [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == '\\' || c == 0x7f;
        });
        if (name.empty() || name.size() > kNameMax || name[0] == '/' || name.back() == '/' || odd_byte ||
            name.find("..") != name.npos || name.find("//") != name.npos)
            fail(STEER_ERR_FORMAT, "{}: a zip record may not be called {}", file_, quote(name));
        if (entry.flags & 0x2041) fail(STEER_ERR_UNSUPPORTED, "{}: record {} is encrypted", file_, quote(name));
        if (entry.method != 0)
            fail(STEER_ERR_UNSUPPORTED, "{}: record {} is compressed; torch.save writes plain records: save it again",
                 file_, quote(name));
        if (entry.packed != entry.size)
            fail(STEER_ERR_FORMAT, "{}: record {} is stored, but its two sizes differ", file_, quote(name));
    }

    // The local header has to say the same as the directory: else two readers would see two different files.
    ZipRecord check_local(const Entry& entry, uint64_t data_end, std::vector<Extent>& extents) {
        const auto disagree = [&](const char* what) {
            fail(STEER_ERR_FORMAT, "{}: record {}: {} and the zip directory disagree", file_, quote(entry.name), what);
        };
        if (!inside(entry.header, 30, data_end)) disagree("its place");
        const std::string local = source_.read(entry.header, 30);
        const uint64_t name_size = u16(local, 26), extra_size = u16(local, 28);
        if (u32(local, 0) != kLocal || !inside(entry.header + 30, name_size + extra_size, data_end))
            disagree("its header");
        const std::string rest = source_.read(entry.header + 30, static_cast<size_t>(name_size + extra_size));
        const std::string_view name = std::string_view(rest).substr(0, name_size);
        if (name != entry.name || u16(local, 6) != entry.flags || u16(local, 8) != entry.method) disagree("its header");
        uint64_t packed = u32(local, 18), size = u32(local, 22);
        widen(std::string_view(rest).substr(name_size), {&size, &packed}, entry.name);

        const bool later = entry.flags & 8; // sizes and CRC stand behind the data; zeros are allowed here
        const auto same = [later](uint64_t here, uint64_t there) { return here == there || (later && here == 0); };
        if (!same(packed, entry.packed) || !same(size, entry.size)) disagree("its size");
        if (!same(u32(local, 14), entry.crc)) disagree("its CRC");
        const uint64_t begin = entry.header + 30 + name_size + extra_size;
        // Records that do not overlap cannot have more than the file: else many entries on one long header make much work.
        if ((header_bytes_ += begin - entry.header) > data_end)
            fail(STEER_ERR_FORMAT, "{}: two zip records overlap at byte {}", file_, entry.header);
        if (!inside(begin, entry.size, data_end)) disagree("its size");
        uint64_t end = begin + entry.size;
        if (later) end += descriptor_size(entry, end, data_end);
        extents.push_back({entry.header, end});
        return {std::string(entry.name), begin, entry.size, entry.crc};
    }

    // Signature or not, 32 or 64 bits: the form that repeats the directory's numbers.
    uint64_t descriptor_size(const Entry& entry, uint64_t at, uint64_t data_end) {
        const std::string bytes = source_.read(at, static_cast<size_t>(std::min<uint64_t>(24, data_end - at)));
        for (const size_t skip : {size_t{4}, size_t{0}}) {
            if (skip == 4 && (bytes.size() < 4 || u32(bytes, 0) != kDescriptor)) continue;
            if (bytes.size() < skip + 12 || u32(bytes, skip) != entry.crc) continue;
            if (bytes.size() >= skip + 20 && u64(bytes, skip + 4) == entry.packed &&
                u64(bytes, skip + 12) == entry.size)
                return skip + 20;
            if (u32(bytes, skip + 4) == entry.packed && u32(bytes, skip + 8) == entry.size) return skip + 12;
        }
        fail(STEER_ERR_FORMAT, "{}: record {}: what follows its data and the zip directory disagree", file_,
             quote(entry.name));
    }

    void check_extents(std::vector<Extent>& extents) {
        std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
        for (size_t i = 1; i < extents.size(); ++i)
            if (extents[i].begin < extents[i - 1].end)
                fail(STEER_ERR_FORMAT, "{}: two zip records overlap at byte {}", file_, extents[i].begin);
    }

    // All records lie in one folder, the archive's own name, which is then left out.
    void check_names(std::vector<ZipRecord>& records) {
        if (records.empty()) fail(STEER_ERR_FORMAT, "{}: an empty zip archive", file_);
        const std::string folder = records[0].name.substr(0, records[0].name.find('/') + 1);
        for (ZipRecord& record : records) {
            if (folder.empty() || record.name.compare(0, folder.size(), folder) != 0)
                fail(STEER_ERR_FORMAT, "{}: record {} is not in the archive's folder {}: not made by torch.save", file_,
                     quote(record.name), quote(folder));
            record.name.erase(0, folder.size());
        }
        std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
        for (size_t i = 1; i < records.size(); ++i)
            if (records[i].name == records[i - 1].name)
                fail(STEER_ERR_FORMAT, "{}: record {} stands twice in the archive", file_, quote(records[i].name));
    }

    const ByteSource& source_;
    const std::string& file_;
    uint64_t header_bytes_ = 0; // of all local headers so far
};

} // namespace

std::vector<ZipRecord> read_zip_directory(const ByteSource& source) { return Reader(source).read(); }

} // namespace steer
