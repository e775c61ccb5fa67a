#include "files/sha256.h"
#include "files/sha256_blocks.h"

#include <catch2/catch.hpp>

using namespace steer;

TEST_CASE("SHA-256 of the examples in FIPS 180-4") {
    CHECK(to_hex(sha256("abc", 3)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(to_hex(sha256("", 0)) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    const std::string two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    CHECK(to_hex(sha256(two_blocks.data(), two_blocks.size())) ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    const std::string million(1000000, 'a');
    CHECK(to_hex(sha256(million.data(), million.size())) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 by the CPU's instructions is SHA-256 by words") {
    const Sha256Blocks fast = sha256_blocks_fast();
    if (fast == nullptr) {
        WARN("SKIP: this CPU has no SHA instructions");
        return;
    }
    std::array<uint32_t, 8> a{1, 2, 3, 4, 5, 6, 7, 0xffffffff}, b = a;
    std::vector<uint8_t> bytes(64 * 9);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * i * 31 + 7);
    for (const size_t count : {0, 1, 2, 9}) {
        sha256_blocks_plain(a.data(), bytes.data(), count);
        fast(b.data(), bytes.data(), count);
        REQUIRE(a == b);
    }
}

TEST_CASE("SHA-256 does not depend on how the bytes are handed in") {
    std::string bytes;
    for (int i = 0; i < 300; ++i) bytes += static_cast<char>(i * 7);
    for (size_t size = 0; size <= bytes.size(); ++size) {
        Sha256 hash;
        for (size_t at = 0, step = 1; at < size; at += step, step = step % 70 + 1)
            hash.update(bytes.data() + at, std::min(step, size - at));
        REQUIRE(hash.finish() == sha256(bytes.data(), size));
    }
}

TEST_CASE("hex digits of a digest") {
    const Digest digest = sha256("x", 1);
    Digest back{};
    REQUIRE(from_hex(to_hex(digest), back));
    CHECK(back == digest);
    CHECK_FALSE(from_hex("", back));
    CHECK_FALSE(from_hex(std::string(63, '0'), back));
    CHECK_FALSE(from_hex(std::string(63, '0') + "g", back));
    CHECK(back == digest);
}
