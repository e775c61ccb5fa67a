#include "files/error.h"
#include "files/safetensors.h"
#include "steer/vector.h"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <functional>

using namespace steer;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

void fails(steer_status status, const std::string& words, const std::function<void()>& call) {
    try {
        call();
        FAIL_CHECK("no error; expected: " << words);
    } catch (const Error& error) {
        CHECK(error.status() == status);
        CHECK_THAT(error.what(), Catch::Contains(words));
    }
}

Digest digest_of(const std::string& text) { return sha256(text.data(), text.size()); }

VectorPtr create(const std::vector<float>& rows, size_t count, VectorOptions options = {}) {
    if (options.name.empty()) options.name = "ギャル";
    return create_vector(rows.data(), count, rows.size() / count, options);
}

// Two sets, a gap at layer 6, every figure known somewhere.
Vector full_draft() {
    Vector v;
    v.name = "gyaru \"ギャル\"";
    v.hidden_size = 3;
    v.layer_begin = 5, v.layer_end = 8;
    v.site_measured = STEER_SITE_OUTPUT, v.site_applied = STEER_SITE_INPUT;
    v.write.resize(3), v.read.resize(3);
    v.write[0].values = {1.0f, 2.0f, 2.0f};
    v.write[2].values = {0.1f, -1e-20f, 3e20f};
    v.read[2].values = {0.0f, 4.0f, 3.0f};
    v.write[0].residual_norm = 31.7f, v.write[0].explained_variance = 0.1f, v.write[0].auc = 1.0f;
    v.write[0].auc_content = 0.0f, v.write[0].neutral = -3.3e-8f, v.write[0].persona = 1e30f;
    v.read[2].split_half_cosine = 1.0f / 3.0f;
    v.best_begin = 5, v.best_end = 7, v.gauge_layer = 7;
    v.strength_safe = 0.45f;
    v.model_fingerprint = digest_of("model");
    v.metadata = {{"method", "mean_difference"}, {"licence", "MIT\n"}, {"steer.later", "kept"}};
    return v;
}

void check_same(const VectorRow& a, const VectorRow& b) {
    CHECK(a.values == b.values);
    const auto same = [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); };
    CHECK(same(a.norm, b.norm));
    CHECK(same(a.residual_norm, b.residual_norm));
    CHECK(same(a.explained_variance, b.explained_variance));
    CHECK(same(a.auc, b.auc));
    CHECK(same(a.auc_content, b.auc_content));
    CHECK(same(a.neutral, b.neutral));
    CHECK(same(a.persona, b.persona));
    CHECK(same(a.split_half_cosine, b.split_half_cosine));
}

} // namespace

TEST_CASE("a vector is created from rows") {
    VectorOptions options;
    options.layer_begin = 20;
    options.model_fingerprint = digest_of("m");
    const VectorPtr v = create({3.0f, 4.0f, 0.0f, -2.0f}, 2, options);
    CHECK(v->layer_begin == 20);
    CHECK(v->layer_end == 22);
    CHECK(v->hidden_size == 2);
    CHECK(v->site_measured == STEER_SITE_OUTPUT);
    CHECK(v->site_applied == STEER_SITE_OUTPUT);
    CHECK(v->applied_at(20) == 20);
    CHECK(v->tied());
    REQUIRE(v->row(20, STEER_ROWS_WRITE) != nullptr);
    CHECK(v->row(20, STEER_ROWS_WRITE)->norm == 5.0f);
    CHECK(std::isnan(v->row(20, STEER_ROWS_WRITE)->auc));
    CHECK(v->row(21, STEER_ROWS_READ) == v->row(21, STEER_ROWS_WRITE)); // one set only
    CHECK(v->row(19, STEER_ROWS_WRITE) == nullptr);
    CHECK(v->row(22, STEER_ROWS_WRITE) == nullptr);

    options.site_applied = STEER_SITE_INPUT;
    CHECK(create({1.0f}, 1, options)->applied_at(20) == 19);
    options.site_applied = STEER_SITE_FROM_FILE;
    options.site_measured = STEER_SITE_INPUT;
    CHECK(create({1.0f}, 1, options)->site_applied == STEER_SITE_INPUT); // applied where measured
}

