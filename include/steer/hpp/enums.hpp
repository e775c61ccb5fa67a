// The enums of steer.h as types. A newer library may give out values that are not named here.
#pragma once

#include "error.hpp"

namespace steer::inline STEER_HPP_MODE {

enum class LogLevel : int32_t { error = STEER_LOG_ERROR, warn = STEER_LOG_WARN, info = STEER_LOG_INFO, debug = STEER_LOG_DEBUG };

// Models.
enum class Dtype : int32_t { automatic = STEER_DTYPE_AUTO, f32 = STEER_DTYPE_F32, f16 = STEER_DTYPE_F16, bf16 = STEER_DTYPE_BF16 };
enum class Weights : int32_t {
    as_stored = STEER_WEIGHTS_AS_STORED, int8 = STEER_WEIGHTS_INT8, int4 = STEER_WEIGHTS_INT4, nf4 = STEER_WEIGHTS_NF4
};
enum class Residency : int32_t { none = STEER_RESIDENCY_NONE, host = STEER_RESIDENCY_HOST, device = STEER_RESIDENCY_DEVICE };
enum class Priority : int32_t { normal = STEER_PRIORITY_NORMAL, low = STEER_PRIORITY_LOW };
enum class ModelText : int32_t {
    architecture = STEER_MODEL_ARCHITECTURE, chat_template = STEER_MODEL_CHAT_TEMPLATE, config = STEER_MODEL_CONFIG,
    generation_config = STEER_MODEL_GENERATION_CONFIG
};

// Vectors.
enum class Site : int32_t { from_file = STEER_SITE_FROM_FILE, output = STEER_SITE_OUTPUT, input = STEER_SITE_INPUT };
enum class VectorFormat : int32_t {
    native = STEER_FORMAT_NATIVE, gguf = STEER_FORMAT_GGUF, torch = STEER_FORMAT_TORCH, svec = STEER_FORMAT_SVEC
};
enum class Rows : int32_t { write = STEER_ROWS_WRITE, read = STEER_ROWS_READ };
enum class Method : int32_t {
    mean_difference = STEER_METHOD_MEAN_DIFFERENCE, pca_centred = STEER_METHOD_PCA_CENTRED,
    pca_uncentred = STEER_METHOD_PCA_UNCENTRED, pca_pairs = STEER_METHOD_PCA_PAIRS, probe = STEER_METHOD_PROBE
};
enum class Pooling : int32_t {
    reply_mean = STEER_POOL_REPLY_MEAN, user_mean = STEER_POOL_USER_MEAN, prompt_last = STEER_POOL_PROMPT_LAST,
    reply_last = STEER_POOL_REPLY_LAST, last = STEER_POOL_LAST, shared_tokens = STEER_POOL_SHARED_TOKENS
};

// Injections.
enum class Op : int32_t { add = STEER_OP_ADD, add_keep_norm = STEER_OP_ADD_KEEP_NORM, interval = STEER_OP_INTERVAL };
enum class Unit : int32_t { raw = STEER_UNIT_RAW, relative = STEER_UNIT_RELATIVE, gaps = STEER_UNIT_GAPS };
enum class Span : int32_t { all = STEER_SPAN_ALL, prompt = STEER_SPAN_PROMPT, reply = STEER_SPAN_REPLY };
enum class Test : int32_t { above = STEER_TEST_ABOVE, below = STEER_TEST_BELOW };
enum class When : int32_t { last_step = STEER_WHEN_LAST_STEP, same_pass = STEER_WHEN_SAME_PASS };

// Gauges.
enum class Metric : int32_t { cosine = STEER_METRIC_COSINE, projection = STEER_METRIC_PROJECTION, dot = STEER_METRIC_DOT };
enum class Reduce : int32_t { mean = STEER_REDUCE_MEAN, max = STEER_REDUCE_MAX, last = STEER_REDUCE_LAST };
enum class Reading : int32_t {
    raw = STEER_READING_RAW, own = STEER_READING_OWN, own_corrected = STEER_READING_OWN_CORRECTED, twin = STEER_READING_TWIN
};
enum class Tap : int32_t { before = STEER_TAP_BEFORE, after = STEER_TAP_AFTER };
enum class Scale : int32_t { natural = STEER_SCALE_NATURAL, calibrated = STEER_SCALE_CALIBRATED };

// Generation.
enum class Constraint : int32_t {
    none = STEER_CONSTRAINT_NONE, json = STEER_CONSTRAINT_JSON, json_schema = STEER_CONSTRAINT_JSON_SCHEMA
};
enum class Guard : int32_t {
    off = STEER_GUARD_OFF, report = STEER_GUARD_REPORT, lower = STEER_GUARD_LOWER, rewind = STEER_GUARD_REWIND,
    stop = STEER_GUARD_STOP
};
enum class Finish : int32_t {
    none = STEER_FINISH_NONE, stop_token = STEER_FINISH_STOP_TOKEN, stop_text = STEER_FINISH_STOP_TEXT,
    token_max = STEER_FINISH_TOKEN_MAX, context_full = STEER_FINISH_CONTEXT_FULL, cancelled = STEER_FINISH_CANCELLED,
    guard = STEER_FINISH_GUARD, dead_end = STEER_FINISH_DEAD_END
};

} // namespace steer::inline STEER_HPP_MODE
