#include "text/constraint/constraint.h"

#include "files/error.h"
#include "text/constraint/json_rules.h"
#include "text/constraint/schema.h"

#include <algorithm>

namespace steer::constraint {
namespace {

// Calls see with what is left of each taken name that goes on from what is there of it so far; the whole name: with "".
template<class See>
void each_taken(const Grammar& grammar, const Level& top, std::string_view document, See see) {
    const std::string_view so_far = name_so_far(top, document);
    const auto look = [&](std::string_view name) {
        if (name.starts_with(so_far)) see(name.substr(so_far.size()));
    };
    const Level& object = *top.below;
    for (const std::string& name : grammar.rule_of(object.node).names) look(name);
    if (object.names)
        for (const TextRange& range : *object.names) look(document.substr(range.begin, range.end - range.begin));
}

bool of_name(const Grammar& grammar, const Level& level) { return grammar.rule_of(level.node).kind == RuleKind::name; }
bool at_start(const Grammar& grammar, const Level& level) { return level.node == grammar.rule_of(level.node).start; }

} // namespace

Masks::Masks(const Tokenizer& tokenizer, int32_t vocabulary_size)
    : vocabulary_(tokenizer, vocabulary_size), json_(json_grammar()), json_walks_(json_, vocabulary_) {}

Constraint::Constraint(std::shared_ptr<Masks> masks, Grammar grammar, std::string text)
    : masks_(std::move(masks)),
      grammar_(std::move(grammar)),
      text_(std::move(text)),
      json_nodes_(static_cast<uint32_t>(masks_->json().nodes().size())),
      walks_(grammar_, masks_->vocabulary()) {
    if (tokens_min() >= kNever)
        fail(STEER_ERR_UNSUPPORTED, "constraint: the model's vocabulary has not the single bytes that it takes");
}

ConstraintPtr Constraint::json(std::shared_ptr<Masks> masks) {
    Grammar grammar = masks->json();
    return std::make_shared<const Constraint>(std::move(masks), std::move(grammar), std::string());
}

ConstraintPtr Constraint::json_schema(std::shared_ptr<Masks> masks, std::string_view text) {
    return std::make_shared<const Constraint>(std::move(masks), compile_json_schema(text), std::string(text));
}

uint32_t Constraint::tokens_min() const { return costs().of_entry(grammar_, grammar_.root()); }

void Constraint::renew_sets() const {
    if (masks_->sets_.full()) {
        masks_->sets_ = NodeSets();
        masks_->json_walks_.clear();
        masks_->sets_age_++;
    }
    if (sets_age_ != masks_->sets_age_) walks_.clear();
    sets_age_ = masks_->sets_age_;
}

// Far from the limit of depth the limit does not matter, and one walk serves all depths.
const Walk& Constraint::walk(const Level& level, uint32_t set) const {
    const bool own = level.node >= json_nodes_;
    const Grammar& grammar = own ? grammar_ : masks_->json_;
    const uint32_t reach = masks_->vocabulary_.opened_max() + grammar.depth_to_end_max();
    const uint32_t depth = level.depth + reach <= kDepthMax ? 0 : level.depth;
    return (own ? walks_ : masks_->json_walks_).get(level.node, depth, set, masks_->sets_);
}

void Constraint::add_tokens(const Level& top, std::string_view document, int64_t tokens_left, Bits& bits) const {
    const std::lock_guard lock(masks_->mutex_);
    renew_sets();
    int64_t below = costs().below(top);
    uint32_t set = NodeSets::kRoot;
    for (const Level* level = &top; level != nullptr; level = level->below.get()) {
        const Walk& found = walk(*level, set);
        Bounds bounds{UINT32_MAX, 0, tokens_left - 1 - below};
        if (of_name(grammar_, *level) && at_start(grammar_, *level)) { // no token has the whole of a name
            bounds.tokens -= kSpareForName;
            return found.add_tokens(bounds, bits);
        }
        if (of_name(grammar_, *level)) {
            add_name_tokens(top, document, found, bounds, bits);
            set = without_taken(top, document, found.exits(bounds, masks_->sets_));
        } else {
            bounds.room = level->limits.max - level->count;
            bounds.need = level->limits.min > level->count ? level->limits.min - level->count : 0;
            found.add_tokens(bounds, bits);
            set = found.exits(bounds, masks_->sets_);
        }
        if (set == NodeSets::kEmpty) return;
        if (level->below) below -= costs().at(level->below->node);
    }
    for (const uint32_t node : masks_->sets_.nodes(set))
        for (const uint32_t token : masks_->vocabulary_.tokens(node)) bits[token / 32] |= 1u << token % 32;
}

// A name must not be ended where it is one that is there already.
uint32_t Constraint::without_taken(const Level& top, std::string_view document, uint32_t set) const {
    const Vocabulary& vocabulary = masks_->vocabulary_;
    std::vector<uint32_t> nodes;
    bool copied = false;
    each_taken(grammar_, top, document, [&](std::string_view rest) {
        const uint32_t node = vocabulary.child(vocabulary.find(Vocabulary::kRoot, rest), '"');
        if (!std::exchange(copied, true)) nodes = masks_->sets_.nodes(set);
        std::erase(nodes, node);
    });
    return copied ? masks_->sets_.number_of(std::move(nodes)) : set;
}

// Where tokens are so few that a name must be ended at once, none may be made that is there already.
void Constraint::add_name_tokens(const Level& top, std::string_view document, const Walk& walk, const Bounds& bounds,
                                 Bits& bits) const {
    std::vector<uint32_t> unwanted;
    if (bounds.tokens < 1 + int64_t{kSpareForName})
        each_taken(grammar_, top, document, [&](std::string_view rest) {
            const uint32_t node = masks_->vocabulary_.find(Vocabulary::kRoot, rest);
            if (node == Vocabulary::kNowhere || node == Vocabulary::kRoot) return;
            for (const uint32_t token : masks_->vocabulary_.tokens(node))
                if ((bits[token / 32] >> token % 32 & 1) == 0) unwanted.push_back(token);
        });
    walk.add_tokens(bounds, bits);
    for (const uint32_t token : unwanted) bits[token / 32] &= ~(1u << token % 32);
}

} // namespace steer::constraint
