// Enums travel to Python and back as names: those of steer.h without their prefix, in small letters.
#pragma once

#include <steer/steer.hpp>

#include <pybind11/pybind11.h>

#include <span>
#include <string>
#include <string_view>

namespace steer_python {

struct Name {
    const char* text;
    int32_t value;
};

inline constexpr Name kLogLevels[] = {
    {"error", STEER_LOG_ERROR}, {"warn", STEER_LOG_WARN}, {"info", STEER_LOG_INFO}, {"debug", STEER_LOG_DEBUG}};
inline constexpr Name kDtypes[] = {
    {"auto", STEER_DTYPE_AUTO}, {"f32", STEER_DTYPE_F32}, {"f16", STEER_DTYPE_F16}, {"bf16", STEER_DTYPE_BF16}};
inline constexpr Name kWeights[] = {
    {"as_stored", STEER_WEIGHTS_AS_STORED}, {"int8", STEER_WEIGHTS_INT8}, {"int4", STEER_WEIGHTS_INT4}, {"nf4", STEER_WEIGHTS_NF4}};
inline constexpr Name kResidencies[] = {
    {"none", STEER_RESIDENCY_NONE}, {"host", STEER_RESIDENCY_HOST}, {"device", STEER_RESIDENCY_DEVICE}};
inline constexpr Name kPriorities[] = {{"normal", STEER_PRIORITY_NORMAL}, {"low", STEER_PRIORITY_LOW}};
inline constexpr Name kModelTexts[] = {
    {"architecture", STEER_MODEL_ARCHITECTURE}, {"chat_template", STEER_MODEL_CHAT_TEMPLATE}, {"config", STEER_MODEL_CONFIG},
    {"generation_config", STEER_MODEL_GENERATION_CONFIG}};
inline constexpr Name kSites[] = {
    {"from_file", STEER_SITE_FROM_FILE}, {"output", STEER_SITE_OUTPUT}, {"input", STEER_SITE_INPUT}};
inline constexpr Name kFormats[] = {
    {"native", STEER_FORMAT_NATIVE}, {"gguf", STEER_FORMAT_GGUF}, {"torch", STEER_FORMAT_TORCH}, {"svec", STEER_FORMAT_SVEC}};
inline constexpr Name kRows[] = {{"write", STEER_ROWS_WRITE}, {"read", STEER_ROWS_READ}};
inline constexpr Name kMethods[] = {
    {"mean_difference", STEER_METHOD_MEAN_DIFFERENCE}, {"pca_centred", STEER_METHOD_PCA_CENTRED},
    {"pca_uncentred", STEER_METHOD_PCA_UNCENTRED}, {"pca_pairs", STEER_METHOD_PCA_PAIRS}, {"probe", STEER_METHOD_PROBE}};
inline constexpr Name kPoolings[] = {
    {"reply_mean", STEER_POOL_REPLY_MEAN}, {"user_mean", STEER_POOL_USER_MEAN}, {"prompt_last", STEER_POOL_PROMPT_LAST},
    {"reply_last", STEER_POOL_REPLY_LAST}, {"last", STEER_POOL_LAST}, {"shared_tokens", STEER_POOL_SHARED_TOKENS}};
inline constexpr Name kOps[] = {
    {"add", STEER_OP_ADD}, {"add_keep_norm", STEER_OP_ADD_KEEP_NORM}, {"interval", STEER_OP_INTERVAL}};
inline constexpr Name kUnits[] = {{"raw", STEER_UNIT_RAW}, {"relative", STEER_UNIT_RELATIVE}, {"gaps", STEER_UNIT_GAPS}};
inline constexpr Name kSpans[] = {{"all", STEER_SPAN_ALL}, {"prompt", STEER_SPAN_PROMPT}, {"reply", STEER_SPAN_REPLY}};
inline constexpr Name kTests[] = {{"above", STEER_TEST_ABOVE}, {"below", STEER_TEST_BELOW}};
inline constexpr Name kWhens[] = {{"last_step", STEER_WHEN_LAST_STEP}, {"same_pass", STEER_WHEN_SAME_PASS}};
inline constexpr Name kMetrics[] = {
    {"cosine", STEER_METRIC_COSINE}, {"projection", STEER_METRIC_PROJECTION}, {"dot", STEER_METRIC_DOT}};
inline constexpr Name kReduces[] = {{"mean", STEER_REDUCE_MEAN}, {"max", STEER_REDUCE_MAX}, {"last", STEER_REDUCE_LAST}};
inline constexpr Name kReadings[] = {
    {"raw", STEER_READING_RAW}, {"own", STEER_READING_OWN}, {"own_corrected", STEER_READING_OWN_CORRECTED},
    {"twin", STEER_READING_TWIN}};
inline constexpr Name kTaps[] = {{"before", STEER_TAP_BEFORE}, {"after", STEER_TAP_AFTER}};
inline constexpr Name kScales[] = {{"natural", STEER_SCALE_NATURAL}, {"calibrated", STEER_SCALE_CALIBRATED}};
inline constexpr Name kConstraints[] = {
    {"none", STEER_CONSTRAINT_NONE}, {"json", STEER_CONSTRAINT_JSON}, {"json_schema", STEER_CONSTRAINT_JSON_SCHEMA}};
inline constexpr Name kGuards[] = {
    {"off", STEER_GUARD_OFF}, {"report", STEER_GUARD_REPORT}, {"lower", STEER_GUARD_LOWER}, {"rewind", STEER_GUARD_REWIND},
    {"stop", STEER_GUARD_STOP}};
inline constexpr Name kFinishes[] = {
    {"stop_token", STEER_FINISH_STOP_TOKEN}, {"stop_text", STEER_FINISH_STOP_TEXT}, {"token_max", STEER_FINISH_TOKEN_MAX},
    {"context_full", STEER_FINISH_CONTEXT_FULL}, {"cancelled", STEER_FINISH_CANCELLED}, {"guard", STEER_FINISH_GUARD},
    {"dead_end", STEER_FINISH_DEAD_END}}; // STEER_FINISH_NONE is None

inline int32_t value_of(const char* option, std::span<const Name> names, std::string_view given) {
    std::string known;
    for (const Name& name : names) {
        if (given == name.text) return name.value;
        known += (known.empty() ? "" : ", ") + std::string(name.text);
    }
    throw pybind11::value_error(std::string(option) + " is \"" + std::string(given) + "\"; it is one of: " + known);
}

// A newer library may give out values that have no name here: those are told as numbers.
inline std::string name_of(std::span<const Name> names, int32_t value) {
    for (const Name& name : names)
        if (name.value == value) return name.text;
    return std::to_string(value);
}

} // namespace steer_python
