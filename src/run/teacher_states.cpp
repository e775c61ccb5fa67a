#include "run/teacher_states.h"

#include <algorithm>

namespace steer {
namespace {

constexpr size_t kStateBytes = size_t{64} << 20; // of states held at a time
constexpr size_t kPassMin = 16, kPassMax = 1024; // tokens

// One text through the decoder, in pieces whose states fit.
class Walk {
  public:
    Walk(Model& model, const ForcedText& text, SiteRange sites) : model_(model), text_(text), sites_(sites) {
        const std::vector<uint8_t>& marks = text.passage.marks;
        for (size_t i = 0; i < marks.size(); i++) chooses_reply_.push_back(i + 1 < marks.size() && marks[i + 1] != 0);
    }

    void run(const RowPlan* plan, std::span<const float> strengths, const StateVisitor& visit) {
        const size_t most = std::clamp(kStateBytes / (state_size() * sizeof(float)), kPassMin, kPassMax);
        const size_t size = text_.passage.ids.size();
        for (size_t begin = 0; begin < size; begin += most) {
            compute(begin, std::min(size, begin + most), plan, strengths);
            if (!states_.empty()) visit(states_);
        }
    }

  private:
    size_t state_size() const { return sites_.count() * static_cast<size_t>(model_.config().hidden_size); }

    void compute(size_t begin, size_t end, const RowPlan* plan, std::span<const float> strengths) {
        std::vector<int32_t> positions, tokens;
        for (size_t i = begin; i < end; i++) positions.push_back(static_cast<int32_t>(i));
        const auto first = std::lower_bound(text_.choosing.begin(), text_.choosing.end(), static_cast<int32_t>(begin));
        for (auto at = first; at != text_.choosing.end() && *at < static_cast<int32_t>(end); ++at)
            tokens.push_back(*at - static_cast<int32_t>(begin));
        states_.assign(tokens.size() * state_size(), 0.0f);
        model_.with_backend([&](Backend& backend, const std::shared_ptr<CachePool>& pool) {
            if (!blocks_.pool()) blocks_ = BlockTable(pool);
            blocks_.make_writable(static_cast<int32_t>(begin), static_cast<int32_t>(end));
            const BatchRow row{0, static_cast<int32_t>(end - begin), static_cast<int32_t>(end), blocks_.blocks(), plan, strengths, {}};
            const Capture capture{sites_.begin, sites_.end, Tap::after, tokens, states_.data(), true};
            Batch batch{.ids = std::span(text_.passage.ids).subspan(begin, end - begin), .positions = positions,
                        .chooses_reply = std::span(chooses_reply_).subspan(begin, end - begin), .rows = {&row, 1}};
            if (!tokens.empty()) batch.captures = {&capture, 1};
            Results results;
            backend.wait(backend.submit(batch), results);
        });
    }

    Model& model_;
    const ForcedText& text_;
    SiteRange sites_;
    std::vector<uint8_t> chooses_reply_;
    std::vector<float> states_;
    BlockTable blocks_;
};

} // namespace

void visit_states(Model& model, const ForcedText& text, SiteRange sites, const RowPlan* plan, std::span<const float> strengths,
                  const StateVisitor& visit) {
    Walk(model, text, sites).run(plan, strengths, visit);
}

} // namespace steer
