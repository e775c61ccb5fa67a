#include "files/protobuf.h"

#include "files/error.h"

#include <bit>
#include <cstring>

namespace steer {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint32_t kFieldMax = (1u << 29) - 1;

template<class T> T load(std::string_view bytes) {
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

} // namespace

float ProtobufField::as_float() const { return std::bit_cast<float>(static_cast<uint32_t>(value)); }

uint64_t ProtobufReader::varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const auto byte = static_cast<uint8_t>(take(1)[0]);
        value |= uint64_t{byte & 0x7fu} << shift;
        if (byte < 0x80) return value;
    }
    fail(STEER_ERR_FORMAT, "{}: a number in it is longer than ten bytes", name_);
}

std::string_view ProtobufReader::take(uint64_t size) {
    if (size > rest_.size())
        fail(STEER_ERR_FORMAT, "{}: a field in it asks for {} bytes, {} are left", name_, size, rest_.size());
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
}

bool ProtobufReader::next(ProtobufField& out) {
    if (rest_.empty()) return false;
    const uint64_t tag = varint();
    const uint64_t number = tag >> 3;
    if (number == 0 || number > kFieldMax) fail(STEER_ERR_FORMAT, "{}: it has a field with the number {}", name_, number);
    out = {};
    out.number = static_cast<uint32_t>(number);
    out.kind = static_cast<ProtobufField::Kind>(tag & 7);
    switch (out.kind) {
    case ProtobufField::Varint: out.value = varint(); return true;
    case ProtobufField::Fixed64: out.value = load<uint64_t>(take(8)); return true;
    case ProtobufField::Fixed32: out.value = load<uint32_t>(take(4)); return true;
    case ProtobufField::Bytes: out.bytes = take(varint()); return true;
    }
    fail(STEER_ERR_FORMAT, "{}: field {} has the kind {}, which is none", name_, number, tag & 7);
}

} // namespace steer
