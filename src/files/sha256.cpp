#include "files/sha256.h"

#include "files/sha256_blocks.h"

#include <algorithm>
#include <cstring>

namespace steer {
namespace {

void run_blocks(uint32_t* state, const uint8_t* bytes, size_t count) {
    static const Sha256Blocks fast = sha256_blocks_fast();
    (fast != nullptr ? fast : sha256_blocks_plain)(state, bytes, count);
}

} // namespace

void Sha256::update(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    size_t held = size_ % 64;
    size_ += size;
    while (size > 0) {
        if (held == 0 && size >= 64) { // whole blocks straight from the caller
            run_blocks(state_.data(), bytes, size / 64);
            bytes += size / 64 * 64, size %= 64;
            continue;
        }
        const size_t n = std::min(size, 64 - held);
        std::memcpy(pending_.data() + held, bytes, n);
        bytes += n, size -= n, held += n;
        if (held == 64) run_blocks(state_.data(), pending_.data(), 1), held = 0;
    }
}

Digest Sha256::finish() {
    const uint64_t bits = size_ * 8;
    const size_t held = size_ % 64;
    uint8_t tail[72] = {0x80};
    const size_t zeros = (held < 56 ? 56 : 120) - held; // 0x80 included
    for (int i = 0; i < 8; ++i) tail[zeros + i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
    update(tail, zeros + 8);
    Digest out;
    for (size_t i = 0; i < 32; ++i) out[i] = static_cast<uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
    return out;
}

Digest sha256(const void* data, size_t size) {
    Sha256 hash;
    hash.update(data, size);
    return hash.finish();
}

std::string to_hex(const Digest& digest) {
    std::string text;
    for (uint8_t byte : digest) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

bool from_hex(const std::string& text, Digest& out) noexcept {
    if (text.size() != 64) return false;
    Digest digest{};
    for (size_t i = 0; i < 64; ++i) {
        const char c = text[i];
        int value = -1;
        if (c >= '0' && c <= '9') value = c - '0';
        if (c >= 'a' && c <= 'f') value = c - 'a' + 10;
        if (c >= 'A' && c <= 'F') value = c - 'A' + 10;
        if (value < 0) return false;
        digest[i / 2] = static_cast<uint8_t>(digest[i / 2] << 4 | value);
    }
    out = digest;
    return true;
}

} // namespace steer
