// Small cases with known answers; tests/python/test_vector_files.py compares random ones with numpy.
#include "files/error.h"
#include "steer/extract.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <set>

using namespace steer;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

MeanDifferenceOptions options_for(int32_t layers, int32_t hidden, float holdout, uint64_t seed = 1) {
    MeanDifferenceOptions options;
    options.layer_end = layers, options.layer_count = layers;
    options.hidden_size = hidden, options.holdout = holdout, options.seed = seed;
    return options;
}

void fails(steer_status status, const std::string& words, const std::function<void()>& call) {
    try {
        call();
        FAIL_CHECK("no error; expected: " << words);
    } catch (const Error& error) {
        CHECK(error.status() == status);
        CHECK_THAT(error.what(), Catch::Contains(words));
    }
}

} // namespace

TEST_CASE("the row is the mean over groups of their mean difference") {
    MeanDifference extraction(options_for(1, 2, 0.0f), {7, 7, 7, 9});
    REQUIRE(extraction.order() == std::vector<uint32_t>{0, 1, 2, 3});
    const float zero[] = {0.0f, 0.0f};
    for (const float x : {1.0f, 2.0f, 3.0f}) extraction.add(std::vector<float>{x, 0.0f}, zero);
    extraction.add(std::vector<float>{0.0f, 8.0f}, std::vector<float>{0.0f, 2.0f});
    const std::vector<float> norms = {11.0f};
    const MeanDifferenceResult result = extraction.finish(norms);
    CHECK(result.rows[0].values[0] == Approx(1.0f)); // ((1 + 2 + 3) / 3 + 0) / 2
    CHECK(result.rows[0].values[1] == Approx(3.0f));
    CHECK(result.rows[0].norm == Approx(std::sqrt(10.0f)));
    CHECK(result.rows[0].residual_norm == 11.0f);
    CHECK(result.rows[0].split_half_cosine == Approx(0.0f).margin(1e-7)); // one half is group 7, the other group 9
    // Nothing was held out: nothing is known of the rest.
    CHECK(std::isnan(result.rows[0].auc));
    CHECK(std::isnan(result.rows[0].neutral));
    CHECK(std::isnan(result.separation[0]));
    CHECK(result.gauge_layer == -1);
    CHECK((result.train_groups == 2 && result.holdout_groups == 0 && result.train_pairs == 4));
}

TEST_CASE("figures of held-out groups") {
    // Along the first axis s+ - s- is 2 in the mean; the second axis is noise of the same size in both voices.
    MeanDifference extraction(options_for(1, 2, 0.5f), {1, 2, 3, 4});
    const float noise[] = {3.0f, -3.0f, 3.0f, -3.0f};
    const uint32_t train = 2;
    for (uint32_t i = 0; i < 4; ++i) {
        const float n = noise[i], x = i < train ? 0.0f : static_cast<float>(i - train); // held out: 0, 1
        extraction.add(std::vector<float>{x + 2.0f, n}, std::vector<float>{x, n});
    }
    const MeanDifferenceResult result = extraction.finish({});
    REQUIRE(result.train_groups == 2);
    const VectorRow& row = result.rows[0];
    CHECK(row.values == std::vector<float>{2.0f, 0.0f});
    CHECK(row.persona == Approx(2.5f)); // mean of 2, 3
    CHECK(row.neutral == Approx(0.5f)); // mean of 0, 1
    CHECK(row.auc == 1.0f);
    CHECK(row.split_half_cosine == Approx(1.0f));
    CHECK(result.separation[0] == Approx(2.0 / std::sqrt(0.5))); // both variances are 1/2
    // Squares about the mean: along the row of {2, 0, 3, 1} 5, across of {3, 3, -3, -3} 36.
    CHECK(row.explained_variance == Approx(5.0 / 41.0));
    CHECK(result.gauge_layer == 0);
}

TEST_CASE("whole groups are held out, as many as asked for, and another seed chooses others") {
    std::vector<uint64_t> groups;
    for (uint64_t i = 0; i < 60; ++i) groups.push_back(1000 + i % 20);
    std::set<std::set<uint64_t>> choices;
    for (uint64_t seed = 0; seed < 8; ++seed) {
        const MeanDifference extraction(options_for(1, 1, 0.25f, seed), groups);
        const std::vector<uint32_t>& order = extraction.order();
        REQUIRE(order.size() == 60);
        CHECK(std::set<uint32_t>(order.begin(), order.end()).size() == 60);
        std::set<uint64_t> train, held;
        for (size_t i = 0; i < 45; ++i) train.insert(groups[order[i]]); // 15 of 20 groups
        for (size_t i = 45; i < 60; ++i) held.insert(groups[order[i]]);
        CHECK(train.size() == 15);
        CHECK(held.size() == 5);
        for (const uint64_t group : held) CHECK(train.count(group) == 0);
        choices.insert(held);
        CHECK(MeanDifference(options_for(1, 1, 0.25f, seed), groups).order() == order);
    }
    CHECK(choices.size() > 6);
    // At least one group stays on either side; a single group cannot be divided.
    CHECK(MeanDifference(options_for(1, 1, 0.9f), {1, 2}).order().size() == 2);
    CHECK(MeanDifference(options_for(1, 1, 0.5f), {5, 5, 5}).order() == std::vector<uint32_t>{0, 1, 2});
}

