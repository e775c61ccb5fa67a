/* steer.h - the C interface of libsteer, and its manual.
 *
 * Threads    Models, vectors, adapters: share freely. A session has two faces. Its CONVERSATION (tokens, cache, step) is
 *            for one thread at a time: a second one gets STEER_ERR_BUSY, never a race. Its CONTROLS, marked [any], are
 *            for any thread at any time, callbacks included; a change is picked up when the next step starts.
 *            Sessions of one model may be used from several threads; steps that wait at the same time are computed together.
 * Callbacks  run only on the thread that made the call, inside the call, and must return (no throw, no longjmp).
 * Freeing    is [any], in any order, NULL allowed. Freed while a call runs on it elsewhere: that call is cancelled and
 *            the object ends with it. A freed handle passed in is STEER_ERR_ARG. No init, no shutdown: what is not freed
 *            is left to the operating system.
 * Sizes      Options begin with struct_size, which init writes; NULL options mean defaults. Out structs are filled up to
 *            the size passed in the call, the rest zeroed. Structs that grow are appended to and have no padding.
 * Text       is UTF-8, paths too, on every system. Views are copied by the callee. data NULL with size 0: absent.
 * Buffers    NULL with cap 0: OK, only the size. Too small: STEER_ERR_BUFFER, the needed size, nothing written.
 * Enums      travel as int32_t, in flags as uint32_t. Unknown negative status: an error. Unknown finish: the end.
 */
#ifndef STEER_STEER_H
#define STEER_STEER_H

#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX != 0xffffffffffffffffu
#  error "libsteer is for 64-bit systems: struct layouts are fixed on that"
#endif

#if defined(STEER_STATIC)
#  define STEER_API
#elif defined(_WIN32) && defined(STEER_BUILDING)
#  define STEER_API __declspec(dllexport)
#elif defined(_WIN32)
#  define STEER_API __declspec(dllimport)
#else
#  define STEER_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. version -------------------------------------------------------- */
#define STEER_VERSION_MAJOR 0
#define STEER_VERSION_MINOR 1
#define STEER_VERSION_PATCH 0
#define STEER_VERSION (STEER_VERSION_MAJOR * 1000000 + STEER_VERSION_MINOR * 1000 + STEER_VERSION_PATCH)

STEER_API uint32_t    steer_version(void);         /* refuse to run if the major (in 0.x: the minor) differs from yours */
STEER_API const char *steer_build_info(void);      /* static text: libtorch built for and found, CUDA, compiler */

/* ---- 2. status and error ----------------------------------------------- */
typedef int32_t steer_status;                      /* fixed width: enums have no ABI size */
enum {
    STEER_OK = 0,
    STEER_ERR_ARG = -1, STEER_ERR_STATE = -2, STEER_ERR_BUSY = -3,                     /* the caller's */
    STEER_ERR_BUFFER = -4, STEER_ERR_CONTEXT_FULL = -5, STEER_ERR_MISMATCH = -6, STEER_ERR_UNSUPPORTED = -7,
    STEER_ERR_IO = -8, STEER_ERR_FORMAT = -9,                                          /* the file's */
    STEER_ERR_MEMORY = -10, STEER_ERR_DEVICE_MEMORY = -11, STEER_ERR_DEVICE = -12,     /* the machine's */
    STEER_ERR_DEVICE_LOST = -13,                   /* for good: free what you have, restart the process */
    STEER_ERR_NUMERIC = -14,                       /* not finite: lower the strength; nothing was emitted */
    STEER_ERR_CANCELLED = -15,                     /* a progress callback said stop, or the object was freed meanwhile */
    STEER_ERR_INTERNAL = -16
};
typedef struct steer_error { steer_status status; char message[252]; } steer_error; /* 256 bytes, frozen; NULL allowed; */
STEER_API const char *steer_status_name(steer_status status);                       /* always written, cut at a character */

