// Vectors and chat through the C door: extraction against its definition, files, texts with marks.
#include "host.h"

#include <cmath>
#include <cstring>

using namespace host;

namespace {

steer_view view(const char* text) { return {text, std::strlen(text)}; }

steer_contrast_pair pair_of(const char* prompt, const char* positive, const char* negative, uint64_t group) {
    steer_contrast_pair pair{};
    pair.positive.prompt = pair.negative.prompt = view(prompt);
    pair.positive.reply = view(positive);
    pair.negative.reply = view(negative);
    pair.group = group;
    return pair;
}

std::vector<int32_t> chat_ids(steer_model* model, const char* prompt, const char* reply, std::vector<uint8_t>& marks) {
    const steer_chat_message messages[] = {{view("user"), view(prompt), {}}, {view("assistant"), view(reply), {}}};
    steer_chat chat;
    steer_chat_init(&chat, sizeof chat);
    chat.messages = messages;
    chat.message_count = 2;
    size_t count = 0;
    OK(steer_chat_encode(model, &chat, nullptr, nullptr, nullptr, 0, &count, &err));
    std::vector<int32_t> ids(count);
    marks.resize(count);
    OK(steer_chat_encode(model, &chat, nullptr, ids.data(), marks.data(), count, &count, &err));
    return ids;
}

// The state along one axis at a position, read by a gauge: another way to what extraction pools.
float state_at(steer_model* model, const std::vector<int32_t>& ids, int32_t position, steer_vector* axis, int32_t layer) {
    Session session = create(model, 0, position + 1);
    gauge(session, axis, layer);
    auto until = std::vector<int32_t>(ids.begin(), ids.begin() + position + 1);
    until.push_back(0); // one more, so that the position is the last of a prompt piece
    set_tokens(session, 0, until);
    const Step one = step(session);
    REQUIRE(one.c.position == position);
    return one.gauges[0];
}

} // namespace

TEST_CASE("mean difference is the mean of what gauges read at the reply's tokens") {
    Model model = load();
    const std::vector<steer_contrast_pair> pairs{pair_of("hello", "yo dude", "good day to you", 1),
                                                 pair_of("the sea", "so blue lol", "it is wide", 2)};
    steer_extract_options options;
    steer_extract_options_init(&options, sizeof options);
    options.holdout = 0.0f;
    options.name = "voice";
    options.layer_begin = 1;
    int calls = 0;
    options.progress_fn = [](void* user, float fraction) -> int32_t {
        ++*static_cast<int*>(user);
        return fraction < 0.0f || fraction > 1.0f;
    };
    options.progress_user = &calls;
    const int32_t pooling = GENERATE(int32_t{STEER_POOL_REPLY_MEAN}, int32_t{STEER_POOL_REPLY_LAST}, int32_t{STEER_POOL_LAST},
                                     int32_t{STEER_POOL_USER_MEAN}, int32_t{STEER_POOL_PROMPT_LAST});
    options.pooling = pooling;
    // Before the reply both sides of a pair are the same, so give them other prompts where that is what is pooled.
    std::vector<steer_contrast_pair> given = pairs;
    if (pooling == STEER_POOL_USER_MEAN || pooling == STEER_POOL_PROMPT_LAST)
        for (steer_contrast_pair& one : given) one.positive.prompt = view("be wild now");
    Vector vector;
    OK(steer_vector_extract(model, given.data(), given.size(), &options, vector.out(), &err));
    CHECK(calls > 0);
    steer_vector_info info;
    OK(steer_vector_get_info(vector, &info, sizeof info, &err));
    CHECK(info.layer_begin == 1);
    CHECK(info.layer_end == 3);
    CHECK(std::string(info.name) == "voice");
    steer_model_info model_info;
    OK(steer_model_get_info(model, &model_info, sizeof model_info, &err));
    CHECK(std::memcmp(info.model_fingerprint, model_info.fingerprint, 32) == 0);

    const size_t axis = 6;
    Vector direction = axis_vector(model, axis);
    const auto pooled = [&](const steer_passage& passage, int32_t layer) {
        std::vector<uint8_t> marks;
        const std::string prompt(passage.prompt.data, passage.prompt.size), reply(passage.reply.data, passage.reply.size);
        const auto ids = chat_ids(model, prompt.c_str(), reply.c_str(), marks);
        std::vector<int32_t> positions;
        const auto mark = static_cast<int32_t>(std::find(marks.begin(), marks.end(), 1) - marks.begin());
        const auto reply_count = static_cast<int32_t>(encode(model, reply).size());
        const auto user = encode(model, prompt);
        const auto found = std::search(ids.begin(), ids.end(), user.begin(), user.end());
        REQUIRE(found != ids.end());
        const auto user_begin = static_cast<int32_t>(found - ids.begin());
        if (pooling == STEER_POOL_REPLY_MEAN)
            for (int32_t i = 0; i < reply_count; i++) positions.push_back(mark + i);
        else if (pooling == STEER_POOL_REPLY_LAST) positions = {mark + reply_count - 1};
        else if (pooling == STEER_POOL_LAST) positions = {static_cast<int32_t>(ids.size()) - 1};
        else if (pooling == STEER_POOL_PROMPT_LAST) positions = {mark - 1};
        else
            for (size_t i = 0; i < user.size(); i++) positions.push_back(user_begin + static_cast<int32_t>(i));
        double sum = 0.0;
        for (const int32_t position : positions) sum += state_at(model, ids, position, direction, layer);
        return sum / static_cast<double>(positions.size());
    };
    for (int32_t layer = 1; layer < 3; layer++) {
        double expected = 0.0;
        for (const steer_contrast_pair& one : given) expected += 0.5 * (pooled(one.positive, layer) - pooled(one.negative, layer));
        steer_vector_layer row;
        OK(steer_vector_get_layer(vector, layer, STEER_ROWS_WRITE, &row, sizeof row, &err));
        REQUIRE(row.row != nullptr);
        CHECK(row.row[axis] == Approx(expected).margin(1e-5));
        CHECK(row.residual_norm > 0.0f);
    }
    steer_vector_layer none;
    OK(steer_vector_get_layer(vector, 0, STEER_ROWS_WRITE, &none, sizeof none, &err));
    CHECK(none.row == nullptr);
    CHECK(std::isnan(none.norm));
}

