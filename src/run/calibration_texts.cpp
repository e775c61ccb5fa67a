#include "run/calibration_texts.h"

#include "files/error.h"
#include "steer/compile_plan.h"
#include "steer/strength.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace steer {
namespace {

constexpr float kSinkNorm = 8.0f;         // times the median: a position that is a sink, no text
constexpr size_t kResponseTexts = 16;     // of each voice
constexpr float kStrengths[] = {-1.5f, -1.0f, -0.6f, -0.3f, 0.0f, 0.15f, 0.3f, 0.45f, 0.6f, 0.8f, 1.0f, 1.25f, 1.5f};

using Readings = std::array<float, kMetrics>;

// cosine z.v / (max(|z|, 1e-6) |v|), projection z.v / |v|, dot z.v; as a gauge computes them.
Readings read_state(const float* z, const VectorRow& row) {
    double dot = 0.0, squares = 0.0;
    for (size_t i = 0; i < row.values.size(); i++) {
        dot += double{z[i]} * double{row.values[i]};
        squares += double{z[i]} * double{z[i]};
    }
    const double norm = std::max(std::sqrt(squares), 1e-6), length = double{row.norm};
    return {static_cast<float>(dot / (norm * length)), static_cast<float>(dot / length), static_cast<float>(dot)};
}

// The sites that a vector's rows are measured and applied at, and where each stands among the captured ones.
struct Sites {
    explicit Sites(const Vector& vector) : vector_(vector), hidden_(static_cast<size_t>(vector.hidden_size)) {
        range.begin = std::min(vector.applied_at(vector.layer_begin), vector.measured_at(vector.layer_begin));
        range.end = std::max(vector.applied_at(vector.layer_end - 1), vector.measured_at(vector.layer_end - 1)) + 1;
    }
    size_t state_size() const { return range.count() * hidden_; }
    const float* measured(const float* state, int32_t layer) const { return at(state, vector_.measured_at(layer)); }
    const float* applied(const float* state, int32_t layer) const { return at(state, vector_.applied_at(layer)); }
    const float* at(const float* state, int32_t site) const { return state + static_cast<size_t>(site - range.begin) * hidden_; }

    SiteRange range;

  private:
    const Vector& vector_;
    size_t hidden_;
};

double norm_of(const float* x, size_t size) {
    double squares = 0.0;
    for (size_t i = 0; i < size; i++) squares += double{x[i]} * double{x[i]};
    return std::sqrt(squares);
}

using TextReadings = std::vector<Readings>; // of one text: [tokens][layers]

struct TextStream { // of one text, where a row is applied: |x|, projection on the write row
    std::vector<std::vector<float>> norms, along; // [layers][tokens]
};

class Reader {
  public:
    explicit Reader(const Vector& vector) : vector_(vector), sites_(vector) {}

    SiteRange range() const { return sites_.range; }

    void read(std::span<const float> states, TextReadings& out) const {
        for (size_t at = 0; at < states.size(); at += sites_.state_size()) {
            const float* state = states.data() + at;
            if (!std::isfinite(state[sites_.state_size() - 1]))
                fail(STEER_ERR_NUMERIC, "a state of a passage is not finite: the model's weights are broken");
            for (int32_t layer = vector_.layer_begin; layer < vector_.layer_end; layer++) {
                const VectorRow* row = vector_.row(layer, STEER_ROWS_READ);
                out.push_back(row == nullptr ? Readings{} : read_state(sites_.measured(state, layer), *row));
            }
        }
    }

    void read_stream(std::span<const float> states, TextStream& out) const {
        out.norms.resize(static_cast<size_t>(vector_.layer_end - vector_.layer_begin));
        out.along.resize(out.norms.size());
        for (size_t at = 0; at < states.size(); at += sites_.state_size())
            for (int32_t layer = vector_.layer_begin; layer < vector_.layer_end; layer++) {
                const auto index = static_cast<size_t>(layer - vector_.layer_begin);
                const float* applied = sites_.applied(states.data() + at, layer);
                const VectorRow* pushed = vector_.row(layer, STEER_ROWS_WRITE);
                out.norms[index].push_back(static_cast<float>(norm_of(applied, static_cast<size_t>(vector_.hidden_size))));
                out.along[index].push_back(pushed == nullptr ? Calibration::kNaN : read_state(applied, *pushed)[1]);
            }
    }

