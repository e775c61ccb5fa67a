// Chapter 7 of the header: vectors.
#include "api/args.h"
#include "api/guard.h"
#include "api/handles.h"
#include "run/calibration.h"
#include "run/extraction.h"
#include "run/log.h"

using namespace steer;

namespace {

steer_vector_options default_options() {
    steer_vector_options options{};
    options.struct_size = sizeof options;
    return options;
}

steer_extract_options default_extract_options() {
    steer_extract_options options{};
    options.struct_size = sizeof options;
    options.layer_end = INT32_MAX;
    options.holdout = 0.2f;
    return options;
}

VectorOptions read_vector_options(const steer_vector_options& from) {
    VectorOptions options;
    options.layer_begin = check_int(from.layer_begin, 0, INT32_MAX, "layer_begin");
    options.site_measured = check_enum(from.site_measured, STEER_SITE_INPUT, "site_measured");
    options.site_applied = check_enum(from.site_applied, STEER_SITE_INPUT, "site_applied");
    if (from.name != nullptr) options.name = from.name;
    return options;
}

void check_fits(const Vector& vector, const Model& model) {
    check_vector_fits(vector, model.fingerprint(), model.config().hidden_size, model.config().layer_count);
}

std::vector<ContrastPair> read_pairs(const steer_contrast_pair* pairs, size_t count) {
    if (count == 0) fail(STEER_ERR_ARG, "no contrast pairs were given");
    read_array(pairs, count, "pairs");
    const auto passage = [](const steer_passage& from) {
        const auto text = [](const steer_view& view, const char* name) -> std::optional<std::string> {
            const std::string_view read = read_view(view, name);
            if (view.data == nullptr) return std::nullopt;
            return std::string(read);
        };
        return Passage{text(from.system, "system"), text(from.prompt, "prompt"), text(from.reply, "reply")};
    };
    std::vector<ContrastPair> read;
    read.reserve(count);
    for (size_t i = 0; i < count; i++)
        read.push_back({passage(pairs[i].positive), passage(pairs[i].negative), pairs[i].group});
    return read;
}

ExtractionOptions read_extraction(const steer_extract_options& from) {
    ExtractionOptions options;
    options.method = check_enum(from.method, STEER_METHOD_PROBE, "method");
    options.layer_begin = from.layer_begin;
    options.layer_end = from.layer_end;
    options.pooling = check_enum(from.pooling, STEER_POOL_SHARED_TOKENS, "pooling");
    options.holdout = check_range(from.holdout, 0.0f, 0.9f, "holdout");
    options.seed = from.seed;
    if (from.name != nullptr) options.name = from.name;
    if (from.resume_path != nullptr) options.resume_path = from.resume_path;
    return options;
}

} // namespace

