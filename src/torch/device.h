// Which device a model computes on.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

namespace steer {

// "cpu", "cuda", "cuda:N"; empty: the first CUDA device where there is one, else the CPU. Refused in words: a device that
// is not there, or a build without CUDA.
c10::Device choose_device(const std::string& asked);

uint64_t free_memory(c10::Device device); // bytes; of main memory on the CPU

} // namespace steer
