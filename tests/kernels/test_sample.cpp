#include "kernels/cpu/sample.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <random>

using namespace steer;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> random_logits(size_t size, uint32_t seed, float scale = 2.0f) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal; // scaled by hand: a scale of 0 is no distribution
    std::vector<float> x(size);
    for (float& value : x) value = normal(random) * scale;
    return x;
}

struct Case { // a draw with what it points to
    std::vector<float> logits;
    SamplingSettings settings;
    std::vector<int32_t> tokens;
    std::vector<uint32_t> allowed;
    int32_t reply_begin = 0;
    uint64_t seed = 1;
    int32_t position = 0, vocab_size = -1;

    Draw draw() const {
        const int32_t size = vocab_size < 0 ? static_cast<int32_t>(logits.size()) : vocab_size;
        return {0, &settings, seed, position, size, tokens, reply_begin, allowed};
    }
    Drawn drawn() const {
        Drawn result;
        draw_token(logits.data(), nullptr, draw(), result);
        return result;
    }
    FilteredLogits filtered() const {
        FilteredLogits result;
        filter_logits(logits.data(), draw(), result);
        return result;
    }
    std::vector<int32_t> kept() const {
        const FilteredLogits f = filtered();
        std::vector<int32_t> ids;
        for (int32_t id = 0; id < draw().vocab_size; id++)
            if (f.keeps(id)) ids.push_back(id);
        return ids;
    }
};

std::vector<double> softmax(const std::vector<float>& logits, double temperature = 1.0) {
    const double max = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
    std::vector<double> p;
    double sum = 0.0;
    for (const float logit : logits) sum += p.emplace_back(std::exp((static_cast<double>(logit) - max) / temperature));
    for (double& value : p) value /= sum;
    return p;
}

// Pearson's statistic less its mean, in its own standard deviations: beyond 6 for one seed in some ten million.
double surprise(const std::vector<int>& counts, const std::vector<double>& p, int total) {
    double statistic = 0.0;
    for (size_t i = 0; i < p.size(); i++) statistic += std::pow(counts[i] - total * p[i], 2) / (total * p[i]);
    const double freedom = static_cast<double>(p.size()) - 1.0;
    return (statistic - freedom) / std::sqrt(2.0 * freedom);
}

} // namespace

TEST_CASE("draws are distributed as the softmax says, over positions and over seeds") {
    constexpr int kDraws = 40000;
    Case c;
    c.logits = random_logits(70, 3, 1.0f);
    for (const float temperature : {1.0f, 0.7f, 1.8f}) {
        c.settings.temperature = temperature;
        const std::vector<double> p = softmax(c.logits, static_cast<double>(temperature));
        std::vector<int> by_position(p.size()), by_seed(p.size());
        for (int i = 0; i < kDraws; i++) {
            c.seed = 12345;
            c.position = i;
            by_position[static_cast<size_t>(c.drawn().token)]++;
            c.seed = static_cast<uint64_t>(i) << 20 | 1;
            c.position = 9;
            by_seed[static_cast<size_t>(c.drawn().token)]++;
        }
        CHECK(std::abs(surprise(by_position, p, kDraws)) < 6.0);
        CHECK(std::abs(surprise(by_seed, p, kDraws)) < 6.0);
    }
}

TEST_CASE("draws at neighbouring positions are independent") {
    constexpr int kDraws = 40000;
    Case c;
    c.logits = random_logits(6, 4, 0.7f);
    const std::vector<double> p = softmax(c.logits);
    std::vector<double> joint;
    for (const double a : p)
        for (const double b : p) joint.push_back(a * b);
    std::vector<int> counts(joint.size());
    for (int i = 0; i < kDraws; i++) {
        c.position = 2 * i;
        const auto first = static_cast<size_t>(c.drawn().token);
        c.position = 2 * i + 1;
        counts[first * p.size() + static_cast<size_t>(c.drawn().token)]++;
    }
    CHECK(std::abs(surprise(counts, joint, kDraws)) < 6.0);
}

TEST_CASE("a filtered draw follows the softmax of what is kept") {
    constexpr int kDraws = 30000;
    Case c;
    c.logits = random_logits(300, 5);
    c.settings.top_k = 12;
    const std::vector<int32_t> kept = c.kept();
    REQUIRE(kept.size() == 12);
    std::vector<float> logits;
    for (const int32_t id : kept) logits.push_back(c.logits[static_cast<size_t>(id)]);
    std::vector<int> counts(kept.size());
    for (int i = 0; i < kDraws; i++) {
        c.position = i;
        const auto at = std::find(kept.begin(), kept.end(), c.drawn().token);
        REQUIRE(at != kept.end());
        counts[static_cast<size_t>(at - kept.begin())]++;
    }
    CHECK(std::abs(surprise(counts, softmax(logits), kDraws)) < 6.0);
}

