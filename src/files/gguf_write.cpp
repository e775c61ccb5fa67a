#include "files/error.h"
#include "files/gguf.h"

namespace steer {
namespace {

void append(std::string& out, const void* bytes, size_t size) { out.append(static_cast<const char*>(bytes), size); }
template<class T>
void append(std::string& out, T number) {
    append(out, &number, sizeof number);
}
void append_text(std::string& out, std::string_view text) {
    append(out, uint64_t{text.size()});
    out += text;
}
void pad(std::string& out, size_t alignment) { out.append((alignment - out.size() % alignment) % alignment, '\0'); }

void append_value(std::string& out, const GgufValue& value) {
    append(out, static_cast<uint32_t>(value.type));
    if (value.type == GgufType::text) return append_text(out, value.text);
    if (value.type == GgufType::u32) return append(out, static_cast<uint32_t>(std::stoul(value.text)));
    if (value.type != GgufType::array) fail(STEER_ERR_INTERNAL, "a GGUF value of a type that is not written");
    append(out, static_cast<uint32_t>(GgufType::f32));
    append(out, uint64_t{value.floats.size()});
    append(out, value.floats.data(), value.floats.size() * sizeof(float));
}

} // namespace

std::string write_gguf(const GgufValues& values, const std::vector<GgufRow>& rows) {
    constexpr size_t kAlignment = 32;
    std::string out = "GGUF";
    append(out, uint32_t{3});
    append(out, uint64_t{rows.size()});
    append(out, uint64_t{values.size()});
    for (const auto& [key, value] : values) {
        append_text(out, key);
        append_value(out, value);
    }
    uint64_t at = 0;
    for (const GgufRow& row : rows) {
        append_text(out, row.name);
        append(out, uint32_t{1});
        append(out, uint64_t{row.values->size()});
        append(out, kGgufF32);
        append(out, at);
        at += (row.values->size() * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
    }
    pad(out, kAlignment);
    out.reserve(out.size() + static_cast<size_t>(at));
    for (const GgufRow& row : rows) {
        append(out, row.values->data(), row.values->size() * sizeof(float));
        pad(out, kAlignment);
    }
    return out;
}

} // namespace steer
