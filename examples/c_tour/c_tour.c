/* c_tour MODEL_FOLDER VECTOR_FILE EMPTY_FOLDER: every function of steer.h once, in the order of its chapters.
 * What must work is in MUST. What this build may not have is in MAY: a host reads the words and goes on without. */
#define STEER_ENABLE_UNSTABLE
#include <steer/steer.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MUST(call) must((call), #call)
#define MAY(call) may((call), #call)
#define CHECK(truth) check((truth) != 0, #truth, "is not so", "the host expected it")

static steer_error err; /* 256 bytes of the host's own; the words name the field or the file, and what to do */

static void check(int truth, const char *call, const char *status, const char *words) {
    if (!truth) printf("\n%s\n    %s: %s\n", call, status, words), exit(1);
}
static void must(steer_status status, const char *call) {
    check(status == STEER_OK, call, steer_status_name(status), err.message);
}
static int may(steer_status status, const char *call) {
    if (status != STEER_ERR_UNSUPPORTED) must(status, call);
    else printf("UNSUPPORTED: %s\n", err.message);
    return status == STEER_OK;
}

/* Callbacks run inside a call of ours, on our thread, and must return. */
static void log_line(void *user, int32_t level, const char *text, size_t size) {
    (void)user;
    printf("log %d: %.*s\n", (int)level, (int)size, text);
}
static int32_t loading(void *user, float fraction) {
    *(float *)user = fraction;
    return 0; /* not 0: stop */
}

