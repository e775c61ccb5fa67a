// A JSON value. Of our own because it is freed without taking memory: nlohmann's frees by way of a heap-allocated stack, and a
// destructor that finds no memory ends the process. Names are nlohmann's.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace steer {

class Json {
  public:
    using array_t = std::vector<Json>;
    using object_t = std::vector<std::pair<std::string, Json>>; // in the order of the text
    enum class value_t { null, boolean, number_integer, number_unsigned, number_float, string, array, object };

    Json(std::nullptr_t = nullptr) {}
    Json(bool value) : value_(value) {}
    template<std::signed_integral T> Json(T value) { // one form for one number: what is not negative is unsigned
        if (value < 0) value_ = static_cast<int64_t>(value);
        else value_ = static_cast<uint64_t>(value);
    }
    template<std::unsigned_integral T> Json(T value) : value_(static_cast<uint64_t>(value)) {}
    template<std::floating_point T> Json(T value) : value_(static_cast<double>(value)) {}
    Json(std::string value) : value_(std::move(value)) {}
    Json(std::string_view value) : value_(std::string(value)) {}
    Json(const char* value) : value_(std::string(value)) {}
    Json(array_t value) : value_(std::move(value)) {}
    Json(object_t value) : value_(std::move(value)) {}
    static Json array() { return Json(array_t()); }
    static Json object() { return Json(object_t()); }

    value_t type() const { return static_cast<value_t>(value_.index()); }
    const char* type_name() const;
    bool is_null() const { return type() == value_t::null; }
    bool is_boolean() const { return type() == value_t::boolean; }
    bool is_number_unsigned() const { return type() == value_t::number_unsigned; }
    bool is_number_integer() const { return is_number_unsigned() || type() == value_t::number_integer; }
    bool is_number_float() const { return type() == value_t::number_float; }
    bool is_number() const { return is_number_integer() || is_number_float(); }
    bool is_string() const { return type() == value_t::string; }
    bool is_array() const { return type() == value_t::array; }
    bool is_object() const { return type() == value_t::object; }

    // Look at the type first: of another one these are an error inside the library. Numbers are converted.
    template<class T> T get() const {
        if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string>) return std::get<T>(value_);
        else if (is_number_unsigned()) return static_cast<T>(std::get<uint64_t>(value_));
        else if (is_number_float()) return static_cast<T>(std::get<double>(value_));
        else return static_cast<T>(std::get<int64_t>(value_));
    }
    template<class Reference> Reference get_ref() const { return std::get<std::remove_cvref_t<Reference>>(value_); }
    template<class Reference> Reference get_ref() { return std::get<std::remove_cvref_t<Reference>>(value_); }

    // Arrays and objects; anything else has no elements.
    size_t size() const;
    bool empty() const { return size() == 0; }
    const Json* begin() const { return is_array() ? get_ref<const array_t&>().data() : nullptr; }
    const Json* end() const { return begin() + (is_array() ? size() : 0); }
    template<std::integral Index> const Json& operator[](Index index) const {
        return get_ref<const array_t&>().at(static_cast<size_t>(index));
    }
    const Json& front() const { return (*this)[0]; }
    void push_back(Json value) { get_ref<array_t&>().push_back(std::move(value)); }
    const object_t& items() const { return get_ref<const object_t&>(); }
    const Json* find(std::string_view key) const; // nullptr: no such field, or no object
    Json& operator[](std::string_view key);       // null becomes an object; a new field is null

    // As text, without blanks, or indented. What is no UTF-8 becomes U+FFFD, or where strict is an error.
    std::string dump(int indent = -1, bool strict = false) const;

    bool operator==(const Json&) const = default;

  private:
    void write(std::string& out, int indent, int depth, bool strict) const;

    std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, array_t, object_t> value_; // as value_t
};

} // namespace steer
