// Which rows extraction makes, and that taking the layers a few at a time changes nothing.
#include "run/extraction.h"
#include "files/error.h"
#include "tiny_model.h"

#include <catch2/catch.hpp>

using namespace steer;

namespace {

std::vector<ContrastPair> pairs_by_system() {
    std::vector<ContrastPair> pairs;
    const char* const words[] = {"hello all", "see hell", "oh well", "all he will", "shell", "her yell", "tell me", "then"};
    for (uint64_t i = 0; i < 8; i++)
        pairs.push_back({{"be loud", words[7 - i], std::string(words[i]) + " yo"}, {"be calm", words[7 - i], std::string("o ") + words[i]}, i / 2});
    return pairs;
}

struct Bench {
    tiny::Folder folder;
    Model model{folder.path(), {}, false};
    Bench() { model.set_residency(STEER_RESIDENCY_DEVICE, {}); }
    VectorPtr extract(const std::vector<ContrastPair>& pairs, int32_t method, int32_t pooling, uint64_t bytes = 1 << 20) {
        ExtractionOptions options;
        options.method = method, options.pooling = pooling, options.holdout = 0.5f, options.kept_bytes_max = bytes;
        return extract_vector(model, pairs, options, {});
    }
};

bool same_rows(const std::vector<VectorRow>& a, const std::vector<VectorRow>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const VectorRow& x, const VectorRow& y) {
        const auto same = [](float one, float other) { return one == other || (std::isnan(one) && std::isnan(other)); };
        return x.values == y.values && same(x.auc, y.auc) && same(x.auc_content, y.auc_content) && x.neutral == y.neutral &&
               x.residual_norm == y.residual_norm && same(x.split_half_cosine, y.split_half_cosine);
    });
}

} // namespace

TEST_CASE("layers a few at a time give the same vector") {
    Bench bench;
    const int32_t method = GENERATE(int32_t{STEER_METHOD_PCA_CENTRED}, int32_t{STEER_METHOD_PCA_PAIRS}, int32_t{STEER_METHOD_PROBE});
    const auto pairs = pairs_by_system();
    const VectorPtr whole = bench.extract(pairs, method, STEER_POOL_REPLY_MEAN);
    const uint64_t of_layer = 4 * 16 * sizeof(float) * 2; // 4 pairs in training, 16 wide; two sets of differences or both states
    const VectorPtr pieces = bench.extract(pairs, method, STEER_POOL_REPLY_MEAN, of_layer);
    CHECK(same_rows(whole->write, pieces->write));
    CHECK(same_rows(whole->read, pieces->read));
    CHECK((whole->gauge_layer == pieces->gauge_layer && whole->best_begin == pieces->best_begin));
    CHECK(std::isfinite(whole->read[0].auc_content));
    CHECK_THROWS_WITH(bench.extract(pairs, method, STEER_POOL_REPLY_MEAN, of_layer - 1), Catch::Contains("MEAN_DIFFERENCE"));
}

TEST_CASE("two sets of rows where one recipe does not give the best of both") {
    Bench bench;
    auto pairs = pairs_by_system();
    const auto pooling_of = [&](const VectorPtr& vector, const char* key) { return vector->metadata.count(key) ? vector->metadata.at(key) : ""; };
    const VectorPtr both = bench.extract(pairs, STEER_METHOD_MEAN_DIFFERENCE, STEER_POOL_REPLY_MEAN);
    CHECK(pooling_of(both, "pooling") == "user mean");
    CHECK(pooling_of(both, "read_pooling") == "reply mean");
    // What the host asks for by name it gets.
    const VectorPtr users = bench.extract(pairs, STEER_METHOD_MEAN_DIFFERENCE, STEER_POOL_USER_MEAN);
    CHECK(users->read.empty());
    CHECK(same_rows(users->write, both->write));
    const VectorPtr probe = bench.extract(pairs, STEER_METHOD_PROBE, STEER_POOL_REPLY_LAST);
    CHECK(probe->metadata.at("method") == "mean difference");
    CHECK(probe->metadata.at("read_method") == "probe");
    CHECK(same_rows(probe->write, bench.extract(pairs, STEER_METHOD_MEAN_DIFFERENCE, STEER_POOL_REPLY_LAST)->write));
    // One pair whose system texts are the same, and the user's tokens tell nothing.
    pairs[5].positive.system = pairs[5].negative.system;
    CHECK(bench.extract(pairs, STEER_METHOD_MEAN_DIFFERENCE, STEER_POOL_REPLY_MEAN)->read.empty());
}
