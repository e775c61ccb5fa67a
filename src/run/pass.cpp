#include "run/pass.h"

#include "files/error.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

namespace steer {
namespace {

// The exception being handled, as a row's outcome.
void note_failure(PassRow& row) noexcept {
    try {
        try {
            throw;
        } catch (const Error& error) {
            row.status = error.status();
            row.message = error.what();
        } catch (const std::bad_alloc&) {
            row.status = STEER_ERR_MEMORY;
            row.message = "out of memory";
        } catch (const std::exception& error) {
            row.status = STEER_ERR_INTERNAL;
            row.message = error.what();
        } catch (...) {
            row.status = STEER_ERR_INTERNAL;
        }
    } catch (...) { // no memory for the words
        row.message.clear();
    }
}

// A Batch with the memory behind its spans.
struct FlatBatch {
    std::vector<int32_t> ids, positions;
    std::vector<uint8_t> chooses_reply;
    std::vector<BatchRow> rows;
    std::vector<LogitRow> logit_rows;
    std::vector<Draw> draws;
    std::vector<const std::atomic<bool>*> cancelled;

    void add(PassRow& row) {
        const auto token_begin = static_cast<int32_t>(ids.size());
        ids.insert(ids.end(), row.ids.begin(), row.ids.end());
        chooses_reply.insert(chooses_reply.end(), row.chooses_reply.begin(), row.chooses_reply.end());
        for (int32_t position = row.begin; position < row.end(); position++) positions.push_back(position);
        rows.push_back({token_begin, static_cast<int32_t>(row.ids.size()), row.end(), row.blocks->blocks(), row.plan,
                        row.strengths, {}, row.gating, row.gate_bits, row.observer});
        cancelled.push_back(row.cancelled);
        const size_t drawn_before = draws.size();
        add_logits(row);
        if (row.twin_blocks != nullptr) add_twin(row, draws.size() > drawn_before);
    }

    void add_logits(const PassRow& row) {
        const auto first = static_cast<int32_t>(ids.size() - row.targets.size());
        for (size_t i = 0; i < row.targets.size(); i++)
            logit_rows.push_back({first + static_cast<int32_t>(i), row.targets[i], row.top_count, row.vocab_size});
        if (row.draw == nullptr) return;
        draws.push_back(*row.draw);
        draws.back().logit_row = static_cast<int32_t>(logit_rows.size());
        logit_rows.push_back({static_cast<int32_t>(ids.size()) - 1});
    }

    void add_twin(const PassRow& row, bool drawn) {
        const BatchRow steered = rows.back();
        const auto begin = static_cast<size_t>(steered.token_begin), count = row.ids.size();
        for (size_t i = begin; i < begin + count; i++) {
            ids.push_back(ids[i]);
            positions.push_back(positions[i]);
            chooses_reply.push_back(chooses_reply[i]);
        }
        rows.push_back({static_cast<int32_t>(begin + count), steered.token_count, steered.kv_len, row.twin_blocks->blocks(),
                        row.twin_plan, {}, {}});
        if (!drawn) return;
        draws.back().twin_logit_row = static_cast<int32_t>(logit_rows.size());
        logit_rows.push_back({static_cast<int32_t>(ids.size()) - 1});
    }

    Batch view() const {
        const bool all = std::find(cancelled.begin(), cancelled.end(), nullptr) == cancelled.end();
        return {.ids = ids, .positions = positions, .chooses_reply = chooses_reply, .rows = rows, .logit_rows = logit_rows,
                .draws = draws, .cancelled = all ? std::span(cancelled) : std::span<const std::atomic<bool>* const>()};
    }
};

void give_out(Results& results, std::span<PassRow* const> rows) {
    size_t drawn = 0, score = 0, reading = 0, token = 0;
    const auto take_readings = [&](const RowPlan* plan, std::vector<float>& out) {
        const size_t probes = plan == nullptr ? 0 : plan->probes.size();
        if (reading + probes > results.readings.size()) fail(STEER_ERR_INTERNAL, "the backend gave too few readings");
        const auto begin = results.readings.begin() + static_cast<ptrdiff_t>(reading);
        out.assign(begin, begin + static_cast<ptrdiff_t>(probes));
        reading += probes;
    };
    for (PassRow* row : rows) {
        row->left = results.cancelled;
        if (results.cancelled) continue;
        const size_t first = token, end = first + row->ids.size();
        token = row->twin_blocks == nullptr ? end : end + row->ids.size();
        if (row->plan != nullptr && !row->plan->gates.empty()) {
            if (end > results.gate_bits.size()) fail(STEER_ERR_INTERNAL, "the backend gave too few gate bits");
            row->gates_after.assign(results.gate_bits.begin() + static_cast<ptrdiff_t>(first),
                                    results.gate_bits.begin() + static_cast<ptrdiff_t>(end));
        }
        take_readings(row->plan, row->readings);
        if (row->twin_blocks != nullptr) take_readings(row->twin_plan, row->twin_readings);
        for (size_t i = 0; i < row->targets.size(); i++) {
            row->scores.push_back(std::move(results.scores.at(score++)));
            row->finite = row->finite && row->scores.back().finite;
        }
        if (row->draw == nullptr) continue;
        score += row->twin_blocks == nullptr ? 1 : 2; // the draw's logit rows have none of their own
        row->drawn = std::move(results.drawn.at(drawn++));
        row->finite = row->finite && row->drawn.finite;
    }
}

void compute(Backend& backend, std::span<PassRow* const> rows) {
    FlatBatch flat;
    for (PassRow* row : rows) flat.add(*row);
    Results results;
    backend.wait(backend.submit(flat.view()), results);
    give_out(results, rows);
}

bool take_blocks(PassRow& row) noexcept {
    try {
        row.blocks->make_writable(row.begin, row.end());
        if (row.twin_blocks != nullptr) row.twin_blocks->make_writable(row.begin, row.end());
        return true;
    } catch (...) {
        note_failure(row);
        return false;
    }
}

} // namespace

void run_pass(Backend& backend, std::span<PassRow* const> rows) noexcept {
    try {
        std::vector<PassRow*> ready;
        ready.reserve(rows.size());
        for (PassRow* row : rows)
            if (take_blocks(*row)) ready.push_back(row);
        if (ready.empty()) return;
        try {
            compute(backend, ready);
            return;
        } catch (...) {
            if (ready.size() == 1) {
                note_failure(*ready[0]);
                return;
            }
        }
        for (PassRow*& row : ready) {
            row->scores.clear();
            row->finite = true;
            try {
                compute(backend, {&row, 1});
            } catch (...) {
                note_failure(*row);
            }
        }
    } catch (...) {
        for (PassRow* row : rows) note_failure(*row);
    }
}

} // namespace steer
