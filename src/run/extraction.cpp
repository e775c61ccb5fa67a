#include "run/extraction.h"

#include "files/error.h"
#include "run/log.h"
#include "run/passage_states.h"
#include "run/residual_norms.h"
#include "steer/extract.h"
#include "steer/recommend.h"

#include <algorithm>
#include <iterator>

namespace steer {
namespace {

constexpr size_t kPairsAtOnce = 8;

const char* const kMethodNames[] = {"mean difference", "centred PCA", "uncentred PCA", "PCA of pairs", "probe"};
const char* const kPoolingNames[] = {"reply mean", "user mean", "prompt last", "reply last", "last", "shared tokens"};

struct Recipe { // of one set of rows
    int32_t method, pooling;
    bool operator==(const Recipe&) const = default;
};

struct Recipes {
    Recipe write, read;
    bool two_sets() const { return !(write == read); }
};

bool only_the_system_differs(const ContrastPair& pair) {
    const Passage &a = pair.positive, &b = pair.negative;
    return a.prompt && a.prompt == b.prompt && a.system != b.system;
}

Recipes choose_recipes(const std::vector<ContrastPair>& pairs, const ExtractionOptions& options) {
    Recipes recipes{{options.method, options.pooling}, {options.method, options.pooling}};
    if (options.pooling == STEER_POOL_REPLY_MEAN && std::all_of(pairs.begin(), pairs.end(), only_the_system_differs))
        recipes.write.pooling = STEER_POOL_USER_MEAN;
    if (options.method == STEER_METHOD_PROBE) recipes.write.method = STEER_METHOD_MEAN_DIFFERENCE;
    return recipes;
}

StateLayers choose_layers(const Model& model, const ExtractionOptions& options) {
    const int32_t count = model.config().layer_count;
    const StateLayers layers{std::max(options.layer_begin, 0), std::min(options.layer_end, count), model.config().hidden_size};
    if (layers.begin >= layers.end)
        fail(STEER_ERR_ARG, "layers [{}, {}) are none of the model's {}", options.layer_begin, options.layer_end, count);
    return layers;
}

// Layers whose kept states fit into memory together.
int32_t layers_at_once(const Recipes& recipes, const GroupSplit& split, int32_t hidden_size, uint64_t bytes_max) {
    uint64_t bytes = kept_bytes_per_layer(recipes.read.method, split.train_pairs(), hidden_size);
    if (recipes.two_sets()) bytes += kept_bytes_per_layer(recipes.write.method, split.train_pairs(), hidden_size);
    if (bytes == 0) return INT32_MAX;
    if (bytes > bytes_max)
        fail(STEER_ERR_ARG, "{} keeps the states of all {} training pairs, {} bytes for one layer, and {} is the limit: give "
             "fewer pairs, or take the method MEAN_DIFFERENCE, which keeps none",
             kMethodNames[recipes.read.method], split.train_pairs(), bytes, bytes_max);
    return static_cast<int32_t>(std::min<uint64_t>(bytes_max / bytes, INT32_MAX));
}

struct SweepResult {
    ExtractedRows write, read; // read: only of two sets
};

// All pairs once through the decoder, for some of the layers.
class Sweep {
  public:
    using Report = std::function<void(size_t pairs_done)>; // throws to leave

    Sweep(Model& model, const std::vector<ContrastPair>& pairs, const Recipes& recipes, std::shared_ptr<const GroupSplit> split,
          const StateLayers& layers, RecordFile* kept, const Report& report)
        : model_(model), pairs_(pairs), split_(std::move(split)), layers_(layers), kept_(kept), report_(report), norms_(layers),
          write_({recipes.write.method, layers.begin, layers.end, layers.hidden_size}, split_) {
        poolings_.push_back(recipes.write.pooling);
        if (!recipes.two_sets()) return;
        read_.emplace(RowOptions{recipes.read.method, layers.begin, layers.end, layers.hidden_size}, split_);
        if (recipes.read.pooling != recipes.write.pooling) poolings_.push_back(recipes.read.pooling);
    }

    SweepResult run() {
        for (size_t begin = 0; begin < split_->size();) {
            // The rows are made before the first held-out pair, and never in the middle of a batch.
            const size_t part_end = split_->held_out(begin) ? split_->size() : split_->train_pairs();
            const size_t end = std::min(begin + kPairsAtOnce, part_end);
            add_pairs(begin, end);
            begin = end;
            if (begin == split_->train_pairs()) fit(begin);
        }
        report_(split_->size());
        const std::vector<float> norms = norms_.medians();
        return {write_.finish(norms), read_ ? read_->finish(norms) : ExtractedRows{}};
    }

  private:
    void fit(size_t done) {
        write_.fit([&] { report_(done); });
        if (read_) read_->fit([&] { report_(done); });
    }

    void add_pairs(size_t begin, size_t end) {
        std::vector<PassageStates> passages; // positive, negative, positive, negative ...
        for (size_t at = begin; at < end; at++) {
            const uint32_t index = split_->order()[at];
            PooledPair pair = encode_pair(model_, pairs_[index], poolings_, fmt::format("pairs[{}]", index));
            if (split_->held_out(at) && !pair.content.positive.empty()) pair.pools.push_back(std::move(pair.content));
            PassageStates positive{std::move(pair.positive), {}, {}}, negative{std::move(pair.negative), {}, {}};
            for (PooledPair::Pool& pool : pair.pools) {
                positive.pools.push_back(std::move(pool.positive));
                negative.pools.push_back(std::move(pool.negative));
            }
            for (const int32_t sample : choose_norm_samples(negative.passage)) negative.pools.push_back({sample});
            passages.push_back(std::move(positive));
            passages.push_back(std::move(negative));
        }
        read_states(model_, layers_, passages, kept_, [&] { report_(begin); });
        for (size_t i = 0; i < passages.size(); i += 2) add_pair(passages[i].means, passages[i + 1].means);
    }