extern "C" {

void steer_vector_options_init(steer_vector_options* o, size_t struct_size) {
    write_defaults(o, struct_size, default_options());
}

steer_status steer_vector_create(const float* rows, size_t row_count, size_t hidden_size, const steer_vector_options* o,
                                 steer_vector** out, steer_error* err) {
    return guard(err, [&] {
        clear_out(out, "out");
        need(rows, "rows");
        const steer_vector_options given = read_options(o, default_options(), "steer_vector_options");
        if (given.data != nullptr || given.data_size != 0) fail(STEER_ERR_ARG, "data is for steer_vector_load");
        VectorOptions options = read_vector_options(given);
        if (given.model == nullptr) {
            *out = to_handle(create_vector(rows, row_count, hidden_size, options));
            return;
        }
        const PinnedModel model(given.model, "model");
        options.model_fingerprint = model->fingerprint();
        VectorPtr vector = create_vector(rows, row_count, hidden_size, options);
        check_fits(*vector, *model);
        *out = to_handle(std::move(vector));
    });
}

steer_status steer_vector_load(const char* path, const steer_vector_options* o, steer_vector** out, steer_error* err) {
    return guard(err, [&] {
        clear_out(out, "out");
        const steer_vector_options given = read_options(o, default_options(), "steer_vector_options");
        VectorOptions options = read_vector_options(given);
        if (given.model != nullptr) {
            const PinnedModel model(given.model, "model");
            options.layer_count = model->config().layer_count;
            options.hidden_size = model->config().hidden_size;
        }
        VectorPtr vector;
        if (given.data != nullptr) {
            const std::string name = path == nullptr ? "vector in memory" : path;
            vector = load_vector_bytes(read_view({static_cast<const char*>(given.data), given.data_size}, "data"), name, options);
        } else {
            if (given.data_size != 0) fail(STEER_ERR_ARG, "data is NULL, data_size is {}", given.data_size);
            vector = load_vector(read_text(path, "path"), options);
        }
        if (given.model != nullptr) check_fits(*vector, *PinnedModel(given.model, "model"));
        if (!vector->tied())
            log(STEER_LOG_WARN, "{}: says nothing of the model it was made for; only its width of {} can be checked",
                path == nullptr ? "vector in memory" : path, vector->hidden_size);
        *out = to_handle(std::move(vector));
    });
}

steer_status steer_vector_save(const steer_vector* v, const char* path, int32_t format, steer_error* err) {
    return guard(err, [&] {
        const PinnedVector vector(v, "vector");
        const std::string to = read_text(path, "path");
        save_vector(*vector, to, check_enum(format, STEER_FORMAT_SVEC, "format"));
    });
}

steer_status steer_vector_combine(const steer_vector* const* vs, const float* weights, size_t count, float norm,
                                  steer_vector** out, steer_error* err) {
    return guard(err, [&] {
        clear_out(out, "out");
        read_array(vs, count, "vs");
        read_array(weights, count, "weights");
        check_finite(norm, "norm");
        std::vector<VectorPtr> vectors;
        std::vector<float> factors;
        for (size_t i = 0; i < count; i++) {
            vectors.push_back(PinnedVector(vs[i], "a vector").share());
            factors.push_back(check_finite(weights[i], "a weight"));
        }
        *out = to_handle(combine_vectors(vectors, factors, norm));
    });
}

void steer_extract_options_init(steer_extract_options* o, size_t struct_size) {
    write_defaults(o, struct_size, default_extract_options());
}

steer_status steer_vector_extract(steer_model* m, const steer_contrast_pair* pairs, size_t count,
                                  const steer_extract_options* o, steer_vector** out, steer_error* err) {
    return guard(err, [&] {
        clear_out(out, "out");
        const PinnedModel model(m, "model");
        const steer_extract_options given = read_options(o, default_extract_options(), "steer_extract_options");
        const ExtractionOptions options = read_extraction(given);
        const Progress progress = to_progress(given.progress_fn, given.progress_user, [&] { return model.alive(); });
        *out = to_handle(extract_vector(*model, read_pairs(pairs, count), options, progress));
    });
}

steer_status steer_vector_calibrate(steer_model* m, const steer_vector* v, const steer_contrast_pair* pairs, size_t count,
                                    const steer_extract_options* o, steer_vector** out, steer_error* err) {
    return guard(err, [&] {
        clear_out(out, "out");
        const PinnedModel model(m, "model");
        const VectorPtr vector = PinnedVector(v, "vector").share();
        check_fits(*vector, *model);
        const steer_extract_options given = read_options(o, default_extract_options(), "steer_extract_options");
        if (given.resume_path != nullptr)
            fail(STEER_ERR_UNSUPPORTED, "resume_path: a calibration cannot be taken up again, only an extraction");
        const CalibrationOptions options{given.layer_begin, given.layer_end, given.seed, given.name == nullptr ? "" : given.name};
        const Progress progress = to_progress(given.progress_fn, given.progress_user, [&] { return model.alive(); });
        *out = to_handle(calibrate_vector(model.share(), *vector, read_pairs(pairs, count), options, progress));
    });
}

steer_status steer_vector_get_info(const steer_vector* v, steer_vector_info* out, size_t out_size, steer_error* err) {
    return guard(err, [&] {
        need_out(out, out_size);
        const PinnedVector vector(v, "vector");
        steer_vector_info info{};
        info.layer_begin = vector->layer_begin;
        info.layer_end = vector->layer_end;
        info.hidden_size = vector->hidden_size;
        info.site_measured = vector->site_measured;
        info.site_applied = vector->site_applied;
        info.calibrated = vector->calibration != nullptr;
        info.best_begin = vector->best_begin;
        info.best_end = vector->best_end;
        info.gauge_layer = vector->gauge_layer;
        info.strength_safe = vector->strength_safe;
        std::copy(vector->fingerprint.begin(), vector->fingerprint.end(), info.fingerprint);
        std::copy(vector->model_fingerprint.begin(), vector->model_fingerprint.end(), info.model_fingerprint);
        info.name = vector->name.c_str();
        write_out(out, out_size, info);
    });
}

steer_status steer_vector_get_layer(const steer_vector* v, int32_t layer, int32_t rows, steer_vector_layer* out,
                                    size_t out_size, steer_error* err) {
    return guard(err, [&] {
        need_out(out, out_size);
        const PinnedVector vector(v, "vector");
        check_enum(rows, STEER_ROWS_READ, "rows");
        const VectorRow* row = vector->row(layer, rows);
        static const VectorRow* const absent = new VectorRow;
        const VectorRow& from = row == nullptr ? *absent : *row;
        write_out(out, out_size,
                  steer_vector_layer{row == nullptr ? nullptr : row->values.data(), from.norm, from.residual_norm,
                                     from.explained_variance, from.auc, from.auc_content, from.neutral, from.persona,
                                     from.split_half_cosine});
    });
}

steer_status steer_vector_get_metadata(const steer_vector* v, char* buf, size_t cap, size_t* size, steer_error* err) {
    return guard(err, [&] {
        const PinnedVector vector(v, "vector");
        write_bytes(metadata_to_json(*vector), buf, cap, size);
    });
}

void steer_vector_free(steer_vector* v) {
    guard_void([&] {
        if (PinnedVector vector(v); vector) vector.remove();
    });
}

} // extern "C"
