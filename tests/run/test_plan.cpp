// Injections and gauges compiled into a plan; ramps and keys of the controls.
#include "files/error.h"
#include "run/controls.h"
#include "run/step_controls.h"
#include "run/token_list.h"
#include "steer/compile_plan.h"

#include <catch2/catch.hpp>

#include <cmath>

using namespace steer;

namespace {

VectorPtr make_vector(int32_t layer_begin, size_t rows, float value, int32_t site = STEER_SITE_OUTPUT) {
    const std::vector<float> values(rows * 4, value);
    VectorOptions options;
    options.layer_begin = layer_begin;
    options.site_applied = options.site_measured = site;
    return create_vector(values.data(), rows, 4, options);
}

InjectionSpec injection(VectorPtr vector, int32_t begin, int32_t end, PushKind kind = PushKind::add) {
    InjectionSpec spec;
    spec.vector = std::move(vector);
    spec.kind = kind;
    spec.layer_begin = begin;
    spec.layer_end = end;
    return spec;
}

GaugeSpec gauge(VectorPtr vector, int32_t begin, int32_t end) {
    GaugeSpec spec;
    spec.vector = std::move(vector);
    spec.layer_begin = begin;
    spec.layer_end = end;
    return spec;
}

CompiledPlan compile(std::vector<InjectionSpec> injections, std::vector<GaugeSpec> gauges, int32_t layers = 8) {
    std::vector<const InjectionSpec*> i;
    std::vector<const GaugeSpec*> g;
    for (const auto& one : injections) i.push_back(&one);
    for (const auto& one : gauges) g.push_back(&one);
    return compile_plan(i, g, layers);
}

std::vector<int32_t> sites_of(const RowPlan& plan) {
    std::vector<int32_t> sites;
    for (const Push& push : plan.pushes) sites.push_back(push.site);
    return sites;
}

} // namespace

TEST_CASE("rows go to the sites that their vector says, ranges are clipped") {
    const VectorPtr at_output = make_vector(2, 4, 1.0f), at_input = make_vector(0, 3, 1.0f, STEER_SITE_INPUT);
    CHECK(sites_of(compile({injection(at_output, 0, INT32_MAX)}, {}).row) == std::vector<int32_t>{2, 3, 4, 5});
    CHECK(sites_of(compile({injection(at_output, 3, 5)}, {}).row) == std::vector<int32_t>{3, 4});
    CHECK(sites_of(compile({injection(at_input, 0, INT32_MAX)}, {}).row) == std::vector<int32_t>{-1, 0, 1});
    CHECK_THROWS_AS(check_injection(injection(at_output, 6, 9), 8), Error);
    CHECK_THROWS_AS(check_injection(injection(at_output, 0, 9), 5), Error); // a row beyond the model
    CHECK_NOTHROW(check_injection(injection(at_output, 0, 9), 6));
    const CompiledPlan both = compile({injection(at_output, 2, 4), injection(at_input, 0, 3)}, {gauge(at_output, 2, 6)});
    CHECK(both.row.pushes_at(-1).size() == 1);
    CHECK(both.row.pushes_at(2).size() == 1);
    CHECK(both.row.pushes_at(7).empty());
    CHECK(both.row.probes_at(5).size() == 1);
    CHECK(both.gauges[0].probes.size() == 4);
    CHECK(both.gauges[0].lowest == 2);
    CHECK(both.gauges[0].highest == 5);
}

TEST_CASE("scales follow layers; a scale of 0 pushes nothing") {
    InjectionSpec spec = injection(make_vector(1, 4, 1.0f), 2, 5);
    spec.layer_scales = {0.5f, 0.0f, 2.0f};
    const CompiledPlan plan = compile({spec}, {});
    CHECK(sites_of(plan.row) == std::vector<int32_t>{2, 4});
    CHECK(plan.row.pushes[0].scale == 0.5f);
    CHECK(plan.row.pushes[1].scale == 2.0f);
}

TEST_CASE("the plan does not know the order of registration") {
    const VectorPtr a = make_vector(0, 3, 1.0f), b = make_vector(1, 3, 2.0f);
    const std::vector<InjectionSpec> specs{injection(a, 0, 3), injection(b, 1, 4, PushKind::add_keep_norm), injection(a, 1, 2),
                                           injection(b, 0, 9), injection(a, 0, 3)};
    std::vector<size_t> order{0, 1, 2, 3, 4};
    const CompiledPlan first = compile(specs, {});
    const auto contents = [](const RowPlan& plan) {
        std::vector<std::tuple<int32_t, PushKind, int32_t, const float*>> all;
        for (const Push& push : plan.pushes) all.emplace_back(push.site, push.kind, push.injection, push.direction);
        return all;
    };
    do {
        std::vector<InjectionSpec> shuffled;
        for (const size_t i : order) shuffled.push_back(specs[i]);
        const CompiledPlan plan = compile(shuffled, {});
        REQUIRE(contents(plan.row) == contents(first.row));
        int same = 0;
        for (const PlannedInjection& one : plan.injections) same += one.same_as_last;
        REQUIRE(same == 1); // the two that do the same
    } while (std::next_permutation(order.begin(), order.end()));
    for (size_t i = 1; i < first.row.pushes.size(); i++) { // by site, norm-keeping before plain
        const Push &x = first.row.pushes[i - 1], &y = first.row.pushes[i];
        CHECK((x.site < y.site || (x.site == y.site && x.kind <= y.kind)));
    }
}

