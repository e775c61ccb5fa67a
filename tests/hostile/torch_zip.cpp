#include "files/torch_zip.h"

#include "build_files.h"
#include "corpus.h"

#include <algorithm>

using namespace steer;
using namespace build;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;

const std::string kData("\x00\x3c\x00\xc0\x00\x38\x01\x00", 8); // 1, -2, 0.5 and 2^-24 in half precision

std::string half_tensor() { return tensor(storage("0", "HalfStorage", 4), 0, {4}, {1}); }
Zip good() { return torch_file(join({"}", integer(7), half_tensor(), "s"}), {{"0", kData}}); }

void read(std::string_view bytes) {
    TorchZip file(ByteSource(bytes, kName));
    for (const ZipRecord& record : file.records()) (void)file.read(record);
}

void check(std::string_view bytes) {
    TorchZip file(ByteSource(bytes, kName));
    std::vector<std::pair<uint64_t, uint64_t>> extents;
    for (const ZipRecord& record : file.records()) {
        promise(record.begin <= bytes.size() && record.size <= bytes.size() - record.begin, "a record outside the file");
        promise(file.find(record.name) == &record, "a record that is not found by its name");
        const std::string data = file.read(record);
        promise(data == bytes.substr(record.begin, record.size), "a record's bytes are other ones");
        promise(build::crc(data) == record.crc, "a record whose CRC is wrong");
        extents.emplace_back(record.begin, record.begin + record.size);
    }
    std::sort(extents.begin(), extents.end());
    for (size_t i = 1; i < extents.size(); ++i)
        promise(extents[i].first >= extents[i - 1].second, "two records share bytes");
    uint64_t work = 0;
    for (const PickleTensor& tensor : file.tree().tensors) {
        try {
            const auto values = file.read_floats(tensor);
            promise(values.size() <= bytes.size(), "more numbers than the file has bytes");
            if ((work += values.size()) > 1 << 16) return; // many views of one storage
        } catch (const Error& error) { // a tensor is only looked at when it is wanted
            promise(error.status() == kFormat, std::string("a tensor's status: ") + error.what());
            check_words(error.what());
        }
    }
}

std::vector<Bad> bad_ends() {
    const Zip z = good();
    const std::string& b = z.bytes;
    const Zip wide = zip({{"a/data.pkl", pickle("}")}}, true);
    const auto counted = [&](uint64_t here, uint64_t all) {
        return put(put(b, z.end + 8, u16(here)), z.end + 10, u16(all));
    };
    return {
        {"empty", "", kFormat, "too short"},
        {"21 bytes", std::string(21, 'P'), kFormat, "too short"},
        {"only an end record", b.substr(z.end), kFormat, "does not lie"},
        {"end record cut", b.substr(0, b.size() - 1), kFormat, "not at the end"},
        {"a byte behind the end", b + "x", kFormat, "not at the end"},
        {"a byte before the start", "x" + b, kFormat, "does not lie"},
        {"archive comment", put(b, z.end + 20, u16(1)) + "x", kFormat, "not at the end"},
        {"several disks", put(b, z.end + 4, u16(1)), kUnsupported, "several parts"},
        {"directory on another disk", put(b, z.end + 6, u16(1)), kUnsupported, "several parts"},
        {"entries here and in all differ", put(b, z.end + 8, u16(1)), kUnsupported, "several parts"},
        {"more entries than there are", counted(9, 9), kFormat, "zip directory"},
        {"fewer entries than there are", counted(3, 3), kFormat, "belong to no record"},
        {"no entries and a directory", counted(0, 0), kFormat, "belong to no record"},
        {"65,535 entries", counted(65535, 65535), kFormat, "zip directory"},
        {"directory offset off by one", put(b, z.end + 16, u32(z.directory + 1)), kFormat, "does not lie"},
        {"directory offset 0", put(b, z.end + 16, u32(0)), kFormat, "does not lie"},
        {"directory size 2^32-1", put(b, z.end + 12, u32(0xffffffff)), kFormat, "zip directory"},
        {"directory offset 2^32-1", put(b, z.end + 16, u32(0xffffffff)), kFormat, "does not lie"},
        {"zip64 end record moved", put(wide.bytes, wide.end - 12, u64(5)), kFormat, "not where the locator says"},
        {"zip64 end record at 2^64-1", put(wide.bytes, wide.end - 12, u64(UINT64_MAX)), kFormat,
         "not where the locator says"},
        {"zip64 end record damaged", put(wide.bytes, wide.end - 76, "XX"), kFormat, "zip64 end record is damaged"},
        {"zip64 end record of another size", put(wide.bytes, wide.end - 72, u64(45)), kFormat,
         "zip64 end record is damaged"},
        {"zip64 on two disks", put(wide.bytes, wide.end - 4, u32(2)), kUnsupported, "several parts"},
        {"zip64 and plain end disagree", put(wide.bytes, wide.end + 12, u32(1)), kFormat, "disagree"},
        {"zip64 directory at 2^64-1",
         put(put(wide.bytes, wide.end - 28, u64(UINT64_MAX)), wide.end + 16, u32(0xffffffff)), kFormat, "does not lie"},
        {"zip64 directory of 2^63 bytes",
         put(put(wide.bytes, wide.end - 36, u64(uint64_t{1} << 63)), wide.end + 12, u32(0xffffffff)), kFormat,
         "zip directory"},
        {"2^40 entries",
         put(put(put(wide.bytes, wide.end - 52, u64(1ull << 40)), wide.end - 44, u64(1ull << 40)), wide.end + 8,
             u32(0xffffffff)),
         kFormat, "at most 65536"},
    };
}

