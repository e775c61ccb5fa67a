#include "drift_report.h"

#include "csv.h"
#include "mean.h"
#include "slope.h"

#include <algorithm>
#include <cstdio>

namespace vector_tool {
namespace {

constexpr double kGone = 0.1; // gaps above the unsteered talk's

double gauge_of(const ReplyMeans& reply) { return reply.gauges.front(); }
double kl_of(const ReplyMeans& reply) { return reply.kl; }

template<class Value> Mean mean_over_talks(const Talks& talks, size_t turn, Value value) {
    Mean mean;
    for (const auto& talk : talks) mean.add(value(talk[turn]));
    return mean;
}

void print_turns(const Talks& talks, const DriftSettings& settings) {
    std::printf("turn   strength          gauge         unsteered       KL\n");
    for (size_t turn = 0; turn < talks.front().size(); turn++) {
        const Mean gauge = mean_over_talks(talks, turn, [](const Turn& at) { return gauge_of(at.steered); });
        const Mean plain = mean_over_talks(talks, turn, [](const Turn& at) { return gauge_of(at.plain); });
        const Mean kl = mean_over_talks(talks, turn, [](const Turn& at) { return kl_of(at.steered); });
        const double strength = turn < static_cast<size_t>(settings.turns) ? settings.strength : 0.0;
        std::printf("%4zu %10.3g  %+7.3f +-%.3f  %+7.3f +-%.3f  %7.3f%s\n", turn + 1, strength, gauge.value(), gauge.standard_error(),
                    plain.value(), plain.standard_error(), kl.value(), talks.front()[turn].contrary ? "  contrary" : "");
    }
}

template<class Value> void print_slope(const char* name, const Talks& talks, const DriftSettings& settings, Value value) {
    std::vector<std::vector<Point>> points;
    for (const auto& talk : talks) {
        points.emplace_back();
        for (int32_t turn = 0; turn < settings.turns; turn++) points.back().push_back({turn + 1.0, value(talk[static_cast<size_t>(turn)])});
    }
    const Slope slope = slope_over_talks(points, settings.speak.seed);
    std::printf("  %-16s %+.5f  [%+.5f, %+.5f]\n", name, slope.value, slope.low, slope.high);
}

void print_contrary(const Talks& talks, const DriftSettings& settings) {
    Mean off;
    for (const auto& talk : talks) {
        Mean kinds[2];
        for (size_t turn = 0; turn < static_cast<size_t>(settings.turns); turn++)
            kinds[talk[turn].contrary].add(gauge_of(talk[turn].steered));
        off.add(kinds[1].value() - kinds[0].value());
    }
    std::printf("\ngauge in contrary turns less the others: %+.3f +-%.3f\n", off.value(), off.standard_error());
}

// The turns at strength 0 that it took, from 1 on; 0: there were not enough.
size_t turns_until_gone(const std::vector<Turn>& talk, size_t from) {
    for (size_t turn = from; turn < talk.size(); turn++)
        if (gauge_of(talk[turn].steered) < gauge_of(talk[turn].plain) + kGone) return turn - from + 1;
    return 0;
}

void print_gone(const Talks& talks, const DriftSettings& settings) {
    std::vector<size_t> counts(static_cast<size_t>(settings.after) + 1);
    for (const auto& talk : talks) counts[turns_until_gone(talk, static_cast<size_t>(settings.turns))]++;
    std::printf("\nturns at strength 0 until the gauge is below %.1f above the unsteered talk's\n", kGone);
    for (size_t turn = 1; turn < counts.size(); turn++) std::printf("  %zu: %zu talks\n", turn, counts[turn]);
    std::printf("  more than %d: %zu talks\n", settings.after, counts[0]);
}

} // namespace

void report_drift(const Talks& talks, const DriftSettings& settings) {
    std::printf("means over %zu talks; gauge: 0 neutral, 1 persona\n", talks.size());
    print_turns(talks, settings);
    std::printf("\nslope per turn at strength %g, 95 %% by bootstrap over talks\n", static_cast<double>(settings.strength));
    print_slope("gauge", talks, settings, [](const Turn& turn) { return gauge_of(turn.steered); });
    print_slope("gauge unsteered", talks, settings, [](const Turn& turn) { return gauge_of(turn.plain); });
    print_slope("KL", talks, settings, [](const Turn& turn) { return kl_of(turn.steered); });
    if (!settings.contrary.empty()) print_contrary(talks, settings);
    if (settings.after > 0) print_gone(talks, settings);
}

void write_drift(const Talks& talks, const DriftSettings& settings) {
    std::vector<std::vector<std::string>> rows{{"talk", "turn", "run", "strength", "contrary", "tokens", "gauge", "kl"}};
    for (size_t talk = 0; talk < talks.size(); talk++)
        for (size_t turn = 0; turn < talks[talk].size(); turn++) {
            const Turn& at = talks[talk][turn];
            const double strength = turn < static_cast<size_t>(settings.turns) ? settings.strength : 0.0;
            const auto add = [&](const char* run, double pushed, const ReplyMeans& reply) {
                rows.push_back({std::to_string(talk + 1), std::to_string(turn + 1), run, cell(pushed), at.contrary ? "1" : "0",
                                std::to_string(reply.tokens), cell(gauge_of(reply)), cell(kl_of(reply))});
            };
            add("steered", strength, at.steered);
            add("plain", 0.0, at.plain);
        }
    write_csv(settings.csv, rows);
}

} // namespace vector_tool
