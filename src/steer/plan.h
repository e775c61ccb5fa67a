// The plan: what a row's injections and gauges mean at every site of a pass. Plain memory; run/ makes one per session when
// its controls change, a backend reads it at every site. Only strengths change between steps, and they are not in it.
//
// Sites count k = -1 .. layer_count-1; site k is the residual stream at the output of block k, site -1 the embedding.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace steer {

enum SpanMask : uint8_t { kSpanPrompt = 1, kSpanReply = 2, kSpanAll = 3 }; // by the token that a position chooses

enum class PushKind : uint8_t { add_keep_norm, add }; // in the order in which a site applies them

struct Push {
    int32_t site;
    PushKind kind;
    SpanMask span;
    int32_t injection;      // index into the row's strengths
    float scale;            // the layer curve; the push is strength * scale * direction
    const float* direction; // [hidden size], kept alive by the session's vector
    uint64_t direction_key = 0; // names the direction's contents in this process, so that a device may keep a copy; 0: may not
};

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

struct RowPlan {
    std::vector<Push> pushes; // by site; within one: kind, then an order that does not depend on registration
    std::vector<Probe> probes; // by site; a reading comes back for each, in this order
    std::vector<int32_t> push_begin, probe_begin; // [layer_count + 2]: those of site k are [begin[k+1], begin[k+2])
    bool reads_own = false;

    std::span<const Push> pushes_at(int32_t site) const { return range(pushes, push_begin, site); }
    std::span<const Probe> probes_at(int32_t site) const { return range(probes, probe_begin, site); }

    // Fills push_begin and probe_begin; pushes and probes must be sorted by site.
    void index(int32_t layer_count);

  private:
    template<class T>
    static std::span<const T> range(const std::vector<T>& all, const std::vector<int32_t>& begin, int32_t site) {
        const auto at = static_cast<size_t>(site + 1);
        if (all.empty()) return {};
        return {all.data() + begin[at], static_cast<size_t>(begin[at + 1] - begin[at])};
    }
};

} // namespace steer