    // The same less what was pushed: [sites][hidden size].
    std::vector<float> without(std::span<const float> states, const std::vector<float>& pushed) const {
        std::vector<float> own(states.begin(), states.end());
        for (size_t at = 0; at < own.size(); at += pushed.size())
            for (size_t i = 0; i < pushed.size(); i++) own[at + i] -= pushed[i];
        return own;
    }

    // What adds of these strengths have put into the stream at each site.
    std::vector<float> pushed_so_far(const RowPlan& plan, float strength) const {
        const auto hidden = static_cast<size_t>(vector_.hidden_size);
        std::vector<float> sum(hidden), all;
        for (int32_t site = -1; site < sites_.range.end; site++) {
            for (const Push& push : plan.pushes_at(site))
                for (size_t i = 0; i < hidden; i++) sum[i] += strength * push.scale * push.direction[i];
            if (site >= sites_.range.begin) all.insert(all.end(), sum.begin(), sum.end());
        }
        return all;
    }

  private:
    const Vector& vector_;
    Sites sites_;
};

struct Voice { // of each text
    std::vector<TextReadings> readings;
    std::vector<TextStream> streams;
};

Voice read_voice(Model& model, const Reader& reader, std::span<const ForcedText> texts, const std::function<void()>& advance) {
    Voice voice;
    for (const ForcedText& text : texts) {
        TextReadings& readings = voice.readings.emplace_back();
        TextStream& stream = voice.streams.emplace_back();
        visit_states(model, text, reader.range(), nullptr, {}, [&](std::span<const float> states) {
            reader.read(states, readings);
            reader.read_stream(states, stream);
        });
        advance();
    }
    return voice;
}

float typical_norm(const std::vector<TextStream>& texts, size_t layer) {
    std::vector<float> norms;
    for (const TextStream& text : texts) norms.insert(norms.end(), text.norms[layer].begin(), text.norms[layer].end());
    const float all = percentile(norms, 50.0f);
    std::erase_if(norms, [&](float norm) { return norm > kSinkNorm * all; });
    return percentile(norms, 50.0f);
}

std::vector<float> smoothed(const std::vector<TextReadings>& texts, size_t layers, size_t layer, int32_t metric, size_t length) {
    std::vector<float> means, of_text;
    for (const TextReadings& text : texts) {
        of_text.clear();
        for (size_t i = layer; i < text.size(); i += layers) of_text.push_back(text[i][static_cast<size_t>(metric)]);
        append_running_means(of_text, length, means);
    }
    return means;
}

float mean_along(const std::vector<TextStream>& texts, size_t layer) {
    double sum = 0.0, count = 0.0;
    for (const TextStream& text : texts)
        for (const float value : text.along[layer]) sum += double{value}, count++;
    return static_cast<float>(sum / count);
}

ForcedText to_forced(EncodedPassage passage) {
    ForcedText text{std::move(passage), {}};
    for (size_t i = 1; i < text.passage.marks.size(); i++)
        if (text.passage.marks[i] != 0) text.choosing.push_back(static_cast<int32_t>(i) - 1);
    if (text.choosing.empty()) fail(STEER_ERR_ARG, "a passage has no reply: calibration reads replies");
    return text;
}

} // namespace

CalibrationTexts encode_texts(const Model& model, const std::vector<ContrastPair>& pairs) {
    CalibrationTexts texts;
    for (const ContrastPair& pair : pairs) {
        for (const Passage* side : {&pair.negative, &pair.positive})
            if (!side->reply) fail(STEER_ERR_ARG, "a passage has no reply: calibration reads replies");
        texts.neutral.push_back(to_forced(encode_passage(model, pair.negative)));
        texts.persona.push_back(to_forced(encode_passage(model, pair.positive)));
    }
    return texts;
}

