// A checkpoint's tensors, read piece by piece to where they are wanted.
#pragma once

#include "model/backend.h"
#include "model/package.h"

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace steer {

at::ScalarType scalar_type(Dtype dtype, const std::string& name);

class WeightReader {
  public:
    // dtype: what numbers are turned into.
    WeightReader(const Package& package, at::ScalarType dtype, at::Device device, const Progress& progress);

    at::Device device() const { return options_.device(); }
    at::Tensor one(const std::string& name) { return stacked({name}); }
    at::Tensor stacked(const std::vector<std::string>& names); // one below the other: [sum of rows, ...]

    // All of it as the checkpoint has it: its dtype, its shape. Blocks of GGUF are bytes [N, bytes of a row].
    at::Tensor as_stored(const WeightLocation& place);
    // Progress counts every weight of the checkpoint once, whether it is read or not: this one twice.
    void expect_again(const WeightLocation& place) { total_ += place.tensor->size(); }
    void finish(); // says that all is read

    // Some rows [n, K] at a time, in the checkpoint's dtype; out of blocks of GGUF in float32.
    void visit_rows(const WeightLocation& place, const std::function<void(int64_t begin, const at::Tensor& rows)>& visit);

  private:
    void read_numbers(const WeightLocation& place, const at::Tensor& target);
    void read_into(const WeightLocation& place, at::Tensor target);
    void advance(uint64_t bytes);

    const Package& package_;
    at::TensorOptions options_;
    const Progress& progress_;
    std::vector<char> chunk_;
    uint64_t done_ = 0, total_ = 0;
};

} // namespace steer