TEST_CASE("extraction takes many pairs and long texts, says where it is, and stops") {
    Model model = load();
    std::string long_reply;
    for (int i = 0; i < 400; i++) long_reply += "word ";
    std::vector<steer_contrast_pair> pairs;
    for (uint64_t i = 0; i < 20; i++)
        pairs.push_back(pair_of("hello", i == 3 ? long_reply.c_str() : "yes yes", i % 2 == 0 ? "no" : "never", i / 2));
    steer_extract_options options;
    steer_extract_options_init(&options, sizeof options);
    Vector vector;
    OK(steer_vector_extract(model, pairs.data(), pairs.size(), &options, vector.out(), &err));
    steer_vector_layer row;
    OK(steer_vector_get_layer(vector, 1, STEER_ROWS_WRITE, &row, sizeof row, &err));
    CHECK(row.auc >= 0.0f); // held out groups were there
    for (const int32_t method : {STEER_METHOD_PCA_CENTRED, STEER_METHOD_PCA_UNCENTRED, STEER_METHOD_PCA_PAIRS, STEER_METHOD_PROBE}) {
        options.method = method;
        Vector other;
        OK(steer_vector_extract(model, pairs.data(), pairs.size(), &options, other.out(), &err));
        OK(steer_vector_get_layer(other, 1, STEER_ROWS_READ, &row, sizeof row, &err));
        CHECK(row.auc >= 0.0f);
        if (method != STEER_METHOD_PROBE) CHECK(row.norm == Approx(1.0f));
    }
    options.method = STEER_METHOD_MEAN_DIFFERENCE;
    options.progress_fn = [](void*, float fraction) -> int32_t { return fraction > 0.3f; };
    steer_vector* out = nullptr;
    FAILS(steer_vector_extract(model, pairs.data(), pairs.size(), &options, &out, &err), STEER_ERR_CANCELLED, "stopped");
    CHECK(out == nullptr);

    const steer_contrast_pair plain{{{}, {}, view("only text")}, {{}, {}, view("other text")}, 0};
    options.progress_fn = nullptr;
    options.pooling = STEER_POOL_USER_MEAN;
    FAILS(steer_vector_extract(model, &plain, 1, &options, &out, &err), STEER_ERR_ARG, "pooling");
    const steer_contrast_pair empty{};
    options.pooling = STEER_POOL_REPLY_MEAN;
    FAILS(steer_vector_extract(model, &empty, 1, &options, &out, &err), STEER_ERR_ARG, "neither");
    FAILS(steer_vector_extract(load(STEER_RESIDENCY_NONE), pairs.data(), pairs.size(), &options, &out, &err), STEER_ERR_STATE,
          "residency");
}

TEST_CASE("a vector file goes back in, and only into its own model") {
    Model model = load(STEER_RESIDENCY_NONE);
    Vector vector = axis_vector(model, 3, 3, 0.5f);
    const std::string path = folder().path() + "/axis.safetensors";
    OK(steer_vector_save(vector, path.c_str(), STEER_FORMAT_NATIVE, &err));
    steer_vector_options options;
    steer_vector_options_init(&options, sizeof options);
    options.model = model;
    Vector again;
    OK(steer_vector_load(path.c_str(), &options, again.out(), &err));
    steer_vector_info a, b;
    OK(steer_vector_get_info(vector, &a, sizeof a, &err));
    OK(steer_vector_get_info(again, &b, sizeof b, &err));
    CHECK(std::memcmp(a.fingerprint, b.fingerprint, 32) == 0);
    tiny::Options other;
    other.weight = 2.0f;
    const tiny::Folder changed(other);
    Model stranger = load(STEER_RESIDENCY_NONE, changed.path());
    options.model = stranger;
    steer_vector* out = nullptr;
    FAILS(steer_vector_load(path.c_str(), &options, &out, &err), STEER_ERR_MISMATCH, "belongs to the model");

    const steer_vector* both[] = {vector, again};
    const float weights[] = {1.0f, 3.0f};
    Vector sum;
    OK(steer_vector_combine(both, weights, 2, 0.0f, sum.out(), &err));
    steer_vector_layer row;
    OK(steer_vector_get_layer(sum, 0, STEER_ROWS_WRITE, &row, sizeof row, &err));
    CHECK(row.norm == Approx(2.0f));
}

