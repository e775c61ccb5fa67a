#include "files/json.h"

#include "files/error.h"
#include "files/quote.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_set>

namespace steer {
namespace {

constexpr size_t kBlock = 8; // what the heap takes beside each block

// Walks the text and tells the builder how far the parser has come.
class Cursor {
  public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    Cursor() = default;
    Cursor(const char* at, const char** progress) : at_(at), progress_(progress) {}
    reference operator*() const { return *at_; }
    Cursor& operator++() {
        *progress_ = ++at_;
        return *this;
    }
    Cursor operator++(int) {
        Cursor before = *this;
        ++*this;
        return before;
    }
    bool operator==(const Cursor& other) const { return at_ == other.at_; }
    bool operator!=(const Cursor& other) const { return at_ != other.at_; }

  private:
    const char* at_ = nullptr;
    const char** progress_ = nullptr;
};

// Builds the value while it counts. Keys are appended without a look-up (150,000 vocabulary entries) and checked for
// doubles when the object is complete.
class Builder : public nlohmann::json_sax<nlohmann::json> {
  public:
    Builder(std::string_view text, const std::string& name, const JsonLimits& limits)
        : text_(text), name_(name), limits_(limits), progress_(text.data()) {}

    const char** progress() { return &progress_; }
    Json take() { return std::move(root_); }

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override { return add(value); }
    bool number_float(number_float_t value, const string_t&) override {
        if (!std::isfinite(value)) refuse("number too large");
        return add(value);
    }
    bool string(string_t& value) override {
        use(heap_size(value));
        return add(std::move(value));
    }
    bool binary(binary_t&) override { return false; }
    bool key(string_t& value) override {
        auto& object = open_.back()->get_ref<Json::object_t&>();
        use(heap_size(value));
        use_item(object);
        object.emplace_back(std::move(value), Json());
        return true;
    }
    bool start_object(std::size_t) override { return enter(Json::object()); }
    bool start_array(std::size_t) override { return enter(Json::array()); }
    bool end_array() override {
        open_.pop_back();
        return true;
    }
    bool end_object() override {
        refuse_double_keys(open_.back()->get_ref<const Json::object_t&>());
        open_.pop_back();
        return true;
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
        // "[json.exception.parse_error.101] parse error at line 1, column 3: what" -> "what"
        std::string what = error.what();
        for (const char* lead : {"] ", "column ", ": "}) {
            if (size_t at = what.find(lead); at != std::string::npos) what.erase(0, at + std::string_view(lead).size());
        }
        what.resize(std::min<size_t>(what.size(), 160));
        for (char& c : what) {
            if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
        }
        fail(STEER_ERR_FORMAT, "{}: not valid JSON near byte {}: {}", name_, position, what);
    }

  private:
    [[noreturn]] void refuse(const std::string& what) const {
        fail(STEER_ERR_FORMAT, "{}: JSON near byte {}: {}", name_, progress_ - text_.data(), what);
    }

    // What the values take is counted before it is taken: a text of many small ones must not become large by them.
    void use(size_t bytes, size_t for_a_moment = 0) {
        const size_t allowed = limits_.memory + 12 * text_.size();
        memory_ += bytes;
        if (memory_ + for_a_moment > allowed) refuse(fmt::format("its values would take more than {} bytes", allowed));
    }
    template<class List>
    void use_item(const List& list) { // while a list moves, its old place is still there
        if (list.size() < list.capacity()) return;
        const size_t item = sizeof(typename List::value_type), before = list.capacity() * item;
        use(std::max(before, item + kBlock), before);
    }
    static size_t heap_size(const string_t& text) { return text.size() < 16 ? 0 : text.size() + kBlock; }

    template<class Value>
    Json* place(Value&& value) {
        if (++count_ > limits_.values) refuse(fmt::format("more than {} values", limits_.values));
        if (open_.empty()) return &(root_ = std::forward<Value>(value));
        Json& parent = *open_.back();
        if (parent.is_array()) {
            auto& array = parent.get_ref<Json::array_t&>();
            use_item(array);
            array.emplace_back(std::forward<Value>(value));
            return &array.back();
        }
        auto& slot = parent.get_ref<Json::object_t&>().back().second;
        return &(slot = std::forward<Value>(value));
    }

    template<class Value>
    bool add(Value&& value) {
        place(Json(std::forward<Value>(value)));
        return true;
    }

    bool enter(Json container) {
        if (open_.size() >= limits_.depth) refuse(fmt::format("nested deeper than {} levels", limits_.depth));
        open_.push_back(place(std::move(container)));
        return true;
    }

    [[noreturn]] void refuse_twice(const std::string& key) const { refuse(fmt::format("key {} comes twice", quote(key))); }
    void refuse_double_keys(const Json::object_t& object) const {
        if (object.size() <= 16) {
            for (auto one = object.begin(); one != object.end(); ++one) {
                for (auto other = object.begin(); other != one; ++other) {
                    if (one->first == other->first) refuse_twice(one->first);
                }
            }
            return;
        }
        std::unordered_set<std::string_view> seen;
        seen.reserve(object.size());
        for (const auto& [key, value] : object) {
            if (!seen.insert(key).second) refuse_twice(key);
        }
    }