void measure_scales(Model& model, const Vector& vector, const CalibrationTexts& texts, Calibration& calibration,
                    const std::function<void()>& advance) {
    const Reader reader(vector);
    const Voice neutral = read_voice(model, reader, texts.neutral, advance), persona = read_voice(model, reader, texts.persona, advance);
    const size_t layers = calibration.layers();
    for (size_t layer = 0; layer < layers; layer++) {
        const bool there = vector.row(vector.layer_begin + static_cast<int32_t>(layer), STEER_ROWS_WRITE) != nullptr;
        calibration.rho.push_back(there ? typical_norm(neutral.streams, layer) : Calibration::kNaN);
        calibration.neutral.push_back(mean_along(neutral.streams, layer));
        calibration.persona.push_back(mean_along(persona.streams, layer));
        for (int32_t metric = 0; metric < kMetrics; metric++)
            for (const size_t length : {size_t{1}, size_t{8}, SIZE_MAX})
                calibration.scales.push_back(make_scale(smoothed(neutral.readings, layers, layer, metric, length),
                                                        smoothed(persona.readings, layers, layer, metric, length)));
    }
    int32_t last = calibration.band_end - 1;
    while (vector.row(last, STEER_ROWS_WRITE) == nullptr) last--;
    const auto at = static_cast<size_t>(last - vector.layer_begin);
    calibration.gap = calibration.persona[at] - calibration.neutral[at];
}

size_t response_text_count(const CalibrationTexts& texts) {
    return 2 * std::min(kResponseTexts, texts.neutral.size()) * std::size(kStrengths);
}

namespace {

// What one strength does to the two voices' own readings, of one layer and metric.
struct Answer {
    double neutral, persona, mixed; // means over tokens
    float clarity;
};

Answer compare(const std::vector<TextReadings>& neutral, const std::vector<TextReadings>& persona, size_t layers, size_t layer, int32_t metric) {
    const auto sum_up = [&](const std::vector<TextReadings>& texts) {
        const std::vector<float> tokens = smoothed(texts, layers, layer, metric, 1);
        return std::pair{std::accumulate(tokens.begin(), tokens.end(), 0.0), static_cast<double>(tokens.size())};
    };
    const auto [low, low_count] = sum_up(neutral);
    const auto [high, high_count] = sum_up(persona);
    const GaugeScale scale = make_scale(smoothed(neutral, layers, layer, metric, 8), smoothed(persona, layers, layer, metric, 8));
    return {low / low_count, high / high_count, (low + high) / (low_count + high_count), scale.separation};
}

} // namespace

void measure_response(Model& model, VectorPtr vector, const CalibrationTexts& texts, Calibration& calibration,
                      const std::function<void()>& advance) {
    const Reader reader(*vector);
    InjectionSpec spec;
    spec.vector = vector;
    spec.layer_begin = calibration.band_begin, spec.layer_end = calibration.band_end;
    spec.layer_scales = strength_scale(*vector, STEER_UNIT_RELATIVE, spec.layer_begin, spec.layer_end, {}).factors;
    const InjectionSpec* const specs[] = {&spec};
    const CompiledPlan plan = compile_plan(specs, {}, model.config().layer_count);

    const size_t count = std::min(kResponseTexts, texts.neutral.size()), layers = calibration.layers();
    const auto read_under = [&](const std::vector<ForcedText>& voice, float strength) {
        const std::vector<float> pushed = reader.pushed_so_far(plan.row, strength), strengths = {strength};
        std::vector<TextReadings> own(count);
        for (size_t i = 0; i < count; i++) {
            visit_states(model, voice[i], reader.range(), &plan.row, strengths,
                         [&](std::span<const float> states) { reader.read(reader.without(states, pushed), own[i]); });
            advance();
        }
        return own;
    };
    std::vector<std::vector<Answer>> answers; // [strengths][layers * metrics]
    for (const float strength : kStrengths) {
        const auto neutral = read_under(texts.neutral, strength), persona = read_under(texts.persona, strength);
        std::vector<Answer>& row = answers.emplace_back();
        for (size_t layer = 0; layer < layers; layer++)
            for (int32_t metric = 0; metric < kMetrics; metric++) row.push_back(compare(neutral, persona, layers, layer, metric));
    }
    calibration.strengths.assign(std::begin(kStrengths), std::end(kStrengths));
    const auto zero = static_cast<size_t>(std::find(std::begin(kStrengths), std::end(kStrengths), 0.0f) - std::begin(kStrengths));
    for (size_t at = 0; at < layers * kMetrics; at++) {
        const Answer& base = answers[zero][at];
        calibration.centre.push_back(static_cast<float>(base.mixed));
        for (const std::vector<Answer>& row : answers) {
            calibration.shift.push_back(static_cast<float>(row[at].mixed - base.mixed));
            calibration.spread.push_back(static_cast<float>((row[at].persona - row[at].neutral) / (base.persona - base.neutral)));
            calibration.clarity.push_back(row[at].clarity);
        }
    }
}

} // namespace steer
