#include "run/extraction.h"

#include "files/error.h"
#include "run/log.h"
#include "steer/extract.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace steer {
namespace {

constexpr size_t kPairsAtOnce = 8;
constexpr int32_t kPassTokens = 1024;
constexpr int32_t kNormSamples = 4; // tokens of each neutral text whose norms are looked at

const char* const kPoolingNames[] = {"reply mean", "user mean", "prompt last", "reply last", "last"};

struct Layers {
    int32_t begin, end, hidden_size;
    int32_t count() const { return end - begin; }
    size_t size() const { return static_cast<size_t>(count()) * static_cast<size_t>(hidden_size); }
};

// A passage on its way through the decoder.
struct Job {
    PooledPassage passage;
    BlockTable blocks;
    std::vector<float> sums;                // [layers][hidden], over the pooled tokens
    std::vector<int32_t> sampled;           // tokens whose norms are wanted
    std::vector<std::vector<float>> states; // of each: [layers][hidden]
    int32_t computed = 0;

    int32_t left() const { return static_cast<int32_t>(passage.ids.size()) - computed; }
};

// The batch that carries a piece of each job, with the memory behind its spans.
class PassBatch {
  public:
    explicit PassBatch(const Layers& layers) : layers_(layers) {}

    void add(Job& job, int32_t count) {
        const auto token_begin = static_cast<int32_t>(ids_.size());
        const int32_t begin = job.computed, end = begin + count;
        for (int32_t position = begin; position < end; position++) {
            const auto at = static_cast<size_t>(position);
            ids_.push_back(job.passage.ids[at]);
            positions_.push_back(position);
            chooses_reply_.push_back(at + 1 < job.passage.marks.size() && job.passage.marks[at + 1] != 0);
        }
        job.blocks.make_writable(begin, end);
        rows_.push_back({token_begin, count, end, job.blocks.blocks(), nullptr, {}, {}});
        capture(job.passage.pooled, begin, end, token_begin, job.sums.data());
        for (size_t i = 0; i < job.sampled.size(); i++)
            capture({&job.sampled[i], 1}, begin, end, token_begin, job.states[i].data());
    }

    Batch view() const {
        return {.ids = ids_, .positions = positions_, .chooses_reply = chooses_reply_, .rows = rows_, .captures = captures_};
    }

  private:
    void capture(std::span<const int32_t> wanted, int32_t begin, int32_t end, int32_t token_begin, float* sums) {
        std::vector<int32_t>& tokens = captured_.emplace_back();
        for (const int32_t position : wanted)
            if (position >= begin && position < end) tokens.push_back(token_begin + position - begin);
        if (!tokens.empty()) captures_.push_back({layers_.begin, layers_.end, Tap::before, tokens, sums});
    }

    Layers layers_;
    std::vector<int32_t> ids_, positions_;
    std::vector<uint8_t> chooses_reply_;
    std::vector<BatchRow> rows_;
    std::vector<Capture> captures_;
    std::deque<std::vector<int32_t>> captured_;
};

// One pass with as much of the jobs as it holds. True: all are done.
bool run_some(Model& model, const Layers& layers, std::span<Job> jobs) {
    model.with_backend([&](Backend& backend, const std::shared_ptr<CachePool>& pool) {
        PassBatch batch(layers);
        std::vector<std::pair<Job*, int32_t>> taken;
        int32_t room = kPassTokens;
        for (Job& job : jobs) {
            const int32_t count = std::min(job.left(), room);
            if (count == 0) continue;
            if (!job.blocks.pool()) job.blocks = BlockTable(pool);
            batch.add(job, count);
            taken.emplace_back(&job, count);
            room -= count;
        }
        Results results;
        backend.wait(backend.submit(batch.view()), results);
        for (const auto& [job, count] : taken) {
            job->computed += count;
            if (job->left() == 0) job->blocks.truncate(0);
        }
    });
    return std::all_of(jobs.begin(), jobs.end(), [](const Job& job) { return job.left() == 0; });
}

// A few of the reply's tokens, evenly spread; not the first of all, whose norm is of another kind.
std::vector<int32_t> choose_samples(const PooledPassage& passage) {
    std::vector<int32_t> candidates, chosen;
    for (size_t i = 1; i < passage.ids.size(); i++)
        if (passage.marks[i] != 0) candidates.push_back(static_cast<int32_t>(i));
    const size_t count = std::min<size_t>(kNormSamples, candidates.size());
    for (size_t i = 0; i < count; i++) chosen.push_back(candidates[(2 * i + 1) * candidates.size() / (2 * count)]);
    return chosen;
}

Job make_job(const Model& model, const Layers& layers, const Passage& passage, int32_t pooling, bool neutral) {
    Job job;
    job.passage = encode_passage(model, passage, pooling);
    job.sums.assign(layers.size(), 0.0f);
    if (neutral) job.sampled = choose_samples(job.passage);
    job.states.assign(job.sampled.size(), std::vector<float>(layers.size(), 0.0f));
    return job;
}

void add_norms(const Job& job, const Layers& layers, std::vector<std::vector<float>>& norms) {
    const auto hidden = static_cast<size_t>(layers.hidden_size);
    for (const std::vector<float>& state : job.states)
        for (size_t layer = 0; layer < norms.size(); layer++) {
            double squares = 0.0;
            for (size_t i = 0; i < hidden; i++) squares += static_cast<double>(state[layer * hidden + i]) * state[layer * hidden + i];
            norms[layer].push_back(static_cast<float>(std::sqrt(squares)));
        }
}

float median(std::vector<float>& values) {
    const size_t half = values.size() / 2;
    std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(half), values.end());
    return values[half];
}