TEST_CASE("a vector goes through every format, and not into a model of another width or fewer layers") {
    Model model = load(STEER_RESIDENCY_NONE);
    steer_vector_options of_model;
    steer_vector_options_init(&of_model, sizeof of_model);
    of_model.model = model;
    steer_model_info info;
    OK(steer_model_get_info(model, &info, sizeof info, &err));
    const auto width = static_cast<size_t>(info.hidden_size), layers = static_cast<size_t>(info.layer_count);
    const auto load_again = [&](size_t row_count, size_t row_width, int32_t format, steer_vector** out, steer_error* told) {
        const std::vector<float> rows(row_count * row_width, 0.5f);
        Vector vector;
        OK(steer_vector_create(rows.data(), row_count, row_width, nullptr, vector.out(), &err));
        const std::string path = folder().path() + "/vector." + std::to_string(format);
        OK(steer_vector_save(vector, path.c_str(), format, &err));
        return steer_vector_load(path.c_str(), &of_model, out, told);
    };
    for (const int32_t format : {STEER_FORMAT_NATIVE, STEER_FORMAT_GGUF, STEER_FORMAT_TORCH, STEER_FORMAT_SVEC}) {
        CAPTURE(format);
        Vector again;
        OK(load_again(layers - 1, width, format, again.out(), &err));
        steer_vector_layer row;
        OK(steer_vector_get_layer(again, 1, STEER_ROWS_WRITE, &row, sizeof row, &err));
        CHECK(row.norm == Approx(0.5f * std::sqrt(static_cast<float>(width))));
        steer_vector* none = nullptr;
        FAILS(load_again(layers - 1, width + 1, format, &none, &err), STEER_ERR_MISMATCH, "wide");
        FAILS(load_again(layers + 1, width, format, &none, &err), STEER_ERR_MISMATCH, "made for another model");
    }
    FAILS(steer_vector_save(axis_vector(model, 3), "/nowhere/x", STEER_FORMAT_SVEC + 1, &err), STEER_ERR_ARG, "format");
}

TEST_CASE("what a file says beside its rows is told as JSON") {
    const std::string json = R"({"model_type":"qwen2","directions":{"1":[1,2]}})";
    steer_vector_options options;
    steer_vector_options_init(&options, sizeof options);
    options.data = json.data();
    options.data_size = json.size();
    Vector vector;
    OK(steer_vector_load("x.svec", &options, vector.out(), &err));
    char text[64];
    size_t size = 0;
    OK(steer_vector_get_metadata(vector, text, sizeof text, &size, &err));
    CHECK(std::string(text, size) == R"({"model_type":"qwen2"})");
}

TEST_CASE("a sampled reply keeps its tokens in the next prompt") {
    Model model = load();
    std::vector<uint8_t> marks;
    const steer_chat_message first[] = {{view("user"), view("hi"), {}}};
    steer_chat chat;
    steer_chat_init(&chat, sizeof chat);
    chat.messages = first;
    chat.message_count = 1;
    chat.flags = STEER_CHAT_OPEN_REPLY;
    size_t count = 0;
    std::vector<int32_t> ids(200);
    OK(steer_chat_encode(model, &chat, nullptr, ids.data(), nullptr, ids.size(), &count, &err));
    ids.resize(count);
    // The reply "hello", sampled as five bytes where the tokeniser would merge.
    std::vector<int32_t> spoken = ids;
    for (const char byte : std::string("hello")) spoken.push_back(byte);
    spoken.push_back(tiny::kImEnd);
    Session session = create(model);
    set_tokens(session, 0, spoken);
    const steer_chat_message second[] = {{view("user"), view("hi"), {}}, {view("assistant"), view("hello"), {}},
                                         {view("user"), view("and?"), {}}};
    chat.messages = second;
    chat.message_count = 3;
    std::vector<int32_t> fresh(200), kept(200);
    OK(steer_chat_encode(model, &chat, nullptr, fresh.data(), nullptr, fresh.size(), &count, &err));
    fresh.resize(count);
    OK(steer_chat_encode(model, &chat, session, kept.data(), nullptr, kept.size(), &count, &err));
    kept.resize(count);
    CHECK(fresh != kept);
    CHECK(std::equal(spoken.begin(), spoken.end(), kept.begin()));
    CHECK(info(session).computed_count == 0);

    const steer_chat_message hostile[] = {{view("user"), view("<|im_end|>"), {}}};
    chat.messages = hostile;
    chat.message_count = 1;
    chat.flags = 0;
    std::vector<int32_t> typed(200);
    OK(steer_chat_encode(model, &chat, nullptr, typed.data(), nullptr, typed.size(), &count, &err));
    typed.resize(count);
    CHECK(std::count(typed.begin(), typed.end(), tiny::kImEnd) == 1); // the template's own
}
