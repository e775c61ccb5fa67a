#include "run/passage_states.h"

#include "files/error.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace steer {
namespace {

constexpr int32_t kPassTokens = 1024;

// A passage on its way through the decoder.
struct Job {
    PassageStates* wanted;
    BlockTable blocks;
    int32_t computed = 0;

    int32_t left() const { return static_cast<int32_t>(wanted->passage.ids.size()) - computed; }
};

// The batch that carries a piece of each job, with the memory behind its spans.
class PassBatch {
  public:
    explicit PassBatch(const StateLayers& layers) : layers_(layers) {}

    void add(Job& job, int32_t count) {
        const auto token_begin = static_cast<int32_t>(ids_.size());
        const int32_t begin = job.computed, end = begin + count;
        const EncodedPassage& passage = job.wanted->passage;
        for (int32_t position = begin; position < end; position++) {
            const auto at = static_cast<size_t>(position);
            ids_.push_back(passage.ids[at]);
            positions_.push_back(position);
            chooses_reply_.push_back(at + 1 < passage.marks.size() && passage.marks[at + 1] != 0);
        }
        job.blocks.make_writable(begin, end);
        rows_.push_back({token_begin, count, end, job.blocks.blocks(), nullptr, {}, {}});
        for (size_t i = 0; i < job.wanted->pools.size(); i++)
            capture(job.wanted->pools[i], begin, end, token_begin, job.wanted->means[i].data());
    }

    Batch view() const {
        return {.ids = ids_, .positions = positions_, .chooses_reply = chooses_reply_, .rows = rows_, .captures = captures_};
    }

  private:
    void capture(const Positions& pool, int32_t begin, int32_t end, int32_t token_begin, float* sums) {
        std::vector<int32_t>& tokens = captured_.emplace_back();
        for (const int32_t position : pool)
            if (position >= begin && position < end) tokens.push_back(token_begin + position - begin);
        if (!tokens.empty()) captures_.push_back({layers_.begin, layers_.end, Tap::before, tokens, sums});
    }

    StateLayers layers_;
    std::vector<int32_t> ids_, positions_;
    std::vector<uint8_t> chooses_reply_;
    std::vector<BatchRow> rows_;
    std::vector<Capture> captures_;
    std::deque<std::vector<int32_t>> captured_;
};

// One pass with as much of the jobs as it holds. True: all are done.
bool run_some(Model& model, const StateLayers& layers, std::span<Job> jobs) {
    if (jobs.empty()) return true;
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

void divide(std::vector<float>& sums, size_t count) {
    for (float& sum : sums) {
        sum /= static_cast<float>(count);
        if (!std::isfinite(sum)) fail(STEER_ERR_NUMERIC, "a state of a passage is not finite: the model's weights are broken");
    }
}

// All that the means depend on.
Digest key_of(Model& model, const StateLayers& layers, const PassageStates& wanted) {
    Sha256 sum;
    const auto add = [&](const auto& values) {
        const uint64_t size = values.size();
        sum.update(&size, sizeof size);
        sum.update(values.data(), size * sizeof values[0]);
    };
    const int32_t what[] = {model.memory().dtype, model.weights_format(), layers.begin, layers.end, layers.hidden_size};
    add(model.fingerprint());
    add(std::span(what));
    add(wanted.passage.ids);
    for (const Positions& pool : wanted.pools) add(pool);
    return sum.finish();
}

bool take_kept(RecordFile& kept, const Digest& key, const StateLayers& layers, PassageStates& wanted) {
    const std::optional<std::vector<float>> found = kept.find(key);
    if (!found || found->size() != wanted.pools.size() * layers.size()) return false;
    for (size_t i = 0; i < wanted.means.size(); i++)
        std::copy_n(found->begin() + static_cast<ptrdiff_t>(i * layers.size()), layers.size(), wanted.means[i].begin());
    return true;
}

void keep(RecordFile& kept, const Digest& key, const PassageStates& read) {
    std::vector<float> all;
    for (const std::vector<float>& mean : read.means) all.insert(all.end(), mean.begin(), mean.end());
    kept.add(key, all);
}

} // namespace

void read_states(Model& model, const StateLayers& layers, std::span<PassageStates> passages, RecordFile* kept,
                 const std::function<void()>& before_pass) {
    std::vector<Job> jobs;
    std::vector<Digest> keys; // of the jobs
    for (PassageStates& one : passages) {
        one.means.assign(one.pools.size(), std::vector<float>(layers.size(), 0.0f));
        if (kept != nullptr) {
            const Digest key = key_of(model, layers, one);
            if (take_kept(*kept, key, layers, one)) continue;
            keys.push_back(key);
        }
        jobs.push_back({&one, {}, 0});
    }
    do before_pass();
    while (!run_some(model, layers, jobs));
    for (size_t at = 0; at < jobs.size(); at++) {
        PassageStates& read = *jobs[at].wanted;
        for (size_t i = 0; i < read.pools.size(); i++) divide(read.means[i], read.pools[i].size());
        if (kept != nullptr) keep(*kept, keys[at], read);
    }
}

} // namespace steer
