#include "host.h"

#include <filesystem>
#include <fstream>

using namespace host;

TEST_CASE("a vector is made, combined, saved and read") {
    const steer::Model model = load();
    const steer::Vector first = axis_vector(model, 0, 2.0f), second = axis_vector(model, 1);
    CHECK(std::string(first.info().name) == "axis");
    CHECK(first.info().layer_end == 3);
    const steer::VectorLayer row = first.layer(1);
    REQUIRE(row.values.size() == 16);
    CHECK(row.values[0] == 2.0f);
    CHECK(row.norm == 2.0f);
    CHECK(first.layer(7).values.empty());

    const steer::Vector sum = steer::Vector::combine({{first, 1.5f}, {second, -1.0f}});
    CHECK(sum.layer(2).values[0] == 3.0f);
    CHECK(sum.layer(2).values[1] == -1.0f);
    CHECK(steer::Vector::combine({{first, 1.0f}}, 5.0f).layer(0).norm == Approx(5.0f));

    const std::string path = folder().path() + "/sum.safetensors";
    sum.save(path);
    const steer::Vector read = steer::Vector::load(path, {.model = &model});
    CHECK(read.layer(0).values[0] == 3.0f);
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const steer::Vector held = steer::Vector::load("", {.data = std::as_bytes(std::span(bytes))});
    CHECK(held.layer(0).values[1] == -1.0f);
    std::filesystem::remove(path);
}

TEST_CASE("what a vector cannot be is said") {
    const steer::Model model = load();
    const std::vector<float> rows(16, 1.0f);
    THROWS(steer::Vector::create(rows, 5), STEER_ERR_ARG, "multiple");
    THROWS(steer::Vector::create(rows, 0), STEER_ERR_ARG, "multiple");
    THROWS(steer::Vector::create(rows, 8, {.model = &model}), STEER_ERR_MISMATCH, "8");
    THROWS(steer::Vector::create(rows, 16, {.layer_begin = -2}), STEER_ERR_ARG, "layer_begin");
    THROWS(steer::Vector::create(rows, 16, {.site_measured = static_cast<steer::Site>(5)}), STEER_ERR_ARG, "site_measured");
    THROWS(steer::Vector::create(rows, 16, {.site_applied = static_cast<steer::Site>(5)}), STEER_ERR_ARG, "site_applied");
    THROWS(steer::Vector::load(""), STEER_ERR_ARG, "path");
    const steer::Vector vector = steer::Vector::create(rows, 16);
    THROWS(vector.save("/nowhere/at/all"), STEER_ERR_IO, "/nowhere");
    THROWS(vector.save(folder().path() + "/x", static_cast<steer::VectorFormat>(7)), STEER_ERR_ARG, "format");
    THROWS(vector.layer(0, static_cast<steer::Rows>(7)), STEER_ERR_ARG, "rows");
}

TEST_CASE("a vector is extracted from pairs") {
    const steer::Model model = load();
    std::vector<steer::ContrastPair> pairs;
    for (uint64_t i = 0; i < 6; i++)
        pairs.push_back({.positive = {.prompt = "hi", .reply = "oh yes " + std::to_string(i)},
                         .negative = {.prompt = "hi", .reply = "no " + std::to_string(i)},
                         .group = i});
    int calls = 0;
    const steer::Vector vector = steer::Vector::extract(model, pairs, {.layer_begin = 1, .holdout = 0.5f, .name = "yes",
                                                                       .progress = [&](float) {
                                                                           calls++;
                                                                           return steer::Flow::go_on;
                                                                       }});
    CHECK(calls > 0);
    CHECK(vector.info().layer_begin == 1);
    CHECK(std::string(vector.info().name) == "yes");
    THROWS(steer::Vector::extract(model, {}), STEER_ERR_ARG, "pairs");
    const auto extract = [&](const steer::ExtractOptions& options) { return steer::Vector::extract(model, pairs, options); };
    THROWS(extract({.holdout = 3.0f}), STEER_ERR_ARG, "holdout");
    THROWS(extract({.method = static_cast<steer::Method>(77)}), STEER_ERR_ARG, "method");
    THROWS(extract({.pooling = static_cast<steer::Pooling>(77)}), STEER_ERR_ARG, "pooling");
    THROWS(extract({.progress = [](float) { return steer::Flow::stop; }}), STEER_ERR_CANCELLED, "stopped");
    THROWS(extract({.progress = [](float) -> steer::Flow { throw steer::Exception({STEER_ERR_IO, "the host's own"}); }}),
           STEER_ERR_IO, "the host's own");
}