TEST_CASE("rows that cannot be used are refused") {
    fails(STEER_ERR_ARG, "not finite", [] { create({1.0f, kNan}, 1); });
    fails(STEER_ERR_ARG, "not finite", [] { create({1.0f, -kInf}, 1); });
    fails(STEER_ERR_ARG, "layer 1 has length zero", [] { create({1.0f, 0.0f, 0.0f, -0.0f}, 2); });
    fails(STEER_ERR_ARG, "too long", [] { create({3e38f, 3e38f}, 1); });
    fails(STEER_ERR_ARG, "no rows", [] { create_vector(nullptr, 1, 1, {}); });
    const float one = 1.0f;
    fails(STEER_ERR_ARG, "no rows", [&] { create_vector(&one, 0, 1, {}); });
    fails(STEER_ERR_ARG, "out of range", [&] { create_vector(&one, 1, 0, {}); });
    fails(STEER_ERR_ARG, "out of range", [&] { create_vector(&one, SIZE_MAX, 1, {}); });
    fails(STEER_ERR_ARG, "out of range", [&] { create_vector(&one, 1, SIZE_MAX, {}); });
    VectorOptions options;
    options.layer_begin = -1;
    fails(STEER_ERR_ARG, "out of range", [&] { create({1.0f}, 1, options); });
    options.layer_begin = 4096;
    fails(STEER_ERR_ARG, "0 to 4096", [&] { create({1.0f}, 1, options); });
    options = {};
    options.site_applied = 3;
    fails(STEER_ERR_ARG, "site_applied", [&] { create({1.0f}, 1, options); });
    CHECK(create({1e-30f}, 1)->row(0, 0)->norm == 1e-30f); // squares below float32 are no reason
}

TEST_CASE("finish_vector checks what parts were put together") {
    const auto change = [](const std::function<void(Vector&)>& edit) {
        Vector draft = full_draft();
        edit(draft);
        return finish_vector(std::move(draft), "draft");
    };
    fails(STEER_ERR_ARG, "has 2 numbers", [&] { change([](Vector& v) { v.read[2].values.pop_back(); }); });
    fails(STEER_ERR_ARG, "rows for", [&] { change([](Vector& v) { v.write.pop_back(); }); });
    fails(STEER_ERR_ARG, "rows for", [&] { change([](Vector& v) { v.read.pop_back(); }); });
    fails(STEER_ERR_ARG, "no row to push with",
          [&] { change([](Vector& v) { v.write[0].values.clear(), v.write[2].values.clear(); }); });
    fails(STEER_ERR_ARG, "gauge layer 6", [&] { change([](Vector& v) { v.gauge_layer = 6; }); });
    fails(STEER_ERR_ARG, "make no range", [&] { change([](Vector& v) { v.best_end = 5; }); });
    fails(STEER_ERR_ARG, "safe strength", [&] { change([](Vector& v) { v.strength_safe = -1.0f; }); });
    fails(STEER_ERR_ARG, "is infinite", [&] { change([](Vector& v) { v.write[0].auc = kInf; }); });
    fails(STEER_ERR_ARG, "a name of more than", [&] { change([](Vector& v) { v.name.assign(257, 'x'); }); });
    // Layers without rows at either end are cut off.
    const VectorPtr cut = change([](Vector& v) { v.write[0].values.clear(), v.gauge_layer = -1; });
    CHECK(cut->layer_begin == 7);
    CHECK(cut->layer_end == 8);
    CHECK(cut->row(7, STEER_ROWS_READ)->norm == 5.0f);
}

TEST_CASE("the fingerprint stands for the rows and for nothing else") {
    const VectorPtr v = finish_vector(full_draft(), "draft");
    Vector other = full_draft();
    other.name = "another", other.model_fingerprint = {}, other.metadata.clear(), other.write[0].auc = 0.5f;
    CHECK(finish_vector(other, "draft")->fingerprint == v->fingerprint);
    other.write[0].values[1] = 2.0000002f;
    CHECK(finish_vector(other, "draft")->fingerprint != v->fingerprint);
    other = full_draft(), other.layer_begin = 4, other.layer_end = 7, other.gauge_layer = -1;
    CHECK(finish_vector(other, "draft")->fingerprint != v->fingerprint);
    other = full_draft(), std::swap(other.write[2], other.read[2]);
    CHECK(finish_vector(other, "draft")->fingerprint != v->fingerprint);
}

