// A model for the commands that run one, and how they show that they are at work.
#pragma once

#include "pairs.h"

#include "steer/steer.h"

#include <memory>
#include <string>
#include <vector>

namespace vector_tool {

struct FreeModel {
    void operator()(steer_model* model) const { steer_model_free(model); }
};
using LoadedModel = std::unique_ptr<steer_model, FreeModel>;

struct ModelPlace {
    std::string device;                        // empty: chosen
    int32_t weights = STEER_WEIGHTS_AS_STORED;
};

LoadedModel load_model(const std::string& folder, const ModelPlace& place);
int32_t show_progress(void* what, float fraction);                     // what: a word, const char*
steer_view view(const std::string& text);                              // empty: absent
std::vector<steer_contrast_pair> to_c(const std::vector<Pair>& pairs); // views of them

} // namespace vector_tool
