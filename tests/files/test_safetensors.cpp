#include "build_files.h"
#include "files/safetensors.h"

#include <cstring>

using namespace steer;
using build::safetensors;

namespace {

const std::string kTwo =
    R"({"__metadata__":{"format":"pt","名":"値"},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
    R"("a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}})";

std::string one(const std::string& tensor, size_t data = 8) {
    return safetensors("{\"t\":" + tensor + "}", std::string(data, '\0'));
}

SafetensorsFile read(const std::string& bytes) { return SafetensorsFile(ByteSource(bytes, "bad.file")); }

} // namespace

TEST_CASE("a safetensors header becomes a flat list by position") {
    const std::string data("\x80\x3f\x00\xc0\x00\x00\x80\x7f\x00\x00\x80\x3f\x00\x00\x00\xbf", 16);
    const std::string bytes = safetensors(kTwo + "   ", data);
    const SafetensorsFile file = read(bytes);
    REQUIRE(file.tensors().size() == 2);
    const TensorInfo &a = file.tensors()[0], &b = file.tensors()[1];
    CHECK(a.name == "a");
    CHECK(a.dtype == Dtype::bf16);
    CHECK(a.shape == std::vector<int64_t>{2, 2});
    CHECK(b.begin == bytes.size() - 8);
    CHECK(b.end == bytes.size());
    CHECK(file.find("b") == &b);
    CHECK(file.find("c") == nullptr);
    CHECK(file.metadata() == TextMap{{"format", "pt"}, {"名", "値"}});
    CHECK(file.read_floats(b) == std::vector<float>{1.0f, -0.5f});
    CHECK(file.read_floats(a) == std::vector<float>{1.0f, -2.0f, 0.0f, std::numeric_limits<float>::infinity()});
    char two[2];
    file.read(a, 2, two, 2);
    CHECK(std::string(two, 2) == std::string("\x00\xc0", 2));
    CHECK_THROWS_AS(file.read(a, 7, two, 2), Error);
}

TEST_CASE("safetensors without tensors, with empty tensors and with scalars") {
    CHECK(read(safetensors("{}", "")).tensors().empty());
    const std::string header = R"({"e":{"dtype":"I64","shape":[3,0],"data_offsets":[0,0]},)"
                               R"("s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
                               R"("z":{"dtype":"U8","shape":[0],"data_offsets":[8,8]}})";
    const std::string bytes = safetensors(header, build::u64(0x3ff8000000000000));
    const SafetensorsFile file = read(bytes);
    CHECK(file.read_floats(*file.find("s")) == std::vector<float>{1.5f});
    CHECK(file.find("e")->size() == 0);
    try {
        (void)file.read_floats(*file.find("z"));
        FAIL_CHECK("U8 read as floats");
    } catch (const Error& error) {
        CHECK(error.status() == STEER_ERR_UNSUPPORTED);
        CHECK_THAT(error.what(), Catch::Contains("U8"));
    }
}

