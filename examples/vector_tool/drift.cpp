#include "drift.h"

#include "drift_report.h"
#include "loaded.h"
#include "loading.h"
#include "prompts.h"

#include <algorithm>

namespace vector_tool {
namespace {

class Drift {
  public:
    explicit Drift(const DriftSettings& settings)
        : settings_(settings), prompts_(read_prompts(settings.prompts)), vector_(load_file(settings.vector, {"", settings.model})) {
        if (!settings.contrary.empty()) contrary_ = read_prompts(settings.contrary);
        if (info_of(vector_).calibrated == 0)
            throw std::runtime_error(settings.vector + ": is not calibrated, and drift is told on a calibrated gauge");
        model_ = load_model(settings.model, settings.place);
        talks_.resize(static_cast<size_t>(settings.talks));
    }

    Talks run() {
        const size_t at_a_time = static_cast<size_t>(settings_.together);
        for (size_t begin = 0; begin < talks_.size(); begin += at_a_time) talk(begin, std::min(begin + at_a_time, talks_.size()));
        return std::move(talks_);
    }

  private:
    // Talks begin to end, each once steered and once plain, all computed together.
    void talk(size_t begin, size_t end) {
        std::vector<Speaker> speakers;
        std::vector<steer_injection_id> pushes;
        for (size_t i = begin; i < end; i++) {
            speakers.push_back(speaker(i)), speakers.push_back(speaker(i)); // steered, plain
            pushes.push_back(speakers[speakers.size() - 2].push(vector_.get(), settings_.strength, settings_.unit));
        }
        std::vector<Speaker*> all;
        for (Speaker& one : speakers) all.push_back(&one);
        for (int32_t turn = 0; turn < turns(); turn++) {
            if (turn == settings_.turns)
                for (size_t i = 0; i < pushes.size(); i++) speakers[2 * i].set_strength(pushes[i], 0.0f);
            for (size_t i = 0; i < speakers.size(); i++) speakers[i].hear(prompt(begin + i / 2, turn));
            keep(begin, turn, reply_together(all));
            show(static_cast<float>(begin * turns() + (end - begin) * (turn + 1)));
        }
    }

    Speaker speaker(size_t talk) const {
        SpeakSettings settings = settings_.speak;
        settings.seed += talk;
        Speaker speaker(model_.get(), 1, settings);
        speaker.read(vector_.get());
        return speaker;
    }

    void keep(size_t begin, int32_t turn, std::vector<ReplyMeans> replies) {
        for (size_t i = 0; i < replies.size(); i += 2)
            talks_[begin + i / 2].push_back({is_contrary(turn), std::move(replies[i]), std::move(replies[i + 1])});
    }

    int32_t turns() const { return settings_.turns + settings_.after; }
    bool is_contrary(int32_t turn) const { return !contrary_.empty() && turn < settings_.turns && turn % 2 == 1; }

    const std::string& prompt(size_t talk, int32_t turn) const { // in the file's order, from its beginning again at its end
        const auto& from = is_contrary(turn) ? contrary_ : prompts_;
        const size_t number = is_contrary(turn) ? talk * (settings_.turns / 2) + turn / 2 : talk * turns() + turn;
        return from[number % from.size()];
    }

    void show(float done) const {
        show_progress(const_cast<char*>("talking"), done / (static_cast<float>(talks_.size()) * static_cast<float>(turns())));
    }

    const DriftSettings& settings_;
    std::vector<std::string> prompts_, contrary_;
    LoadedVector vector_;
    LoadedModel model_;
    Talks talks_;
};

} // namespace

void drift(const DriftSettings& settings) {
    const Talks talks = Drift(settings).run();
    report_drift(talks, settings);
    write_drift(talks, settings);
}

} // namespace vector_tool
