#include "slope.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace vector_tool {
namespace {

constexpr int kDraws = 2000;
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

struct Moments { // enough to know the line
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;

    void add(const Moments& more) { n += more.n, x += more.x, y += more.y, xx += more.xx, xy += more.xy; }
    double slope() const {
        const double spread = n * xx - x * x;
        return n > 1 && spread > 0 ? (n * xy - x * y) / spread : kUnknown;
    }
};

Moments moments_of(const std::vector<Point>& talk) {
    Moments out;
    for (const Point& point : talk)
        if (!std::isnan(point.y)) out.add({1, point.x, point.y, point.x * point.x, point.x * point.y});
    return out;
}

double percentile(const std::vector<double>& sorted, double share) {
    const double at = share * static_cast<double>(sorted.size() - 1);
    const size_t below = static_cast<size_t>(at), above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

} // namespace

Slope slope_over_talks(const std::vector<std::vector<Point>>& talks, uint64_t seed) {
    std::vector<Moments> each;
    Moments all;
    for (const auto& talk : talks) {
        each.push_back(moments_of(talk));
        all.add(each.back());
    }
    Slope out{all.slope(), kUnknown, kUnknown};
    if (talks.size() < 2 || std::isnan(out.value)) return out;
    std::mt19937_64 random(seed);
    std::vector<double> drawn;
    for (int draw = 0; draw < kDraws; draw++) {
        Moments some;
        for (size_t i = 0; i < each.size(); i++) some.add(each[random() % each.size()]);
        if (!std::isnan(some.slope())) drawn.push_back(some.slope());
    }
    std::sort(drawn.begin(), drawn.end());
    if (drawn.empty()) return out;
    out.low = percentile(drawn, 0.025);
    out.high = percentile(drawn, 0.975);
    return out;
}

} // namespace vector_tool
