// GGUF control vectors: headers and tensors built byte by byte, of others and as this library writes them.
#include "build_gguf.h"
#include "corpus.h"
#include "steer/vector.h"
#include "vector_checks.h"

using namespace steer;
using namespace build;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;
const std::string kOne("\0\0\x80\x3f", 4), kTwo = kOne + kOne;

struct Direction {
    std::string name = "direction.1";
    std::vector<uint64_t> shape = {1};
    uint32_t type = 0;
    uint64_t offset = 0;
};

const std::string kControl = text_pair("general.architecture", "controlvector");

std::string gguf(const std::vector<std::string>& pairs, const std::vector<Direction>& directions, const std::string& data,
                 uint32_t version = 3) {
    return build::gguf<Direction>(pairs, directions, data, version);
}
std::string with(const std::string& pairs, size_t count = 1) { // beside the architecture
    return put(gguf({kControl, pairs}, {{}}, kOne), 16, u64(1 + count));
}
std::string of(const Direction& direction, const std::string& data = kOne) { return gguf({kControl}, {direction}, data); }

std::vector<Bad> bad_headers() {
    const std::string good = gguf({kControl}, {{}}, kOne);
    return {
        {"a magic alone", "GGUF", kFormat, "cut short"},
        {"cut in the version", std::string("GGUF\x03\0\0", 7), kFormat, "cut short"},
        {"version 1", gguf({kControl}, {{}}, kOne, 1), kUnsupported, "GGUF version 1"},
        {"version 4", gguf({kControl}, {{}}, kOne, 4), kUnsupported, "GGUF version 4"},
        {"big-endian", gguf({kControl}, {{}}, kOne, 0x03000000), kUnsupported, "big-endian"},
        {"2^64-1 tensors", put(good, 8, u64(UINT64_MAX)), kFormat, "too many tensors"},
        {"2^64-1 pairs", put(good, 16, u64(UINT64_MAX)), kFormat, "too many key-value pairs"},
        {"more tensors than there are", put(good, 8, u64(2)), kFormat, ""},
        {"more pairs than there are", put(good, 16, u64(2)), kUnsupported, "tensor '' is no direction"},
        {"no architecture", gguf({}, {{}}, kOne), kFormat, "general.architecture is missing"},
        {"a whole model", gguf({text_pair("general.architecture", "qwen2")}, {{}}, kOne), kUnsupported, "GGUF file of 'qwen2'"},
        {"an architecture with a terminal's escape", gguf({text_pair("general.architecture", "\x1b[31m")}, {{}}, kOne), kUnsupported,
         "\\x1b[31m"},
        {"an empty key", with(text_pair("", "x")), kFormat, "empty or no UTF-8"},
        {"a key that is no UTF-8", with(text_pair("\xff\xfe", "x")), kFormat, "empty or no UTF-8"},
        {"a key of 2^64-1 bytes", with(u64(UINT64_MAX) + "x"), kFormat, "key that is too long"},
        {"a key twice", with(text_pair("a", "x") + text_pair("a", "y"), 2), kFormat, "'a' stands twice"},
        {"a value of type 13", with(pair("a", 13, u64(0))), kFormat, "unknown type"},
        {"a value of type 2^32-1", with(pair("a", UINT32_MAX, u64(0))), kFormat, "unknown type"},
        {"a string of 2^64-1 bytes", with(pair("a", 8, u64(UINT64_MAX))), kFormat, "longer than the file"},
        {"a string longer than the file", with(pair("a", 8, u64(100000))), kFormat, "longer than the file"},
        {"a boolean of 2", with(pair("a", 7, "\x02")), kFormat, "neither 0 nor 1"},
        {"an array of arrays", with(pair("a", 9, u32(9) + u64(1))), kFormat, "array of arrays"},
        {"an array of an unknown type", with(pair("a", 9, u32(99) + u64(1))), kFormat, "unknown type"},
        {"an array of 2^64-1 numbers", with(pair("a", 9, u32(6) + u64(UINT64_MAX))), kFormat, "longer than the file"},
        {"an array of 2^62 numbers", with(pair("a", 9, u32(6) + u64(uint64_t{1} << 62))), kFormat, "longer than the file"},
        {"an array of 2^64-1 strings", with(pair("a", 9, u32(8) + u64(UINT64_MAX))), kFormat, "longer than the file"},
        {"an array of bytes that are not there", with(pair("a", 9, u32(0) + u64(100))), kFormat, ""},
        {"an alignment of 0", with(u32_pair("general.alignment", 0)), kFormat, "power of two"},
        {"an alignment of 3", with(u32_pair("general.alignment", 3)), kFormat, "power of two"},
        {"an alignment of 2^31", with(u32_pair("general.alignment", uint64_t{1} << 31)), kFormat, "power of two"},
        {"an alignment in words", with(text_pair("general.alignment", "32")), kFormat, "power of two"},
        {"a layer count in words", with(text_pair("controlvector.layer_count", "1")), kFormat, "no u32 and no i32"},
        {"a layer base of 7", with(u32_pair("turbospark.layer_base", 7)), kUnsupported, "turbospark.layer_base is '7'"},
    };
}