/* ---- 3. process-wide (optional) ----------------------------------------- */
enum { STEER_LOG_ERROR = 0, STEER_LOG_WARN = 1, STEER_LOG_INFO = 2, STEER_LOG_DEBUG = 3 };
typedef void (*steer_log_fn)(void *user, int32_t level, const char *text, size_t size);
STEER_API void         steer_log_set(steer_log_fn fn, void *user, int32_t level);   /* [any] but not inside fn; NULL: none; on return the former fn is done for good */
STEER_API steer_status steer_threads_set(int32_t intra_op, int32_t inter_op, steer_error *err); /* libtorch's, process-wide: once, before the first model */

/* ---- 4. handles, ids, views --------------------------------------------- */
typedef struct steer_model   steer_model;          /* contents never change; only where the weights lie */
typedef struct steer_vector  steer_vector;         /* immutable */
typedef struct steer_session steer_session;
typedef uint32_t steer_injection_id;               /* 0 is null; never reused in a session; the same in its forks */
typedef uint32_t steer_gauge_id;
#define STEER_SLOT(id) ((id) & 0xffu)              /* where the id stands in steer_step.strengths / .gauges until removed */
typedef struct steer_view { const char *data; size_t size; } steer_view;            /* frozen; not NUL ended */
typedef int32_t (*steer_progress_fn)(void *user, float fraction);                   /* at least every 100 ms; not 0: stop */

/* ---- 5. model ------------------------------------------------------------- */
enum { STEER_DTYPE_AUTO = 0, STEER_DTYPE_F32 = 1, STEER_DTYPE_F16 = 2, STEER_DTYPE_BF16 = 3 };
enum { STEER_WEIGHTS_AS_STORED = 0, STEER_WEIGHTS_INT8 = 1, STEER_WEIGHTS_INT4 = 2, STEER_WEIGHTS_NF4 = 3 };
enum { STEER_RESIDENCY_NONE = 0, STEER_RESIDENCY_HOST = 1, STEER_RESIDENCY_DEVICE = 2 };
enum { STEER_PRIORITY_NORMAL = 0, STEER_PRIORITY_LOW = 1 };                         /* low: yield the GPU to a renderer */
enum { STEER_MODEL_VERIFY = 1u << 0, STEER_MODEL_ALLOW_CODE = 1u << 1 };            /* hold every file against the manifest of an export; archives are code: only from those you trust */
typedef struct steer_model_options {
    uint32_t struct_size;
    int32_t  dtype;                                /* of the arithmetic */
    const char *device;                            /* "cpu", "cuda:0"; NULL: choose */
    int32_t  weights;
    int32_t  residency;                            /* NONE: only open; tokens, chat and info work, no weights are read */
    int32_t  priority;
    uint32_t flags;
    uint64_t device_memory_max;                    /* 0: no limit; bytes for weights, caches, scratch; checked beforehand */
    steer_progress_fn progress_fn;
    void             *progress_user;
} steer_model_options;
typedef struct steer_model_info {                  /* out */
    int32_t  layer_count, hidden_size, vocab_size, context_max;
    int32_t  dtype, weights, residency;
    int32_t  device;                               /* CUDA index, -1: CPU */
    uint64_t weight_bytes, cache_bytes_per_token;  /* what it will take, known before any weight is read */
    uint64_t device_bytes_used, device_bytes_free; /* now; used: by this model with its caches */
    uint8_t  fingerprint[32];                      /* ties vectors, adapters, states to a model */
} steer_model_info;
enum { STEER_MODEL_ARCHITECTURE = 0, STEER_MODEL_CHAT_TEMPLATE = 1, STEER_MODEL_CONFIG = 2, STEER_MODEL_GENERATION_CONFIG = 3 };
STEER_API void         steer_model_options_init(steer_model_options *o, size_t struct_size);
STEER_API steer_status steer_model_load(const char *path, const steer_model_options *o, steer_model **out, steer_error *err); /* a Hugging Face folder, an exported one, or a GGUF file */
STEER_API void         steer_model_free(steer_model *m);                            /* sessions keep it alive */
STEER_API steer_status steer_model_get_info(const steer_model *m, steer_model_info *out, size_t out_size, steer_error *err);
STEER_API steer_status steer_model_get_text(const steer_model *m, int32_t what, char *buf, size_t cap, size_t *size, steer_error *err);
/* Moves the weights. HOST parks weights and caches in main memory; NONE drops both, tokens stay and are recomputed.
 * Waits for the running call; until DEVICE again a step is STEER_ERR_STATE. Conversations and controls survive. */