TEST_CASE("log-probability, entropy and the likeliest are those of the logits as they came") {
    Case c;
    c.logits = random_logits(1000, 6);
    c.logits[17] = -kInf;
    c.settings.temperature = 0.3f;
    c.settings.top_k = 5;
    c.settings.repeat_penalty = 1.7f;
    c.settings.biases = {{3, 2.0f}, {900, -kInf}};
    c.settings.top_log_probs = 20;
    c.tokens = {1, 2, 3};
    const std::vector<double> p = softmax(c.logits);
    double entropy = 0.0;
    for (const double value : p) entropy -= value > 0.0 ? value * std::log(value) : 0.0;
    const Drawn drawn = c.drawn();
    REQUIRE(drawn.finite);
    CHECK(drawn.log_prob == Approx(std::log(p[static_cast<size_t>(drawn.token)])).margin(2e-6));
    CHECK(drawn.entropy == Approx(entropy).epsilon(2e-6));

    std::vector<int32_t> order(p.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = static_cast<int32_t>(i);
    std::sort(order.begin(), order.end(),
              [&](int32_t a, int32_t b) { return p[static_cast<size_t>(a)] > p[static_cast<size_t>(b)]; });
    REQUIRE(drawn.top.size() == 20);
    for (size_t i = 0; i < drawn.top.size(); i++) {
        CHECK(drawn.top[i].token == order[i]);
        CHECK(drawn.top[i].log_prob == Approx(std::log(p[static_cast<size_t>(order[i])])).margin(2e-6));
    }

    Score score;
    score_logits(c.logits.data(), 1000, {0, 77, 3}, score);
    CHECK(score.finite);
    CHECK(score.target_log_prob == Approx(std::log(p[77])).margin(2e-6));
    REQUIRE(score.top.size() == 3);
    CHECK(score.top[2].token == order[2]);
    score_logits(c.logits.data(), 1000, {0, 17, 0}, score);
    CHECK(score.target_log_prob == -kInf);
}

TEST_CASE("greedy takes the largest, of equals the lowest id") {
    Case c;
    c.logits = random_logits(500, 7);
    c.logits[400] = c.logits[130] = c.logits[131] = 50.0f;
    for (const float temperature : {0.0f, 1e-42f, 1e-37f}) { // zero, denormal, so small that scores overflow
        c.settings.temperature = temperature;
        CHECK(c.drawn().token == 130);
    }
    c.settings.temperature = 0.0f;
    c.settings.biases = {{130, -0.5f}};
    CHECK(c.drawn().token == 131);
    c.settings.top_log_probs = 2;
    CHECK(c.drawn().top[0].token == 130);
    CHECK(c.drawn().top[1].token == 131);
}

TEST_CASE("ids from vocab_size on are never drawn, counted or looked at") {
    Case c;
    c.logits = random_logits(100, 8);
    Case shorter = c;
    shorter.logits.resize(90);
    c.logits[95] = 100.0f;
    c.logits[96] = std::nanf("");
    c.vocab_size = 90;
    c.settings.top_log_probs = shorter.settings.top_log_probs = 20;
    for (c.position = 0; c.position < 50; c.position++) {
        shorter.position = c.position;
        const Drawn a = c.drawn(), b = shorter.drawn();
        CHECK(a.token == b.token);
        CHECK(a.log_prob == b.log_prob);
        CHECK(a.entropy == b.entropy);
        CHECK(a.top[0].token < 90);
    }
}

TEST_CASE("what is not a number is reported, what is only impossible is not") {
    Case c;
    c.logits = random_logits(200, 9);
    for (const float bad : {std::nanf(""), kInf}) {
        Case broken = c;
        broken.logits[150] = bad;
        CHECK_FALSE(broken.drawn().finite);
        CHECK(broken.drawn().token == -1);
        Score score;
        score_logits(broken.logits.data(), 200, {0, 3, 0}, score);
        CHECK_FALSE(score.finite);
    }
    for (size_t i = 0; i < 199; i++) c.logits[i] = -kInf;
    CHECK(c.drawn().token == 199);
    CHECK(c.drawn().log_prob == 0.0f);
    CHECK(c.drawn().entropy == 0.0f);
    c.logits[199] = -kInf;
    CHECK_FALSE(c.drawn().finite);
    c.logits.clear();
    CHECK_FALSE(c.drawn().finite);
}

TEST_CASE("only allowed ids are drawn; none allowed is reported") {
    Case c;
    c.logits = random_logits(100, 10);
    c.allowed = {0, 1u << 7 | 1u << 31, 0}; // ids 39 and 63; 96 to 99 have no bit
    for (const int32_t top_k : {0, 1, 5}) {
        c.settings.top_k = top_k;
        const int32_t better = c.logits[39] > c.logits[63] ? 39 : 63;
        CHECK(c.kept() == (top_k == 1 ? std::vector<int32_t>{better} : std::vector<int32_t>{39, 63}));
        for (c.position = 0; c.position < 20; c.position++) {
            const int32_t token = c.drawn().token;
            CHECK((token == 39 || token == 63));
        }
    }
    c.settings.biases = {{39, -kInf}, {63, -kInf}};
    CHECK_FALSE(c.drawn().finite);
    CHECK(c.drawn().token == -1);
}

TEST_CASE("penalties: the formulas, the window and who is counted") {
    Case c;
    c.logits = {2.0f, -2.0f, 1.0f, 4.0f, 0.5f, 3.0f};
    c.tokens = {0, 1, 2, 3, 3, 3, 1, -5, 99}; // ids that are none are passed over
    c.reply_begin = 4;                        // counted: 3 twice, 1 once
    c.settings.repeat_penalty = 2.0f;
    c.settings.presence_penalty = 0.25f;
    c.settings.frequency_penalty = 0.5f;
    const auto expect = [&](std::vector<float> scores) { CHECK(c.filtered().scores == scores); };
    expect({1.0f, -4.75f, 0.5f, 0.75f, 0.5f, 3.0f});
    c.settings.penalty_window = 4; // 3 1 -5 99
    expect({2.0f, -4.75f, 1.0f, 1.25f, 0.5f, 3.0f});
    c.settings.penalty_window = 0;
    expect(c.logits);
    c.settings.penalty_window = 100;
    c.settings.repeat_penalty = 1.0f;
    expect({2.0f, -2.75f, 1.0f, 2.75f, 0.5f, 3.0f});
    c.settings.biases = {{1, 3.0f}, {6, 1.0f}, {-1, 1.0f}}; // bias first: 1 is then positive
    c.settings.repeat_penalty = 2.0f;
    expect({1.0f, -0.25f, 0.5f, 0.75f, 0.5f, 3.0f});
}

TEST_CASE("an edge among equal scores keeps them all") {
    Case c;
    c.logits = {1.0f, 3.0f, 1.0f, 2.0f, 1.0f, 0.0f};
    c.settings.top_k = 3;
    CHECK(c.kept() == std::vector<int32_t>{0, 1, 2, 3, 4});
    c.settings.top_k = 2;
    CHECK(c.kept() == std::vector<int32_t>{1, 3});
    c.settings.top_k = 0;
    c.settings.top_p = 0.9f; // 3 and 2 have 0.75 of the mass, each 1 has 0.075
    CHECK(c.kept() == std::vector<int32_t>{0, 1, 2, 3, 4});
}

TEST_CASE("whatever the settings, what is drawn is kept, and something is kept if anything may be") {
    std::mt19937 random(11);
    const auto pick = [&](std::initializer_list<float> values) { return values.begin()[random() % values.size()]; };
    int drawn_count = 0;
    for (int trial = 0; trial < 3000; trial++) {
        Case c;
        c.logits = random_logits(1 + random() % 300, random(), pick({0.0f, 0.1f, 3.0f, 100.0f, 1e37f}));
        for (int i = 0; i < 4; i++)
            c.logits[random() % c.logits.size()] = pick({-kInf, 0.0f, 1e-42f, -3e38f, 65504.0f});
        if (trial % 20 == 0) c.logits[random() % c.logits.size()] = pick({kInf, std::nanf("")});
        c.settings.temperature = pick({0.0f, 1e-40f, 1e-6f, 0.7f, 1.0f, 100.0f});
        c.settings.top_k = static_cast<int32_t>(pick({0.0f, 1.0f, 5.0f, 1e6f}));
        c.settings.top_p = pick({0.0f, 1e-9f, 0.5f, 0.999999f, 1.0f});
        c.settings.min_p = pick({0.0f, 0.05f, 1.0f});
        c.settings.typical_p = pick({1e-9f, 0.5f, 1.0f});
        c.settings.repeat_penalty = pick({1.0f, 1.3f, 0.5f, 1e-30f, 1e30f});
        c.settings.presence_penalty = pick({0.0f, 2.0f, -2.0f, 1e38f});
        c.settings.frequency_penalty = pick({0.0f, 0.5f, -1e38f});
        for (int i = 0; i < 30; i++) c.tokens.push_back(static_cast<int32_t>(random() % 400) - 50);
        for (int i = 0; i < 3; i++)
            c.settings.biases.push_back({static_cast<int32_t>(random() % 400) - 50, pick({-kInf, 1.0f, 1e38f})});
        if (trial % 3 == 0) c.allowed.assign(10, static_cast<uint32_t>(random()));
        c.settings.top_log_probs = static_cast<int32_t>(random() % 21);
        c.position = trial;
        c.vocab_size = static_cast<int32_t>(1 + random() % c.logits.size());

        const Drawn drawn = c.drawn();
        const bool clean =
            std::all_of(c.logits.begin(), c.logits.begin() + c.vocab_size, [](float x) { return x < kInf; }) &&
            std::any_of(c.logits.begin(), c.logits.begin() + c.vocab_size, [](float x) { return x > -kInf; });
        const FilteredLogits f = c.filtered();
        REQUIRE(drawn.finite == (clean && f.best >= 0));
        if (!drawn.finite) {
            REQUIRE(drawn.token == -1);
            continue;
        }
        drawn_count++;
        REQUIRE((drawn.token >= 0 && drawn.token < c.vocab_size));
        REQUIRE(f.keeps(drawn.token));
        REQUIRE(f.keeps(f.best));
        const auto token = static_cast<size_t>(drawn.token);
        if (!c.allowed.empty()) REQUIRE((c.allowed[token / 32] >> token % 32 & 1) == 1);
        REQUIRE(drawn.log_prob <= 0.0f);
        REQUIRE(drawn.entropy >= 0.0f);
        REQUIRE(drawn.entropy <= std::log(static_cast<float>(c.vocab_size)) + 1e-5f);
        REQUIRE(static_cast<int32_t>(drawn.top.size()) == std::min(c.settings.top_log_probs, c.vocab_size));
    }
    CHECK(drawn_count > 1000);
}

TEST_CASE("a million draws under settings and logits of any kind give ids in range") {
    std::mt19937 random(29);
    const auto pick = [&](std::initializer_list<float> values) { return values.begin()[random() % values.size()]; };
    const float nan = std::nanf("");
    size_t drawn_count = 0, refused = 0, wrong = 0;
    Case c;
    c.allowed.resize(1);
    for (int trial = 0; trial < 1000000; trial++) {
        c.logits.resize(1 + random() % 24);
        for (float& logit : c.logits) logit = static_cast<float>(static_cast<int32_t>(random() % 4001) - 2000) * 0.01f;
        if (trial % 5 == 0) c.logits[random() % c.logits.size()] = pick({kInf, -kInf, nan, 3.4e38f, -3.4e38f, 1e-45f, 65504.0f});
        if (trial % 97 == 0) std::fill(c.logits.begin(), c.logits.end(), pick({0.0f, -kInf, 3.4e38f, nan}));
        c.settings.temperature = pick({0.0f, 1e-45f, 0.7f, 1.0f, 1e6f});
        c.settings.top_k = static_cast<int32_t>(random() % 4);
        c.settings.top_p = pick({0.0f, 1e-9f, 0.9f, 1.0f});
        c.settings.min_p = pick({0.0f, 0.1f, 1.0f});
        c.settings.typical_p = pick({0.0f, 0.5f, 1.0f});
        c.settings.repeat_penalty = pick({1e-3f, 1.0f, 1.1f, 1e3f});
        c.settings.presence_penalty = pick({0.0f, 1e3f, -1e3f});
        c.settings.biases.assign(trial % 3 == 0 ? 1 : 0, {static_cast<int32_t>(random() % 30) - 3, pick({-kInf, 5.0f, -3.4e38f})});
        c.tokens.assign(trial % 4 == 0 ? 2 : 0, static_cast<int32_t>(random() % 30) - 3);
        c.allowed[0] = trial % 2 == 0 ? ~uint32_t{0} : static_cast<uint32_t>(random());
        c.position = trial;
        c.vocab_size = static_cast<int32_t>(1 + random() % c.logits.size());
        const Drawn drawn = c.drawn();
        const bool in_range = drawn.token >= 0 && drawn.token < c.vocab_size && (c.allowed[0] >> drawn.token & 1) == 1;
        wrong += drawn.finite ? !in_range : drawn.token != -1;
        (drawn.finite ? drawn_count : refused)++;
    }
    CHECK(wrong == 0);
    CHECK(drawn_count > 800000);
    CHECK(refused > 10000);
}
