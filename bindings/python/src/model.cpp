// Chapters 5 and 6 of the header.
#include "given.h"
#include "objects.h"
#include "progress.h"

namespace steer_python {
namespace {

std::unique_ptr<ModelObject> load(const std::string& path, const py::kwargs& kwargs) {
    Given given(kwargs);
    steer::ModelOptions options;
    const py::object progress = given.pop("progress");
    given.take("dtype", kDtypes, options.dtype);
    given.take("device", options.device);
    given.take("weights", kWeights, options.weights);
    given.take("residency", kResidencies, options.residency);
    given.take("priority", kPriorities, options.priority);
    given.take("verify", options.verify);
    given.take("allow_code", options.allow_code);
    given.take("device_memory_max", options.device_memory_max);
    given.none_left();
    options.progress = progress_of(progress);
    return unlocked([&] { return std::make_unique<ModelObject>(steer::Model::load(path, options)); });
}

py::dict info(ModelObject& model) {
    const steer_model_info found = unlocked([&] { return model->info(); });
    py::dict told;
    told["layer_count"] = found.layer_count;
    told["hidden_size"] = found.hidden_size;
    told["vocab_size"] = found.vocab_size;
    told["context_max"] = found.context_max;
    told["dtype"] = name_of(kDtypes, found.dtype);
    told["weights"] = name_of(kWeights, found.weights);
    told["residency"] = name_of(kResidencies, found.residency);
    told["device"] = found.device < 0 ? "cpu" : "cuda:" + std::to_string(found.device);
    told["weight_bytes"] = found.weight_bytes;
    told["cache_bytes_per_token"] = found.cache_bytes_per_token;
    told["device_bytes_used"] = found.device_bytes_used;
    told["device_bytes_free"] = found.device_bytes_free;
    told["fingerprint"] = fingerprint(found.fingerprint);
    return told;
}

py::str text(ModelObject& model, const std::string& what) {
    const auto asked = static_cast<steer::ModelText>(value_of("what", kModelTexts, what));
    return to_text(unlocked([&] { return model->text(asked); }));
}

void set_residency(ModelObject& model, const std::string& residency, const py::object& progress) {
    const auto asked = static_cast<steer::Residency>(value_of("residency", kResidencies, residency));
    unlocked([&] { model->set_residency(asked, progress_of(progress)); });
}

void export_to(ModelObject& model, const std::string& folder, const py::object& progress) {
    unlocked([&] { model->export_to(folder, progress_of(progress)); });
}

py::array_t<int32_t> encode(ModelObject& model, const std::string& string, bool control_tokens) {
    return to_array(unlocked([&] { return model->encode(string, control_tokens); }));
}

py::bytes decode(ModelObject& model, const TokenArray& ids, bool control_tokens) {
    const auto span = to_span(ids);
    return unlocked([&] { return model->decode(span, control_tokens); });
}

// ---- chat: messages are (role, content or None, JSON of what else they hold) ------------------------------------------

using Messages = std::vector<std::tuple<std::string, std::optional<std::string>, std::string>>;

std::vector<steer::Message> to_messages(const Messages& messages) {
    std::vector<steer::Message> made;
    for (const auto& [role, content, extra] : messages) made.push_back({role, content, extra});
    return made;
}

steer::ChatOptions chat_options(const py::kwargs& kwargs) {
    Given given(kwargs);
    steer::ChatOptions options;
    given.take("open_reply", options.open_reply);
    given.take("continue_last", options.continue_last);
    given.take("tools", options.tools);
    given.take("variables", options.variables);
    given.take("template_text", options.template_text);
    given.none_left();
    return options;
}

py::str format_chat(ModelObject& model, const Messages& messages, const py::kwargs& kwargs) {
    const steer::ChatOptions options = chat_options(kwargs);
    return to_text(unlocked([&] { return model->format_chat(to_messages(messages), options); }));
}

py::tuple encode_chat(ModelObject& model, const Messages& messages, SessionObject* prefer, const py::kwargs& kwargs) {
    const steer::ChatOptions options = chat_options(kwargs);
    const steer::Tokens tokens = unlocked([&] {
        return model->encode_chat(to_messages(messages), options, prefer == nullptr ? nullptr : &**prefer);
    });
    return py::make_tuple(to_array(tokens.ids), to_array(tokens.marks));
}

} // namespace

void bind_model(py::module_& module) {
    py::class_<ModelObject>(module, "Model")
        .def_static("load", load, py::arg("path"))
        .def("close", &ModelObject::close)
        .def_property_readonly("closed", &ModelObject::closed)
        .def("info", info)
        .def("text", text, py::arg("what"))
        .def("set_residency", set_residency, py::arg("residency"), py::arg("progress"))
        .def("export", export_to, py::arg("folder"), py::arg("progress"))
        .def("encode", encode, py::arg("text"), py::arg("control_tokens"))
        .def("decode", decode, py::arg("ids"), py::arg("control_tokens"))
        .def("format_chat", format_chat, py::arg("messages"))
        .def("encode_chat", encode_chat, py::arg("messages"), py::arg("prefer").none(true));
}

} // namespace steer_python
