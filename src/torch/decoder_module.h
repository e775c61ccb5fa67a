// The decoder block as a TorchScript module: made from decoder.py, or read from an archive of a folder whose code the host
// has allowed.
#pragma once

#include "model/config.h"

#include <torch/csrc/jit/api/module.h>

#include <string>

namespace steer {

// Without weights: empty tensors stand in their places.
torch::jit::Module make_decoder_module(const ModelConfig& config, bool fused_attention);

// bytes: code that was checked and allowed. STEER_ERR_FORMAT or _MISMATCH where it is no archive, or its module has not the
// methods and attributes of decoder.py. name is for messages.
torch::jit::Module read_decoder_module(const std::string& bytes, const std::string& name, const ModelConfig& config,
                                       bool fused_attention);

std::string write_decoder_module(const torch::jit::Module& module);

} // namespace steer
