// The plan: what a row's injections and gauges mean at every site of a pass. Plain memory; run/ makes one per session when
// its controls change, a backend reads it at every site. Only strengths change between steps, and they are not in it.
//
// Sites count k = -1 .. layer_count-1; site k is the residual stream at the output of block k, site -1 the embedding.
#pragma once

#include "steer/comparator.h"

#include <cstdint>
#include <span>
#include <vector>

namespace steer {

enum SpanMask : uint8_t { kSpanPrompt = 1, kSpanReply = 2, kSpanAll = 3 }; // by the token that a position chooses

enum class PushKind : uint8_t { add_keep_norm, add, interval }; // in the order in which a site applies them
constexpr int32_t kIntervalsPerSite = 64; // a device solves them in memory that it has little of

struct Push {
    int32_t site;
    PushKind kind;
    SpanMask span;
    int32_t injection;      // index into the row's strengths
    float scale;            // the layer curve; the push is strength * scale * direction, an interval's share strength * scale
    const float* direction; // [hidden size], kept alive by the session's vector
    uint64_t direction_key = 0; // names the direction's contents in this process, so that a device may keep a copy; 0: may not
    float direction_norm = 0.0f, low = 0.0f, high = 0.0f; // of an interval: x . direction / |direction| goes into [low, high]
};

double cosine(const Push& a, const Push& b, int32_t hidden_size); // of their directions; both are intervals

enum class Metric : uint8_t { cosine, projection, dot };
enum class Tap : uint8_t { before, after }; // the operators of the same site

struct Probe { // one reading of one gauge at one site, of the row's last token in the pass
    int32_t site;
    Tap tap;
    Metric metric;
    bool own;               // read x - D, D being the push so far
    float direction_norm;   // |direction|
    const float* direction; // [hidden size]
    uint64_t direction_key = 0;
};

// A gate's reading at every token of the row, at a site below all that it switches. Its state is a bit of the token's gate
// bits, and follows from the bit of the token before and the reading.
struct Gate {
    Probe probe;
    int32_t bit;
    Comparator comparator;
};

// Which injections wait for gates, and for what. Changes from step to step with the rules, so it is not in the plan.
struct Gating {
    std::vector<int32_t> begin;   // [injections + 1]: the groups of injection i are [begin[i], begin[i + 1])
    std::vector<uint64_t> groups; // gate bits; an injection with groups acts where all bits of one of them are set

    bool open(int32_t injection, uint64_t bits) const {
        const auto i = static_cast<size_t>(injection);
        if (begin.empty() || begin[i] == begin[i + 1]) return true;
        for (auto group = static_cast<size_t>(begin[i]); group < static_cast<size_t>(begin[i + 1]); group++)
            if ((bits & groups[group]) == groups[group]) return true;
        return false;
    }
};

struct RowPlan {
    std::vector<Push> pushes; // by site; within one: kind, then an order that does not depend on registration
    std::vector<Probe> probes; // by site; a reading comes back for each, in this order
    std::vector<Gate> gates;   // by site
    std::vector<int32_t> push_begin, probe_begin, gate_begin; // [layer_count + 2]: those of site k are [begin[k+1], begin[k+2])
    std::vector<double> cosines;                  // between the intervals of a site: kernels/interval.h; site after site
    std::vector<size_t> cosine_begin;             // [layer_count + 2]
    bool reads_own = false;   // someone reads x - D
    bool gates_own = false;   // a gate does, so D is wanted at every token

    std::span<const Push> pushes_at(int32_t site) const { return range(pushes, push_begin, site); }
    std::span<const Push> intervals_at(int32_t site) const; // the last of pushes_at
    std::span<const Probe> probes_at(int32_t site) const { return range(probes, probe_begin, site); }
    std::span<const Gate> gates_at(int32_t site) const { return range(gates, gate_begin, site); }
    const double* cosines_at(int32_t site) const { return cosines.data() + cosine_begin[static_cast<size_t>(site + 1)]; }

    // Fills what follows from pushes, probes and gates, which must be sorted by site, pushes then by kind.
    void index(int32_t layer_count, int32_t hidden_size);

  private:
    template<class T>
    static std::span<const T> range(const std::vector<T>& all, const std::vector<int32_t>& begin, int32_t site) {
        const auto at = static_cast<size_t>(site + 1);
        if (all.empty()) return {};
        return {all.data() + begin[at], static_cast<size_t>(begin[at + 1] - begin[at])};
    }
};

} // namespace steer