STEER_API steer_status steer_model_set_residency(steer_model *m, int32_t residency, steer_progress_fn fn, void *user, steer_error *err);
/* Writes the model to a new or empty folder (or to its own, which then gains two files): the decoder as a TorchScript archive,
 * code only; the model's files, linked where the file system can, else copied; and a manifest with the SHA-256 of each. Loading
 * that takes STEER_MODEL_ALLOW_CODE and reads every file once more, to hold it against the manifest before any code is looked
 * at. Needs no weights in memory. */
STEER_API steer_status steer_model_export(const steer_model *m, const char *folder, steer_progress_fn fn, void *user, steer_error *err);

/* ---- 6. text: tokens and chat ---------------------------------------------- */
enum { STEER_TEXT_SPECIAL = 1u << 0 };             /* encode: control tokens are read; decode: they are written */
STEER_API steer_status steer_text_encode(const steer_model *m, const char *text, size_t text_size, uint32_t flags, int32_t *ids, size_t cap, size_t *count, steer_error *err);
STEER_API steer_status steer_text_decode(const steer_model *m, const int32_t *ids, size_t count, uint32_t flags, char *buf, size_t cap, size_t *size, steer_error *err); /* exact bytes */

typedef struct steer_chat_message {                /* frozen */
    steer_view role, content;                      /* content absent: none, as with a bare tool call */
    steer_view extra;                              /* JSON object of what else a template reads: tool_calls, name, reasoning_content */
} steer_chat_message;
enum { STEER_CHAT_OPEN_REPLY = 1u << 0, STEER_CHAT_CONTINUE = 1u << 1 };            /* add the reply's opening; leave the last message open */
typedef struct steer_chat {
    uint32_t struct_size;
    uint32_t flags;
    const steer_chat_message *messages;
    size_t     message_count;
    steer_view tools;                              /* JSON array */
    steer_view variables;                          /* JSON object for the template: {"enable_thinking":false} */
    steer_view template_text;                      /* Jinja; absent: the model's own. Never from a stranger */
} steer_chat;
STEER_API void         steer_chat_init(steer_chat *c, size_t struct_size);
STEER_API steer_status steer_chat_format(const steer_model *m, const steer_chat *c, char *buf, size_t cap, size_t *size, steer_error *err); /* to look at; to compute, encode */
/* Template text becomes control tokens, message text never does. marks (may be NULL): 1 where an assistant speaks, else 0.
 * prefer (may be NULL): where its tokens spell the same bytes they are taken over, so a sampled reply keeps its tokens. */
STEER_API steer_status steer_chat_encode(const steer_model *m, const steer_chat *c, const steer_session *prefer, int32_t *ids, uint8_t *marks, size_t cap, size_t *count, steer_error *err);