TEST_CASE("malformed safetensors are refused in words") {
    const std::string good8 = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
    const auto with = [](const std::string& rest) { return one(R"({"dtype":"F32","shape":[2],)" + rest + "}"); };
    const std::string deep = "{\"t\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
    const std::string twice = safetensors(
        "{\"t\":" + good8 + R"(,"t":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", std::string(16, '\0'));
    const std::string huge_dims = R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})";
    build::refuses(
        {
            {"empty file", "", STEER_ERR_FORMAT, "too few"},
            {"seven bytes", "1234567", STEER_ERR_FORMAT, "too few"},
            {"no header", build::u64(0), STEER_ERR_FORMAT, "does not begin with '{'"},
            {"header longer than the file", build::u64(100) + "{}", STEER_ERR_FORMAT, "does not fit"},
            {"header of 2^64-1 bytes", build::u64(UINT64_MAX) + "{}", STEER_ERR_FORMAT, "at most"},
            {"header of 2^63 bytes", build::u64(uint64_t{1} << 63) + "{}", STEER_ERR_FORMAT, "at most"},
            {"header over 16 MiB", build::u64((16 << 20) + 1) + "{}", STEER_ERR_FORMAT, "at most"},
            {"header is a list", safetensors("[]", ""), STEER_ERR_FORMAT, "does not begin with '{'"},
            {"space before the brace", safetensors(" {}", ""), STEER_ERR_FORMAT, "does not begin with '{'"},
            {"byte order mark", safetensors("\xef\xbb\xbf{}", ""), STEER_ERR_FORMAT, "does not begin with '{'"},
            {"open brace only", safetensors("{", ""), STEER_ERR_FORMAT, "not JSON"},
            {"text after the header", safetensors("{}x", ""), STEER_ERR_FORMAT, "not JSON"},
            {"two objects", safetensors("{}{}", ""), STEER_ERR_FORMAT, "not JSON"},
            {"broken UTF-8 in a name", safetensors("{\"\xff\":" + good8 + "}", std::string(8, '\0')), STEER_ERR_FORMAT,
             "not JSON"},
            {"a zero byte inside", safetensors(std::string("{\0}", 3), ""), STEER_ERR_FORMAT, "not JSON"},
            {"100,000 nested lists", safetensors(deep, ""), STEER_ERR_FORMAT, "a list where none may stand"},
            {"nested object as a field", with(R"("data_offsets":{"a":1})"), STEER_ERR_FORMAT, "an object where none"},
            {"tensor is a number", one("3"), STEER_ERR_FORMAT, "a number where none"},
            {"tensor is a string", one("\"x\""), STEER_ERR_FORMAT, "a string where none"},
            {"tensor is null", one("null"), STEER_ERR_FORMAT, "null where none"},
            {"tensor is a list", one("[1]"), STEER_ERR_FORMAT, "a list where none"},
            {"no dtype", one(R"({"shape":[2],"data_offsets":[0,8]})"), STEER_ERR_FORMAT, "lacks dtype"},
            {"no shape", one(R"({"dtype":"F32","data_offsets":[0,8]})"), STEER_ERR_FORMAT, "lacks shape"},
            {"no offsets", one(R"({"dtype":"F32","shape":[2]})"), STEER_ERR_FORMAT, "lacks data_offsets"},
            {"unknown field", with(R"("data_offsets":[0,8],"x":1)"), STEER_ERR_FORMAT, "unknown field 'x'"},
            {"field twice", with(R"("shape":[2],"data_offsets":[0,8])"), STEER_ERR_FORMAT, "shape twice"},
            {"unknown dtype", one(R"({"dtype":"F7","shape":[2],"data_offsets":[0,8]})"), STEER_ERR_UNSUPPORTED, "'F7'"},
            {"dtype is a number", one(R"({"dtype":32,"shape":[2],"data_offsets":[0,8]})"), STEER_ERR_FORMAT,
             "a number where"},
            {"dtype is a list", one(R"({"dtype":["F32"],"shape":[2],"data_offsets":[0,8]})"), STEER_ERR_FORMAT,
             "a list where"},
            {"shape is a string", one(R"({"dtype":"F32","shape":"2","data_offsets":[0,8]})"), STEER_ERR_FORMAT,
             "a string where"},
            {"negative dimension", one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), STEER_ERR_FORMAT,
             "negative"},
            {"fractional dimension", one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"), STEER_ERR_FORMAT,
             "not whole"},
            {"dimension 1e400", one(R"({"dtype":"F32","shape":[1e400],"data_offsets":[0,8]})"), STEER_ERR_FORMAT,
             "near byte"},
            {"dimension 2^64", one(R"({"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8]})"),
             STEER_ERR_FORMAT, "not whole or too large"},
            {"dimension 2^63", one(R"({"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]})"),
             STEER_ERR_FORMAT, "too large"},
            {"dimensions whose product wraps to 0", one(huge_dims), STEER_ERR_FORMAT, "do not make"},
            {"nine dimensions", one(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]})"),
             STEER_ERR_FORMAT, "more than 8"},
            {"boolean in the shape", one(R"({"dtype":"F32","shape":[true],"data_offsets":[0,8]})"), STEER_ERR_FORMAT,
             "true or false"},
            {"one offset", with(R"("data_offsets":[0])"), STEER_ERR_FORMAT, "2 are needed"},
            {"three offsets", with(R"("data_offsets":[0,8,8])"), STEER_ERR_FORMAT, "2 are needed"},
            {"end before begin", with(R"("data_offsets":[8,0])"), STEER_ERR_FORMAT, "before it begins"},
            {"offsets of 2^64-1", with(R"("data_offsets":[0,18446744073709551615])"), STEER_ERR_FORMAT, "too large"},
            {"extent too small for the shape", with(R"("data_offsets":[0,4])"), STEER_ERR_FORMAT,
             "do not make the 4 bytes"},
            {"data cut short", one(good8, 7), STEER_ERR_FORMAT, "cut short"},
            {"bytes behind the last tensor", one(good8, 9), STEER_ERR_FORMAT, "belong to none"},
            {"bytes and no tensor", safetensors("{}", "x"), STEER_ERR_FORMAT, "belong to none"},
            {"hole at the start", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})"), STEER_ERR_FORMAT, "gap"},
            {"overlap",
             safetensors("{\"a\":" + good8 + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                         std::string(12, '\0')),
             STEER_ERR_FORMAT, "overlaps"},
            {"two tensors on the same bytes",
             safetensors("{\"a\":" + good8 + ",\"b\":" + good8 + "}", std::string(8, '\0')), STEER_ERR_FORMAT,
             "overlaps"},
            {"one name twice", twice, STEER_ERR_FORMAT, "'t' stands twice"},
            {"metadata twice", safetensors(R"({"__metadata__":{},"__metadata__":{}})", ""), STEER_ERR_FORMAT,
             "__metadata__ stands twice"},
            {"metadata entry twice", safetensors(R"({"__metadata__":{"a":"1","a":"2"}})", ""), STEER_ERR_FORMAT,
             "stands twice"},
            {"metadata with a number", safetensors(R"({"__metadata__":{"a":1}})", ""), STEER_ERR_FORMAT,
             "strings only"},
            {"metadata with an object", safetensors(R"({"__metadata__":{"a":{}}})", ""), STEER_ERR_FORMAT,
             "strings only"},
            {"metadata is a string", safetensors(R"({"__metadata__":"a"})", ""), STEER_ERR_FORMAT, "a string where"},
        },
        [](const std::string& bytes) { (void)read(bytes); });
}