std::vector<Bad> bad_records() {
    const Zip z = good();
    const std::string& b = z.bytes;
    const size_t c = z.central[2], l = z.local[2], d = z.descriptor[2]; // of data/0
    const Zip plain = zip({{"a/data.pkl", pickle("}")}}, false, false);
    // The record a/y inside the data of a/x, and the directory's a/y pointing there.
    const Zip inner = zip({{"a/y", "y"}});
    const Zip outer = zip({{"a/data.pkl", pickle("}")}, {"a/x", inner.bytes.substr(0, inner.directory)}, {"a/y", "y"}});
    return {
        {"a record inside another", put(outer.bytes, outer.central[2] + 42, u32(outer.data[1])), kFormat, "overlap"},
        {"directory entry damaged", put(b, c, "XX"), kFormat, "damaged at its byte"},
        {"name longer than the directory", put(b, z.central.back() + 28, u16(65535)), kFormat, "damaged at its byte"},
        {"extra field longer than the directory", put(b, z.central.back() + 30, u16(65535)), kFormat,
         "damaged at its byte"},
        {"record on another disk", put(b, c + 34, u16(1)), kUnsupported, "several parts"},
        {"encrypted", put(put(b, c + 8, u16(0x0809)), l + 6, u16(0x0809)), kUnsupported, "encrypted"},
        {"strongly encrypted", put(put(b, c + 8, u16(0x0848)), l + 6, u16(0x0848)), kUnsupported, "encrypted"},
        {"compressed", put(put(b, c + 10, u16(8)), l + 8, u16(8)), kUnsupported, "compressed"},
        {"compressed in the directory only", put(b, c + 10, u16(8)), kUnsupported, "compressed"},
        {"compressed in the local header only", put(b, l + 8, u16(8)), kFormat, "disagree"},
        {"method 65,535", put(put(b, c + 10, u16(65535)), l + 8, u16(65535)), kUnsupported, "compressed"},
        {"stored with two sizes", put(b, c + 20, u32(4)), kFormat, "two sizes differ"},
        {"other name in the local header", put(b, l + 30, "b"), kFormat, "disagree"},
        {"other flags in the local header", put(b, l + 6, u16(0x0800)), kFormat, "disagree"},
        {"other size in the local header", put(b, l + 22, u32(4)), kFormat, "its size"},
        {"other CRC in the local header", put(b, l + 14, u32(4)), kFormat, "its CRC"},
        {"local name longer than the file", put(b, l + 26, u16(65535)), kFormat, "disagree"},
        {"zero size in a local header without descriptor", put(plain.bytes, plain.local[0] + 22, u32(0)), kFormat,
         "its size"},
        {"descriptor with another CRC", put(b, d + 4, u32(1)), kFormat, "what follows its data"},
        {"descriptor with another size", put(b, d + 12, u32(1)), kFormat, "what follows its data"},
        {"local header elsewhere", put(b, c + 42, u32(l + 1)), kFormat, "disagree"},
        {"local header beyond the file", put(b, c + 42, u32(0x7fffffff)), kFormat, "its place"},
        {"local header in the directory", put(b, c + 42, u32(c)), kFormat, "disagree"},
        {"zip64 offset without the field", put(b, c + 42, u32(0xffffffff)), kFormat, "zip64 field is missing"},
        {"zip64 size without the field", put(put(b, c + 20, u32(0xffffffff)), c + 24, u32(0xffffffff)), kFormat,
         "zip64 field is missing"},
        {"size larger than the file", put(put(b, c + 20, u32(1 << 30)), c + 24, u32(1 << 30)), kFormat, "its size"},
        {"two entries on one record", put(b, z.central[3] + 42, u32(l)), kFormat, "disagree"},
        {"data changed", put(b, z.data[2], "x"), kFormat, "CRC is wrong"},
        {"pickle changed", put(b, z.data[0] + 4, "x"), kFormat, "CRC is wrong"},
    };
}

