// What conditions said, over positions and as bytes from outside.
#include "run/saved_conditions.h"
#include "steer/compile_plan.h"

#include <catch2/catch.hpp>

#include <cstring>
#include <random>

using namespace steer;

namespace {

VectorPtr make_vector(int32_t layers) {
    const std::vector<float> values(static_cast<size_t>(layers) * 4, 1.0f);
    return create_vector(values.data(), static_cast<size_t>(layers), 4, {});
}

// Two injections above a gauge at layer 0: one with a rule and a gate, one with a rule.
struct Host {
    Controls controls{4, 4};
    VectorPtr vector = make_vector(3);
    uint32_t gauge;

    explicit Host(bool turned = false) {
        GaugeSpec reads;
        reads.vector = vector;
        reads.reading = Reading::own;
        reads.layer_end = 1;
        gauge = controls.add_gauge(reads);
        if (turned) add(2, {rule(0.5f)}), add(1, {rule(0.0f), gate()});
        else add(1, {rule(0.0f), gate()}), add(2, {rule(0.5f)});
    }
    ConditionSpec rule(float enter) const { return {gauge, false, {enter, enter, false}, 0, nullptr, 0}; }
    ConditionSpec gate() const { return {gauge, true, {0.25f, 0.0f, false}, 1, nullptr, 0}; }
    void add(int32_t begin, std::vector<ConditionSpec> conditions) {
        InjectionSpec spec;
        spec.vector = vector;
        spec.layer_begin = begin;
        spec.layer_end = 3;
        spec.conditions = std::move(conditions);
        controls.add_injection(spec, 1.0f, -1e9f, 1e9f);
    }
    ConditionOwners owners() const { return controls.view().owners; }
};

ConditionHistory some_history(const ConditionOwners& owners) {
    ConditionHistory history;
    history.note(0, 3, owners, 0b00, std::nullopt, std::vector<uint64_t>{0, 1, 1}); // a prompt
    history.note(3, 1, owners, 0b00, 0b01, std::vector<uint64_t>{1});               // sampled
    history.note(4, 1, owners, 0b01, 0b11, std::vector<uint64_t>{0});
    return history;
}

} // namespace

TEST_CASE("a history is kept as far as the tokens are, and the gates as far as the cache is") {
    const Host host;
    const ConditionOwners owners = host.owners();
    ConditionHistory history = some_history(owners);
    const auto today = [&] { return ConditionHistory::Today(history, owners); };
    CHECK(today().before(4).rules == 0b01);
    CHECK(today().before(4).gates == 1);
    CHECK(today().before(5).rules == 0b11);
    CHECK(today().before(9).rules == 0b11); // holds on
    CHECK(today().before(0).gates == 0);
    CHECK(today().at(4).gates == 0);
    CHECK(today().same_rules(0, 9) == 4);
    CHECK(today().same_rules(4, 1) == 1);
    history.keep_computed(2); // a refresh: rules stay
    CHECK(today().before(5).rules == 0b11);
    CHECK(today().before(2).gates == 1);
    CHECK(today().before(4).gates == 0);
    history.keep_tokens(4); // the list was cut: what stood at 4 depends on the four before it
    CHECK(today().before(4).rules == 0b01);
    CHECK(today().before(9).rules == 0b01);
    CHECK(ConditionHistory::Today(history, {}).before(4).rules == 0); // nobody's bits any more
}

TEST_CASE("a condition that came later has said nothing before; a gate might have been open") {
    Host host;
    ConditionHistory history = some_history(host.owners());
    host.add(1, {host.rule(1.0f), host.gate()});
    const ConditionOwners owners = host.owners();
    const ConditionHistory::Today today(history, owners);
    CHECK(today.before(5).rules == 0b011);
    CHECK(today.before(2).gates == 0b01);
    CHECK(today.at(2).gates == 0b11);
    history.note(5, 1, owners, 0b111, 0b111, std::vector<uint64_t>{0b10});
    const ConditionHistory::Today later(history, owners);
    CHECK(later.at(5).gates == 0b10);
    CHECK(later.at(4).gates == 0b10); // of the first it is known, of the second not
    CHECK(later.before(4).rules == 0b001);
}

TEST_CASE("what was said is found again by conditions that are alike, in any order of adding") {
    const Host from, to(true);
    const std::string bytes = save_conditions(some_history(from.owners()), from.controls.view());
    ConditionHistory loaded;
    REQUIRE(load_conditions(bytes, 5, 5, to.controls.view(), loaded));
    const ConditionOwners owners = to.owners();
    const ConditionHistory::Today today(loaded, owners);
    CHECK(today.before(4).rules == 0b10); // the other one's rule was placed first here
    CHECK(today.before(5).rules == 0b11);
    CHECK(today.before(2).gates == 1);
    REQUIRE(load_conditions(bytes, 5, 2, to.controls.view(), loaded)); // two positions in the cache
    CHECK(loaded.gates().size() == 2);
    const Controls nobody(4, 4);
    REQUIRE(load_conditions(bytes, 5, 5, nobody.view(), loaded));
    CHECK(loaded.rules() == std::vector<uint64_t>(6, 0));
    CHECK(save_conditions(ConditionHistory(), from.controls.view()).empty());
}

TEST_CASE("bytes from outside are a history or refused") {
    const Host host;
    const std::string good = save_conditions(some_history(host.owners()), host.controls.view());
    const ControlsView view = host.controls.view();
    ConditionHistory loaded;
    REQUIRE(load_conditions(good, 5, 5, view, loaded));
    CHECK_FALSE(load_conditions(good, 4, 4, view, loaded)); // more positions than the conversation has
    for (size_t size = 1; size < good.size(); size++) CHECK_FALSE(load_conditions(good.substr(0, size), 5, 5, view, loaded));
    CHECK_FALSE(load_conditions(good + '\0', 5, 5, view, loaded));
    std::mt19937 random(1);
    for (int i = 0; i < 20000; i++) {
        std::string bytes = good;
        for (int n = 0; n < 3; n++) bytes[random() % bytes.size()] = static_cast<char>(random());
        if (!load_conditions(bytes, 5, 5, view, loaded)) continue;
        CHECK(loaded.rules().size() <= 6);
        CHECK(loaded.gates().size() <= 5);
        ConditionHistory::Today(loaded, view.owners).before(5);
    }
}
