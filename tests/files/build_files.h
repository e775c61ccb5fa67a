// Files built byte by byte for the tests, so that each can be wrong in exactly one place.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace build {

template<class T>
std::string number(T value) { // little-endian
    std::string bytes;
    for (size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xff);
    return bytes;
}
inline std::string u16(uint64_t value) { return number(static_cast<uint16_t>(value)); }
inline std::string u32(uint64_t value) { return number(static_cast<uint32_t>(value)); }
inline std::string u64(uint64_t value) { return number(value); }

inline std::string put(std::string bytes, size_t at, const std::string& what) {
    if (at + what.size() > bytes.size()) throw std::logic_error("put: outside of the file that is built");
    return bytes.replace(at, what.size(), what);
}

// -- safetensors

inline std::string safetensors(const std::string& header, const std::string& data) {
    return u64(header.size()) + header + data;
}

// -- zip, as torch writes it: stored, sizes behind the data, zeros in the local header

// Bit by bit from the definition: polynomial 0x04c11db7, reflected.
inline uint32_t crc(const std::string& bytes) {
    uint32_t value = 0xffffffffu;
    for (const char c : bytes) {
        value ^= static_cast<uint8_t>(c);
        for (int bit = 0; bit < 8; ++bit) value = (value & 1) ? value >> 1 ^ 0xedb88320u : value >> 1;
    }
    return ~value;
}

struct ZipEntry {
    std::string name, data;
};

struct Zip {
    std::string bytes;
    std::vector<size_t> local, data, descriptor, central; // where each record's parts begin
    size_t directory = 0, end = 0;
};

inline Zip zip(const std::vector<ZipEntry>& entries, bool zip64 = false, bool descriptors = true) {
    Zip out;
    std::string directory;
    for (const ZipEntry& e : entries) {
        const std::string flags = u16(descriptors ? 0x0808 : 0x0800);
        const std::string sums = u32(crc(e.data)) + u32(e.data.size()) + u32(e.data.size());
        out.local.push_back(out.bytes.size());
        out.bytes += "PK\x03\x04" + u16(0) + flags + u16(0) + u32(0) + (descriptors ? std::string(12, '\0') : sums) +
                     u16(e.name.size()) + u16(0) + e.name;
        out.data.push_back(out.bytes.size());
        out.bytes += e.data;
        out.descriptor.push_back(out.bytes.size());
        if (descriptors) out.bytes += "PK\x07\x08" + sums;
        out.central.push_back(directory.size());
        directory += "PK\x01\x02" + u16(0) + u16(0) + flags + u16(0) + u32(0) + sums + u16(e.name.size()) + u16(0) +
                     u16(0) + u16(0) + u16(0) + u32(0) + u32(out.local.back()) + e.name;
    }
    out.directory = out.bytes.size();
    for (size_t& at : out.central) at += out.directory;
    out.bytes += directory;
    const size_t end64 = out.bytes.size(), count = entries.size();
    if (zip64)
        out.bytes += "PK\x06\x06" + u64(44) + u16(45) + u16(45) + u32(0) + u32(0) + u64(count) + u64(count) +
                     u64(directory.size()) + u64(out.directory) + "PK\x06\x07" + u32(0) + u64(end64) + u32(1);
    out.end = out.bytes.size();
    out.bytes +=
        "PK\x05\x06" + u16(0) + u16(0) + u16(count) + u16(count) + u32(directory.size()) + u32(out.directory) + u16(0);
    return out;
}

// -- pickle, protocol 2

// Joined piece by piece: "literal" + string makes g++ 12 warn of an overlap that is not there (its bug 105651).
inline std::string join(const std::vector<std::string>& pieces) {
    std::string out;
    for (const std::string& piece : pieces) out += piece;
    return out;
}

inline std::string text(const std::string& s) { return join({"X", u32(s.size()), s}); }
inline std::string integer(int64_t value) { return join({"J", number(static_cast<int32_t>(value))}); }
inline std::string global(const std::string& module, const std::string& name) {
    return "c" + module + "\n" + name + "\n";
}

inline std::string tuple(const std::vector<int64_t>& values) {
    std::string out = "(";
    for (const int64_t value : values) out += integer(value);
    return out + "t";
}

inline std::string storage(const std::string& key, const std::string& type, int64_t numel) {
    return join({"(", text("storage"), global("torch", type), text(key), text("cpu"), integer(numel), "tQ"});
}

inline std::string tensor(const std::string& stored, int64_t offset, const std::vector<int64_t>& shape,
                          const std::vector<int64_t>& strides) {
    return global("torch._utils", "_rebuild_tensor_v2") + "(" + stored + integer(offset) + tuple(shape) +
           tuple(strides) + "\x89" + global("collections", "OrderedDict") + ")RtR";
}

// As numpy pickles one with protocol 2: f2, its bytes as a text of characters below 256, here all below 128 or as given in UTF-8.
inline std::string numpy_array(const std::vector<int64_t>& shape, const std::string& utf8, const std::string& type = "f2",
                               const std::string& order = "<") {
    const std::string encode = global("_codecs", "encode");
    const auto bytes = [&](const std::string& words) { return join({encode, text(words), text("latin1"), "\x86R"}); };
    const std::string dtype = join({global("numpy", "dtype"), text(type), "\x89\x88\x87R(", integer(3), text(order), "NNN", integer(-1),
                                    integer(-1), integer(0), "tb"});
    return join({global("numpy._core.multiarray", "_reconstruct"), global("numpy", "ndarray"), tuple({0}), bytes("b"), "\x87R(",
                 integer(1), tuple(shape), dtype, "\x89", bytes(utf8), "tb"});
}

inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }

inline Zip torch_file(const std::string& body, const std::vector<ZipEntry>& storages) {
    std::vector<ZipEntry> entries = {{"a/data.pkl", pickle(body)}, {"a/byteorder", "little"}};
    for (const ZipEntry& s : storages) entries.push_back({"a/data/" + s.name, s.data});
    entries.push_back({"a/version", "3\n"});
    return zip(entries);
}

} // namespace build
