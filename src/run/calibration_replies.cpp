#include "run/calibration_replies.h"

#include "files/error.h"
#include "run/log.h"
#include "run/session.h"
#include "run/smoothed.h"
#include "steer/strength.h"
#include "text/scripts.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace steer {
namespace {

constexpr float kGridStep = 0.15f, kStrengthMost = 3.0f;
constexpr float kKlMost = 0.7f, kPerplexityMost = 1.15f, kEndedLoss = 0.05f, kScriptLeast = 0.98f, kBrokenMost = 0.005f;
constexpr size_t kPrompts = 16;
constexpr int32_t kTokens = 64;

// One reply, as far as the rules look at it.
struct Reply {
    std::string text;
    bool ended = false;
    std::vector<float> kl, surprise;               // of each token; surprise: -log p without steering
    std::vector<float> mean_entropy, mean_surprise; // running means, as the guard makes them
    std::vector<float> own, twin;                  // of the gauge, calibrated
};

struct Judgement {
    float kl = 0.0f, perplexity = 0.0f, ended = 0.0f;
    ScriptCount scripts;
};

class ReplyMaker {
  public:
    ReplyMaker(std::shared_ptr<Model> model, VectorPtr vector, uint64_t seed) : model_(std::move(model)), vector_(std::move(vector)), seed_(seed) {
        const Calibration& c = *vector_->calibration;
        push_.vector = vector_;
        push_.layer_begin = c.band_begin, push_.layer_end = c.band_end;
        push_.layer_scales = strength_scale(*vector_, STEER_UNIT_RELATIVE, c.band_begin, c.band_end, {}).factors;
        gauge_.vector = vector_;
        gauge_.rows = STEER_ROWS_READ;
        gauge_.layer_begin = vector_->gauge_layer >= 0 ? vector_->gauge_layer : vector_->layer_end - 1;
        gauge_.layer_end = gauge_.layer_begin + 1;
    }

    Reply make(const EncodedPassage& asked, size_t number, float strength) const {
        Session session(model_, {.twin = true});
        Generation generation = model_->generation();
        generation.seed = seed_ + number + 1; // the same noise at every strength
        generation.token_max = kTokens;
        session.set_generation(std::move(generation));
        session.controls().add_injection(push_, strength, -kStrengthMost, kStrengthMost);
        for (const Reading reading : {Reading::own, Reading::twin}) {
            GaugeSpec gauge = gauge_;
            gauge.reading = reading;
            session.controls().add_gauge(std::move(gauge));
        }
        session.set_tokens(0, asked.ids, asked.marks.data());
        return listen(session, strength);
    }

    // The twin's log-probabilities of given replies are those of a session that nothing steers.
    float surprise_of(const EncodedPassage& text) const {
        Session session(model_, {});
        Generation generation = model_->generation();
        generation.seed = 1;
        generation.prompt_log_probs = true;
        session.set_generation(std::move(generation));
        session.set_tokens(0, text.ids, text.marks.data());
        double sum = 0.0, count = 0.0;
        std::vector<float> scores;
        bool pending = true;
        while (pending) {
            session.step([&](const StepOutcome& outcome) {
                check(outcome);
                pending = (outcome.step.flags & STEER_STEP_PROMPT) != 0 && outcome.step.pending_count > 0;
                scores.insert(scores.end(), outcome.prompt_log_probs.begin(), outcome.prompt_log_probs.end());
            });
        }
        for (size_t i = 0; i < scores.size(); i++)
            if (text.marks[i] != 0 && std::isfinite(scores[i])) sum -= double{scores[i]}, count++;
        return count > 0.0 ? static_cast<float>(sum / count) : Calibration::kNaN;
    }

  private:
    static void check(const StepOutcome& outcome) {
        if (outcome.step.status != STEER_OK) fail(outcome.step.status, "{}", outcome.message);
    }

