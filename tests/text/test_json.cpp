// Strict JSON: what is refused, and where the words point.
#include "files/error.h"
#include "files/json.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <cmath>

using namespace steer;

namespace {

std::string refusal(std::string_view text, const JsonLimits& limits = {}) {
    try {
        parse_json(text, "file.json", limits);
    } catch (const Error& error) {
        CHECK(error.status() == STEER_ERR_FORMAT);
        return error.what();
    }
    return "accepted";
}

template<class Call>
std::string refused_field(Call&& call) {
    try {
        call();
    } catch (const Error& error) {
        CHECK(error.status() == STEER_ERR_FORMAT);
        return error.what();
    }
    return "accepted";
}

} // namespace

TEST_CASE("values arrive as they are, keys in order") {
    Json json = parse_json(R"({"z": [1, -2, 2.5, "a\u3042\n", true, null], "a": {"b": {}}})", "file.json");
    CHECK(json.dump() == "{\"z\":[1,-2,2.5,\"a\xE3\x81\x82\\n\",true,null],\"a\":{\"b\":{}}}");
    CHECK(parse_json(" 7 ", "file.json").get<int>() == 7);
    CHECK(parse_json("[]", "file.json").is_array());
}

TEST_CASE("what is written is what another reader reads") {
    Json json;
    json["text"] = "\"\\/\b\f\n\r\t\x01\x1f\x7f \xE3\x81\x82 \xF0\x9F\x98\x80";
    json["numbers"] = Json::array_t{0, -1, INT64_MIN, UINT64_MAX, 0.1, 1e300, 5e-324, -0.0, 3.0, 1e21, std::nan("")};
    json["deep"]["er"] = Json::array_t{Json::object(), Json::array(), nullptr, true, false};
    for (const int indent : {-1, 0, 2}) {
        const nlohmann::ordered_json read = nlohmann::ordered_json::parse(json.dump(indent));
        CHECK(read["text"] == json.find("text")->get<std::string>());
        CHECK(read["numbers"][2] == INT64_MIN);
        CHECK(read["numbers"][3] == UINT64_MAX);
        const auto& numbers = *json.find("numbers");
        for (const int i : {4, 5, 6, 7, 8, 9}) {
            CHECK(read["numbers"][i].is_number_float());
            CHECK(read["numbers"][i].get<double>() == numbers[i].get<double>());
        }
        CHECK(read["numbers"][10].is_null());
        CHECK(read["deep"].dump() == R"({"er":[{},[],null,true,false]})");
        CHECK(read == nlohmann::ordered_json::parse(read.dump())); // and nothing else is in it
    }
}

TEST_CASE("what is no UTF-8 is replaced, or refused where that is asked for") {
    for (const char* bad : {"\xFF", "\xC3", "\xC0\x80", "\xED\xA0\x80", "\xE3\x81", "\xF4\x90\x80\x80", "\xF0\x80\x80\x80"}) {
        const std::string text = std::string("a") + bad + "b";
        const nlohmann::json theirs(text);
        CHECK(nlohmann::json::parse(Json(text).dump()).get<std::string>().front() == 'a');
        CHECK_THROWS_AS(Json(text).dump(-1, true), Error);
        CHECK_THROWS(theirs.dump());
    }
}

TEST_CASE("the words say where") {
    CHECK(refusal("{\"a\": 1, \"b\": }").find("byte 15") != std::string::npos);
    CHECK(refusal("{\"key\": 1, \"key\": 2}").find("'key' comes twice") != std::string::npos);
}

TEST_CASE("double keys are found in large objects too") {
    std::string text = "{";
    for (int i = 0; i < 100; ++i) text += "\"k" + std::to_string(i) + "\":0,";
    CHECK(refusal(text + "\"z\":0}") == "accepted");
    CHECK(refusal(text + "\"k50\":0}").find("'k50' comes twice") != std::string::npos);
}

TEST_CASE("limits hold at their edges") {
    auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    CHECK(refusal(nested(64)) == "accepted");
    CHECK(refusal(nested(65)).find("deeper than 64") != std::string::npos);
    CHECK(refusal(std::string(1000000, '[')).find("deeper") != std::string::npos);
    JsonLimits few;
    few.values = 4;
    CHECK(refusal("[1,2,3]", few) == "accepted");
    CHECK(refusal("[1,2,3,4]", few).find("more than 4 values") != std::string::npos);
    JsonLimits small;
    small.text_size = 4;
    CHECK(refusal("[12]", small) == "accepted");
    CHECK(refusal("[123]", small).find("5 bytes") != std::string::npos);
}

TEST_CASE("fields are checked for type and range, and named when they are wrong") {
    Json json = parse_json(
        R"({"n": 5, "big": 18446744073709551615, "x": 2.5, "s": "t", "b": true, "o": {}, "l": [], "none": null})", "f");
    CHECK(get_int(json, "n", "f", 0, 5) == 5);
    CHECK(get_double(json, "n", "f", 0, 10) == 5.0);
    CHECK(get_double(json, "x", "f", 0, 10) == 2.5);
    CHECK(get_string(json, "s", "f") == "t");
    CHECK(get_bool(json, "b", "f"));
    CHECK(get_object(json, "o", "f").empty());
    CHECK(get_array(json, "l", "f").empty());
    CHECK(get_int_or(json, "absent", "f", 0, 9, 7) == 7);
    CHECK(get_int_or(json, "none", "f", 0, 9, 7) == 7);
    CHECK(get_string_or(json, "none", "f", "d") == "d");
    CHECK(get_bool_or(json, "none", "f", true));
    CHECK(get_double_or(json, "absent", "f", 0, 1, 0.5) == 0.5);
    CHECK(find_field(json, "absent") == nullptr);
    CHECK(find_field(Json(3), "n") == nullptr);

    CHECK(refused_field([&] { get_int(json, "n", "f", 0, 4); }) == "f: \"n\" is 5, allowed is 0 to 4");
    CHECK(refused_field([&] { get_int(json, "n", "f", 6, 9); }) != "accepted");
    CHECK(refused_field([&] { get_int(json, "big", "f", 0, INT64_MAX); }) != "accepted");
    CHECK(refused_field([&] { get_int(json, "x", "f", 0, 9); }) != "accepted");
    CHECK(refused_field([&] { get_double(json, "x", "f", 3, 9); }) != "accepted");
    CHECK(refused_field([&] { get_string(json, "n", "f"); }) == "f: \"n\" must be a string, the file has number");
    CHECK(refused_field([&] { get_bool(json, "n", "f"); }) != "accepted");
    CHECK(refused_field([&] { get_object(json, "l", "f"); }) != "accepted");
    CHECK(refused_field([&] { get_array(json, "o", "f"); }) != "accepted");
    CHECK(refused_field([&] { get_int(json, "absent", "f", 0, 1); }) == "f: \"absent\" is missing");
    CHECK(refused_field([&] { get_string_or(json, "n", "f", ""); }) != "accepted");
    CHECK(refused_field([&] { get_field(Json(3), "n", "f"); }) != "accepted");
}
