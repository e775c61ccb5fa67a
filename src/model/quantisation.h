// "quantization_config" of a config.json: how a checkpoint packed its linear layers.
#pragma once

#include "files/json.h"

#include <cstdint>
#include <string>

namespace steer {

enum class QuantMethod : uint8_t {
    none,
    gptq, // GPTQ-Int4, as AutoGPTQ and GPTQModel save it
    awq,  // AWQ in its "gemm" version, as AutoAWQ saves it
    nf4,  // bitsandbytes, 4-bit NormalFloat, with and without double quantisation
};

struct QuantConfig {
    QuantMethod method = QuantMethod::none;
    int64_t group_size = 0;           // columns that share a scale; -1: all of a row. nf4: each matrix says its own
    bool zeros_stored_less_1 = false; // GPTQ's older form
    bool act_order = false;           // GPTQ: groups are no runs of columns; each matrix says which, this is only to know its size
};

// config: the whole config.json. What is not supported is refused with the field's name.
QuantConfig parse_quant_config(const Json& config, const std::string& name);

} // namespace steer