TEST_CASE("a vector saved is the vector loaded, bit for bit") {
    const VectorPtr v = finish_vector(full_draft(), "draft");
    const std::string path = "/tmp/steer-vector-" + std::to_string(getpid()) + ".safetensors";
    save_vector(*v, path, STEER_FORMAT_NATIVE);
    const VectorPtr w = load_vector(path, {});
    CHECK(read_file(path, 1 << 20) == vector_to_bytes(*w));
    unlink(path.c_str());
    CHECK(w->name == v->name);
    CHECK(w->hidden_size == 3);
    CHECK(w->layer_begin == 5);
    CHECK(w->layer_end == 8);
    CHECK(w->site_measured == STEER_SITE_OUTPUT);
    CHECK(w->site_applied == STEER_SITE_INPUT);
    CHECK((w->best_begin == 5 && w->best_end == 7 && w->gauge_layer == 7));
    CHECK(w->strength_safe == 0.45f);
    CHECK(w->calibration == nullptr);
    CHECK(w->fingerprint == v->fingerprint);
    CHECK(w->model_fingerprint == v->model_fingerprint);
    CHECK(w->metadata == v->metadata);
    CHECK(w->row(6, STEER_ROWS_WRITE) == nullptr);
    CHECK(w->row(5, STEER_ROWS_READ) == nullptr);
    for (size_t i = 0; i < 3; ++i) check_same(v->write[i], w->write[i]), check_same(v->read[i], w->read[i]);

    fails(STEER_ERR_ARG, "no format", [&] { save_vector(*v, path, 7); });
    fails(STEER_ERR_IO, "/nowhere/x", [&] { save_vector(*v, "/nowhere/x", STEER_FORMAT_NATIVE); });
}

TEST_CASE("the options of a load fill in, choose and refuse") {
    const std::string bytes = vector_to_bytes(*finish_vector(full_draft(), "draft"));
    VectorOptions options;
    options.site_applied = STEER_SITE_OUTPUT; // where to apply may be chosen
    CHECK(load_vector_bytes(bytes, "f", options)->site_applied == STEER_SITE_OUTPUT);
    options.site_measured = STEER_SITE_INPUT; // where it was measured may not be denied
    fails(STEER_ERR_ARG, "measured at the output", [&] { load_vector_bytes(bytes, "f", options); });
    options = {};
    options.name = full_draft().name;
    CHECK(load_vector_bytes(bytes, "f", options)->name == options.name);
    options.name = "other";
    fails(STEER_ERR_ARG, "not 'other'", [&] { load_vector_bytes(bytes, "f", options); });
    CHECK(load_vector_bytes(
              write_safetensors({{"write.3", Dtype::f32, {1}, {"\0\0\x80\x3f", 4}}}, {{"steer.schema", "1"}}),
              "dir.v/some.name.safetensors", {})
              ->name == "some.name");
}

TEST_CASE("vectors are combined over the union of their layers") {
    VectorOptions at3, at4;
    at3.layer_begin = 3, at3.name = "a";
    at4.layer_begin = 4, at4.name = "b", at4.model_fingerprint = digest_of("m");
    const VectorPtr a = create({1.0f, 0.0f, 0.0f, 2.0f}, 2, at3), b = create({3.0f, 0.0f, 0.0f, 1.0f}, 2, at4);
    const VectorPtr sum = combine_vectors({a, b}, {2.0f, -0.5f}, 0.0f);
    CHECK(sum->layer_begin == 3);
    CHECK(sum->layer_end == 6);
    CHECK(sum->row(3, 0)->values == std::vector<float>{2.0f, 0.0f});
    CHECK(sum->row(4, 0)->values == std::vector<float>{-1.5f, 4.0f});
    CHECK(sum->row(5, 0)->values == std::vector<float>{0.0f, -0.5f});
    CHECK(sum->model_fingerprint == digest_of("m")); // an untied one goes with any
    CHECK(sum->name == "a+b");
    CHECK(sum->read.empty());
    const VectorPtr scaled = combine_vectors({a, b}, {2.0f, -0.5f}, 10.0f);
    for (int32_t layer = 3; layer < 6; ++layer) CHECK(scaled->row(layer, 0)->norm == Approx(10.0f));
    CHECK(scaled->row(4, 0)->values[0] == Approx(-1.5 * 10 / std::sqrt(18.25)));
    CHECK(combine_vectors({a, b}, {1.0f, 0.0f}, 0.0f)->fingerprint == a->fingerprint); // weight 0 is off

    Vector two_sets = *b;
    two_sets.read = {VectorRow{{0.0f, 5.0f}}, VectorRow{}};
    const VectorPtr c = finish_vector(two_sets, "c"), read = combine_vectors({a, c}, {1.0f, 1.0f}, 0.0f);
    CHECK(read->row(4, STEER_ROWS_READ)->values == std::vector<float>{0.0f, 7.0f}); // a reads with its write row
    CHECK(read->row(4, STEER_ROWS_WRITE)->values == std::vector<float>{3.0f, 2.0f});
    CHECK(read->row(5, STEER_ROWS_READ) == nullptr);
}