TEST_CASE("what is written is read again") {
    const float numbers[] = {1.0f, -2.0f, 3.5f};
    const std::string_view bytes(reinterpret_cast<const char*>(numbers), sizeof numbers);
    const std::string file_bytes = write_safetensors(
        {{"x", Dtype::f32, {3}, bytes}, {"いろ", Dtype::u8, {2, 6}, bytes}, {"none", Dtype::f32, {0}, {}}},
        {{"k\"\n", "v"}});
    CHECK(static_cast<uint8_t>(file_bytes[0]) % 8 == 0); // the data is aligned
    const SafetensorsFile file = read(file_bytes);
    CHECK(file.read_floats(*file.find("x")) == std::vector<float>{1.0f, -2.0f, 3.5f});
    CHECK(file.find("いろ")->shape == std::vector<int64_t>{2, 6});
    CHECK(file.metadata() == TextMap{{"k\"\n", "v"}});
    CHECK_THROWS_AS(write_safetensors({}, {{"\xff", ""}}), Error);
}

TEST_CASE("many small tensors: the list stays small and is found by name") {
    std::string header = "{";
    for (int i = 0; i < 20000; ++i)
        header += fmt::format("{}\"t{}\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[{},{}]}}", i ? "," : "", i,
                              i, i + 1);
    const std::string bytes = safetensors(header + "}", std::string(20000, 'x'));
    const SafetensorsFile file = read(bytes);
    CHECK(file.tensors().size() == 20000);
    for (int i = 0; i < 20000; i += 777)
        CHECK(file.find(fmt::format("t{}", i)) == &file.tensors()[static_cast<size_t>(i)]);
}