TEST_CASE("equal effects have equal keys, others have others") {
    const VectorPtr a = make_vector(0, 3, 1.0f), same = make_vector(0, 3, 1.0f), b = make_vector(0, 3, 2.0f);
    const uint64_t key = effect_key(injection(a, 0, 3));
    CHECK(effect_key(injection(same, 0, 9)) == key);
    CHECK(effect_key(injection(b, 0, 3)) != key);
    CHECK(effect_key(injection(a, 0, 2)) != key);
    CHECK(effect_key(injection(a, 0, 3, PushKind::add_keep_norm)) != key);
    const auto steering = [&](std::vector<PushedAmount> pushes) { return steering_key(std::move(pushes), kSpanReply); };
    CHECK(steering({{1, 0, kSpanAll, 2.0f}, {2, 1, kSpanAll, 3.0f}}) == steering({{2, 1, kSpanAll, 3.0f}, {1, 0, kSpanReply, 2.0f}}));
    CHECK(steering({{1, 0, kSpanAll, 0.0f}, {2, 1, kSpanPrompt, 3.0f}}) == SteeringKey{});
    CHECK(steering({{1, 0, kSpanAll, 2.0f}}).key != steering({{1, 0, kSpanAll, 2.5f}}).key);
    CHECK(steering({{1, 4, kSpanAll, 2.0f}, {1, 2, kSpanAll, 0.0f}}).lowest_site == 4);
}

TEST_CASE("readings are combined, the unknown stays unknown") {
    const std::vector<float> readings{1.0f, 4.0f, -2.0f};
    CHECK(reduce_layers(Reduce::mean, readings) == 1.0f);
    CHECK(reduce_layers(Reduce::max, readings) == 4.0f);
    CHECK(reduce_layers(Reduce::last, readings) == -2.0f);
    CHECK(std::isnan(reduce_layers(Reduce::mean, {})));
    for (const Reduce reduce : {Reduce::mean, Reduce::max, Reduce::last})
        CHECK(std::isnan(reduce_layers(reduce, std::vector<float>{NAN, 1.0f})));
    GaugeWindow window(3);
    CHECK(window.push(3.0f) == 3.0f);
    CHECK(window.push(5.0f) == 4.0f);
    CHECK(std::isnan(window.push(NAN)));
    CHECK(std::isnan(window.push(1.0f)));
    CHECK(std::isnan(window.push(1.0f)));
    CHECK(window.push(4.0f) == 2.0f);
    CHECK(window.push(7.0f) == 4.0f);
    window.clear();
    CHECK(window.push(9.0f) == 9.0f);
}

TEST_CASE("a step that fails leaves ramps and windows where they were") {
    Controls controls(4, 4);
    const uint32_t id = controls.add_injection(injection(make_vector(0, 2, 1.0f), 0, 2), 1.0f, -INFINITY, INFINITY);
    StepControls kept;
    kept.begin_step(controls, 4, true);
    REQUIRE(controls.set_strength(id, 5.0f, 2) == STEER_OK);
    for (int attempt = 0; attempt < 3; attempt++) { // copies that are thrown away
        StepControls tried = kept;
        tried.begin_step(controls, 4, true);
        CHECK(tried.row_strengths()[0] == 3.0f);
    }
    kept.begin_step(controls, 4, true);
    CHECK(kept.row_strengths()[0] == 3.0f);
    kept.begin_step(controls, 4, false); // a prompt piece does not move it
    CHECK(kept.row_strengths()[0] == 3.0f);
    kept.begin_step(controls, 4, true);
    CHECK(kept.row_strengths()[0] == 5.0f);
}

TEST_CASE("a set for a removed injection never reaches the one that has its slot") {
    Controls controls(1, 1);
    const VectorPtr vector = make_vector(0, 2, 1.0f);
    uint32_t before = controls.add_injection(injection(vector, 0, 2), 1.0f, -INFINITY, INFINITY);
    for (int i = 0; i < 5000; i++) { // over the bits that a command word has for it
        controls.remove_injection(before);
        const uint32_t now = controls.add_injection(injection(vector, 0, 2), 1.0f, -INFINITY, INFINITY);
        REQUIRE(now != before);
        REQUIRE(controls.set_strength(before, 7.0f, 0) == STEER_ERR_ARG);
        before = now;
    }
    StepControls step;
    step.begin_step(controls, 4, true);
    CHECK(step.row_strengths()[0] == 1.0f);
}

TEST_CASE("the list keeps its cache as far as it is unchanged, but for the last token") {
    TokenList list;
    const std::vector<int32_t> ids{1, 2, 3, 4, 5};
    list.replace(0, ids, nullptr);
    list.note_computed(std::vector<SteeringKey>(4));
    CHECK(list.computed_count() == 4);
    list.replace(5, std::vector<int32_t>{6}, nullptr);
    CHECK(list.computed_count() == 4);
    list.note_computed(std::vector<SteeringKey>(1));
    list.replace(0, std::vector<int32_t>{1, 2, 3, 4, 5, 6}, nullptr);
    CHECK(list.computed_count() == 5);
    list.replace(0, std::vector<int32_t>{1, 2, 9, 4, 5, 6}, nullptr);
    CHECK(list.computed_count() == 2);
    list.replace(2, {}, nullptr);
    CHECK(list.size() == 2);
    CHECK(list.computed_count() == 1);
    list.replace(0, {}, nullptr);
    CHECK(list.computed_count() == 0);
}
