#include "interference.h"

#include "loading.h"
#include "mean.h"

#include <algorithm>

namespace vector_tool {
namespace {

using Readings = std::vector<std::vector<double>>; // [prompt][gauge]

class Measurement {
  public:
    Measurement(steer_model* model, const std::vector<LoadedVector>& vectors, const std::vector<std::string>& prompts,
                const SpeakSettings& settings, size_t at_a_time)
        : model_(model), vectors_(vectors), prompts_(prompts), settings_(settings), at_a_time_(at_a_time) {
        const size_t n = vectors.size();
        total_ = static_cast<float>((1 + n + n * (n - 1) / 2) * prompts.size());
    }

    Readings run(const std::vector<size_t>& pushed) {
        Readings readings;
        for (size_t begin = 0; begin < prompts_.size(); begin += at_a_time_) {
            std::vector<Speaker> speakers;
            for (size_t i = begin; i < std::min(begin + at_a_time_, prompts_.size()); i++) speakers.push_back(speaker(pushed, i));
            std::vector<Speaker*> all;
            for (Speaker& one : speakers) all.push_back(&one);
            for (ReplyMeans& reply : reply_together(all)) readings.push_back(std::move(reply.gauges));
            done_ += static_cast<float>(speakers.size());
            show_progress(const_cast<char*>("speaking"), done_ / total_);
        }
        return readings;
    }

  private:
    Speaker speaker(const std::vector<size_t>& pushed, size_t prompt) const {
        SpeakSettings settings = settings_;
        settings.seed += prompt;
        Speaker speaker(model_, vectors_.size(), settings);
        for (const size_t i : pushed) speaker.push(vectors_[i].get(), 0.5f * info_of(vectors_[i]).strength_safe, STEER_UNIT_RELATIVE);
        for (const LoadedVector& vector : vectors_) speaker.read(vector.get());
        speaker.hear(prompts_[prompt]);
        return speaker;
    }

    steer_model* model_;
    const std::vector<LoadedVector>& vectors_;
    const std::vector<std::string>& prompts_;
    SpeakSettings settings_;
    size_t at_a_time_;
    float done_ = 0.0f, total_;
};

std::vector<Change> changes(const Readings& now, const Readings& base) {
    std::vector<Change> out;
    for (size_t gauge = 0; gauge < base.front().size(); gauge++) {
        Mean change;
        for (size_t prompt = 0; prompt < base.size(); prompt++) change.add(now[prompt][gauge] - base[prompt][gauge]);
        out.push_back({change.value(), change.standard_error()});
    }
    return out;
}

} // namespace

Interference measure_interference(steer_model* model, const std::vector<LoadedVector>& vectors, const std::vector<std::string>& prompts,
                                  const SpeakSettings& settings, size_t at_a_time) {
    Measurement measurement(model, vectors, prompts, settings, at_a_time);
    const Readings base = measurement.run({});
    Interference out;
    for (size_t i = 0; i < vectors.size(); i++) out.alone.push_back(changes(measurement.run({i}), base));
    for (size_t i = 0; i < vectors.size(); i++)
        for (size_t j = i + 1; j < vectors.size(); j++) {
            out.pairs.emplace_back(i, j);
            out.together.push_back(changes(measurement.run({i, j}), base));
        }
    return out;
}

} // namespace vector_tool
