// Small cases with known answers; tests/python/test_vector_files.py compares random ones with numpy.
#include "files/error.h"
#include "steer/extract.h"
#include "steer/recommend.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <set>
#include <stdexcept>

using namespace steer;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::shared_ptr<const GroupSplit> split_of(const std::vector<uint64_t>& groups, float holdout, uint64_t seed = 1) {
    return std::make_shared<const GroupSplit>(groups, holdout, seed);
}

RowOptions options_for(int32_t layers, int32_t hidden, int32_t method = STEER_METHOD_MEAN_DIFFERENCE) {
    return {method, 0, layers, hidden};
}

const int32_t kMethods[] = {STEER_METHOD_MEAN_DIFFERENCE, STEER_METHOD_PCA_CENTRED, STEER_METHOD_PCA_UNCENTRED,
                            STEER_METHOD_PCA_PAIRS, STEER_METHOD_PROBE};

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
    const auto split = split_of({7, 7, 7, 9}, 0.0f);
    RowExtraction extraction(options_for(1, 2), split);
    REQUIRE(split->order() == std::vector<uint32_t>{0, 1, 2, 3});
    const std::vector<float> zero = {0.0f, 0.0f};
    for (const float x : {1.0f, 2.0f, 3.0f}) {
        const std::vector<float> state = {x, 0.0f};
        extraction.add({state, zero});
    }
    const std::vector<float> up = {0.0f, 8.0f}, down = {0.0f, 2.0f}, norms = {11.0f};
    extraction.add({up, down});
    const ExtractedRows result = extraction.finish(norms);
    CHECK(result.rows[0].values[0] == Approx(1.0f)); // ((1 + 2 + 3) / 3 + 0) / 2
    CHECK(result.rows[0].values[1] == Approx(3.0f));
    CHECK(result.rows[0].norm == Approx(std::sqrt(10.0f)));
    CHECK(result.rows[0].residual_norm == 11.0f);
    CHECK(result.rows[0].split_half_cosine == Approx(0.0f).margin(1e-7)); // one half is group 7, the other group 9
    // Nothing was held out: nothing is known of the rest.
    CHECK(std::isnan(result.rows[0].auc));
    CHECK(std::isnan(result.rows[0].auc_content));
    CHECK(std::isnan(result.rows[0].neutral));
    CHECK(std::isnan(result.separation[0]));
    CHECK((split->train_groups() == 2 && split->holdout_groups() == 0 && split->train_pairs() == 4));
}

TEST_CASE("figures of held-out groups") {
    // Along the first axis s+ - s- is 2 in the mean; the second axis is noise of the same size in both voices.
    const auto split = split_of({1, 2, 3, 4}, 0.5f);
    RowExtraction extraction(options_for(1, 2), split);
    const float noise[] = {3.0f, -3.0f, 3.0f, -3.0f};
    const uint32_t train = 2;
    for (uint32_t i = 0; i < 4; ++i) {
        const float n = noise[i], x = i < train ? 0.0f : static_cast<float>(i - train); // held out: 0, 1
        const std::vector<float> positive = {x + 2.0f, n}, negative = {x, n};
        // What the shared tokens say counts where a pair is held out, and only if it has any.
        const std::vector<float> content_positive = {5.0f, n}, content_negative = {i < train ? 9.0f : 4.0f, n};
        if (i == 3) extraction.add({positive, negative});
        else extraction.add({positive, negative}, {content_positive, content_negative});
    }
    const ExtractedRows result = extraction.finish({});
    REQUIRE(split->train_groups() == 2);
    const VectorRow& row = result.rows[0];
    CHECK(row.values == std::vector<float>{2.0f, 0.0f});
    CHECK(row.persona == Approx(2.5f)); // mean of 2, 3
    CHECK(row.neutral == Approx(0.5f)); // mean of 0, 1
    CHECK(row.auc == 1.0f);
    CHECK(row.auc_content == 1.0f);
    CHECK(std::isnan(result.content_separation[0])); // one pair has no spread
    CHECK(row.split_half_cosine == Approx(1.0f));
    CHECK(result.separation[0] == Approx(2.0 / std::sqrt(0.5))); // both variances are 1/2
    // Squares about the mean: along the row of {2, 0, 3, 1} 5, across of {3, 3, -3, -3} 36.
    CHECK(row.explained_variance == Approx(5.0 / 41.0));
}

TEST_CASE("whole groups are held out, as many as asked for, and another seed chooses others") {
    std::vector<uint64_t> groups;
    for (uint64_t i = 0; i < 60; ++i) groups.push_back(1000 + i % 20);
    std::set<std::set<uint64_t>> choices;
    for (uint64_t seed = 0; seed < 8; ++seed) {
        const GroupSplit split(groups, 0.25f, seed);
        const std::vector<uint32_t>& order = split.order();
        REQUIRE(order.size() == 60);
        CHECK(std::set<uint32_t>(order.begin(), order.end()).size() == 60);
        std::set<uint64_t> train, held;
        double weights = 0.0;
        for (size_t i = 0; i < 45; ++i) train.insert(groups[order[i]]), weights += split.weight(i); // 15 of 20 groups
        for (size_t i = 45; i < 60; ++i) held.insert(groups[order[i]]), weights += split.weight(i);
        CHECK(weights == Approx(2.0));
        CHECK(train.size() == 15);
        CHECK(held.size() == 5);
        for (const uint64_t group : held) CHECK(train.count(group) == 0);
        choices.insert(held);
        CHECK(GroupSplit(groups, 0.25f, seed).order() == order);
    }
    CHECK(choices.size() > 6);
    // At least one group stays on either side; a single group cannot be divided.
    CHECK(GroupSplit({1, 2}, 0.9f, 1).train_pairs() == 1);
    CHECK(GroupSplit({5, 5, 5}, 0.5f, 1).order() == std::vector<uint32_t>{0, 1, 2});
}

