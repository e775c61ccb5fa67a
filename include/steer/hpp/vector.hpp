// Chapter 7: vectors.
#pragma once

#include "model.hpp"

#include <cstddef>
#include <initializer_list>

namespace steer::inline STEER_HPP_MODE {

struct VectorOptions {
    std::optional<int32_t> layer_begin{};
    std::optional<Site> site_measured{}, site_applied{};
    const Model* model = nullptr;
    std::optional<std::string> name{};
    std::span<const std::byte> data{};
};

struct Passage {
    std::optional<std::string> system{}, prompt{}, reply{};
};

struct ContrastPair {
    Passage positive{}, negative{};
    uint64_t group = 0;
};

struct ExtractOptions {
    std::optional<int32_t> layer_begin{}, layer_end{};
    std::optional<Method> method{};
    std::optional<Pooling> pooling{};
    std::optional<float> holdout{};
    std::optional<uint64_t> seed{};
    std::optional<std::string> name{};
    Progress progress{};
    std::optional<std::string> resume_path{}; // extraction only
};

// What is known of one row, with the row itself: empty where there is none. Lives with the vector.
struct VectorLayer : steer_vector_layer {
    std::span<const float> values;
};

class Vector;

struct Weighted {
    const Vector& vector;
    float weight = 1.0f;
};

class Vector : public detail::Owner<steer_vector, steer_vector_free> {
  public:
    using Owner::Owner;

    // rows: one after the other, hidden_size floats each.
    static Returned<Vector> create(std::span<const float> rows, size_t hidden_size, const VectorOptions& options = {}) {
        steer_error err{};
        Vector vector;
        const steer_vector_options c = to_c(options);
        if (hidden_size == 0 || rows.size() % hidden_size != 0)
            err = detail::make_error(STEER_ERR_ARG, "rows: their size is not a multiple of hidden_size");
        else steer_vector_create(rows.data(), rows.size() / hidden_size, hidden_size, &c, vector.out(), &err);
        return detail::give(err, std::move(vector));
    }

    // With options.data the path only names the bytes and may be empty.
    static Returned<Vector> load(std::string_view path, const VectorOptions& options = {}) {
        steer_error err{};
        Vector vector;
        const steer_vector_options c = to_c(options);
        const std::string name(path);
        steer_vector_load(name.empty() ? nullptr : name.c_str(), &c, vector.out(), &err);
        return detail::give(err, std::move(vector));
    }

    static Returned<Vector> combine(std::span<const Weighted> parts, float norm = 0.0f) {
        std::vector<const steer_vector*> vectors;
        std::vector<float> weights;
        for (const Weighted& part : parts) {
            vectors.push_back(part.vector.get());
            weights.push_back(part.weight);
        }
        steer_error err{};
        Vector vector;
        steer_vector_combine(vectors.data(), weights.data(), parts.size(), norm, vector.out(), &err);
        return detail::give(err, std::move(vector));
    }
    static Returned<Vector> combine(std::initializer_list<Weighted> parts, float norm = 0.0f) {
        return combine(std::span<const Weighted>(parts.begin(), parts.size()), norm);
    }

    static Returned<Vector> extract(const Model& model, std::span<const ContrastPair> pairs,
                                    const ExtractOptions& options = {}) {
        return measure(pairs, options, [&](const auto& c_pairs, const auto& c, steer_vector** out, steer_error* err) {
            return steer_vector_extract(model.get(), c_pairs.data(), c_pairs.size(), &c, out, err);
        });
    }

    Returned<Vector> calibrate(const Model& model, std::span<const ContrastPair> pairs,
                               const ExtractOptions& options = {}) const {
        return measure(pairs, options, [&](const auto& c_pairs, const auto& c, steer_vector** out, steer_error* err) {
            return steer_vector_calibrate(model.get(), get(), c_pairs.data(), c_pairs.size(), &c, out, err);
        });
    }

    Returned<void> save(std::string_view path, VectorFormat format = VectorFormat::native) const {
        steer_error err{};
        steer_vector_save(get(), std::string(path).c_str(), static_cast<int32_t>(format), &err);
        return detail::give(err);
    }

    Returned<steer_vector_info> info() const {
        steer_error err{};
        steer_vector_info info{};
        steer_vector_get_info(get(), &info, sizeof info, &err);
        return detail::give(err, info);
    }

    Returned<VectorLayer> layer(int32_t layer, Rows rows = Rows::write) const {
        steer_error err{};
        VectorLayer out{};
        steer_vector_info info{};
        if (steer_vector_get_layer(get(), layer, static_cast<int32_t>(rows), &out, sizeof(steer_vector_layer), &err) ==
                STEER_OK &&
            out.row != nullptr && steer_vector_get_info(get(), &info, sizeof info, &err) == STEER_OK)
            out.values = {out.row, static_cast<size_t>(info.hidden_size)};
        return detail::give(err, out);
    }

    // As JSON: {"key": "text"}.
    Returned<std::string> metadata() const {
        return detail::fetch<std::string>([&](char* buf, size_t cap, size_t* size, steer_error* err) {
            return steer_vector_get_metadata(get(), buf, cap, size, err);
        });
    }

  private:
    static steer_vector_options to_c(const VectorOptions& options) {
        steer_vector_options c;
        steer_vector_options_init(&c, sizeof c);
        detail::set(c.layer_begin, options.layer_begin);
        detail::set(c.site_measured, options.site_measured);
        detail::set(c.site_applied, options.site_applied);
        if (options.model != nullptr) c.model = options.model->get();
        if (options.name) c.name = options.name->c_str();
        c.data = options.data.data();
        c.data_size = options.data.size();
        return c;
    }

    static steer_passage to_c(const Passage& passage) {
        return {detail::optional_view(passage.system), detail::optional_view(passage.prompt),
                detail::optional_view(passage.reply)};
    }

    template<class Call>
    static Returned<Vector> measure(std::span<const ContrastPair> pairs, const ExtractOptions& options, Call&& call) {
        detail::ProgressDoor progress(options.progress);
        steer_extract_options c;
        steer_extract_options_init(&c, sizeof c);
        detail::set(c.layer_begin, options.layer_begin);
        detail::set(c.layer_end, options.layer_end);
        detail::set(c.method, options.method);
        detail::set(c.pooling, options.pooling);
        detail::set(c.holdout, options.holdout);
        detail::set(c.seed, options.seed);
        if (options.name) c.name = options.name->c_str();
        c.progress_fn = progress.fn();
        c.progress_user = progress.user();
        if (options.resume_path) c.resume_path = options.resume_path->c_str();
        std::vector<steer_contrast_pair> c_pairs;
        for (const ContrastPair& pair : pairs)
            c_pairs.push_back({to_c(pair.positive), to_c(pair.negative), pair.group});
        steer_error err{};
        Vector vector;
        call(c_pairs, c, vector.out(), &err);
        progress.rethrow();
        return detail::give(err, std::move(vector));
    }
};

} // namespace steer::inline STEER_HPP_MODE
