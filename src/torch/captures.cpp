#include "torch/captures.h"

#include "torch/upload.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>

namespace steer {

Captures::Captures(std::span<const Capture> wanted, int32_t hidden_size, at::Device device) : wanted_(wanted) {
    for (const Capture& capture : wanted) {
        tokens_.push_back(upload<int64_t>(capture.tokens, device));
        const int64_t rows = capture.each ? static_cast<int64_t>(capture.tokens.size()) : 1;
        sums_.push_back(at::zeros({rows, capture.site_end - capture.site_begin, hidden_size}, device));
    }
}

void Captures::take(int32_t site, const at::Tensor& x, Tap tap) {
    for (size_t i = 0; i < wanted_.size(); i++) {
        const Capture& capture = wanted_[i];
        if (capture.tap != tap || site < capture.site_begin || site >= capture.site_end) continue;
        const at::Tensor states = at::index_select(x, 0, tokens_[i]).to(at::kFloat); // [n, H]
        sums_[i].select(1, site - capture.site_begin).add_(capture.each ? states : states.sum(0, true));
    }
}

void Captures::finish() {
    for (size_t i = 0; i < wanted_.size(); i++) {
        const at::Tensor sums = sums_[i].cpu();
        const float* from = sums.const_data_ptr<float>();
        for (int64_t j = 0; j < sums.numel(); j++) wanted_[i].sums[j] += from[j];
    }
}

} // namespace steer
