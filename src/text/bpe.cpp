#include "text/bpe.h"

#include <algorithm>
#include <tuple>

namespace steer {
namespace {

constexpr size_t short_word = 48; // symbols up to which looking through all pairs beats a heap
constexpr uint32_t no_merge = UINT32_MAX;

bool comes_later(const BpeScratch::Candidate& a, const BpeScratch::Candidate& b) {
    return std::tie(a.rank, a.position) > std::tie(b.rank, b.position);
}

} // namespace

void BpeModel::encode_word(BpeScratch& scratch, std::vector<int32_t>& out) const {
    if (scratch.word.size() <= short_word) return encode_short(scratch.word, out);
    encode_long(scratch, out);
}

void BpeModel::encode_short(const std::vector<int32_t>& word, std::vector<int32_t>& out) const {
    int32_t ids[short_word];
    std::copy(word.begin(), word.end(), ids);
    BpeMerge pairs[short_word]; // pairs[i]: the merge of ids[i] and ids[i + 1]
    auto look_up = [&](size_t i) {
        const BpeMerge* merge = merges_.find(key(ids[i], ids[i + 1]));
        pairs[i] = merge ? *merge : BpeMerge{no_merge, 0};
    };
    size_t count = word.size();
    for (size_t i = 0; i + 1 < count; ++i) look_up(i);
    while (count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; ++i) {
            if (pairs[i].rank < pairs[best].rank) best = i;
        }
        if (pairs[best].rank == no_merge) break;
        ids[best] = pairs[best].id;
        std::copy(ids + best + 2, ids + count, ids + best + 1);
        if (best + 2 < count) std::copy(pairs + best + 2, pairs + count - 1, pairs + best + 1);
        --count;
        if (best > 0) look_up(best - 1);
        if (best + 1 < count) look_up(best);
    }
    out.insert(out.end(), ids, ids + count);
}

void BpeModel::push_candidate(BpeScratch& scratch, int32_t position) const {
    const auto& left = scratch.symbols[static_cast<size_t>(position)];
    if (left.next < 0) return;
    const BpeMerge* merge = merges_.find(key(left.id, scratch.symbols[static_cast<size_t>(left.next)].id));
    if (!merge) return;
    scratch.heap.push_back({merge->rank, position, merge->id});
}

// A heap of merges over a linked list of symbols: n log n, for words of any length.
void BpeModel::encode_long(BpeScratch& scratch, std::vector<int32_t>& out) const {
    auto& symbols = scratch.symbols;
    auto& heap = scratch.heap;
    auto count = static_cast<int32_t>(scratch.word.size());
    symbols.clear(), heap.clear();
    symbols.reserve(scratch.word.size()); // a megabyte without an end is a word too: no more than it takes
    for (int32_t i = 0; i < count; ++i)
        symbols.push_back({scratch.word[static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1, true});
    for (int32_t i = 0; i < count; ++i) push_candidate(scratch, i);
    std::make_heap(heap.begin(), heap.end(), comes_later);
    auto renew = [&](int32_t position) {
        size_t before = heap.size();
        push_candidate(scratch, position);
        if (heap.size() > before) std::push_heap(heap.begin(), heap.end(), comes_later);
    };
    while (!heap.empty()) {
        std::pop_heap(heap.begin(), heap.end(), comes_later);
        BpeScratch::Candidate top = heap.back();
        heap.pop_back();
        auto& left = symbols[static_cast<size_t>(top.position)];
        if (!left.alive || left.next < 0) continue;
        auto& right = symbols[static_cast<size_t>(left.next)];
        // The pair may have changed since it was pushed.
        const BpeMerge* merge = merges_.find(key(left.id, right.id));
        if (!merge || merge->id != top.id) continue;
        left.id = top.id;
        left.next = right.next;
        right.alive = false;
        if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = top.position;
        if (left.previous >= 0) renew(left.previous);
        renew(top.position);
    }
    for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next)
        out.push_back(symbols[static_cast<size_t>(i)].id);
}

} // namespace steer
