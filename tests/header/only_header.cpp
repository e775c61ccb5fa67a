#define STEER_ENABLE_UNSTABLE
#include <steer/steer.h>

#include <steer/steer.h>

namespace {
struct Use {
    steer_step step;
    steer_adapter* adapter;
};
} // namespace
int only_header();
int only_header() { return sizeof(Use) > sizeof(steer_step) ? STEER_OK : STEER_ERR_INTERNAL; }
