// What the chat was asked to do: command line over configuration file over defaults.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "persona.h"

namespace chat {

constexpr float default_strength = 8.0f;

// Something the user wrote is wrong: exit status 2.
struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Options {
    std::string model;  // empty: the demo model
    std::string vector; // empty: the newest that fits; "none": no persona
    std::optional<float> strength;
    int32_t unit = STEER_UNIT_RAW;
    std::optional<LayerRange> layers;
    std::vector<int> visualize_layers;
    int max_tokens = 128;
    std::string config;
    std::string device; // empty: the library chooses
    int32_t dtype = STEER_DTYPE_AUTO;
    int32_t weights = STEER_WEIGHTS_AS_STORED;
    bool allow_code = false;
    float temperature = 0.7f, top_p = 0.9f;
    uint64_t seed = 0; // 0: a fresh one
    std::optional<std::string> system;
    std::vector<std::string> stop;
    std::optional<std::string> once;
    bool json = false;

    bool help = false;
    std::string help_text;
    std::vector<std::string> warnings; // to be shown once there is a place for them
};

// Throws UsageError.
Options read_options(int argc, const char* const* argv);

const char* unit_name(int32_t unit);
const char* weights_name(int32_t weights);

} // namespace chat
