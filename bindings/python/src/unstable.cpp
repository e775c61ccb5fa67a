// Chapter 13 of the header.
#include "objects.h"

#include <pybind11/stl.h>

#include <algorithm>

namespace steer_python {
namespace {

std::unique_ptr<AdapterObject> load_adapter(ModelObject& model, const std::string& path) {
    return unlocked([&] { return std::make_unique<AdapterObject>(steer::Adapter::load(*model, path)); });
}

void set_adapters(SessionObject& session, const std::vector<std::pair<AdapterObject*, float>>& adapters) {
    std::vector<steer::ScaledAdapter> scaled;
    for (const auto& [adapter, scale] : adapters) scaled.push_back({**adapter, scale});
    unlocked([&] {
        const Conversation mine(session);
        steer::set_adapters(*session, scaled);
    });
}

// The host sees a copy that it may keep. An array that it answers is what the stream is from here on.
int32_t show(const SessionObject& session, int32_t layer, int32_t position, float* hidden, size_t rows, size_t width) {
    const py::object function = session.observer;
    if (!function) return 0;
    const std::vector shape{static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(width)};
    const py::object answer = function(layer, position, py::array_t<float>(shape, hidden));
    if (answer.is_none()) return 0;
    const auto edited = py::array_t<float, py::array::c_style | py::array::forcecast>::ensure(answer);
    if (!edited || edited.ndim() != 2 || edited.shape(0) != shape[0] || edited.shape(1) != shape[1])
        throw py::value_error("an observer answers None, or an array of the shape that it was given");
    std::copy_n(edited.data(), rows * width, hidden);
    return 1;
}

// What it raises cannot pass through the library: it waits until the step is made, and the stream stays as it was.
int32_t on_observe(void* user, int32_t layer, int32_t position, float* hidden, size_t rows, size_t width) {
    auto& session = *static_cast<SessionObject*>(user);
    if (must_stop() || session.raised) return 0;
    const Locked locked;
    try {
        return show(session, layer, position, hidden, rows, width);
    } catch (...) {
        session.raised = std::current_exception();
        return 0;
    }
}

void observe(SessionObject& session, const std::vector<int32_t>& layers, const py::object& function) {
    const py::object former = std::exchange(session.observer, function.is_none() ? py::object() : function);
    try {
        unlocked([&] {
            const Conversation mine(session);
            steer::observe(*session, layers, function.is_none() ? nullptr : on_observe, &session);
        });
    } catch (const steer::Exception&) {
        session.observer = former;
        throw;
    }
}

} // namespace

void bind_unstable(py::module_& module, py::class_<SessionObject>& session) {
    py::class_<AdapterObject>(module, "Adapter").def_static("load", load_adapter, py::arg("model"), py::arg("path"));
    session.def("set_adapters", set_adapters, py::arg("adapters"))
        .def("observe", observe, py::arg("layers"), py::arg("function").none(true));
}

} // namespace steer_python
