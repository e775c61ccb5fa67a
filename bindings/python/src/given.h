// Keyword arguments, taken one by one into the options of steer.hpp. None is the same as left out.
#pragma once

#include "interpreter.h"
#include "names.h"

#include <pybind11/stl.h>

#include <optional>
#include <vector>

namespace steer_python {

class Given {
  public:
    explicit Given(const py::kwargs& given) : left_(given.attr("copy")().cast<py::dict>()) {}

    template<class T> void take(const char* name, T& out) {
        if (const py::object value = pop(name); !value.is_none()) out = cast<typename Plain<T>::type>(name, value);
    }
    template<class Enum> void take(const char* name, std::span<const Name> names, std::optional<Enum>& out) {
        std::optional<std::string> text;
        take(name, text);
        if (text) out = static_cast<Enum>(value_of(name, names, *text));
    }
    py::object pop(const char* name) { return left_.attr("pop")(name, py::none()); }

    void none_left() const { // a word that nobody asked for is never ignored
        if (!left_.empty()) throw py::type_error("unknown option " + py::repr(left_.begin()->first).cast<std::string>());
    }

    template<class T> static T cast(const char* name, const py::handle& value) {
        try {
            return value.cast<T>();
        } catch (const py::cast_error&) {
            throw py::type_error(std::string(name) + ": not a value for it: " + py::repr(value).cast<std::string>());
        }
    }

  private:
    template<class T> struct Plain { using type = T; };
    template<class T> struct Plain<std::optional<T>> { using type = T; };

    const Inside inside_;
    py::dict left_;
};

} // namespace steer_python
