// Operators at a site: closed forms, a thousand random sets in which pins and bounds hold and the order of adding changes no
// bit, and a dense solution in double precision that shares nothing with ours.
#include "kernels/cpu/site.h"
#include "steer/compile_plan.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

using namespace steer;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
using State = std::vector<float>;

struct Operator {
    InjectionSpec spec;
    float strength = 1.0f;
};

VectorPtr make_vector(const State& row) { return create_vector(row.data(), 1, row.size(), {}); }

Operator make(PushKind kind, const State& row, float strength, float low = 0.0f, float high = 0.0f) {
    InjectionSpec spec;
    spec.vector = make_vector(row);
    spec.kind = kind;
    spec.layer_end = 1;
    spec.low = low;
    spec.high = high;
    return {std::move(spec), strength};
}
Operator pin(const State& row, float target, float share = 1.0f) { return make(PushKind::interval, row, share, target, target); }

// What site 0 makes of x; strengths sorted within equal effects, as a session does it.
State operate(const std::vector<Operator>& operators, State x, StreamType type = StreamType::f32) {
    std::vector<const InjectionSpec*> specs;
    for (const Operator& one : operators) specs.push_back(&one.spec);
    const CompiledPlan plan = compile_plan(specs, {}, 1);
    std::vector<float> strengths;
    for (size_t i = 0; i < plan.injections.size(); i++) {
        strengths.push_back(operators[static_cast<size_t>(plan.injections[i].input)].strength);
        size_t begin = i;
        while (plan.injections[begin].same_as_last) begin--;
        std::sort(strengths.begin() + static_cast<ptrdiff_t>(begin), strengths.end());
    }
    SiteKernel kernel(static_cast<int32_t>(x.size()), type);
    const uint8_t reply = 1;
    const SiteRow row{&plan.row, strengths, 0, 1, nullptr, nullptr};
    kernel.visit(0, x.data(), {&reply, 1}, {&row, 1});
    return x;
}

double dot(const State& a, const State& b) {
    double sum = 0.0;
    for (size_t i = 0; i < a.size(); i++) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}
double norm(const State& a) { return std::sqrt(dot(a, a)); }
double along(const State& x, const State& v) { return dot(x, v) / norm(v); }

struct Random {
    std::mt19937 engine;
    explicit Random(uint32_t seed) : engine(seed) {}
    float real(float low, float high) { return std::uniform_real_distribution<float>(low, high)(engine); }
    size_t below(size_t count) { return engine() % count; }
    State state(size_t size, float scale) {
        std::normal_distribution<float> normal;
        State x(size);
        for (float& value : x) value = scale * normal(engine);
        return x;
    }
};

constexpr size_t kSize = 64;

Operator random_operator(Random& random) {
    const State row = random.state(kSize, random.real(0.1f, 4.0f));
    const float t = random.real(-6.0f, 6.0f);
    switch (random.below(8)) {
    case 0: return make(PushKind::add, row, random.real(-2.0f, 2.0f));
    case 1: return make(PushKind::add_keep_norm, row, random.real(-2.0f, 2.0f));
    case 2: return pin(row, 0.0f);
    case 3: return pin(row, t);
    case 4: return make(PushKind::interval, row, 1.0f, t, kInf);
    case 5: return make(PushKind::interval, row, 1.0f, -kInf, t);
    case 6: return make(PushKind::interval, row, 1.0f, t, t + random.real(0.1f, 3.0f));
    default: return make(PushKind::interval, row, 0.0f, t, t); // off
    }
}

