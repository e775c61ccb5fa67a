// From plain memory to a tensor on the device.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <span>

namespace steer {

// values [n] as a tensor [n] of To.
template<class To, class From> at::Tensor upload(std::span<const From> values, at::Device device) {
    at::Tensor host = at::empty({static_cast<int64_t>(values.size())}, c10::CppTypeToScalarType<To>::value);
    std::transform(values.begin(), values.end(), host.data_ptr<To>(), [](From value) { return static_cast<To>(value); });
    return host.to(device);
}

} // namespace steer
