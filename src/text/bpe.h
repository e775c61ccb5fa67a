// Byte-pair merging of one word. Ties and order as in Hugging Face tokenizers: lowest rank first, then leftmost.
#pragma once

#include "text/flat_table.h"

#include <cstdint>
#include <vector>

namespace steer {

struct BpeMerge {
    uint32_t rank; // lower merges first
    int32_t id;    // what the pair becomes
};

// Working memory, reused from word to word; one per call of encode.
struct BpeScratch {
    struct Symbol {
        int32_t id;
        int32_t previous, next; // -1: none
        bool alive;
    };
    struct Candidate {
        uint32_t rank;
        int32_t position, id;
    };
    std::vector<int32_t> word; // the symbols to merge
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
};

class BpeModel {
  public:
    explicit BpeModel(size_t merge_count = 0) : merges_(merge_count) {}

    bool add(int32_t left, int32_t right, const BpeMerge& merge) { // false: the pair is known
        if (merges_.find(key(left, right))) return false;
        merges_.set(key(left, right), merge);
        return true;
    }
    void encode_word(BpeScratch& scratch, std::vector<int32_t>& out) const; // scratch.word

  private:
    static uint64_t key(int32_t left, int32_t right) {
        return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
    }
    void encode_short(const std::vector<int32_t>& word, std::vector<int32_t>& out) const;
    void encode_long(BpeScratch& scratch, std::vector<int32_t>& out) const;
    void push_candidate(BpeScratch& scratch, int32_t position) const;

    FlatTable<BpeMerge> merges_;
};

} // namespace steer