// The same in double precision by Gaussian elimination with pivoting over all that ask, anew in each round.
std::vector<double> dense(const std::vector<Operator>& operators, const State& x0) {
    std::vector<double> x(x0.begin(), x0.end());
    const auto row = [](const Operator& one) { return one.spec.vector->row(0, STEER_ROWS_WRITE)->values; };
    const auto add = [&](PushKind kind) {
        for (const Operator& one : operators)
            for (size_t i = 0; one.spec.kind == kind && i < x.size(); i++)
                x[i] += static_cast<double>(one.strength) * static_cast<double>(row(one)[i]);
    };
    const auto length = [&] { return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0)); };
    const double before = length();
    add(PushKind::add_keep_norm);
    const double grown = length();
    for (double& value : x) value *= before / grown;
    add(PushKind::add);

    std::vector<std::vector<double>> units;
    std::vector<const Operator*> all;
    for (const Operator& one : operators) {
        if (one.spec.kind != PushKind::interval || one.strength == 0.0f) continue;
        const State values = row(one);
        all.push_back(&one);
        units.emplace_back(values.begin(), values.end());
        for (double& value : units.back()) value /= norm(values);
    }
    const auto inner = [](const auto& a, const auto& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); };
    const auto target = [&](size_t i, double c) {
        const double clipped = std::clamp(c, double{all[i]->spec.low}, double{all[i]->spec.high});
        return c + static_cast<double>(all[i]->strength) * (clipped - c);
    };
    std::vector<double> now = x;
    std::vector<size_t> asking;
    std::vector<double> targets(all.size());
    const auto ask = [&](size_t i, double c) { asking.push_back(i), targets[i] = target(i, c); };
    for (size_t i = 0; i < all.size(); i++)
        if (all[i]->spec.low == all[i]->spec.high) ask(i, inner(x, units[i]));
    while (true) {
        const size_t m = asking.size();
        std::vector<std::vector<double>> a(m, std::vector<double>(m + 1));
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < m; j++) a[i][j] = inner(units[asking[i]], units[asking[j]]);
            a[i][m] = targets[asking[i]] - inner(x, units[asking[i]]);
        }
        for (size_t k = 0; k < m; k++) {
            size_t best = k;
            for (size_t i = k; i < m; i++)
                if (std::fabs(a[i][k]) > std::fabs(a[best][k])) best = i;
            std::swap(a[k], a[best]);
            for (size_t i = 0; i < m; i++)
                for (size_t j = m + 1; i != k && j-- > k;) a[i][j] -= a[i][k] / a[k][k] * a[k][j];
        }
        now = x;
        for (size_t i = 0; i < m; i++)
            for (size_t k = 0; k < x.size(); k++) now[k] += a[i][m] / a[i][i] * units[asking[i]][k];
        std::vector<size_t> fresh;
        for (size_t i = 0; i < all.size(); i++) {
            const double c = inner(now, units[i]);
            if (std::find(asking.begin(), asking.end(), i) == asking.end() && (c < double{all[i]->spec.low} || c > double{all[i]->spec.high}))
                fresh.push_back(i);
        }
        if (fresh.empty()) return now;
        for (const size_t i : fresh) ask(i, inner(now, units[i]));
    }
}

} // namespace

TEST_CASE("one interval is its closed form") {
    Random random(1);
    for (int round = 0; round < 200; round++) {
        const State x = random.state(kSize, 2.0f), v = random.state(kSize, 0.7f);
        const float t = random.real(-5.0f, 5.0f), share = random.real(0.1f, 2.0f);
        const std::vector<std::pair<float, float>> ranges{{0.0f, 0.0f}, {t, t}, {t, kInf}, {-kInf, t}, {t, t + 1.0f}};
        for (const auto& [low, high] : ranges) {
            const State y = operate({make(PushKind::interval, v, share, low, high)}, x);
            const double c = along(x, v), step = share * (std::clamp(c, double{low}, double{high}) - c);
            for (size_t i = 0; i < kSize; i++)
                REQUIRE(y[i] == Approx(double{x[i]} + step * double{v[i]} / norm(v)).margin(1e-5 * norm(x)));
            if (step == 0.0) REQUIRE(y == x); // within its bounds nothing is touched
        }
    }
}

