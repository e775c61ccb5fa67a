// The wire format against the examples of https://protobuf.dev/programming-guides/encoding and what a stranger may write.
#include "files/error.h"
#include "files/protobuf.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace steer;

namespace {

const std::string name = "message";

std::vector<ProtobufField> read_all(std::string_view message) {
    std::vector<ProtobufField> fields;
    ProtobufReader reader(message, name);
    for (ProtobufField field; reader.next(field);) fields.push_back(field);
    return fields;
}

std::string refusal(std::string_view message) {
    try {
        read_all(message);
    } catch (const Error& error) {
        CHECK(error.status() == STEER_ERR_FORMAT);
        return error.what();
    }
    return "read";
}

std::string_view view(const char* bytes, size_t size) { return {bytes, size}; }

} // namespace

TEST_CASE("protobuf: numbers, texts and messages are read as its documentation writes them", "[protobuf]") {
    const auto number = read_all("\x08\x96\x01");
    REQUIRE(number.size() == 1);
    CHECK(number[0].number == 1);
    CHECK(number[0].kind == ProtobufField::Varint);
    CHECK(number[0].value == 150);

    const auto text = read_all("\x12\x07testing");
    REQUIRE(text.size() == 1);
    CHECK(text[0].number == 2);
    CHECK(text[0].bytes == "testing");

    const auto nested = read_all("\x1a\x03\x08\x96\x01");
    REQUIRE(nested.size() == 1);
    CHECK(read_all(nested[0].bytes)[0].value == 150);

    // -2 as int32: ten bytes; 1.5 as float; 1 as fixed64; field 536870911, the largest
    const auto rest = read_all(view("\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x15\x00\x00\xc0\x3f\x19\x01\0\0\0\0\0\0\0\xf8\xff\xff\xff\x0f\x00", 31));
    REQUIRE(rest.size() == 4);
    CHECK(static_cast<int32_t>(rest[0].value) == -2);
    CHECK(rest[1].as_float() == 1.5f);
    CHECK(rest[2].value == 1);
    CHECK(rest[3].number == 536870911);
    CHECK(read_all("").empty());
}

TEST_CASE("protobuf: damaged messages are refused", "[protobuf]") {
    CHECK_THAT(refusal("\x08"), Catch::Contains("1 bytes, 0 are left"));
    CHECK_THAT(refusal("\x08\x80"), Catch::Contains("are left"));
    CHECK_THAT(refusal("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Catch::Contains("longer than ten bytes"));
    CHECK_THAT(refusal("\x12\x08testing"), Catch::Contains("8 bytes, 7 are left"));
    CHECK_THAT(refusal("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Catch::Contains("are left"));
    CHECK_THAT(refusal("\x15\x01\x02"), Catch::Contains("4 bytes, 2 are left"));
    CHECK_THAT(refusal("\x19\x01\x02"), Catch::Contains("8 bytes, 2 are left"));
    CHECK_THAT(refusal(view("\x00\x00", 2)), Catch::Contains("number 0"));
    CHECK_THAT(refusal("\x0b"), Catch::Contains("kind 3"));
    CHECK_THAT(refusal("\x0f"), Catch::Contains("kind 7"));
    CHECK_THAT(refusal(view("\x80\x80\x80\x80\x10\x00", 6)), Catch::Contains("number 536870912"));
}