// 65,536 entries that all name one record, whose local header is 64 KiB long: a reader that looks at each before it sees
// that they overlap reads 4 GiB.
std::string entries_on_one_long_header() {
    const std::string name = "a/x", extra(65000, '\0');
    const std::string local = join({"PK\x03\x04", u16(0), u16(0x0800), u16(0), u32(0), u32(0), u32(0), u32(0),
                                    u16(name.size()), u16(extra.size()), name, extra});
    const std::string entry = join({"PK\x01\x02", u16(0), u16(0), u16(0x0800), u16(0), u32(0), u32(0), u32(0), u32(0),
                                    u16(name.size()), u16(0), u16(0), u16(0), u16(0), u32(0), u32(0), name});
    std::string bytes = local;
    for (int i = 0; i < 65535; ++i) bytes += entry;
    return bytes + join({"PK\x05\x06", u16(0), u16(0), u16(65535), u16(65535), u32(entry.size() * 65535),
                         u32(local.size()), u16(0)});
}

std::vector<Bad> bad_names() {
    const auto named = [](const std::string& name) { return zip({{"a/data.pkl", pickle("}")}, {name, "x"}}).bytes; };
    return {
        {"path upwards", named("a/../b"), kFormat, "may not be called"},
        {"absolute path", named("/etc/passwd"), kFormat, "may not be called"},
        {"backslash", named("a\\b"), kFormat, "may not be called"},
        {"two slashes", named("a//b"), kFormat, "may not be called"},
        {"control character in a name", named("a/\x1b[31m"), kFormat, "\\x1b"},
        {"zero byte in a name", named(std::string("a/b\0c", 5)), kFormat, "\\x00"},
        {"broken UTF-8 in a name", named("b/\xff\xfe"), kFormat, "\\xff\\xfe"},
        {"folder entry", named("a/b/"), kFormat, "may not be called"},
        {"no name", named(""), kFormat, "may not be called"},
        {"name of 600 bytes", named("a/" + std::string(600, 'x')), kFormat, "may not be called"},
        {"record outside the archive's folder", named("b/x"), kFormat, "not in the archive's folder"},
        {"record twice", named("a/data.pkl"), kFormat, "stands twice"},
        {"no folder", zip({{"data.pkl", pickle("}")}}).bytes, kFormat, "not in the archive's folder"},
        {"no records", zip({}).bytes, kFormat, "empty zip archive"},
        {"no pickle", zip({{"a/x", ""}}).bytes, kFormat, "no data.pkl"},
        {"TorchScript", named("a/code/__torch__.py"), kUnsupported, "TorchScript"},
        {"TorchScript constants", named("a/constants.pkl"), kUnsupported, "TorchScript"},
        {"big-endian", zip({{"a/data.pkl", pickle("}")}, {"a/byteorder", "big"}}).bytes, kUnsupported, "little-endian"},
        {"byte order of 1 MiB", zip({{"a/data.pkl", pickle("}")}, {"a/byteorder", std::string(1 << 20, 'l')}}).bytes,
         kUnsupported, "little-endian"},
        {"pickle of 17 MiB", zip({{"a/data.pkl", pickle(std::string(17 << 20, ')'))}}).bytes, kFormat, "at most"},
        {"65,535 entries on one long header", entries_on_one_long_header(), kFormat, "overlap"},
    };
}