TEST_CASE("a share of 2 reflects, and doing it twice is doing nothing") {
    Random random(2);
    const State x = random.state(kSize, 1.0f), v = random.state(kSize, 1.0f);
    const State mirrored = operate({pin(v, 0.0f, 2.0f)}, x), back = operate({pin(v, 0.0f, 2.0f)}, mirrored);
    CHECK(along(mirrored, v) == Approx(-along(x, v)).margin(1e-5));
    CHECK(norm(mirrored) == Approx(norm(x)).epsilon(1e-6));
    for (size_t i = 0; i < kSize; i++) CHECK(back[i] == Approx(x[i]).margin(1e-5));
}

TEST_CASE("a thousand random sets: all holds, as a dense solution has it, in any order of adding") {
    Random random(3);
    int two_ask = 0;
    for (int round = 0; round < 1000; round++) {
        const State x = random.state(kSize, random.real(0.05f, 4.0f));
        std::vector<Operator> operators;
        for (size_t n = 1 + random.below(12); n > 0; n--) operators.push_back(random_operator(random));
        if (round % 3 == 0) operators.push_back(operators[random.below(operators.size())]); // the same again
        const State y = operate(operators, x);
        const double scale = std::max(norm(x), norm(y));
        int ask = 0;
        for (const Operator& one : operators) {
            if (one.spec.kind != PushKind::interval || one.strength == 0.0f) continue;
            const double c = along(y, one.spec.vector->row(0, STEER_ROWS_WRITE)->values);
            REQUIRE(c > one.spec.low - 1e-5 * scale);
            REQUIRE(c < one.spec.high + 1e-5 * scale);
            ask++;
        }
        two_ask += ask > 1;
        const bool twice = round % 3 == 0; // a dense system of equal rows has no one solution
        if (!twice) {
            const std::vector<double> expected = dense(operators, x);
            for (size_t i = 0; i < kSize; i++) REQUIRE(y[i] == Approx(expected[i]).margin(1e-5 * scale));
        }
        for (int shuffle = 0; shuffle < 3; shuffle++) {
            std::shuffle(operators.begin(), operators.end(), random.engine);
            REQUIRE(operate(operators, x) == y);
        }
    }
    CHECK(two_ask > 500); // else the joint solution was hardly asked for
}

TEST_CASE("partial shares end at their own targets, jointly") {
    Random random(4);
    for (int round = 0; round < 200; round++) {
        const State x = random.state(kSize, 2.0f);
        std::vector<Operator> operators;
        for (int i = 0; i < 4; i++)
            operators.push_back(pin(random.state(kSize, 1.0f), random.real(-3.0f, 3.0f), random.real(0.05f, 2.0f)));
        const State y = operate(operators, x);
        for (const Operator& one : operators) {
            const State v = one.spec.vector->row(0, STEER_ROWS_WRITE)->values;
            const double c = along(x, v), wanted = c + double{one.strength} * (double{one.spec.low} - c);
            REQUIRE(along(y, v) == Approx(wanted).margin(1e-5 * norm(x)));
        }
        operators.push_back(make(PushKind::interval, random.state(kSize, 1.0f), 0.5f, 1.0f, kInf));
        const std::vector<double> expected = dense(operators, x);
        const State z = operate(operators, x);
        for (size_t i = 0; i < kSize; i++) REQUIRE(z[i] == Approx(expected[i]).margin(1e-5 * norm(x)));
    }
}

TEST_CASE("off is off, bit for bit; so is what acts on nothing") {
    Random random(5);
    const State x = random.state(kSize, 1.0f), v = random.state(kSize, 1.0f), nothing(kSize, 0.0f);
    for (const float zero : {0.0f, -0.0f}) {
        CHECK(operate({pin(v, 3.0f, zero)}, x) == x);
        CHECK(operate({pin(v, 3.0f, zero), make(PushKind::add, v, 0.5f)}, x) == operate({make(PushKind::add, v, 0.5f)}, x));
    }
    CHECK(operate({pin(v, 3.0f)}, nothing) == nothing);
    CHECK(operate({make(PushKind::add_keep_norm, v, 3.0f)}, nothing) == nothing);
    CHECK(operate({make(PushKind::add, v, 1.0f)}, nothing) == v);
}