/* ---- 7. vectors --------------------------------------------------------------- */
enum { STEER_SITE_FROM_FILE = 0, STEER_SITE_OUTPUT = 1, STEER_SITE_INPUT = 2 };     /* of the block a row is numbered by */
enum { STEER_FORMAT_NATIVE = 0, STEER_FORMAT_GGUF = 1, STEER_FORMAT_TORCH = 2, STEER_FORMAT_SVEC = 3 }; /* TORCH: rows alone, as float16; the others hold all */
typedef struct steer_vector_options {              /* what the rows or the file do not say */
    uint32_t struct_size;
    int32_t  layer_begin;                          /* of the first row; load: only for files that do not tell */
    int32_t  site_measured, site_applied;
    const steer_model *model;                      /* create: tie to it; load: refuse a mismatch now; NULL: neither */
    const char *name;                              /* create: its name; load: which one of several in a file, feature:N of a sparse autoencoder */
    const void *data;                              /* load: the file's bytes, already in memory; path then only names them */
    size_t      data_size;
} steer_vector_options;
typedef struct steer_vector_info {                 /* out */
    int32_t  layer_begin, layer_end, hidden_size;  /* half open */
    int32_t  site_measured, site_applied;
    int32_t  calibrated;                           /* 0: raw strength and natural gauge values only */
    int32_t  best_begin, best_end, gauge_layer;    /* recommended by extract / calibrate; -1: unknown */
    float    strength_safe;                        /* relative; NaN: unknown */
    uint8_t  fingerprint[32];                      /* of the rows */
    uint8_t  model_fingerprint[32];                /* all zero: untied, fits any model of that width */
    const char *name;                              /* lives with the vector */
} steer_vector_info;
enum { STEER_ROWS_WRITE = 0, STEER_ROWS_READ = 1 };                                 /* the best rows to push with are not the best to read with */
typedef struct steer_vector_layer {                /* out; NaN: unknown */
    const float *row;                              /* hidden_size floats, live with the vector; NULL: no row here */
    float norm, residual_norm;                     /* of the row; of the stream at its site, median */
    float explained_variance, auc, auc_content;    /* held out; content: only tokens that both voices share */
    float neutral, persona;                        /* mean projections of stored text on the row */
    float split_half_cosine;
} steer_vector_layer;
typedef struct steer_passage { steer_view system, prompt, reply; } steer_passage;   /* frozen; only reply given: plain text */
typedef struct steer_contrast_pair { steer_passage positive, negative; uint64_t group; } steer_contrast_pair; /* frozen; balanced and held out by group */
enum { STEER_METHOD_MEAN_DIFFERENCE = 0, STEER_METHOD_PCA_CENTRED = 1, STEER_METHOD_PCA_UNCENTRED = 2, STEER_METHOD_PCA_PAIRS = 3, STEER_METHOD_PROBE = 4 };
enum { STEER_POOL_REPLY_MEAN = 0, STEER_POOL_USER_MEAN = 1, STEER_POOL_PROMPT_LAST = 2, STEER_POOL_REPLY_LAST = 3, STEER_POOL_LAST = 4, STEER_POOL_SHARED_TOKENS = 5 };
typedef struct steer_extract_options {
    uint32_t struct_size;
    int32_t  layer_begin, layer_end;
    int32_t  method, pooling;
    float    holdout;                              /* share of groups kept for the report */
    uint64_t seed;
    const char *name;
    steer_progress_fn progress_fn;
    void             *progress_user;
    const char *resume_path;                       /* extract: keeps the states of each text as they are read; the same call again goes on there. NULL: nothing is kept */
} steer_extract_options;
STEER_API void         steer_vector_options_init(steer_vector_options *o, size_t struct_size);
STEER_API steer_status steer_vector_create(const float *rows, size_t row_count, size_t hidden_size, const steer_vector_options *o, steer_vector **out, steer_error *err);
/* Told by the content: native files, GGUF control vectors, what torch.save and numpy.save wrote, .svec. What each becomes, and at
 * which sites: docs/vector_formats.md. */
STEER_API steer_status steer_vector_load(const char *path, const steer_vector_options *o, steer_vector **out, steer_error *err);
STEER_API steer_status steer_vector_save(const steer_vector *v, const char *path, int32_t format, steer_error *err);
STEER_API steer_status steer_vector_combine(const steer_vector *const *vs, const float *weights, size_t count, float norm, steer_vector **out, steer_error *err); /* norm > 0: each row gets this length; < 0: -norm times the stream's norm at its site; 0: as they sum */
STEER_API void         steer_extract_options_init(steer_extract_options *o, size_t struct_size);
STEER_API steer_status steer_vector_extract(steer_model *m, const steer_contrast_pair *pairs, size_t count, const steer_extract_options *o, steer_vector **out, steer_error *err);
STEER_API steer_status steer_vector_calibrate(steer_model *m, const steer_vector *v, const steer_contrast_pair *pairs, size_t count, const steer_extract_options *o, steer_vector **out, steer_error *err);
STEER_API steer_status steer_vector_get_info(const steer_vector *v, steer_vector_info *out, size_t out_size, steer_error *err);
STEER_API steer_status steer_vector_get_layer(const steer_vector *v, int32_t layer, int32_t rows, steer_vector_layer *out, size_t out_size, steer_error *err);
STEER_API steer_status steer_vector_get_metadata(const steer_vector *v, char *buf, size_t cap, size_t *size, steer_error *err); /* all that its file says and no field here, as JSON: {"key": "text"} */
STEER_API void         steer_vector_free(steer_vector *v);

