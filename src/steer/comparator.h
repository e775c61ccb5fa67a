// A threshold with hysteresis: true once past enter, until back past leave. C++17: nvcc reads it too.
#pragma once

#if defined(__CUDACC__)
#    define STEER_COMPARATOR_FUNCTION __host__ __device__
#else
#    define STEER_COMPARATOR_FUNCTION
#endif

namespace steer {

struct Comparator {
    float enter, leave;
    bool below; // past is below, else above

    // What is unknown (NaN) changes nothing.
    STEER_COMPARATOR_FUNCTION bool next(bool now, float value) const {
        if (now) return !(below ? value > leave : value < leave);
        return below ? value < enter : value > enter;
    }
};

} // namespace steer
