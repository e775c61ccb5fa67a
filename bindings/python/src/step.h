// A steer_step that owns what it points to, copied before anybody can make the session's next call.
#pragma once

#include "objects.h"

namespace steer_python {

class StepObject {
  public:
    explicit StepObject(const steer_step& from, const steer_error& error = {});

    steer_step c;      // its pointers show what is below
    steer_error error; // of a row of step_many; STEER_OK: none
    std::vector<float> gauges, strengths, prompt_log_probs;
    std::vector<uint8_t> push_free;
    std::vector<steer_candidate> top;
    std::string bytes, text;
};

} // namespace steer_python