// Medians without the sinks: tokens whose norm is more than eight times the rest's.
std::vector<float> typical_norms(std::vector<std::vector<float>> norms) {
    std::vector<float> typical;
    for (std::vector<float>& of_layer : norms) {
        if (of_layer.empty()) return {};
        const float all = median(of_layer);
        std::erase_if(of_layer, [&](float norm) { return norm > 8.0f * all; });
        typical.push_back(median(of_layer));
    }
    return typical;
}

void divide(std::vector<float>& sums, size_t count) {
    for (float& sum : sums) {
        sum /= static_cast<float>(count);
        if (!std::isfinite(sum)) fail(STEER_ERR_NUMERIC, "a state of a passage is not finite: the model's weights are broken");
    }
}

Layers choose_layers(const Model& model, const ExtractionOptions& options) {
    const int32_t count = model.config().layer_count;
    const Layers layers{std::max(options.layer_begin, 0), std::min(options.layer_end, count), model.config().hidden_size};
    if (layers.count() <= 0)
        fail(STEER_ERR_ARG, "layers [{}, {}) are none of the model's {}", options.layer_begin, options.layer_end, count);
    return layers;
}

Vector make_draft(const Model& model, const Layers& layers, const ExtractionOptions& options,
                  MeanDifferenceResult result) {
    Vector draft;
    draft.name = options.name;
    draft.hidden_size = layers.hidden_size;
    draft.layer_begin = layers.begin;
    draft.layer_end = layers.end;
    draft.write = std::move(result.rows);
    draft.best_begin = result.best_begin;
    draft.best_end = result.best_end;
    draft.gauge_layer = result.gauge_layer;
    draft.model_fingerprint = model.fingerprint();
    draft.metadata["method"] = "mean difference";
    draft.metadata["pooling"] = kPoolingNames[options.pooling];
    draft.metadata["pairs"] = fmt::format("{} for the rows, {} held out", result.train_pairs, result.holdout_pairs);
    return draft;
}

} // namespace

VectorPtr extract_vector(Model& model, const std::vector<ContrastPair>& pairs, const ExtractionOptions& options,
                         const Progress& progress) {
    const Layers layers = choose_layers(model, options);
    std::vector<uint64_t> groups;
    for (const ContrastPair& pair : pairs) groups.push_back(pair.group);
    MeanDifference difference({layers.begin, layers.end, model.config().layer_count, layers.hidden_size, options.holdout,
                               options.seed}, groups);
    const std::vector<uint32_t>& order = difference.order();
    std::vector<std::vector<float>> norms(static_cast<size_t>(layers.count()));
    const auto report = [&](size_t done) {
        if (progress && !progress(static_cast<float>(done) / static_cast<float>(order.size())))
            fail(STEER_ERR_CANCELLED, "extraction was stopped by the progress callback");
    };

    for (size_t begin = 0; begin < order.size(); begin += kPairsAtOnce) {
        const size_t end = std::min(begin + kPairsAtOnce, order.size());
        std::vector<Job> jobs; // positive, negative, positive, negative ...
        for (size_t i = begin; i < end; i++) {
            jobs.push_back(make_job(model, layers, pairs[order[i]].positive, options.pooling, false));
            jobs.push_back(make_job(model, layers, pairs[order[i]].negative, options.pooling, true));
        }
        do report(begin);
        while (!run_some(model, layers, jobs));
        for (Job& job : jobs) {
            divide(job.sums, job.passage.pooled.size());
            add_norms(job, layers, norms);
        }
        for (size_t i = 0; i < jobs.size(); i += 2) difference.add(jobs[i].sums, jobs[i + 1].sums);
    }
    report(order.size());
    MeanDifferenceResult result = difference.finish(typical_norms(std::move(norms)));
    log(STEER_LOG_INFO, "extracted from {} pairs, {} held out", result.train_pairs, result.holdout_pairs);
    return finish_vector(make_draft(model, layers, options, std::move(result)), "steer_vector_extract");
}

} // namespace steer
