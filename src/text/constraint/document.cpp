#include "text/constraint/constraint.h"

#include <algorithm>

namespace steer::constraint {

Document::Document(ConstraintPtr constraint) : constraint_(std::move(constraint)), places_(constraint_->grammar()) {
    const Grammar& grammar = constraint_->grammar();
    const Rule& rule = grammar.rule(grammar.root().rule);
    const std::string_view nothing;
    places_.start({.node = rule.start, .limits = grammar.root().limits, .depth = rule.kind == RuleKind::container},
                  &nothing);
}

namespace {

class Growth { // of a text, taken back unless it is kept
  public:
    explicit Growth(std::string& text) : text_(text), size_(text.size()) {}
    ~Growth() {
        if (!kept_) text_.resize(size_);
    }
    Growth(const Growth&) = delete;
    Growth& operator=(const Growth&) = delete;
    void keep() { kept_ = true; }

  private:
    std::string& text_;
    size_t size_;
    bool kept_ = false;
};

} // namespace

bool Document::accept(std::string_view bytes) {
    Growth growth(text_);
    Places now(constraint_->grammar()), next(constraint_->grammar());
    const Places* from = &places_;
    for (const char byte : bytes) {
        text_ += byte;
        const std::string_view so_far = text_;
        next.advance(*from, static_cast<uint8_t>(byte), &so_far);
        if (next.dead()) return false;
        std::swap(now, next);
        from = &now;
    }
    if (from != &places_) places_ = std::move(now);
    growth.keep();
    return true;
}

uint32_t Document::tokens_to_end() const {
    if (complete()) return 0;
    const Grammar& grammar = constraint_->grammar();
    const TokenCosts& costs = constraint_->costs();
    uint32_t fewest = kNever;
    for (const Level& top : places_.tops) {
        uint32_t cost = add_costs(costs.of_level(top), costs.below(top));
        if (name_may_end(grammar, top.node) && has_name(grammar, *top.below, name_so_far(top, text_), text_))
            cost = add_costs(cost, kSpareForName);
        fewest = std::min(fewest, cost);
    }
    return fewest;
}

void Document::allow(int64_t tokens_left, Bits& bits) const {
    bits.assign(constraint_->mask_words(), 0);
    for (const Level& top : places_.tops) constraint_->add_tokens(top, text_, tokens_left, bits);
}

} // namespace steer::constraint
