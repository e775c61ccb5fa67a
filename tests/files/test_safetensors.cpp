// What is read is there; what is refused is in tests/hostile.
#include "build_files.h"
#include "files/error.h"
#include "files/safetensors.h"

#include <catch2/catch.hpp>

using namespace steer;
using build::safetensors;

namespace {

const std::string kTwo =
    R"({"__metadata__":{"format":"pt","名":"値"},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
    R"("a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}})";

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
