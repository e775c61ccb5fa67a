#include "kernels/cpu/site.h"

#include "files/float16.h"

#include <algorithm>
#include <cmath>

namespace steer {
namespace {

constexpr int32_t kLanes = 16; // of a sum: one order of summation on every machine, and room for the vector units

template<class Term> float sum_of(int32_t size, Term term) {
    float lanes[kLanes] = {};
    int32_t i = 0;
    for (; i + kLanes <= size; i += kLanes)
        for (int32_t lane = 0; lane < kLanes; lane++) lanes[lane] += term(i + lane);
    for (int32_t lane = 0; i < size; i++, lane++) lanes[lane] += term(i);
    float total = 0.0f;
    for (const float lane : lanes) total += lane;
    return total;
}

float dot(const float* a, const float* b, int32_t size) {
    return sum_of(size, [=](int32_t i) { return a[i] * b[i]; });
}

bool acts(const Push& push, const SiteRow& row, bool chooses_reply) {
    const bool in_span = (push.span & (chooses_reply ? kSpanReply : kSpanPrompt)) != 0;
    return in_span && row.strengths[static_cast<size_t>(push.injection)] != 0.0f;
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
        const bool read = !row.plan->probes_at(site).empty();
        for (int32_t i = 0; i < row.token_count; i++) {
            const auto token = static_cast<size_t>(row.token_begin + i);
            const bool reply = chooses_reply[token] != 0, last = i == row.token_count - 1;
            const bool push = std::any_of(pushes.begin(), pushes.end(), [&](const Push& p) { return acts(p, row, reply); });
            if (!push && !(last && read)) continue; // an idle site costs nothing, and leaves every bit as it is
            void* state = static_cast<char*>(stream) + token * static_cast<size_t>(hidden_size_) * item_size(type_);
            visit_token(site, state, reply, last, row);
        }
    }
}

void SiteKernel::visit_token(int32_t site, void* token, bool chooses_reply, bool last, const SiteRow& row) {
    const auto pushes = row.plan->pushes_at(site);
    const auto probes = last ? row.plan->probes_at(site) : std::span<const Probe>{};
    const Probe* first = row.plan->probes.data();
    load(token, type_, x_);
    read(probes, Tap::before, row, first);

    // Norm-keeping adds, summed: y = x + u, then y |x| / |y|. Then plain adds, summed. (docs/architecture.md)
    before_ = x_;
    bool changed = false;
    if (gather(pushes, PushKind::add_keep_norm, row, chooses_reply)) {
        const float norm = std::sqrt(dot(x_.data(), x_.data(), hidden_size_));
        for (size_t i = 0; i < x_.size(); i++) sum_[i] += x_[i];
        const float grown = std::sqrt(dot(sum_.data(), sum_.data(), hidden_size_));
        if (norm > 0.0f && grown > 0.0f) { // the origin has no norm to keep
            for (size_t i = 0; i < x_.size(); i++) x_[i] = sum_[i] * (norm / grown);
            changed = true;
        }
    }
    if (gather(pushes, PushKind::add, row, chooses_reply)) {
        for (size_t i = 0; i < x_.size(); i++) x_[i] += sum_[i];
        changed = true;
    }
    if (changed) {
        store(x_, type_, token);
        if (last && row.pushed != nullptr)
            for (size_t i = 0; i < x_.size(); i++) row.pushed[i] += x_[i] - before_[i]; // D: the change really made
    }
    read(probes, Tap::after, row, first);
}

// sum_ = the pushes of one kind that act here; false: there is none.
bool SiteKernel::gather(std::span<const Push> pushes, PushKind kind, const SiteRow& row, bool chooses_reply) {
    bool any = false;
    for (const Push& push : pushes) {
        if (push.kind != kind || !acts(push, row, chooses_reply)) continue;
        if (!any) std::fill(sum_.begin(), sum_.end(), 0.0f);
        any = true;
        const float amount = row.strengths[static_cast<size_t>(push.injection)] * push.scale;
        for (size_t i = 0; i < sum_.size(); i++) sum_[i] += amount * push.direction[i];
    }
    return any;
}

// raw reads z = x, own z = x - D. cosine z.v / (max(|z|, 1e-6) |v|), projection z.v / |v|, dot z.v
void SiteKernel::read(std::span<const Probe> probes, Tap tap, const SiteRow& row, const Probe* first) {
    for (const Probe& probe : probes) {
        if (probe.tap != tap) continue;
        const float* x = x_.data();
        const float* pushed = probe.own ? row.pushed : nullptr;
        const auto z = [=](int32_t i) { return pushed != nullptr ? x[i] - pushed[i] : x[i]; };
        float value = sum_of(hidden_size_, [&](int32_t i) { return z(i) * probe.direction[i]; });
        if (probe.metric != Metric::dot) value /= probe.direction_norm;
        if (probe.metric == Metric::cosine)
            value /= std::max(std::sqrt(sum_of(hidden_size_, [&](int32_t i) { return z(i) * z(i); })), 1e-6f);
        row.readings[&probe - first] = value;
    }
}

} // namespace steer