std::vector<Bad> bad() {
    std::vector<Bad> all = bad_ends();
    for (auto more : {bad_records(), bad_names()}) all.insert(all.end(), more.begin(), more.end());
    return all;
}

// Every number of the format, by the layout of APPNOTE.TXT.
std::vector<Field> fields_of(const Zip& z, bool wide) {
    std::vector<Field> fields;
    const auto add = [&](size_t base, std::initializer_list<Field> places) {
        for (const Field& f : places) fields.push_back({base + f.at, f.size});
    };
    for (const size_t at : z.local) add(at, {{4, 2}, {6, 2}, {8, 2}, {14, 4}, {18, 4}, {22, 4}, {26, 2}, {28, 2}});
    for (const size_t at : z.descriptor)
        if (z.bytes.compare(at, 4, "PK\x07\x08") == 0) add(at, {{4, 4}, {8, 4}, {12, 4}});
    for (const size_t at : z.central)
        add(at, {{8, 2}, {10, 2}, {16, 4}, {20, 4}, {24, 4}, {28, 2}, {30, 2}, {32, 2}, {34, 2}, {42, 4}});
    if (wide)
        add(z.end - 76, {{4, 8}, {16, 4}, {20, 4}, {24, 8}, {32, 8}, {40, 8}, {48, 8}, {60, 4}, {64, 8}, {72, 4}});
    add(z.end, {{4, 2}, {6, 2}, {8, 2}, {10, 2}, {12, 4}, {16, 4}, {20, 2}});
    return fields;
}

std::vector<Seed> seeds() {
    const std::vector<ZipEntry> entries = {{"n/data.pkl", pickle(join({"}", integer(7), half_tensor(), "s"}))},
                                           {"n/data/0", kData}};
    const Zip torch = good(), wide = zip(entries, true), plain = zip(entries, false, false);
    return {{"as torch writes", torch.bytes, fields_of(torch, false)},
            {"zip64", wide.bytes, fields_of(wide, true)},
            {"no descriptors", plain.bytes, fields_of(plain, false)}};
}

uint32_t get32(const std::string& bytes, size_t at) {
    uint32_t value = 0;
    for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
    return value;
}

// Each directory entry's record gets its CRC everywhere, and the end record the directory's place and size.
void repair(std::string& bytes) {
    const size_t end = bytes.rfind("PK\x05\x06"), first = bytes.find("PK\x01\x02");
    if (end == bytes.npos || first == bytes.npos || first > end || end + 22 > bytes.size()) return;
    bytes.resize(end + 22);
    const size_t wide = bytes.find("PK\x06\x06", first), directory_end = wide < end ? wide : end;
    size_t entries = 0;
    for (size_t at = first; at != bytes.npos && at + 46 <= directory_end; at = bytes.find("PK\x01\x02", at + 46)) {
        ++entries;
        const size_t local = get32(bytes, at + 42), size = get32(bytes, at + 24);
        if (local + 30 > first || bytes.compare(local, 4, "PK\x03\x04") != 0) continue;
        const size_t data = local + 30 + (get32(bytes, local + 26) & 0xffff) + (get32(bytes, local + 26) >> 16);
        if (data > first || size > first - data) continue;
        const std::string crc = u32(build::crc(bytes.substr(data, size)));
        bytes.replace(at + 16, 4, crc);
        if (get32(bytes, local + 14) != 0) bytes.replace(local + 14, 4, crc);
        if (bytes.compare(data + size, 4, "PK\x07\x08") == 0) bytes.replace(data + size + 4, 4, crc);
    }
    bytes.replace(end + 8, 12, u16(entries) + u16(entries) + u32(directory_end - first) + u32(first));
    bytes.replace(end + 20, 2, u16(0));
}

} // namespace

Reader torch_zip_reader() {
    Reader reader{"torch_zip", read, check, bad, 70, seeds, {kFormat, kUnsupported}, kName + ": "};
    reader.repair = repair;
    return reader;
}

} // namespace hostile