    Reply listen(Session& session, float strength) const {
        const Calibration& c = *vector_->calibration;
        const int32_t layer = gauge_.layer_begin, metric = static_cast<int32_t>(gauge_.metric);
        const Affine scale = c.affine(layer, metric, 1);
        const Affine correction = c.correction(layer, metric, strength);
        Reply reply;
        RunningMean entropy(kEntropyTokens), surprise(kSurpriseTokens);
        session.generate([&](const steer_step& step) {
            reply.text.append(step.text.data, step.text.size);
            reply.ended = step.finish == STEER_FINISH_STOP_TOKEN;
            if (step.token < 0) return true;
            reply.kl.push_back(step.kl);
            reply.surprise.push_back(-step.twin_log_prob);
            reply.mean_entropy.push_back(entropy.push(step.entropy));
            reply.mean_surprise.push_back(surprise.push(-step.twin_log_prob));
            reply.own.push_back(scale(correction(step.gauges[0])));
            reply.twin.push_back(scale(step.gauges[1]));
            return true;
        });
        return reply;
    }

    std::shared_ptr<Model> model_;
    VectorPtr vector_;
    uint64_t seed_;
    InjectionSpec push_;
    GaugeSpec gauge_;
};

template<class Field> std::vector<float> all_of(const std::vector<Reply>& replies, Field field) {
    std::vector<float> all;
    for (const Reply& reply : replies) all.insert(all.end(), (reply.*field).begin(), (reply.*field).end());
    return all;
}

// Percentiles of the running means at each age; an age that no reply has reached has the limit of the one before.
template<class Field> AgeLimits limits_by_age(const std::vector<Reply>& replies, Field field, float percent) {
    std::array<std::vector<float>, std::tuple_size_v<AgeLimits>> means;
    for (const Reply& reply : replies)
        for (size_t i = 0; i < (reply.*field).size(); i++) means[age_of(static_cast<int32_t>(i) + 1)].push_back((reply.*field)[i]);
    AgeLimits limits;
    for (size_t age = 0; age < limits.size(); age++)
        limits[age] = means[age].empty() && age > 0 ? limits[age - 1] : percentile(means[age], percent);
    return limits;
}

float length_limit(const std::vector<Reply>& replies) {
    if (!std::all_of(replies.begin(), replies.end(), [](const Reply& reply) { return reply.ended; })) return Calibration::kNaN;
    std::vector<float> lengths;
    for (const Reply& reply : replies) lengths.push_back(static_cast<float>(reply.kl.size()));
    return percentile(lengths, 99.5f);
}

float mean(const std::vector<float>& values) {
    double sum = 0.0;
    for (const float value : values) sum += double{value};
    return values.empty() ? Calibration::kNaN : static_cast<float>(sum / static_cast<double>(values.size()));
}

Judgement judge(const std::vector<Reply>& replies) {
    Judgement of;
    std::vector<float> kl = all_of(replies, &Reply::kl);
    of.kl = percentile(kl, 90.0f);
    of.perplexity = std::exp(mean(all_of(replies, &Reply::surprise)));
    for (const Reply& reply : replies) {
        of.ended += reply.ended ? 1.0f / static_cast<float>(replies.size()) : 0.0f;
        count_scripts(reply.text, of.scripts);
    }
    return of;
}

// Which rule fails; nullptr: none.
const char* failing_rule(const Judgement& now, const Judgement& base, float reference_perplexity, const ScriptCount& known) {
    if (!(now.kl <= kKlMost)) return "kl";
    if (!(now.perplexity <= kPerplexityMost * std::max(base.perplexity, reference_perplexity))) return "perplexity";
    if (now.ended < base.ended - kEndedLoss) return "ended";
    if (now.scripts.share_within(known) < kScriptLeast) return "script";
    if (now.scripts.broken_share() > kBrokenMost) return "utf8";
    return nullptr;
}

// Each question once, as the neutral side asks it.
std::vector<const ContrastPair*> choose_pairs(const std::vector<ContrastPair>& pairs) {
    std::set<std::pair<std::string, std::string>> seen;
    std::vector<const ContrastPair*> distinct, chosen;
    for (const ContrastPair& pair : pairs)
        if (pair.negative.prompt && seen.insert({pair.negative.system.value_or(""), *pair.negative.prompt}).second)
            distinct.push_back(&pair);
    const size_t count = std::min(kPrompts, distinct.size());
    for (size_t i = 0; i < count; i++) chosen.push_back(distinct[i * distinct.size() / count]); // evenly spread over the topics
    return chosen;
}

// Slope of a line through the means at each strength, by least squares; where a gauge is not defined it has none.
float slope(std::vector<float> x, std::vector<float> y) {
    for (size_t i = y.size(); i-- > 0;)
        if (std::isnan(y[i])) x.erase(x.begin() + static_cast<std::ptrdiff_t>(i)), y.erase(y.begin() + static_cast<std::ptrdiff_t>(i));
    const double mx = double{mean(x)}, my = double{mean(y)};
    double xy = 0.0, xx = 0.0;
    for (size_t i = 0; i < x.size(); i++) {
        xy += (double{x[i]} - mx) * (double{y[i]} - my);
        xx += (double{x[i]} - mx) * (double{x[i]} - mx);
    }
    return xx > 0.0 ? static_cast<float>(xy / xx) : Calibration::kNaN;
}

} // namespace