TEST_CASE("vectors that do not belong together are not combined") {
    const VectorPtr a = create({1.0f, 0.0f}, 1);
    VectorOptions options;
    options.site_applied = STEER_SITE_INPUT;
    const VectorPtr input = create({1.0f, 0.0f}, 1, options);
    options = {};
    options.model_fingerprint = digest_of("m");
    const VectorPtr m = create({1.0f, 0.0f}, 1, options);
    options.model_fingerprint = digest_of("n");
    const VectorPtr n = create({1.0f, 0.0f}, 1, options);
    fails(STEER_ERR_MISMATCH, "1 and 2 wide", [&] { combine_vectors({create({1.0f}, 1), a}, {1, 1}, 0); });
    fails(STEER_ERR_MISMATCH, "sites", [&] { combine_vectors({a, input}, {1, 1}, 0); });
    fails(STEER_ERR_MISMATCH, to_hex(digest_of("n")).substr(0, 16), [&] { combine_vectors({m, a, n}, {1, 1, 1}, 0); });
    fails(STEER_ERR_ARG, "cancel", [&] { combine_vectors({a, m}, {1, -1}, 0); });
    fails(STEER_ERR_ARG, "not finite", [&] { combine_vectors({a}, {kNan}, 0); });
    fails(STEER_ERR_ARG, "norm", [&] { combine_vectors({a}, {1}, -1.0f); });
    fails(STEER_ERR_ARG, "norm", [&] { combine_vectors({a}, {1}, kNan); });
    fails(STEER_ERR_ARG, "other than 0", [&] { combine_vectors({a, a}, {0, 0}, 1); });
    fails(STEER_ERR_ARG, "other than 0", [&] { combine_vectors({}, {}, 1); });
    fails(STEER_ERR_ARG, "missing", [&] { combine_vectors({nullptr}, {1}, 1); });
    fails(STEER_ERR_ARG, "too long", [&] { combine_vectors({create({1e38f, 0.0f}, 1)}, {10}, 0); });
}

TEST_CASE("a vector of another model is refused, naming both sides") {
    VectorOptions options;
    options.layer_begin = 6, options.model_fingerprint = digest_of("m");
    const VectorPtr v = create({1.0f, 0.0f}, 1, options);
    CHECK_NOTHROW(check_vector_fits(*v, digest_of("m"), 2, 7));
    CHECK_NOTHROW(check_vector_fits(*create({1.0f, 0.0f}, 1), digest_of("m"), 2, 1));
    fails(STEER_ERR_MISMATCH, "is 2 wide, the model 3", [&] { check_vector_fits(*v, digest_of("m"), 3, 7); });
    fails(STEER_ERR_MISMATCH, "layer 6", [&] { check_vector_fits(*v, digest_of("m"), 2, 6); });
    fails(STEER_ERR_MISMATCH, to_hex(digest_of("n")).substr(0, 16),
          [&] { check_vector_fits(*v, digest_of("n"), 2, 7); });
    fails(STEER_ERR_MISMATCH, to_hex(digest_of("m")).substr(0, 16),
          [&] { check_vector_fits(*v, digest_of("n"), 2, 7); });
}