    std::string_view text_;
    const std::string& name_;
    const JsonLimits& limits_;
    const char* progress_;
    Json root_;
    std::vector<Json*> open_; // parents stay where they are while a child is built
    size_t count_ = 0, memory_ = 0;
};

[[noreturn]] void wrong_type(const std::string& name, std::string_view key, std::string_view expected,
                             const Json& value) {
    fail(STEER_ERR_FORMAT, "{}: \"{}\" must be {}, the file has {}", name, key, expected, value.type_name());
}

int64_t to_int(const Json& value, std::string_view key, const std::string& name, int64_t min, int64_t max) {
    if (!value.is_number_integer()) wrong_type(name, key, "a whole number", value);
    bool too_large = value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
    int64_t number = too_large ? INT64_MAX : value.get<int64_t>();
    if (too_large || number < min || number > max) {
        fail(STEER_ERR_FORMAT, "{}: \"{}\" is {}, allowed is {} to {}", name, key, value.dump(), min, max);
    }
    return number;
}

double to_double(const Json& value, std::string_view key, const std::string& name, double min, double max) {
    if (!value.is_number()) wrong_type(name, key, "a number", value);
    double number = value.get<double>();
    if (!(number >= min && number <= max)) {
        fail(STEER_ERR_FORMAT, "{}: \"{}\" is {}, allowed is {} to {}", name, key, number, min, max);
    }
    return number;
}

std::string to_text(const Json& value, std::string_view key, const std::string& name) {
    if (!value.is_string()) wrong_type(name, key, "a string", value);
    return value.get<std::string>();
}

bool to_bool(const Json& value, std::string_view key, const std::string& name) {
    if (!value.is_boolean()) wrong_type(name, key, "true or false", value);
    return value.get<bool>();
}

const Json* present(const Json& object, std::string_view key) {
    const Json* field = find_field(object, key);
    return field && !field->is_null() ? field : nullptr;
}

} // namespace

Json parse_json(std::string_view text, const std::string& name, const JsonLimits& limits) {
    if (text.size() > limits.text_size) {
        fail(STEER_ERR_FORMAT, "{}: JSON of {} bytes, allowed are {}", name, text.size(), limits.text_size);
    }
    // The parser takes a zero byte for the end of the text, and would not see what comes behind it.
    if (const size_t zero = text.find('\0'); zero != text.npos)
        fail(STEER_ERR_FORMAT, "{}: not valid JSON near byte {}: a zero byte", name, zero + 1);
    Builder builder(text, name, limits);
    Cursor begin(text.data(), builder.progress()), end(text.data() + text.size(), builder.progress());
    nlohmann::json::sax_parse(begin, end, &builder);
    return builder.take();
}

const Json* find_field(const Json& object, std::string_view key) {
    return object.find(key);
}

const Json& get_field(const Json& object, std::string_view key, const std::string& name) {
    if (!object.is_object()) fail(STEER_ERR_FORMAT, "{}: an object with \"{}\" was expected", name, key);
    const Json* field = find_field(object, key);
    if (!field) fail(STEER_ERR_FORMAT, "{}: \"{}\" is missing", name, key);
    return *field;
}

const Json& get_object(const Json& object, std::string_view key, const std::string& name) {
    const Json& field = get_field(object, key, name);
    if (!field.is_object()) wrong_type(name, key, "an object", field);
    return field;
}

const Json& get_array(const Json& object, std::string_view key, const std::string& name) {
    const Json& field = get_field(object, key, name);
    if (!field.is_array()) wrong_type(name, key, "an array", field);
    return field;
}

std::string get_string(const Json& object, std::string_view key, const std::string& name) {
    return to_text(get_field(object, key, name), key, name);
}

int64_t get_int(const Json& object, std::string_view key, const std::string& name, int64_t min, int64_t max) {
    return to_int(get_field(object, key, name), key, name, min, max);
}

double get_double(const Json& object, std::string_view key, const std::string& name, double min, double max) {
    return to_double(get_field(object, key, name), key, name, min, max);
}

bool get_bool(const Json& object, std::string_view key, const std::string& name) {
    return to_bool(get_field(object, key, name), key, name);
}

std::string get_string_or(const Json& object, std::string_view key, const std::string& name, std::string_view absent) {
    const Json* field = present(object, key);
    return field ? to_text(*field, key, name) : std::string(absent);
}

int64_t get_int_or(const Json& object, std::string_view key, const std::string& name, int64_t min, int64_t max,
                   int64_t absent) {
    const Json* field = present(object, key);
    return field ? to_int(*field, key, name, min, max) : absent;
}

double get_double_or(const Json& object, std::string_view key, const std::string& name, double min, double max,
                     double absent) {
    const Json* field = present(object, key);
    return field ? to_double(*field, key, name, min, max) : absent;
}

bool get_bool_or(const Json& object, std::string_view key, const std::string& name, bool absent) {
    const Json* field = present(object, key);
    return field ? to_bool(*field, key, name) : absent;
}

} // namespace steer