void measure_replies(const std::shared_ptr<Model>& model, VectorPtr vector, const std::vector<ContrastPair>& pairs, uint64_t seed,
                     Calibration& calibration, const std::function<void(float)>& advance) {
    const std::vector<const ContrastPair*> chosen = choose_pairs(pairs);
    if (chosen.empty()) {
        log(STEER_LOG_WARN, "the pairs have no prompts: how strong is safe cannot be measured, the guard and hold stay without limits");
        return;
    }
    const ReplyMaker maker(model, vector, seed);
    ScriptCount known;
    std::vector<EncodedPassage> prompts;
    std::vector<float> reference;
    for (const ContrastPair* pair : chosen) {
        prompts.push_back(encode_passage(*model, {pair->negative.system, pair->negative.prompt, std::nullopt}));
        reference.push_back(maker.surprise_of(encode_passage(*model, {pair->negative.system, pair->negative.prompt, pair->positive.reply})));
        for (const Passage* side : {&pair->negative, &pair->positive}) count_scripts(*side->reply, known);
    }
    Judgement base;
    std::vector<Reply> sound; // of all strengths that pass
    std::vector<float> strengths, own, twin;
    for (int32_t step = 0; static_cast<float>(step) * kGridStep <= kStrengthMost + 1e-3f; step++) {
        const float strength = static_cast<float>(step) * kGridStep;
        std::vector<Reply> replies;
        for (size_t i = 0; i < prompts.size(); i++) {
            replies.push_back(maker.make(prompts[i], i, strength));
            advance((static_cast<float>(step) + static_cast<float>(i) / static_cast<float>(prompts.size())) * kGridStep / kStrengthMost);
        }
        const Judgement now = judge(replies);
        if (step == 0) base = now;
        if (step == 0) known += now.scripts;
        const char* rule = step == 0 ? nullptr : failing_rule(now, base, std::exp(mean(reference)), known);
        log(STEER_LOG_INFO, "strength {:.2f}: p90 KL {:.2f}, perplexity {:.2f}, ended {:.2f}{}{}", strength, now.kl, now.perplexity,
            now.ended, rule == nullptr ? "" : ", fails by ", rule == nullptr ? "" : rule);
        if (rule != nullptr) {
            calibration.safe_fail = strength;
            calibration.safe_rule = rule;
            break;
        }
        calibration.safe_pass = strength;
        strengths.push_back(strength);
        own.push_back(mean(all_of(replies, &Reply::own)));
        twin.push_back(mean(all_of(replies, &Reply::twin)));
        std::move(replies.begin(), replies.end(), std::back_inserter(sound));
    }
    calibration.scripts = known.mask();
    calibration.entropy_limits = limits_by_age(sound, &Reply::mean_entropy, 99.5f);
    calibration.surprise_limits = limits_by_age(sound, &Reply::mean_surprise, 99.0f);
    calibration.length_limit = length_limit(sound);
    calibration.slope_corrected = slope(strengths, own);
    calibration.slope_twin = slope(strengths, twin);
}

} // namespace steer
