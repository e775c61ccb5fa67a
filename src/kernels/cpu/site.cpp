#include "kernels/cpu/site.h"

#include "files/float16.h"
#include "kernels/cpu/sums.h"

#include <algorithm>
#include <cmath>

namespace steer {
namespace {

float dot(const float* a, const float* b, int32_t size) {
    return sum_of<float>(size, [=](int32_t i) { return a[i] * b[i]; });
}

void load(const void* from, StreamType type, std::vector<float>& to) {
    if (type == StreamType::f32) std::copy_n(static_cast<const float*>(from), to.size(), to.data());
    else if (type == StreamType::f16)
        for (size_t i = 0; i < to.size(); i++) to[i] = f16_to_float(static_cast<const uint16_t*>(from)[i]);
    else
        for (size_t i = 0; i < to.size(); i++) to[i] = bf16_to_float(static_cast<const uint16_t*>(from)[i]);
}

// Rounds the state to the stream's type, in both places.
void store(std::vector<float>& from, StreamType type, void* to) {
    if (type == StreamType::f32) {
        std::copy_n(from.data(), from.size(), static_cast<float*>(to));
        return;
    }
    auto* halves = static_cast<uint16_t*>(to);
    for (size_t i = 0; i < from.size(); i++) {
        halves[i] = type == StreamType::f16 ? float_to_f16(from[i]) : float_to_bf16(from[i]);
        from[i] = type == StreamType::f16 ? f16_to_float(halves[i]) : bf16_to_float(halves[i]);
    }
}

size_t item_size(StreamType type) { return type == StreamType::f32 ? 4 : 2; }

} // namespace

bool SiteKernel::Token::acts(const Push& push) const {
    const bool in_span = (push.span & (chooses_reply ? kSpanReply : kSpanPrompt)) != 0;
    if (!in_span || row.strengths[static_cast<size_t>(push.injection)] == 0.0f) return false;
    return row.gating == nullptr || row.gating->open(push.injection, row.bits == nullptr ? 0 : row.bits[index]);
}

float* SiteKernel::Token::pushed(int32_t hidden_size) const {
    if (row.pushed == nullptr) return nullptr;
    if (row.plan->gates_own) return row.pushed + static_cast<ptrdiff_t>(index) * hidden_size;
    return last ? row.pushed : nullptr;
}

SiteKernel::SiteKernel(int32_t hidden_size, StreamType type)
    : hidden_size_(hidden_size),
      type_(type),
      x_(static_cast<size_t>(hidden_size)),
      before_(static_cast<size_t>(hidden_size)),
      sum_(static_cast<size_t>(hidden_size)) {}

void SiteKernel::visit(int32_t site, void* stream, std::span<const uint8_t> chooses_reply, std::span<const SiteRow> rows) {
    for (const SiteRow& row : rows) {
        if (row.plan == nullptr) continue;
        const auto pushes = row.plan->pushes_at(site);
        const bool gates = !row.plan->gates_at(site).empty(), probes = !row.plan->probes_at(site).empty();
        for (int32_t i = 0; i < row.token_count; i++) {
            const auto at = static_cast<size_t>(row.token_begin + i);
            const Token token{row, i, chooses_reply[at] != 0, i == row.token_count - 1};
            const bool push = std::any_of(pushes.begin(), pushes.end(), [&](const Push& p) { return token.acts(p); });
            if (!push && !gates && !(token.last && probes)) continue; // an idle site costs nothing, every bit stays
            visit_token(site, static_cast<char*>(stream) + at * static_cast<size_t>(hidden_size_) * item_size(type_), token);
        }
    }
}

void SiteKernel::visit_token(int32_t site, void* state, const Token& token) {
    const auto pushes = token.row.plan->pushes_at(site);
    load(state, type_, x_);
    read(site, Tap::before, token);

    // Norm-keeping adds, summed: y = x + u, then y |x| / |y|. Then plain adds, summed. Then intervals, jointly.
    before_ = x_;
    bool changed = false;
    if (gather(pushes, PushKind::add_keep_norm, token)) {
        const float norm = std::sqrt(dot(x_.data(), x_.data(), hidden_size_));
        for (size_t i = 0; i < x_.size(); i++) sum_[i] += x_[i];
        const float grown = std::sqrt(dot(sum_.data(), sum_.data(), hidden_size_));
        if (norm > 0.0f && grown > 0.0f) { // the origin has no norm to keep
            for (size_t i = 0; i < x_.size(); i++) x_[i] = sum_[i] * (norm / grown);
            changed = true;
        }
    }
    if (gather(pushes, PushKind::add, token)) {
        for (size_t i = 0; i < x_.size(); i++) x_[i] += sum_[i];
        changed = true;
    }
    if (hold_intervals(site, token)) changed = true;
    if (changed) {
        store(x_, type_, state);
        if (float* const pushed = token.pushed(hidden_size_))
            for (size_t i = 0; i < x_.size(); i++) pushed[i] += x_[i] - before_[i]; // D: the change really made
    }
    read(site, Tap::after, token);
}

// sum_ = the pushes of one kind that act here; false: there is none.
bool SiteKernel::gather(std::span<const Push> pushes, PushKind kind, const Token& token) {
    bool any = false;
    for (const Push& push : pushes) {
        if (push.kind != kind || !token.acts(push)) continue;
        if (!any) std::fill(sum_.begin(), sum_.end(), 0.0f);
        any = true;
        const float amount = token.row.strengths[static_cast<size_t>(push.injection)] * push.scale;
        for (size_t i = 0; i < sum_.size(); i++) sum_[i] += amount * push.direction[i];
    }
    return any;
}

// Gauges at the row's last token, gates at every one.
void SiteKernel::read(int32_t site, Tap tap, const Token& token) {
    const RowPlan& plan = *token.row.plan;
    const float* const pushed = token.pushed(hidden_size_);
    if (token.last)
        for (const Probe& probe : plan.probes_at(site))
            if (probe.tap == tap) token.row.readings[&probe - plan.probes.data()] = reading(probe, pushed);
    for (const Gate& gate : plan.gates_at(site)) {
        if (gate.probe.tap != tap) continue;
        const uint64_t bit = uint64_t{1} << gate.bit;
        const uint64_t before = token.index == 0 ? token.row.gate_bits : token.row.bits[token.index - 1];
        uint64_t& bits = token.row.bits[token.index];
        bits = gate.comparator.next((before & bit) != 0, reading(gate.probe, pushed)) ? bits | bit : bits & ~bit;
    }
}

// raw reads z = x, own z = x - D. cosine z.v / (max(|z|, 1e-6) |v|), projection z.v / |v|, dot z.v
float SiteKernel::reading(const Probe& probe, const float* all_pushed) const {
    const float* x = x_.data();
    const float* pushed = probe.own ? all_pushed : nullptr;
    const auto z = [=](int32_t i) { return pushed != nullptr ? x[i] - pushed[i] : x[i]; };
    float value = sum_of<float>(hidden_size_, [&](int32_t i) { return z(i) * probe.direction[i]; });
    if (probe.metric != Metric::dot) value /= probe.direction_norm;
    if (probe.metric == Metric::cosine)
        value /= std::max(std::sqrt(sum_of<float>(hidden_size_, [&](int32_t i) { return z(i) * z(i); })), 1e-6f);
    return value;
}

} // namespace steer
