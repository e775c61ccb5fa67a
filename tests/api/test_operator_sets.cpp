// A thousand random sets of operators through the C door: whoever was added first makes no difference, and pins and bounds hold.
#include "host.h"

#include <algorithm>
#include <limits>
#include <random>

using namespace host;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr size_t kVectors = 6, kLayers = 3;
constexpr int32_t kSets = 1000, kTokens = 3;

using Random = std::mt19937;

float uniform(Random& random, float low, float high) { return std::uniform_real_distribution<float>(low, high)(random); }
int32_t pick(Random& random, int32_t count) { return std::uniform_int_distribution<int32_t>(0, count - 1)(random); }

Vector random_vector(steer_model* model, Random& random) {
    steer_model_info info;
    OK(steer_model_get_info(model, &info, sizeof info, &err));
    std::normal_distribution<float> normal;
    std::vector<float> rows(kLayers * static_cast<size_t>(info.hidden_size));
    for (float& value : rows) value = normal(random);
    steer_vector_options options;
    steer_vector_options_init(&options, sizeof options);
    options.model = model;
    options.name = "random";
    Vector vector;
    OK(steer_vector_create(rows.data(), kLayers, static_cast<size_t>(info.hidden_size), &options, vector.out(), &err));
    return vector;
}

// Intervals on vectors of their own: two targets for one direction are refused.
std::vector<steer_injection_options> random_set(Random& random, const std::vector<Vector>& vectors) {
    std::vector<steer_injection_options> set;
    for (const Vector& vector : vectors) {
        if (pick(random, 3) == 0) continue;
        steer_injection_options options;
        steer_injection_options_init(&options, sizeof options);
        options.vector = vector;
        options.op = pick(random, 3);
        options.layer_begin = pick(random, kLayers);
        options.layer_end = options.layer_begin + 1 + pick(random, kLayers);
        options.strength = uniform(random, -0.5f, 0.5f);
        if (options.op == STEER_OP_INTERVAL) {
            options.strength = 1.0f;
            const int32_t kind = pick(random, 4);
            const float at = uniform(random, -2.0f, 2.0f);
            options.low = kind == 1 ? -kInf : at;
            options.high = kind == 0 ? at : kind == 2 ? kInf : kind == 1 ? at : at + uniform(random, 0.0f, 1.0f);
        } else {
            options.span = pick(random, 3);
        }
        set.push_back(options);
    }
    return set;
}

struct Held { // what the projection on one interval's row must be at one layer
    steer_gauge_id gauge;
    float low, high;
};

// Kinds of one stage are summed in the order of their rows, whatever the order of adding.
std::vector<Step> speak(steer_model* model, const std::vector<steer_injection_options>& set, const std::vector<size_t>& order,
                        std::vector<Held>* held = nullptr) {
    steer_session_options options;
    steer_session_options_init(&options, sizeof options);
    options.gauge_max = kVectors * kLayers;
    Session session;
    OK(steer_session_create(model, &options, session.out(), &err));
    set_generation(session, plain_generation());
    for (const size_t i : order) {
        steer_injection_id id = 0;
        OK(steer_injection_add(session, &set[i], &id, &err));
    }
    for (const steer_injection_options& one : set) { // the same gauges in every order
        if (one.op != STEER_OP_INTERVAL) continue;
        for (int32_t layer = one.layer_begin; layer < std::min<int32_t>(one.layer_end, kLayers); layer++) {
            const steer_gauge_id id = gauge(session, const_cast<steer_vector*>(one.vector), layer, STEER_READING_RAW, STEER_TAP_AFTER,
                                            STEER_METRIC_PROJECTION);
            if (held != nullptr) held->push_back({id, one.low, one.high});
        }
    }
    set_tokens(session, 0, encode(model, kPrompt));
    return reply(session, kTokens);
}

} // namespace

TEST_CASE("random sets of operators act alike in every order, and their pins and bounds hold") {
    Model model = load();
    Random random(20260101);
    std::vector<Vector> vectors;
    for (size_t i = 0; i < kVectors; i++) vectors.push_back(random_vector(model, random));
    int32_t intervals = 0, outside = 0, different = 0;
    for (int32_t number = 0; number < kSets; number++) {
        const std::vector<steer_injection_options> set = random_set(random, vectors);
        std::vector<size_t> order(set.size());
        for (size_t i = 0; i < order.size(); i++) order[i] = i;
        std::vector<Held> held;
        const std::vector<Step> first = speak(model, set, order, &held);
        std::shuffle(order.begin(), order.end(), random);
        const std::vector<Step> again = speak(model, set, order);
        if (!same_bits(first, again)) different++;
        for (size_t i = 0; i < first.size(); i++)
            if (first[i].gauges != again[i].gauges && !held.empty()) different++;
        for (const Step& step : first)
            for (const Held& one : held) {
                const float value = step.gauges[STEER_SLOT(one.gauge)], slack = 1e-3f;
                intervals++;
                if (!(value >= one.low - slack && value <= one.high + slack)) outside++;
            }
    }
    CHECK(different == 0);
    CHECK(outside == 0);
    CHECK(intervals > kSets);
}