std::vector<Bad> bad_directions() {
    return {
        {"no tensors", gguf({kControl}, {}, ""), kFormat, "no row to push with"},
        {"another tensor", of({.name = "token_embd.weight"}), kUnsupported, "'token_embd.weight' is no direction.LAYER"},
        {"a direction without a number", of({.name = "direction."}), kUnsupported, "'direction.'"},
        {"a direction in words", of({.name = "direction.one"}), kUnsupported, "'direction.one'"},
        {"direction -1", of({.name = "direction.-1"}), kUnsupported, "'direction.-1'"},
        {"direction 01", of({.name = "direction.01"}), kUnsupported, "'direction.01'"},
        {"direction 4096", of({.name = "direction.4096"}), kUnsupported, "'direction.4096'"},
        {"direction 2^64", of({.name = "direction.18446744073709551616"}), kUnsupported, "'direction.1844"},
        {"a name with a terminal's escape", of({.name = "\x1b]0;owned\x07"}), kUnsupported, "\\x1b]0;owned"},
        {"a name of 65 bytes", of({.name = std::string(65, 'x')}), kFormat, "more than 64 bytes"},
        {"half precision", of({.type = 1}), kUnsupported, "element type 1"},
        {"an unknown element type", of({.type = UINT32_MAX}), kUnsupported, "element type 4294967295"},
        {"no dimension", of({.shape = {}}), kFormat, "[]"},
        {"two dimensions", of({.shape = {1, 1}}), kFormat, "[1, 1]"},
        {"five dimensions", of({.shape = {1, 1, 1, 1, 1}}), kFormat, "more than 4 dimensions"},
        {"a dimension of 0", of({.shape = {0}}), kFormat, "is empty"},
        {"2^61 numbers", of({.shape = {uint64_t{1} << 61}}), kFormat, "too large"},
        {"2^32 times 2^32 numbers", of({.shape = {uint64_t{1} << 32, uint64_t{1} << 32}}), kFormat, "too large"},
        {"behind the file", of({.shape = {2}}), kFormat, "behind the file"},
        {"an offset behind the file", of({.offset = 64}), kFormat, "behind the file"},
        {"an offset of 2^64-32", of({.offset = UINT64_MAX - 31}), kFormat, "behind the file"},
        {"an offset of 1", of({.offset = 1}, kTwo), kFormat, "no multiple of 32"},
        {"two tensors on one place", gguf({kControl}, {{}, {.name = "direction.2"}}, kOne), kFormat, "overlap"},
        {"a direction twice", gguf({kControl}, {{}, {.offset = 32}}, kOne + std::string(28, '\0') + kOne), kFormat,
         "'direction.1' stands twice"},
        {"two widths", gguf({kControl}, {{}, {.name = "direction.2", .shape = {2}, .offset = 32}}, kOne + std::string(28, '\0') + kTwo),
         kFormat, "has 2 numbers"},
        {"not a number", of({}, std::string("\0\0\xc0\x7f", 4)), kFormat, "not finite"},
        {"zeros alone", of({}, std::string(4, '\0')), kFormat, "no row to push with"},
        {"direction 0 of layer base 0", gguf({kControl, u32_pair("turbospark.layer_base", 0)}, {{.name = "direction.0"}}, kOne), kFormat,
         "layer -1"},
    };
}

std::string own(const std::string& more, size_t count) { // as if written here
    return put(gguf({kControl, text_pair("steer.schema", "1"), more}, {{}}, kOne), 16, u64(2 + count));
}

std::vector<Bad> bad_gguf() {
    std::vector<Bad> all = bad_headers();
    for (const Bad& bad : bad_directions()) all.push_back(bad);
    const std::string row = u32(6) + u64(1) + kOne;
    for (const Bad& bad : std::vector<Bad>{
             {"own: rows changed", own(text_pair("steer.fingerprint", std::string(64, '1')), 1), kFormat, "they were changed"},
             {"own: a later schema", put(own("", 0), own("", 0).find(string("1")) + 8, "2"), kUnsupported, "schema '2'"},
             {"own: a row in words", own(text_pair("steer.write.0", "x"), 1), kFormat, "'steer.write.0'"},
             {"own: a row of no layer", own(pair("steer.read.x", 9, row), 1), kFormat, "'steer.read.x'"},
             {"own: a row that there is", own(pair("steer.write.1", 9, row), 1), kFormat, "'steer.write.1'"},
             {"own: an empty row", own(pair("steer.write.0", 9, u32(6) + u64(0)), 1), kFormat, "'steer.write.0'"},
             {"own: metadata that is no UTF-8", own(text_pair("steer.name", "\xff"), 1), kFormat, "no UTF-8"},
             {"own: a layer range denied", own(text_pair("steer.layer_end", "9"), 1), kFormat, "says 9, the rows say 2"},
         })
        all.push_back(bad);
    return all;
}

std::vector<Seed> gguf_seeds() {
    const std::string foreign = gguf({kControl, text_pair("controlvector.model_hint", "qwen2"), pair("controlvector.layer_count", 5, u32(2)),
                                      pair("controlvector.C", 6, kOne), pair("a", 7, "\x01"), pair("b", 9, u32(8) + u64(1) + string("x")),
                                      pair("c", 9, u32(6) + u64(1) + kOne), pair("d", 10, u64(7)), pair("e", 12, u64(7))},
                                     {{.name = "direction.0", .shape = {2}}, {.name = "direction.2", .shape = {2}, .offset = 32}},
                                     kTwo + std::string(24, '\0') + kTwo);
    VectorOptions options;
    options.layer_begin = 0, options.name = "ギャル";
    const std::vector<float> rows = {1.0f, 2.0f, 3.0f, 4.0f};
    const VectorPtr made = create_vector(rows.data(), 2, 2, options); // layer 0 has no place among the tensors
    return {{"foreign", foreign, {{4, 4}, {8, 8}, {16, 8}, {24, 8}}, SIZE_MAX},
            {"written here", vector_to_bytes(*made, STEER_FORMAT_GGUF), {{8, 8}, {16, 8}, {24, 8}}, 600}};
}

} // namespace

Reader gguf_vector_reader() {
    return {"vector_gguf", read_vector, check_vector, bad_gguf, 65, gguf_seeds, {kFormat, kUnsupported}, kName + ": "};
}

} // namespace hostile