/* ---- 8. session: a list of tokens, with a cache that follows behind ------------- */
typedef struct steer_session_options {
    uint32_t struct_size;
    int32_t  context_max;                          /* 0: the smaller of the model's and 8192; cache memory is taken as it is used */
    int32_t  prefill_chunk;                        /* 0: chosen; most prompt tokens that one step computes */
    int32_t  injection_max, gauge_max;             /* default 16 each, at most 255 */
    int32_t  twin;                                 /* 1: an unsteered row walks along on the same tokens (memory, one more row a step) */
} steer_session_options;
typedef struct steer_session_info {                /* out */
    int32_t  token_count, computed_count;          /* in the list; with a cache entry */
    int32_t  stale_from;                           /* first computed position built under other settings; -1: none */
    int32_t  context_max;
    uint32_t turn;                                 /* begun by each set_tokens, counted from 1 */
    int32_t  reply_count;                          /* tokens sampled in this turn */
    uint64_t seed;                                 /* in use */
    uint64_t cache_bytes;
} steer_session_info;
STEER_API void         steer_session_options_init(steer_session_options *o, size_t struct_size);
STEER_API steer_status steer_session_create(steer_model *m, const steer_session_options *o, steer_session **out, steer_error *err);
STEER_API void         steer_session_free(steer_session *s);
STEER_API steer_status steer_session_fork(const steer_session *s, steer_session **out, steer_error *err); /* tokens, cache, controls, same ids */
STEER_API steer_status steer_session_get_info(const steer_session *s, steer_session_info *out, size_t out_size, steer_error *err); /* [any], as of the last finished step */
STEER_API steer_status steer_session_get_tokens(const steer_session *s, int32_t *ids, uint8_t *marks, size_t cap, size_t *count, steer_error *err);
/* From position on (-1: at the end) the list now reads ids; the cache is kept as far as the list is unchanged, but for the
 * last token, which is always computed anew. Computes nothing itself; begins a turn. Append: -1. Rewind: count 0. Whole
 * prompt: 0. Too long: CONTEXT_FULL, nothing changed. marks as in chat_encode, NULL: all prompt. turn (may be NULL) is what
 * cancel takes. */
STEER_API steer_status steer_session_set_tokens(steer_session *s, int32_t position, const int32_t *ids, const uint8_t *marks, size_t count, uint32_t *turn, steer_error *err);
STEER_API steer_status steer_session_refresh(steer_session *s, int32_t position, steer_error *err); /* drop the cache from there (say stale_from); steps recompute it */

/* ---- 9. injections (write) -------------------------------------------------------- */
enum { STEER_OP_ADD = 0, STEER_OP_ADD_KEEP_NORM = 1, STEER_OP_INTERVAL = 2 };       /* interval: the component along the row is moved into [low, high] */
enum { STEER_UNIT_RAW = 0, STEER_UNIT_RELATIVE = 1, STEER_UNIT_GAPS = 2 };          /* length; share of the stream's norm; neutral-to-persona distances */
enum { STEER_SPAN_ALL = 0, STEER_SPAN_PROMPT = 1, STEER_SPAN_REPLY = 2 };           /* by the token a position chooses; reply: what an assistant speaks, see marks */
enum { STEER_TEST_ABOVE = 0, STEER_TEST_BELOW = 1 };
enum { STEER_WHEN_LAST_STEP = 0, STEER_WHEN_SAME_PASS = 1 };                         /* a rule, one token late; a gate, for sites above the gauge's */
typedef struct steer_condition {                   /* frozen; within a group all must hold, of the groups any */
    steer_gauge_id gauge;                          /* own, corrected, twin or push-free; never raw. Cannot be removed before the injection */
    int32_t  when, test;                           /* false before its first reading. LAST_STEP: sampled tokens only. SAME_PASS: every position */
    float    enter, leave;                         /* true once past enter, until back past leave */
    uint32_t group;
} steer_condition;
typedef struct steer_injection_options {
    uint32_t struct_size;
    int32_t  op;
    const steer_vector *vector;                    /* the session keeps a reference */
    const float *layer_scales;                     /* layer_end - layer_begin factors; NULL: all 1 */
    const steer_condition *conditions;             /* NULL: always */
    uint32_t condition_count;
    int32_t  layer_begin, layer_end;               /* rows of the vector, half open, clipped to what it has; init: 0, INT32_MAX */
    int32_t  unit, span, rows;                     /* rows: init WRITE; other units than RAW: a calibrated vector, whose band the layers of init then mean */
    float    strength;                             /* add: in unit; interval: share of the way, 1: whole. 0: off, for every op */
    float    strength_min, strength_max;           /* set, hold and guard stay within; init: -INFINITY, INFINITY */
    float    low, high;                            /* interval, in unit (gaps: 0 neutral, 1 persona). low = high: a pin; 0, 0 raw: ablation; -INFINITY, t: a ceiling */
    steer_gauge_id hold_gauge;                     /* not 0: strength is moved to keep this gauge at hold_target */
    float    hold_target, hold_rate;               /* rate: most change of strength in one token; no limits given: the safe maximum is one */
} steer_injection_options;
STEER_API void         steer_injection_options_init(steer_injection_options *o, size_t struct_size);
STEER_API steer_status steer_injection_add(steer_session *s, const steer_injection_options *o, steer_injection_id *out, steer_error *err); /* [any] */
/* [any], lock-free; strength, or hold_target where held. ramp_tokens: sampled tokens until it is reached, in equal parts
 * from the value in force; 0: at once. The last set wins. */
