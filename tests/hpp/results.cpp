// Results by choice: exceptions are on, and a callback's own still passes.
#define STEER_HPP_RESULTS
#include "returning_mode.h"

const char* use_results_by_choice(const char* folder);
const char* use_results_by_choice(const char* folder) {
    try {
        const auto thrower = [](float) -> steer::Flow { throw 17; };
        if (steer::Model::load(folder, {.progress = thrower})) return "loaded";
        return "nothing was thrown";
    } catch (int number) {
        if (number != 17) return "another exception";
    }
    return use_results(folder);
}
