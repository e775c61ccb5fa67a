/* Our side of the benchmark: a host in C that answers one line of JSON to each line it reads. bench.py leads, so that runs of
 * this program and of its peers take turns in the same minutes.
 *
 *     steer_bench MODEL_FOLDER DEVICE DTYPE THREADS WEIGHTS     DTYPE: auto float32 bfloat16 float16; WEIGHTS: as_stored int8 int4 nf4
 *     > run plain|steered PROMPT_TOKENS NEW_TOKENS           greedy, never ends early
 *     < {"first_token_ms": .., "tokens_per_second": .., "tokens": [..], "gauge": ..}
 *
 * steered: one vector pushed in at every site, four gauges read with every token.
 */
#define _POSIX_C_SOURCE 200809L
#include <steer/steer.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GAUGES = 4, TOKENS_MAX = 1 << 16 };
static const float strength = 0.5f;

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int failed(const char *what, const steer_error *err) {
    fprintf(stderr, "steer_bench: %s: %s\n", what, err->message);
    return 1;
}

/* Unit rows from a formula, so that a peer can push the same ones. */
static steer_status make_vector(const steer_model *model, const steer_model_info *info, steer_vector **out, steer_error *err) {
    size_t layers = (size_t)info->layer_count, width = (size_t)info->hidden_size;
    float *rows = malloc(layers * width * sizeof *rows);
    if (!rows) return err->status = STEER_ERR_MEMORY;
    for (size_t layer = 0; layer < layers; layer++) {
        double square = 0;
        for (size_t i = 0; i < width; i++) {
            double x = sin(0.37 * (double)(i + 1) * (double)(layer + 1));
            rows[layer * width + i] = (float)x;
            square += x * x;
        }
        for (size_t i = 0; i < width; i++) rows[layer * width + i] /= (float)sqrt(square);
    }
    steer_vector_options options;
    steer_vector_options_init(&options, sizeof options);
    options.model = model;
    options.site_measured = options.site_applied = STEER_SITE_OUTPUT;
    steer_status status = steer_vector_create(rows, layers, width, &options, out, err);
    free(rows);
    return status;
}

static steer_status add_steering(steer_session *session, const steer_vector *vector, int32_t layers, steer_error *err) {
    steer_injection_options push;
    steer_injection_id injection;
    steer_injection_options_init(&push, sizeof push);
    push.vector = vector;
    push.strength = strength;
    steer_status status = steer_injection_add(session, &push, &injection, err);
    for (int32_t i = 0; i < GAUGES && status == STEER_OK; i++) {
        steer_gauge_options look;
        steer_gauge_id gauge;
        steer_gauge_options_init(&look, sizeof look);
        look.vector = vector;
        look.layer_begin = layers * (i + 1) / GAUGES - 1;
        look.layer_end = look.layer_begin + 1;
        look.tap = STEER_TAP_AFTER;
        look.reading = STEER_READING_RAW;
        look.scale = STEER_SCALE_NATURAL;
        look.window = 1;
        look.rows = STEER_ROWS_WRITE;
        status = steer_gauge_add(session, &look, &gauge, err);
    }
    return status;
}

static steer_status set_greedy(steer_session *session, int32_t tokens, steer_error *err) {
    static const int32_t none = 0;
    steer_generation_options generation;
    steer_generation_options_init(&generation, sizeof generation, NULL);
    generation.temperature = 0;
    generation.token_max = tokens;
    generation.stop_tokens = &none;
    generation.stop_token_count = 0;
    return steer_session_set_generation(session, &generation, err);
}

/* The prompt's ids, the same in every peer: small, so that every vocabulary has them. */
static int32_t prompt_id(int32_t position) { return 300 + (int32_t)((uint32_t)position * 7919u % 1009u); }

