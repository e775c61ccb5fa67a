// GGUF files built byte by byte.
#pragma once

#include "build_files.h"

namespace build {

inline std::string string(const std::string& text) { return u64(text.size()) + text; }
inline std::string pair(const std::string& key, uint32_t type, const std::string& bytes) {
    return join({string(key), u32(type), bytes});
}
inline std::string text_pair(const std::string& key, const std::string& value) { return pair(key, 8, string(value)); }
inline std::string u32_pair(const std::string& key, uint64_t value) { return pair(key, 4, u32(value)); }

inline std::string texts_pair(const std::string& key, const std::vector<std::string>& texts) {
    std::string items;
    for (const std::string& item : texts) items += string(item);
    return pair(key, 9, join({u32(8), u64(texts.size()), items}));
}
inline std::string i32s_pair(const std::string& key, const std::vector<int32_t>& numbers) {
    std::string items;
    for (const int32_t item : numbers) items += number(item);
    return pair(key, 9, join({u32(5), u64(numbers.size()), items}));
}

struct GgufInfo { // of a tensor
    std::string name;
    std::vector<uint64_t> shape = {1};
    uint32_t type = 0;
    uint64_t offset = 0;
};

inline std::string info(const GgufInfo& tensor) {
    std::string out = string(tensor.name) + u32(tensor.shape.size());
    for (const uint64_t dim : tensor.shape) out += u64(dim);
    return out + u32(tensor.type) + u64(tensor.offset);
}

template<class Info = GgufInfo>
std::string gguf(const std::vector<std::string>& pairs, const std::vector<Info>& tensors, const std::string& data,
                 uint32_t version = 3) {
    std::string out = join({"GGUF", u32(version), u64(tensors.size()), u64(pairs.size()), join(pairs)});
    for (const Info& tensor : tensors) out += info({tensor.name, tensor.shape, tensor.type, tensor.offset});
    out.append((32 - out.size() % 32) % 32, '\0');
    return out + data;
}

} // namespace build
