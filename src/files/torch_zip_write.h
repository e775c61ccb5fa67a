// A file that torch.load(weights_only=True) reads: a dict of int to a float16 tensor of one dimension.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace steer {

std::string write_torch_halves(const std::map<int32_t, std::vector<uint16_t>>& rows);

} // namespace steer