STEER_API steer_status steer_injection_set(steer_session *s, steer_injection_id id, float value, int32_t ramp_tokens);
STEER_API steer_status steer_injection_remove(steer_session *s, steer_injection_id id, steer_error *err);            /* [any] */

/* ---- 10. gauges (read) --------------------------------------------------------------- */
enum { STEER_METRIC_COSINE = 0, STEER_METRIC_PROJECTION = 1, STEER_METRIC_DOT = 2 };
enum { STEER_REDUCE_MEAN = 0, STEER_REDUCE_MAX = 1, STEER_REDUCE_LAST = 2 };
enum { STEER_READING_RAW = 0, STEER_READING_OWN = 1, STEER_READING_OWN_CORRECTED = 2, STEER_READING_TWIN = 3 }; /* see semantics.md: what of the push is left in */
enum { STEER_TAP_BEFORE = 0, STEER_TAP_AFTER = 1 };                                 /* the operators of the same site */
enum { STEER_SCALE_NATURAL = 0, STEER_SCALE_CALIBRATED = 1 };                       /* calibrated: 0 neutral, 1 persona (medians), not clipped */
typedef struct steer_gauge_options {
    uint32_t struct_size;
    int32_t  metric;
    const steer_vector *vector;                    /* the session keeps a reference */
    int32_t  layer_begin, layer_end;               /* init: -1, -1: the vector's gauge_layer, else its last row */
    int32_t  reduce, reading, tap, scale;
    int32_t  window;                               /* mean of the turn's last n sampled tokens; 1: this one */
    int32_t  rows;                                 /* READ, or WRITE where the vector has one set only */
} steer_gauge_options;
STEER_API void         steer_gauge_options_init(steer_gauge_options *o, size_t struct_size);
STEER_API steer_status steer_gauge_add(steer_session *s, const steer_gauge_options *o, steer_gauge_id *out, steer_error *err); /* [any] */
STEER_API steer_status steer_gauge_remove(steer_session *s, steer_gauge_id id, steer_error *err);                             /* [any] */

/* ---- 11. generation ---------------------------------------------------------------------- */
typedef struct steer_logit_bias { int32_t token; float bias; } steer_logit_bias;    /* frozen; -INFINITY forbids */
typedef struct steer_candidate  { int32_t token; float log_prob; } steer_candidate; /* frozen */
/* A constraint is for what is sampled in a turn, from the first token on; what was given before is no part of it. The reply is
 * one whole JSON value: only tokens are drawn after which it can still be closed within token_max and the context, and stop
 * tokens only where it is whole. STOP_TOKEN then is its own end (where no stop tokens are set: with its last token),
 * TOKEN_MAX or CONTEXT_FULL that it was closed in time; only after CANCELLED and DEAD_END it is not whole. Limits that the
 * shortest value may not fit into are refused beforehand. Setting the same constraint again goes on with it, another one
 * begins with the next token. Schemas, limits, cost: docs/constraints.md. */