static steer_status reply(steer_session *session, int32_t prompt, int32_t tokens, steer_error *err) {
    static int32_t ids[TOKENS_MAX], said[TOKENS_MAX];
    for (int32_t i = 0; i < prompt; i++) ids[i] = prompt_id(i);
    steer_status status = set_greedy(session, tokens, err);
    double begin = now_ms(), first = 0, end = 0;
    if (status == STEER_OK) status = steer_session_set_tokens(session, 0, ids, NULL, (size_t)prompt, NULL, err);
    float gauge = NAN;
    for (int32_t count = 0; count < tokens && status == STEER_OK;) {
        steer_step step;
        status = steer_session_step(session, &step, sizeof step, err);
        if (status != STEER_OK || step.token < 0) continue;
        end = now_ms();
        if (count == 0) first = end;
        said[count++] = step.token;
        if (step.gauge_count > 0) gauge = step.gauges[0];
    }
    if (status != STEER_OK) return status;
    printf("{\"first_token_ms\": %.3f, \"tokens_per_second\": %.3f, ", first - begin, (tokens - 1) / (end - first) * 1e3);
    if (isfinite(gauge)) printf("\"gauge\": %.6f, ", (double)gauge);
    printf("\"tokens\": [");
    for (int32_t i = 0; i < tokens; i++) printf("%s%" PRId32, i ? ", " : "", said[i]);
    printf("]}\n");
    fflush(stdout);
    return STEER_OK;
}

static steer_status run(steer_model *model, const steer_vector *vector, int32_t layers, int steered, int32_t prompt, int32_t tokens,
                        steer_error *err) {
    steer_session *session = NULL;
    steer_session_options options;
    steer_session_options_init(&options, sizeof options);
    options.context_max = prompt + tokens + 1;
    steer_status status = steer_session_create(model, &options, &session, err);
    if (status == STEER_OK && steered) status = add_steering(session, vector, layers, err);
    if (status == STEER_OK) status = reply(session, prompt, tokens, err);
    steer_session_free(session);
    return status;
}

static int32_t dtype_of(const char *name) {
    if (strcmp(name, "float32") == 0) return STEER_DTYPE_F32;
    if (strcmp(name, "bfloat16") == 0) return STEER_DTYPE_BF16;
    if (strcmp(name, "float16") == 0) return STEER_DTYPE_F16;
    return STEER_DTYPE_AUTO;
}

static int32_t weights_of(const char *name) {
    if (strcmp(name, "int8") == 0) return STEER_WEIGHTS_INT8;
    if (strcmp(name, "int4") == 0) return STEER_WEIGHTS_INT4;
    if (strcmp(name, "nf4") == 0) return STEER_WEIGHTS_NF4;
    return STEER_WEIGHTS_AS_STORED;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: steer_bench MODEL_FOLDER DEVICE DTYPE THREADS WEIGHTS   (./run bench calls it)\n");
        return 2;
    }
    steer_error err = {0};
    steer_model *model = NULL;
    steer_vector *vector = NULL;
    steer_model_info info;
    if (steer_threads_set(atoi(argv[4]), 1, &err) != STEER_OK) return failed("threads", &err);

    steer_model_options options;
    steer_model_options_init(&options, sizeof options);
    options.device = argv[2];
    options.dtype = dtype_of(argv[3]);
    options.weights = weights_of(argv[5]);
    double begin = now_ms();
    if (steer_model_load(argv[1], &options, &model, &err) != STEER_OK) return failed("load", &err);
    double load_ms = now_ms() - begin;
    if (steer_model_get_info(model, &info, sizeof info, &err) != STEER_OK) return failed("info", &err);
    if (make_vector(model, &info, &vector, &err) != STEER_OK) return failed("vector", &err);
    printf("{\"load_ms\": %.1f, \"layers\": %" PRId32 ", \"hidden_size\": %" PRId32 ", \"dtype\": %" PRId32 ", \"build\": \"%s\"}\n", load_ms,
           info.layer_count, info.hidden_size, info.dtype, steer_build_info());
    fflush(stdout);

    char line[128], kind[16];
    int prompt, tokens, status = 0;
    while (status == 0 && fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "run %15s %d %d", kind, &prompt, &tokens) != 3 || prompt < 1 || tokens < 2 || prompt + tokens >= TOKENS_MAX) {
            fprintf(stderr, "steer_bench: not understood: %s", line);
            status = 2;
        } else if (run(model, vector, info.layer_count, strcmp(kind, "steered") == 0, prompt, tokens, &err) != STEER_OK) {
            status = failed("run", &err);
        }
    }
    steer_vector_free(vector);
    steer_model_free(model);
    return status;
}
