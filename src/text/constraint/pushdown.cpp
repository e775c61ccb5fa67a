#include "text/constraint/pushdown.h"

#include <algorithm>

namespace steer::constraint {

bool Level::operator==(const Level& other) const {
    const auto same_names = [](const Names& a, const Names& b) { return a == b || (a && b && *a == *b); };
    for (const Level *a = this, *b = &other;; a = a->below.get(), b = b->below.get()) {
        if (a == b) return true;
        if (a == nullptr || b == nullptr) return false;
        if (a->node != b->node || a->count != b->count || !(a->limits == b->limits) || a->depth != b->depth ||
            !same_names(a->names, b->names))
            return false;
    }
}

bool has_name(const Grammar& grammar, const Level& object, std::string_view name, std::string_view text) {
    const std::vector<std::string>& declared = grammar.rule_of(object.node).names;
    if (std::find(declared.begin(), declared.end(), name) != declared.end()) return true;
    return object.names && std::any_of(object.names->begin(), object.names->end(), [&](const TextRange& range) {
               return text.substr(range.begin, range.end - range.begin) == name;
           });
}

void Places::clear() {
    tops.clear();
    ended.clear();
    callers_.clear();
}

void Places::start(const Level& level, const std::string_view* text) {
    clear();
    enter(level, text);
    callers_.clear();
}

void Places::enter(const Level& level, const std::string_view* text) {
    const Node& node = grammar_->node(level.node);
    if (level.depth + node.depth_to_end > kDepthMax) return;
    if (node.edge_begin != node.edge_end) add(level, tops);
    if (node.call_begin != node.call_end && add(level, callers_))
        for (const Call& one : grammar_->calls(node)) call(level, one, text);
    if (node.final) leave(level, text);
}

bool Places::add(const Level& level, std::vector<Level>& to) {
    if (to.size() >= kPlacesMax || std::find(to.begin(), to.end(), level) != to.end()) return false;
    to.push_back(level);
    return true;
}

void Places::call(const Level& level, const Call& call, const std::string_view* text) {
    const Node& back = grammar_->node(call.to);
    if (level.depth + back.depth_to_end > kDepthMax) return;
    const Rule& rule = grammar_->rule(call.rule);
    Level callee{.node = rule.start, .limits = call.limits, .depth = level.depth + (rule.kind == RuleKind::container)};
    if (rule.kind == RuleKind::name && text != nullptr) callee.count = static_cast<uint32_t>(text->size());
    if (back.only_final()) { // nothing is left to do there
        callee.below = level.below;
    } else {
        auto waiting = std::make_shared<Level>(level);
        waiting->node = call.to;
        callee.below = std::move(waiting);
    }
    enter(callee, text);
}

void Places::leave(const Level& level, const std::string_view* text) {
    if (!level.below) {
        if (std::find(ended.begin(), ended.end(), level.count) == ended.end()) ended.push_back(level.count);
        return;
    }
    if (grammar_->rule_of(level.node).kind != RuleKind::name) return enter(*level.below, text);
    if (text == nullptr) return; // whether it was there before is not known here
    Level object = *level.below;
    const TextRange range{level.count + 1, static_cast<uint32_t>(text->size()) - 1};
    if (has_name(*grammar_, object, text->substr(range.begin, range.end - range.begin), *text)) return;
    auto names = object.names ? std::make_shared<std::vector<TextRange>>(*object.names)
                              : std::make_shared<std::vector<TextRange>>();
    names->push_back(range);
    object.names = std::move(names);
    enter(object, text);
}

void Places::advance(const Places& from, uint8_t byte, const std::string_view* text) {
    clear();
    for (const Level& level : from.tops)
        for (const ByteEdge& edge : grammar_->edges(grammar_->node(level.node))) {
            if (byte < edge.first || byte > edge.last) continue;
            if (edge.needs_min && level.count < level.limits.min) continue;
            if (edge.counts && level.count >= level.limits.max) continue;
            Level next = level;
            next.node = edge.to;
            next.count += edge.counts;
            enter(next, text);
        }
    callers_.clear();
}

} // namespace steer::constraint