enum { STEER_CONSTRAINT_NONE = 0, STEER_CONSTRAINT_JSON = 1, STEER_CONSTRAINT_JSON_SCHEMA = 2 };
enum { STEER_GUARD_OFF = 0, STEER_GUARD_REPORT = 1, STEER_GUARD_LOWER = 2, STEER_GUARD_REWIND = 3, STEER_GUARD_STOP = 4 };
typedef struct steer_generation_options {
    uint32_t struct_size;
    int32_t  token_max;                            /* per turn; 0: while the context lasts */
    uint64_t seed;                                 /* 0: a fresh one, told by session_info; the draw depends on seed and position only */
    float    temperature, top_p, min_p, typical_p; /* temperature 0: greedy */
    int32_t  top_k;
    float    repeat_penalty, presence_penalty, frequency_penalty;
    int32_t  penalty_window;                       /* tokens looked back; -1: all */
    int32_t  top_log_probs;                        /* 0..20 candidates with each token */
    int32_t  prompt_log_probs;                     /* 1: also score what is computed of the prompt (refresh from 0 for all) */
    int32_t  constraint;                           /* JSON: any value. Not beside stop_texts, which would cut it */
    steer_view constraint_text;                    /* JSON_SCHEMA: the schema; unknown keywords are ERR_UNSUPPORTED, with their pointer */
    const steer_view *stop_texts;                  /* never emitted, not even in parts */
    size_t            stop_text_count;
    const int32_t *stop_tokens;                    /* NULL: the model's; not NULL with count 0: none */
    size_t         stop_token_count;
    const steer_logit_bias *biases;
    size_t                  bias_count;
    float    kl_budget;                            /* nats a token that steering may move the choice; needs the twin; INFINITY: no limit */
    int32_t  guard;                                /* its limits come from the vectors' calibration. REWIND: a step that withdraws has no token, its position is the last that stands */
} steer_generation_options;
enum {                                             /* why a turn ended; 0: it goes on */
    STEER_FINISH_NONE = 0, STEER_FINISH_STOP_TOKEN = 1, STEER_FINISH_STOP_TEXT = 2, STEER_FINISH_TOKEN_MAX = 3,
    STEER_FINISH_CONTEXT_FULL = 4, STEER_FINISH_CANCELLED = 5, STEER_FINISH_GUARD = 6,
    STEER_FINISH_DEAD_END = 7                      /* the constraint leaves nothing to draw: its value has ended, biases forbid all, or token_max was lowered */
};
enum {
    STEER_STEP_PROMPT = 1u << 0,                   /* prompt tokens were computed, none sampled */
    STEER_STEP_TEXT_HELD = 1u << 1,                /* part of a character or of a stop text waits; finish flushes it */
    STEER_STEP_SENTENCE_END = 1u << 2,             /* text so far ends a sentence: a place to start speech */
    STEER_STEP_GUARD = 1u << 3, STEER_STEP_HOLD_LIMIT = 1u << 4 /* the guard saw collapse; hold cannot reach its target */
};
typedef struct steer_step {                        /* out; pointers are never NULL and live until the session's next conversation call */
    uint32_t struct_size;                          /* written by the library: the bytes it knows */
    steer_status status;                           /* this session's own outcome; if not OK nothing happened to it */
    int32_t  finish;
    uint32_t flags;
    uint32_t turn;
    int32_t  position;                             /* of token, or of the last prompt token computed */
    int32_t  token;                                /* -1: none */
    float    log_prob;                             /* of the steered distribution (within the KL budget): before bias, penalties, temperature */
    float    entropy;                              /* of the same, in nats */
    float    kl, kl_share;                         /* steered from twin, nats; how much of the way the budget let through, 1: all; no twin: NaN */
    float    twin_log_prob;                        /* of the token, without steering; no twin: NaN */
    float    milliseconds;                         /* wall time of this step */
    uint32_t pending_count;                        /* tokens to compute before a step samples; the last given one is that step's own */
    uint32_t gauge_count, strength_count;          /* slots; NaN: empty, no row, or no pass was run */
    uint32_t top_count, prompt_count;
    const float *gauges;                           /* of the pass that chose the token */
    const uint8_t *gauge_push_free;                /* 1: nothing was pushed at or below its site, here or before it in the cache: exact */
    const float *strengths;                        /* in force in that pass: after ramp, hold, condition, guard */
    const steer_candidate *top;                    /* top_count for the token; with prompt_log_probs, prompt_count rows of them */
    const float *prompt_log_probs;                 /* prompt_count, up to the token behind position, given those before; the first of all: NaN */
    steer_view bytes;                              /* exactly this token's bytes */
    steer_view text;                               /* whole characters only; may be empty; concatenated: the reply */
} steer_step;
STEER_API void         steer_generation_options_init(steer_generation_options *o, size_t struct_size, const steer_model *m); /* m: its generation_config; NULL: plain sampling */
STEER_API steer_status steer_session_set_generation(steer_session *s, const steer_generation_options *o, steer_error *err);  /* [any]; copied */
/* One bounded piece of work: a chunk of the list still to compute (STEER_STEP_PROMPT, never samples: the place to fork),
 * or one new token. A step after a finish goes on, but CANCELLED and CONTEXT_FULL hold until the next turn. */