    using Means = std::vector<std::vector<float>>;
    void add_pair(const Means& positive, const Means& negative) {
        PairStates content;
        if (positive.size() > poolings_.size()) content = {positive.back(), negative[positive.size() - 1]};
        write_.add({positive[0], negative[0]}, content);
        const size_t reads = poolings_.size() - 1;
        if (read_) read_->add({positive[reads], negative[reads]}, content);
        for (size_t i = positive.size(); i < negative.size(); i++) norms_.add(negative[i]);
    }

    Model& model_;
    const std::vector<ContrastPair>& pairs_;
    std::shared_ptr<const GroupSplit> split_;
    StateLayers layers_;
    RecordFile* kept_;
    const Report& report_;
    ResidualNorms norms_;
    RowExtraction write_;
    std::optional<RowExtraction> read_;
    std::vector<int32_t> poolings_; // of the rows to write with, and of those to read with where that is another one
};

template<class T> void append(std::vector<T>& to, std::vector<T>&& more) {
    to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

void append(ExtractedRows& to, ExtractedRows&& more) {
    append(to.rows, std::move(more.rows));
    append(to.separation, std::move(more.separation));
    append(to.content_separation, std::move(more.content_separation));
}

SweepResult run_sweeps(Model& model, const std::vector<ContrastPair>& pairs, const Recipes& recipes,
                       const std::shared_ptr<const GroupSplit>& split, const StateLayers& layers,
                       const ExtractionOptions& options, const Progress& progress) {
    const auto all = static_cast<int32_t>(layers.count());
    const int32_t at_once = std::min(layers_at_once(recipes, *split, layers.hidden_size, options.kept_bytes_max), all);
    std::optional<RecordFile> kept;
    if (!options.resume_path.empty()) kept.emplace(options.resume_path, "steer states 1");
    SweepResult result;
    for (int32_t done = 0; done < all; done += at_once) {
        const StateLayers some{layers.begin + done, std::min(layers.begin + done + at_once, layers.end), layers.hidden_size};
        const Sweep::Report report = [&](size_t pairs_done) {
            const double share = static_cast<double>(pairs_done) / static_cast<double>(split->size());
            const double fraction = (done + share * static_cast<double>(some.count())) / all;
            if (progress && !progress(static_cast<float>(fraction)))
                fail(STEER_ERR_CANCELLED, "extraction was stopped by the progress callback");
        };
        SweepResult part = Sweep(model, pairs, recipes, split, some, kept ? &*kept : nullptr, report).run();
        append(result.write, std::move(part.write));
        append(result.read, std::move(part.read));
    }
    return result;
}

int32_t choose_gauge_layer(const ExtractedRows& read, const StateLayers& layers, int32_t layer_count) {
    std::vector<float> content_auc;
    for (const VectorRow& row : read.rows) content_auc.push_back(row.auc_content);
    return recommend_gauge_layer({content_auc, read.content_separation, read.separation}, layers.begin, layer_count);
}

Vector make_draft(const Model& model, const StateLayers& layers, const Recipes& recipes, const GroupSplit& split,
                  const ExtractionOptions& options, SweepResult result) {
    const int32_t layer_count = model.config().layer_count;
    const LayerBand band = recommend_band(layers.begin, layers.end, layer_count);
    Vector draft;
    draft.name = options.name;
    draft.hidden_size = layers.hidden_size;
    draft.layer_begin = layers.begin;
    draft.layer_end = layers.end;
    draft.best_begin = band.begin;
    draft.best_end = band.end;
    draft.gauge_layer = choose_gauge_layer(recipes.two_sets() ? result.read : result.write, layers, layer_count);
    draft.write = std::move(result.write.rows);
    draft.read = std::move(result.read.rows);
    draft.model_fingerprint = model.fingerprint();
    draft.metadata["method"] = kMethodNames[recipes.write.method];
    draft.metadata["pooling"] = kPoolingNames[recipes.write.pooling];
    if (recipes.two_sets()) {
        draft.metadata["read_method"] = kMethodNames[recipes.read.method];
        draft.metadata["read_pooling"] = kPoolingNames[recipes.read.pooling];
    }
    draft.metadata["pairs"] = fmt::format("{} for the rows, {} held out", split.train_pairs(), split.holdout_pairs());
    return draft;
}

} // namespace

VectorPtr extract_vector(Model& model, const std::vector<ContrastPair>& pairs, const ExtractionOptions& options,
                         const Progress& progress) {
    const StateLayers layers = choose_layers(model, options);
    const Recipes recipes = choose_recipes(pairs, options);
    std::vector<uint64_t> groups;
    for (const ContrastPair& pair : pairs) groups.push_back(pair.group);
    const auto split = std::make_shared<const GroupSplit>(groups, options.holdout, options.seed);
    SweepResult result = run_sweeps(model, pairs, recipes, split, layers, options, progress);
    log(STEER_LOG_INFO, "extracted from {} pairs, {} held out", split->train_pairs(), split->holdout_pairs());
    return finish_vector(make_draft(model, layers, recipes, *split, options, std::move(result)), "steer_vector_extract");
}

} // namespace steer
