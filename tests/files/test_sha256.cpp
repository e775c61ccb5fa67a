#include "files/sha256.h"

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