TEST_CASE("rows that are nearly the same, the same, or span each other") {
    Random random(6);
    for (const float apart : {0.05f, 1e-3f, 1e-4f, 0.0f}) {
        State x = random.state(kSize, 1.0f), v = random.state(kSize, 1.0f), w = v;
        const State noise = random.state(kSize, apart);
        for (size_t i = 0; i < kSize; i++) w[i] += noise[i];
        const State y = operate({pin(v, 2.0f), pin(w, 2.0f)}, x);
        CHECK(along(y, v) == Approx(2.0).margin(1e-5 * norm(x)));
        CHECK(along(y, w) == Approx(2.0).margin(1e-5 * norm(x)));
        CHECK(norm(y) < 3.0 * norm(x));
    }
    const State x = random.state(kSize, 1.0f), a = random.state(kSize, 1.0f), b = random.state(kSize, 1.0f);
    CHECK(along(operate({pin(a, 0.0f, 0.5f), pin(a, 0.0f, 1.0f)}, x), a) == Approx(0.0).margin(1e-5)); // the larger share
    State sum = a;
    for (size_t i = 0; i < kSize; i++) sum[i] += b[i];
    const State y = operate({pin(a, 0.0f), pin(b, 0.0f), pin(sum, 0.0f)}, x); // the third follows from the two
    for (const State& v : {a, b, sum}) CHECK(along(y, v) == Approx(0.0).margin(1e-5 * norm(x)));
}

TEST_CASE("a bfloat16 stream holds pins as far as its digits go") {
    Random random(7);
    for (int round = 0; round < 50; round++) {
        const State x = random.state(kSize, 1.0f), v = random.state(kSize, 1.0f);
        std::vector<uint16_t> halves;
        for (const float value : x) halves.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
        const Operator one = pin(v, 0.0f);
        const InjectionSpec* const spec = &one.spec;
        const CompiledPlan plan = compile_plan({&spec, 1}, {}, 1);
        SiteKernel kernel(kSize, StreamType::bf16);
        const uint8_t reply = 1;
        const SiteRow row{&plan.row, {&one.strength, 1}, 0, 1, nullptr, nullptr};
        kernel.visit(0, halves.data(), {&reply, 1}, {&row, 1});
        State y;
        for (const uint16_t half : halves) y.push_back(std::bit_cast<float>(uint32_t{half} << 16));
        CHECK(std::fabs(along(y, v)) < std::ldexp(norm(x), -8));
    }
}

TEST_CASE("nearly the same row with another target is refused, whoever comes first") {
    Random random(8);
    const State v = random.state(kSize, 1.0f), other = random.state(kSize, 1.0f);
    State turned = v;
    for (float& value : turned) value = -2.0f * value;
    const auto refused = [](const Operator& added, const Operator& there) {
        const InjectionSpec* const spec = &there.spec;
        try {
            check_intervals(added.spec, {&spec, 1});
        } catch (const std::exception&) {
            return true;
        }
        return false;
    };
    CHECK(refused(pin(v, 1.0f), pin(v, 2.0f)));
    CHECK(refused(pin(v, 1.0f), pin(turned, 1.0f)));
    CHECK(refused(pin(v, 1.0f), make(PushKind::interval, v, 0.0f, 2.0f, kInf)));
    CHECK_FALSE(refused(pin(v, 1.0f), pin(v, 1.0f, 0.5f)));
    CHECK_FALSE(refused(pin(v, 1.0f), pin(turned, -1.0f)));
    CHECK_FALSE(refused(pin(v, 1.0f), pin(other, 2.0f)));
    CHECK_FALSE(refused(pin(v, 1.0f), make(PushKind::add, v, 2.0f)));
    Operator prompt = pin(v, 1.0f), reply = pin(v, 2.0f);
    prompt.spec.span = kSpanPrompt, reply.spec.span = kSpanReply;
    CHECK_FALSE(refused(prompt, reply)); // never at the same position
}
