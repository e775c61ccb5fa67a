// States of whole passages, pooled over chosen positions: many passages in one pass of the decoder.
#pragma once

#include "files/record_file.h"
#include "run/extraction.h"

#include <span>
#include <vector>

namespace steer {

struct StateLayers {
    int32_t begin, end, hidden_size; // half open
    size_t count() const { return static_cast<size_t>(end - begin); }
    size_t size() const { return count() * static_cast<size_t>(hidden_size); }
};

struct PassageStates {
    EncodedPassage passage;
    std::vector<Positions> pools;          // none of them empty
    std::vector<std::vector<float>> means; // out, one per pool: [layers][hidden]
};

// kept: where what was read before is taken from, and what is read now goes; nullptr: nowhere.
// Between passes other conversations of the model go on; before_pass may throw to leave. STEER_ERR_NUMERIC: a state is not
// finite.
void read_states(Model& model, const StateLayers& layers, std::span<PassageStates> passages, RecordFile* kept,
                 const std::function<void()>& before_pass);

} // namespace steer
