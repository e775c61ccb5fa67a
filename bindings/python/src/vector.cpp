// Chapter 7 of the header.
#include "given.h"
#include "objects.h"
#include "progress.h"

#include <cmath>

namespace steer_python {
namespace {

using VectorPtr = std::unique_ptr<VectorObject>;
using Rows = py::array_t<float, py::array::c_style | py::array::forcecast>;

VectorPtr hold(steer::Vector vector) { return std::make_unique<VectorObject>(std::move(vector)); }

steer::VectorOptions vector_options(Given& given) {
    steer::VectorOptions options;
    given.take("layer_begin", options.layer_begin);
    given.take("site_measured", kSites, options.site_measured);
    given.take("site_applied", kSites, options.site_applied);
    given.take("name", options.name);
    ModelObject* model = nullptr;
    given.take("model", model);
    if (model != nullptr) options.model = &**model;
    return options;
}

VectorPtr create(const Rows& rows, const py::kwargs& kwargs) {
    if (rows.ndim() != 2)
        throw py::value_error("rows: an array [layers, hidden size] is expected, this one has " +
                              std::to_string(rows.ndim()) + " dimensions");
    Given given(kwargs);
    const steer::VectorOptions options = vector_options(given);
    given.none_left();
    const auto values = to_span(rows);
    const auto width = static_cast<size_t>(rows.shape(1));
    return unlocked([&] { return hold(steer::Vector::create(values, width, options)); });
}

// data: None, or the file's bytes, of which path then is only the name.
VectorPtr load(const std::string& path, const std::optional<py::buffer>& data, const py::kwargs& kwargs) {
    Given given(kwargs);
    steer::VectorOptions options = vector_options(given);
    given.none_left();
    std::optional<py::buffer_info> bytes;
    if (data) {
        bytes = data->request();
        options.data = {static_cast<const std::byte*>(bytes->ptr), static_cast<size_t>(bytes->size * bytes->itemsize)};
    }
    return unlocked([&] { return hold(steer::Vector::load(path, options)); });
}

VectorPtr combine(const std::vector<std::pair<VectorObject*, float>>& parts, float norm) {
    std::vector<steer::Weighted> weighted;
    for (const auto& [vector, weight] : parts) weighted.push_back({**vector, weight});
    return unlocked([&] { return hold(steer::Vector::combine(weighted, norm)); });
}

// ---- measuring: a passage is (system, prompt, reply), a pair (positive, negative, group) ----------------------------------

using Text = std::optional<std::string>;
using PassageTuple = std::tuple<Text, Text, Text>;
using Pairs = std::vector<std::tuple<PassageTuple, PassageTuple, uint64_t>>;

std::vector<steer::ContrastPair> to_pairs(const Pairs& pairs) {
    const auto passage = [](const PassageTuple& from) {
        return steer::Passage{std::get<0>(from), std::get<1>(from), std::get<2>(from)};
    };
    std::vector<steer::ContrastPair> made;
    for (const auto& [positive, negative, group] : pairs) made.push_back({passage(positive), passage(negative), group});
    return made;
}

steer::ExtractOptions extract_options(const py::kwargs& kwargs) {
    Given given(kwargs);
    steer::ExtractOptions options;
    given.take("layer_begin", options.layer_begin);
    given.take("layer_end", options.layer_end);
    given.take("method", kMethods, options.method);
    given.take("pooling", kPoolings, options.pooling);
    given.take("holdout", options.holdout);
    given.take("seed", options.seed);
    given.take("name", options.name);
    given.take("resume_path", options.resume_path);
    given.none_left();
    return options;
}

VectorPtr extract(ModelObject& model, const Pairs& pairs, const py::object& progress, const py::kwargs& kwargs) {
    steer::ExtractOptions options = extract_options(kwargs);
    options.progress = progress_of(progress);
    return unlocked([&] { return hold(steer::Vector::extract(*model, to_pairs(pairs), options)); });
}

VectorPtr calibrate(VectorObject& vector, ModelObject& model, const Pairs& pairs, const py::object& progress,
                    const py::kwargs& kwargs) {
    steer::ExtractOptions options = extract_options(kwargs);
    options.progress = progress_of(progress);
    return unlocked([&] { return hold(vector->calibrate(*model, to_pairs(pairs), options)); });
}

// ---- what is known of one -----------------------------------------------------------------------------------------------

void save(VectorObject& vector, const std::string& path, const std::string& format) {
    const auto as = static_cast<steer::VectorFormat>(value_of("format", kFormats, format));
    unlocked([&] { vector->save(path, as); });
}

py::object known(int32_t layer) { return layer < 0 ? py::object(py::none()) : py::object(py::int_(layer)); }

py::dict info(VectorObject& vector) {
    const steer_vector_info found = unlocked([&] { return vector->info(); });
    py::dict told;
    told["name"] = to_text(found.name == nullptr ? "" : found.name);
    told["layer_begin"] = found.layer_begin;
    told["layer_end"] = found.layer_end;
    told["hidden_size"] = found.hidden_size;
    told["site_measured"] = name_of(kSites, found.site_measured);
    told["site_applied"] = name_of(kSites, found.site_applied);
    told["calibrated"] = found.calibrated != 0;
    told["best_begin"] = known(found.best_begin);
    told["best_end"] = known(found.best_end);
    told["gauge_layer"] = known(found.gauge_layer);
    told["strength_safe"] = found.strength_safe;
    told["fingerprint"] = fingerprint(found.fingerprint);
    told["model_fingerprint"] = fingerprint(found.model_fingerprint);
    return told;
}

// The row is a view of the vector's own memory, which the array keeps alive; nobody may write to it.
py::object row_of(const steer::VectorLayer& layer, const py::object& owner) {
    if (layer.row == nullptr) return py::none();
    py::array_t<float> view(static_cast<py::ssize_t>(layer.values.size()), layer.row, owner);
    view.attr("setflags")(py::arg("write") = false);
    return view;
}

py::dict layer(const py::object& self, int32_t number, const std::string& rows) {
    auto& vector = self.cast<VectorObject&>();
    const auto which = static_cast<steer::Rows>(value_of("rows", kRows, rows));
    const steer::VectorLayer found = unlocked([&] { return vector->layer(number, which); });
    py::dict told;
    told["row"] = row_of(found, self);
    told["norm"] = found.norm;
    told["residual_norm"] = found.residual_norm;
    told["explained_variance"] = found.explained_variance;
    told["auc"] = found.auc;
    told["auc_content"] = found.auc_content;
    told["neutral"] = found.neutral;
    told["persona"] = found.persona;
    told["split_half_cosine"] = found.split_half_cosine;
    return told;
}

} // namespace

void bind_vector(py::module_& module) {
    py::class_<VectorObject>(module, "Vector")
        .def_static("create", create, py::arg("rows"))
        .def_static("load", load, py::arg("path"), py::arg("data").none(true))
        .def_static("combine", combine, py::arg("parts"), py::arg("norm"))
        .def_static("extract", extract, py::arg("model"), py::arg("pairs"), py::arg("progress"))
        .def("calibrate", calibrate, py::arg("model"), py::arg("pairs"), py::arg("progress"))
        .def("save", save, py::arg("path"), py::arg("format"))
        .def("info", info)
        .def("layer", layer, py::arg("layer"), py::arg("rows"))
        .def("metadata", [](VectorObject& vector) { return to_text(unlocked([&] { return vector->metadata(); })); });
}

} // namespace steer_python