struct reply { steer_session *session; steer_injection_id slider; steer_gauge_id dial; int tokens; };
static int32_t hear(void *user, const steer_step *step) {
    struct reply *reply = user;
    fwrite(step->text.data, 1, step->text.size, stdout); /* whole characters; the gauge of the same token beside it */
    if (step->token < 0) return 0;                       /* a piece of the prompt */
    CHECK(isfinite(step->gauges[STEER_SLOT(reply->dial)]));
    if (++reply->tokens == 3) MUST(steer_injection_set(reply->session, reply->slider, 2.0f, 4)); /* glides there */
    return reply->tokens == 12; /* enough: not 0 ends the turn */
}
static int32_t look(void *user, int32_t layer, int32_t position, float *hidden, size_t rows, size_t hidden_size) {
    (void)layer, (void)position, (void)hidden;
    *(size_t *)user += rows * hidden_size;
    return 0; /* 1: we have changed it */
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    /* 1 to 3: version, errors, what is process-wide */
    CHECK(steer_version() / 1000 == STEER_VERSION / 1000);
    printf("%s\n", steer_build_info());
    steer_log_set(log_line, NULL, STEER_LOG_WARN);
    MUST(steer_threads_set(2, 0, &err));

    /* 5: a model, opened first and its weights read when they are wanted */
    steer_model_options open;
    steer_model_options_init(&open, sizeof open);
    open.residency = STEER_RESIDENCY_NONE;
    steer_model *model;
    steer_model_info info;
    char words[1024], path[1024];
    size_t size;
    MUST(steer_model_load(argv[1], &open, &model, &err));
    MUST(steer_model_get_info(model, &info, sizeof info, &err));
    MUST(steer_model_get_text(model, STEER_MODEL_ARCHITECTURE, words, sizeof words, &size, &err));
    printf("%.*s: %d layers, weights of %.1f MB\n", (int)size, words, (int)info.layer_count, (double)info.weight_bytes / 1e6);
    MAY(steer_model_export(model, argv[3], NULL, NULL, &err)); /* as an archive with a manifest; its code is for ALLOW_CODE */
    float loaded = 0;
    MAY(steer_model_set_residency(model, STEER_RESIDENCY_HOST, NULL, NULL, &err)); /* parked in main memory */
    MUST(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, loading, &loaded, &err));
    CHECK(loaded == 1.0f);

    /* 6: text and chat. NULL with 0 asks for the size; a buffer too small is told what it needs */
    int32_t ids[1024];
    uint8_t marks[1024]; /* 1 where an assistant speaks */
    size_t needed, count;
    MUST(steer_text_encode(model, "hello", 5, 0, NULL, 0, &needed, &err));
    CHECK(steer_text_encode(model, "hello", 5, 0, ids, needed - 1, &count, &err) == STEER_ERR_BUFFER && count == needed);
    MUST(steer_text_encode(model, "hello", 5, 0, ids, needed, &count, &err));
    MUST(steer_text_decode(model, ids, count, 0, words, sizeof words, &size, &err));
    CHECK(size == 5 && memcmp(words, "hello", 5) == 0);
    const steer_chat_message hello = {{"user", 4}, {"こんにちは", 15}, {NULL, 0}};
    steer_chat chat;
    steer_chat_init(&chat, sizeof chat);
    chat.messages = &hello, chat.message_count = 1;
    chat.flags = STEER_CHAT_OPEN_REPLY;
    MUST(steer_chat_format(model, &chat, words, sizeof words, &size, &err)); /* to look at */
    MUST(steer_chat_encode(model, &chat, NULL, ids, marks, COUNT(ids), &count, &err));
    printf("%.*s\nis %zu tokens\n", (int)size, words, count);

    /* 7: vectors, from a file, from rows, from pairs of texts */
    steer_vector_options of_model;
    steer_vector_options_init(&of_model, sizeof of_model);
    of_model.model = model; /* a vector made for another one is refused */
    steer_vector *persona, *copy, *mixed, *extracted, *calibrated = NULL;
    MUST(steer_vector_load(argv[2], &of_model, &persona, &err));
    steer_vector_info about;
    steer_vector_layer row;
    MUST(steer_vector_get_info(persona, &about, sizeof about, &err));
    MUST(steer_vector_get_layer(persona, about.layer_end - 1, STEER_ROWS_WRITE, &row, sizeof row, &err));
    MUST(steer_vector_get_metadata(persona, NULL, 0, &size, &err)); /* who made it, of what: JSON of so many bytes */
    printf("%s: %d rows, the last of length %.3f\n", about.name, (int)(about.layer_end - about.layer_begin), (double)row.norm);
    MUST(steer_vector_create(row.row, 1, (size_t)about.hidden_size, &of_model, &copy, &err)); /* of that row alone */
    const steer_vector *const parts[] = {persona, copy};
    const float weights[] = {0.5f, 0.1f};
    MUST(steer_vector_combine(parts, weights, COUNT(parts), 0.0f, &mixed, &err));
    snprintf(path, sizeof path, "%s/mixed.safetensors", argv[3]);
    MUST(steer_vector_save(mixed, path, STEER_FORMAT_NATIVE, &err));
    steer_contrast_pair pairs[4];
    memset(pairs, 0, sizeof pairs);
    for (size_t i = 0; i < COUNT(pairs); pairs[i].group = i, i++) {
        pairs[i].positive.reply = (steer_view){"うん、いいね！マジ最高！", 36};
        pairs[i].negative.reply = (steer_view){"はい、良いと思います。", 33};
    }
    steer_extract_options how;
    steer_extract_options_init(&how, sizeof how);
    how.layer_begin = about.layer_begin;
    how.pooling = STEER_POOL_LAST; /* plain text: there is no prompt that a reply would follow */
    MUST(steer_vector_extract(model, pairs, COUNT(pairs), &how, &extracted, &err));
    MAY(steer_vector_calibrate(model, persona, pairs, COUNT(pairs), &how, &calibrated, &err));

    /* 8: a session is a list of tokens; setting it computes nothing yet */
    steer_session_options plain;
    steer_session_options_init(&plain, sizeof plain);
    plain.prefill_chunk = 64; /* bounds how long one step over a prompt takes */
    steer_session *session, *other;
    uint32_t turn; /* what cancel takes */
    MUST(steer_session_create(model, &plain, &session, &err));
    MUST(steer_session_set_tokens(session, 0, ids, marks, count, &turn, &err));
    MUST(steer_session_get_tokens(session, ids, marks, COUNT(ids), &count, &err));

    /* 9 and 10: what pushes, what reads. Both for any thread, at any time */
    steer_injection_options push;
    steer_injection_options_init(&push, sizeof push);
    push.vector = persona, push.strength = 8.0f;
    struct reply reply = {session, 0, 0, 0};
    MUST(steer_injection_add(session, &push, &reply.slider, &err));
    steer_gauge_options read;
    steer_gauge_options_init(&read, sizeof read);
    read.vector = persona;
    MUST(steer_gauge_add(session, &read, &reply.dial, &err));

    /* 11: how to sample, then replies: with a callback, step by step, many at once */
    steer_generation_options sampling;
    steer_generation_options_init(&sampling, sizeof sampling, model);
    sampling.seed = 1, sampling.constraint = STEER_CONSTRAINT_JSON; /* whatever is said is JSON */
    MUST(steer_session_set_generation(session, &sampling, &err));
    sampling.constraint = STEER_CONSTRAINT_NONE; /* the same settings without it */
    MUST(steer_session_set_generation(session, &sampling, &err));
    MUST(steer_session_generate(session, hear, &reply, &err)), puts("");
    MUST(steer_session_set_tokens(session, (int32_t)count, NULL, NULL, 0, &turn, &err)); /* rewind: the prompt again */
    MUST(steer_session_refresh(session, 0, &err)); /* and nothing of it from the cache */
    MUST(steer_session_fork(session, &other, &err));
    steer_session *both[] = {session, other};
    steer_step step, steps[2];
    MUST(steer_session_step(session, &step, sizeof step, &err));
    MUST(steer_session_step_many(both, 2, steps, sizeof *steps, &err));
    CHECK(steps[0].status == STEER_OK && steps[1].status == STEER_OK);
    steer_session_cancel(session, turn); /* ends this turn and no later one */
    MUST(steer_session_step(session, &step, sizeof step, &err));
    CHECK(step.finish == STEER_FINISH_CANCELLED);
    MUST(steer_gauge_remove(session, reply.dial, &err));
    MUST(steer_injection_remove(session, reply.slider, &err));

    /* 12: a saved conversation is continued in another session. Large with its cache, so ask for the size first */
    const uint32_t ways[] = {0, STEER_STATE_CACHE};
    for (size_t i = 0; i < COUNT(ways); i++) {
        if (!MAY(steer_session_state_save(session, ways[i], NULL, 0, &size, &err))) continue;
        void *state = malloc(size);
        MUST(steer_session_state_save(session, ways[i], state, size, &size, &err));
        MUST(steer_session_state_load(other, state, size, &err));
        free(state);
    }
    steer_session_info now;
    MUST(steer_session_get_info(other, &now, sizeof now, &err));
    CHECK((size_t)now.token_count == count + 1 && now.turn >= 2);

    /* 13: unstable. An adapter that is not there is a fault of the path, where adapters are built */
    steer_adapter *adapter = NULL;
    if (steer_adapter_load(model, "no adapter lies here", &adapter, &err) != STEER_ERR_IO) MAY(err.status);
    MAY(steer_session_set_adapters(session, NULL, NULL, 0, &err)); /* none */
    const int32_t layer = 0;
    size_t seen = 0; /* floats of the residual stream */
    if (MAY(steer_session_observe(other, &layer, 1, look, &seen, &err)))
        MUST(steer_session_step(other, &step, sizeof step, &err));
    /* In any order; NULL is allowed */
    steer_adapter_free(adapter);
    steer_vector *vectors[] = {persona, copy, mixed, extracted, calibrated};
    for (size_t i = 0; i < COUNT(vectors); i++) steer_vector_free(vectors[i]);
    steer_model_free(model); /* the sessions keep what they need of it */
    steer_session_free(session), steer_session_free(other);
    steer_log_set(NULL, NULL, 0);
    return 0;
}