STEER_API steer_status steer_session_step(steer_session *s, steer_step *out, size_t out_size, steer_error *err);
/* The same for several sessions of one model in one forward; outs[i] at a stride of out_size belongs to ss[i]. One that
 * fails does not disturb the others: OK means that the call was made, look at outs[i].status. err: the first failure. */
STEER_API steer_status steer_session_step_many(steer_session *const *ss, size_t count, steer_step *outs, size_t out_size, steer_error *err);
typedef int32_t (*steer_step_fn)(void *user, const steer_step *step);               /* not 0: stop, as cancel does; controls are legal inside */
STEER_API steer_status steer_session_generate(steer_session *s, steer_step_fn fn, void *user, steer_error *err); /* step until finish */
STEER_API void         steer_session_cancel(steer_session *s, uint32_t turn);       /* [any], also in a signal handler; ends that turn and no later one; 0: the present one */

/* ---- 12. saved state: the conversation; controls are the host's to set up again ----------- */
/* What conditions said is kept for injections that are there again, with the same conditions, before the state is loaded.
 * With the cache: bit-equal and large (cache_bytes_per_token each), for the same dtype; saving and loading it needs the
 * weights (residency HOST or DEVICE), loading it else is STEER_ERR_STATE. Without: a few bytes a token, recomputed. */
enum { STEER_STATE_CACHE = 1u << 0 };
STEER_API steer_status steer_session_state_save(const steer_session *s, uint32_t flags, void *buf, size_t cap, size_t *size, steer_error *err);
STEER_API steer_status steer_session_state_load(steer_session *s, const void *buf, size_t size, steer_error *err); /* all or nothing */

/* ---- 13. unstable: may change in any release; seen only by those who ask -------------------- */
#ifdef STEER_ENABLE_UNSTABLE
typedef struct steer_adapter steer_adapter;        /* LoRA; immutable */
STEER_API steer_status steer_adapter_load(const steer_model *m, const char *path, steer_adapter **out, steer_error *err);
STEER_API void         steer_adapter_free(steer_adapter *a);
STEER_API steer_status steer_session_set_adapters(steer_session *s, const steer_adapter *const *as, const float *scales, size_t count, steer_error *err);
/* hidden [rows, hidden_size], row-major: the stream at the output of a block, after its operators and gauges, at positions
 * from position on; -1 is the embedding. Return 1 where it was edited: what comes later sees that, gauges take it for the
 * model's own. A float32 copy; the call computes alone meanwhile. layers NULL, fn NULL: no more. Forks are not observed. */
typedef int32_t (*steer_observe_fn)(void *user, int32_t layer, int32_t position, float *hidden, size_t rows, size_t hidden_size);
STEER_API steer_status steer_session_observe(steer_session *s, const int32_t *layers, size_t count, steer_observe_fn fn, void *user, steer_error *err);
#endif

#ifdef __cplusplus
}
#endif
#endif