TEST_CASE("what cannot be extracted is refused in words") {
    const auto make = [](RowOptions o) { RowExtraction{o, split_of({1}, 0.0f)}; };
    fails(STEER_ERR_ARG, "no pairs", [&] { split_of({}, 0.0f); });
    fails(STEER_ERR_ARG, "holdout", [&] { split_of({1}, kNan); });
    fails(STEER_ERR_ARG, "holdout", [&] { split_of({1}, 1.0f); });
    fails(STEER_ERR_ARG, "layers 0 to 0", [&] { make(options_for(0, 1)); });
    fails(STEER_ERR_ARG, "hidden size", [&] { make(options_for(1, 0)); });

    RowExtraction same(options_for(2, 1), split_of({1}, 0.0f));
    const std::vector<float> a = {1.0f, 2.0f}, b = {0.0f, 2.0f}, few = {1.0f}, broken = {1.0f, kNan};
    fails(STEER_ERR_STATE, "0 of 1", [&] { same.finish({}); });
    fails(STEER_ERR_STATE, "0 of 1", [&] { same.fit(); });
    fails(STEER_ERR_ARG, "2 are needed", [&] { same.add({a, few}); });
    fails(STEER_ERR_ARG, "2 are needed", [&] { same.add({a, b}, {a, few}); });
    fails(STEER_ERR_NUMERIC, "layer 1", [&] { same.add({a, broken}); });
}

TEST_CASE("equal states give no row, by any method") {
    const std::vector<float> a = {1.0f, 2.0f}, b = {0.0f, 2.0f};
    for (const int32_t method : kMethods) {
        INFO("method " << method);
        RowExtraction same(options_for(2, 1, method), split_of({1, 2}, 0.0f));
        same.add({a, b});
        same.add({b, b});
        fails(STEER_ERR_STATE, "all 2 pairs", [&] { same.add({a, b}); });
        fails(STEER_ERR_ARG, "3 residual norms", [&] { same.finish(std::vector<float>{1, 2, 3}); });
        fails(STEER_ERR_ARG, "the same", [&] { same.finish({}); });
    }
    // One difference, twice: it does not vary, but it points somewhere.
    for (const int32_t method : kMethods) {
        RowExtraction constant(options_for(2, 1, method), split_of({1, 2}, 0.0f));
        const std::vector<float> c = {0.0f, 1.0f};
        for (int i = 0; i < 2; ++i) constant.add({a, c});
        if (method == STEER_METHOD_PCA_CENTRED) fails(STEER_ERR_ARG, "how they differ", [&] { constant.finish({}); });
        else CHECK(constant.finish({}).rows[0].values[0] > 0.0f);
    }
}

TEST_CASE("fitting asks before every layer and may be left") {
    const std::vector<float> a = {1.0f, 2.0f}, b = {0.0f, 1.0f};
    RowExtraction extraction(options_for(2, 1, STEER_METHOD_PROBE), split_of({1}, 0.0f));
    extraction.add({a, b});
    int asked = 0;
    CHECK_THROWS_AS(extraction.fit([&] { if (++asked == 2) throw std::runtime_error("enough"); }), std::runtime_error);
    CHECK(asked == 2);
}

TEST_CASE("what is kept until the rows are made") {
    CHECK(kept_bytes_per_layer(STEER_METHOD_MEAN_DIFFERENCE, 1000, 5120) == 0);
    CHECK(kept_bytes_per_layer(STEER_METHOD_PCA_PAIRS, 1000, 5120) == 1000u * 5120 * 4);
    CHECK(kept_bytes_per_layer(STEER_METHOD_PROBE, 1000, 5120) == 2000u * 5120 * 4);
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

TEST_CASE("where to read") {
    const std::vector<float> unknown(12, kNan);
    //                                0    1    2    3    4    5    6    7    8    9   10   11
    const std::vector<float> depth = {9.f, 8.f, 7.f, 1.f, 2.f, 4.f, 5.f, 4.5f, 3.f, 2.f, 6.f, 7.f};
    const auto by_separation = [&](size_t begin, size_t count) {
        const std::span<const float> nothing(unknown.data(), count);
        return recommend_gauge_layer({nothing, nothing, {depth.data() + begin, count}}, static_cast<int32_t>(begin), 12);
    };
    CHECK(by_separation(0, 12) == 11); // of 8 to 11
    CHECK(by_separation(0, 3) == 0);   // only early layers were measured: the best of those
    CHECK(by_separation(5, 7) == 11);  // the window is the model's
    CHECK(recommend_gauge_layer({unknown, unknown, unknown}, 0, 12) == -1);


    const std::vector<float> auc = {0.5f, 0.8f, 0.95f, 0.943f, 0.9f, kNan}, spread = {1.f, 8.f, 2.f, 3.f, 9.f, kNan};
    const std::span<const float> six(depth.data(), 6), none(unknown.data(), 6);
    CHECK(recommend_gauge_layer({auc, spread, six}, 2, 12) == 2 + 3); // as good as the best, and wider
    CHECK(recommend_gauge_layer({auc, none, six}, 2, 12) == 2 + 2);
}

TEST_CASE("where to push") {
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