TEST_CASE("what cannot be extracted is refused in words") {
    const auto make = [](MeanDifferenceOptions o, std::vector<uint64_t> groups) { MeanDifference{o, groups}; };
    fails(STEER_ERR_ARG, "no pairs", [&] { make(options_for(1, 1, 0.0f), {}); });
    fails(STEER_ERR_ARG, "holdout", [&] { make(options_for(1, 1, kNan), {1}); });
    fails(STEER_ERR_ARG, "holdout", [&] { make(options_for(1, 1, 1.0f), {1}); });
    fails(STEER_ERR_ARG, "layers 0 to 0", [&] { make(options_for(0, 1, 0.0f), {1}); });
    fails(STEER_ERR_ARG, "hidden size", [&] { make(options_for(1, 0, 0.0f), {1}); });

    MeanDifference same(options_for(2, 1, 0.0f), {1});
    const std::vector<float> a = {1.0f, 2.0f}, b = {0.0f, 2.0f};
    fails(STEER_ERR_STATE, "0 of 1", [&] { same.finish({}); });
    fails(STEER_ERR_ARG, "2 are needed", [&] { same.add(a, std::vector<float>{1.0f}); });
    fails(STEER_ERR_NUMERIC, "layer 1", [&] { same.add(a, std::vector<float>{1.0f, kNan}); });
}

TEST_CASE("equal states give no row") {
    MeanDifference same(options_for(2, 1, 0.0f), {1});
    const std::vector<float> a = {1.0f, 2.0f}, b = {0.0f, 2.0f};
    same.add(a, b);
    fails(STEER_ERR_STATE, "all 1 pairs", [&] { same.add(a, b); });
    fails(STEER_ERR_ARG, "same states at layer 1", [&] { same.finish({}); });
    fails(STEER_ERR_ARG, "3 residual norms", [&] { same.finish(std::vector<float>{1, 2, 3}); });
}

TEST_CASE("area under the curve counts ties half") {
    const auto auc = [](std::vector<double> p, std::vector<double> n) { return area_under_curve(p, n); };
    CHECK(auc({2, 3}, {0, 1}) == 1.0);
    CHECK(auc({0, 1}, {2, 3}) == 0.0);
    CHECK(auc({1, 1}, {1, 1}) == 0.5);
    CHECK(auc({1, 2, 3}, {2}) == 0.5);
    CHECK(auc({1, 2}, {0, 1, 1, 5}) == Approx((1 + 0.5 + 0.5 + 3) / 8));
    CHECK(std::isnan(auc({}, {1})));
    CHECK(std::isnan(auc({1}, {})));
}

TEST_CASE("recommended layers") {
    //                                0    1    2    3    4    5    6    7    8    9   10   11
    const std::vector<float> depth = {9.f, 8.f, 7.f, 1.f, 2.f, 4.f, 5.f, 4.5f, 3.f, 2.f, 6.f, 7.f};
    CHECK(recommend_gauge_layer(depth, 0, 12) == 11); // of 8 to 11
    // Only early layers were measured: the best of those.
    CHECK(recommend_gauge_layer({depth.data(), 3}, 0, 12) == 0);
    // layer_begin moves the window.
    CHECK(recommend_gauge_layer({depth.data() + 5, 7}, 5, 12) == 11);
    const std::vector<float> unknown(4, kNan);
    CHECK(recommend_gauge_layer(unknown, 0, 4) == -1);
    const auto band = [](int32_t begin, int32_t end, int32_t count) {
        const LayerBand found = recommend_band(begin, end, count);
        return std::pair(found.begin, found.end);
    };
    CHECK(band(0, 64, 64) == std::pair(19, 52)); // 0.3 * 64 = 19.2, 0.8 * 64 = 51.2
    CHECK(band(0, 10, 10) == std::pair(3, 8));
    CHECK(band(5, 7, 10) == std::pair(5, 7)); // what has rows
    CHECK(band(0, 3, 10) == std::pair(-1, -1));
    CHECK(band(8, 10, 10) == std::pair(-1, -1));
}
