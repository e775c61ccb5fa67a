// GGUF headers: where tensors of each type lie, arrays that are read when they are asked for.
#include "build_gguf.h"
#include "files/error.h"
#include "files/gguf.h"

#include <catch2/catch.hpp>

using namespace steer;
using namespace build;

namespace {

GgufFile open(const std::string& bytes) { return GgufFile(ByteSource(bytes, "a.gguf")); }

std::string refused(const std::string& bytes) {
    try {
        open(bytes);
    } catch (const Error& error) {
        CHECK(error.status() == STEER_ERR_FORMAT);
        return error.what();
    }
    return "";
}

std::string zeros(size_t count) { return std::string(count, '\0'); }

} // namespace

// Sizes as ggml's own table has them: elements and bytes of a block.
TEST_CASE("a tensor takes as many bytes as its type says, and not one more is needed") {
    struct Case {
        uint32_t type;
        Dtype dtype;
        uint64_t row, rows, bytes;
    };
    for (const Case& c : {Case{0, Dtype::f32, 3, 2, 24}, Case{1, Dtype::f16, 3, 2, 12}, Case{30, Dtype::bf16, 5, 1, 10},
                          Case{2, Dtype::q4_0, 64, 3, 2 * 3 * 18}, Case{8, Dtype::q8_0, 32, 5, 5 * 34},
                          Case{12, Dtype::q4_k, 512, 2, 2 * 2 * 144}, Case{14, Dtype::q6_k, 256, 1, 210}}) {
        INFO(dtype_name(c.dtype));
        CHECK(gguf_dtype(c.type) == c.dtype);
        CHECK(gguf_type_name(c.type) == dtype_name(c.dtype));
        const std::vector<GgufInfo> infos{{"x", {c.row, c.rows}, c.type}};
        const std::string bytes = gguf({}, infos, zeros(c.bytes));
        const GgufFile file = open(bytes);
        CHECK(file.tensors()[0].size == c.bytes);
        CHECK(file.tensors()[0].begin + c.bytes == bytes.size());
        CHECK_THAT(refused(gguf({}, infos, zeros(c.bytes - 1))), Catch::Contains("'x' ends behind the file"));
    }
}

TEST_CASE("rows are whole blocks") {
    CHECK_THAT(refused(gguf({}, std::vector<GgufInfo>{{"x", {48, 2}, 8}}, zeros(1024))),
               Catch::Contains("'x' has rows of 48 elements, which are no whole blocks of Q8_0"));
    CHECK_THAT(refused(gguf({}, std::vector<GgufInfo>{{"x", {128, 2}, 12}}, zeros(1024))), Catch::Contains("no whole blocks of Q4_K"));
}

TEST_CASE("blocks may not overlap either") {
    const std::vector<GgufInfo> infos{{"x", {32, 2}, 8}, {"y", {32}, 8, 64}}; // x takes 68 bytes
    CHECK_THAT(refused(gguf({}, infos, zeros(256))), Catch::Contains("two tensors overlap"));
    CHECK(refused(gguf({}, std::vector<GgufInfo>{{"x", {32, 2}, 8}, {"y", {32}, 8, 96}}, zeros(256))).empty());
}

TEST_CASE("a type that is not known here keeps its number, and its name where it has one") {
    const std::string bytes = gguf({}, std::vector<GgufInfo>{{"x", {256}, 13}}, zeros(176));
    CHECK(open(bytes).tensors()[0].size == 0);
    CHECK_FALSE(gguf_dtype(13));
    CHECK(gguf_type_name(13) == "Q5_K");
    CHECK(gguf_type_name(23) == "IQ4_XS");
    CHECK(gguf_type_name(4) == "number 4");
}

TEST_CASE("arrays of texts and numbers are there when they are asked for") {
    const std::string long_text(100000, 'x'); // longer than the piece that is read at a time
    const std::string bytes = gguf({texts_pair("words", {"a", "", "日本", long_text}), i32s_pair("kinds", {1, -2, INT32_MAX}), text_pair("t", "u")},
                                   std::vector<GgufInfo>{}, "");
    const GgufFile file = open(bytes);
    std::vector<std::string> words;
    file.read_texts("words", *file.find("words"), 200000, [&](uint64_t index, std::string_view text) {
        CHECK(index == words.size());
        words.emplace_back(text);
    });
    CHECK(words == std::vector<std::string>{"a", "", "日本", long_text});
    CHECK(file.read_i32(*file.find("kinds")) == std::vector<int32_t>{1, -2, INT32_MAX});
    CHECK(file.find("words")->count == 4);
    CHECK(file.find("kinds")->item == GgufType::i32);
    CHECK(file.find("t")->text == "u");
    try {
        file.read_texts("words", *file.find("words"), 99999, [](uint64_t, std::string_view) {});
        FAIL("was not refused");
    } catch (const Error& error) {
        CHECK_THAT(error.what(), Catch::Contains("a.gguf: words[3] has 100000 bytes, allowed are 99999"));
    }
}

TEST_CASE("an element type of safetensors is none of GGUF's blocks") {
    Dtype dtype{};
    for (const char* name : {"Q4_0", "Q8_0", "Q4_K", "Q6_K"}) CHECK_FALSE(dtype_from_name(name, dtype));
    CHECK(dtype_size(Dtype::q4_k) == 0);
    CHECK(dtype_is_block(Dtype::q8_0));
    CHECK_FALSE(dtype_is_block(Dtype::bf16));
}
