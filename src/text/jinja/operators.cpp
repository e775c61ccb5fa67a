#include "text/jinja/operators.h"

#include "text/find.h"
#include "text/jinja/builtins.h"
#include "files/utf8.h"

#include <algorithm>
#include <cmath>

namespace steer::jinja {
namespace {

bool is_number(const Value& value) { return is<bool>(value) || is<int64_t>(value) || is<double>(value); }

double to_double(const Value& value) {
    if (auto truth = std::get_if<bool>(&value)) return *truth ? 1.0 : 0.0;
    if (auto whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
    return std::get<double>(value);
}

int64_t to_int(const Value& value) {
    if (auto truth = std::get_if<bool>(&value)) return *truth ? 1 : 0;
    return std::get<int64_t>(value);
}

[[noreturn]] void undefined_operand(Runtime& run, const Value& value) {
    const std::string* name = std::get<Undefined>(value).name;
    run.error("{} is undefined", name ? "\"" + *name + "\"" : std::string("a value"));
}

bool text_contains(Runtime& run, const Text& text, const Text& part) {
    run.charge_text(text.size() + part.size());
    if (part.size() <= 32) return text.bytes.find(part.bytes) != std::string::npos;
    return Finder(part.bytes).find(text.bytes) != std::string_view::npos;
}

bool contains(Runtime& run, const Value& container, const Value& value) {
    if (const Text* text = as_text(container)) {
        const Text* part = as_text(value);
        if (!part) run.error("\"in\": a {} cannot be in a string", type_name(value));
        return text_contains(run, *text, *part);
    }
    if (const List* list = as_list(container)) {
        for (const Value& item : list->items) {
            if (equals(run, item, value)) return true;
        }
        return false;
    }
    if (const Dict* dict = as_dict(container)) {
        const Text* key = as_text(value);
        return key && find_key(run, *dict, key->bytes);
    }
    if (is<Undefined>(container)) return false;
    run.error("\"in\": nothing can be in a value of type {}; is a message's content missing?", type_name(container));
}

Value int_arithmetic(Runtime& run, char symbol, int64_t a, int64_t b) {
    int64_t result = 0;
    bool overflow = false;
    switch (symbol) {
    case '+':
        overflow = __builtin_add_overflow(a, b, &result);
        break;
    case '-':
        overflow = __builtin_sub_overflow(a, b, &result);
        break;
    case '*':
        overflow = __builtin_mul_overflow(a, b, &result);
        break;
    default: // '%' and '/', which stands for //: rounded towards minus infinity
        if (b == 0) run.error("division by zero");
        if (b == -1) return int_arithmetic(run, symbol == '%' ? '*' : '-', 0, symbol == '%' ? 0 : a);
        int64_t rest = a % b;
        if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
        result = symbol == '%' ? rest : (a - rest) / b;
    }
    if (overflow) run.error("a number grows beyond 64 bits");
    return result;
}

Value double_arithmetic(Runtime& run, std::string_view symbol, double a, double b) {
    if (symbol == "+") return a + b;
    if (symbol == "-") return a - b;
    if (symbol == "*") return a * b;
    if (b == 0.0) run.error("division by zero");
    if (symbol == "/") return a / b;
    double rest = std::fmod(a, b);
    if (rest != 0.0 && (rest < 0.0) != (b < 0.0)) rest += b;
    return symbol == "%" ? rest : std::round((a - rest) / b);
}

Value repeat(Runtime& run, const Text& text, int64_t times) {
    if (times < 0 || text.size() == 0) times = 0;
    if (static_cast<uint64_t>(times) > text_max) run.error("a text of more than {} bytes", text_max);
    run.charge_text(text.size() * static_cast<size_t>(times));
    Text out;
    for (int64_t i = 0; i < times; ++i) out.append(text);
    return make_text(std::move(out));
}

struct Range {
    int64_t begin, step;
    size_t count;
};

// Python's slice.indices
Range slice_range(Runtime& run, size_t size, const Value* begin, const Value* end, const Value* step) {
    auto number = [&](const Value* value, int64_t absent) {
        if (!value || is<None>(*value)) return absent;
        if (!is<int64_t>(*value) && !is<bool>(*value))
            run.error("a slice needs whole numbers, found {}", type_name(*value));
        return to_int(*value);
    };
    auto length = static_cast<int64_t>(size);
    int64_t stride = number(step, 1);
    if (stride == 0) run.error("a slice with step 0");
    if (stride == INT64_MIN) run.error("a slice with a step beyond 64 bits");
    int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? length : length - 1;
    auto clip = [&](int64_t value) {
        if (value < 0) value = value < -length ? low : value + length;
        return value < low ? low : value > high ? high : value;
    };
    bool no_begin = !begin || is<None>(*begin), no_end = !end || is<None>(*end);
    int64_t from = no_begin ? (stride > 0 ? low : high) : clip(number(begin, 0));
    int64_t to = no_end ? (stride > 0 ? high : low) : clip(number(end, 0));
    int64_t span = stride > 0 ? to - from : from - to;
    int64_t size_of_step = stride > 0 ? stride : -stride;
    return {from, stride, span <= 0 ? 0 : static_cast<size_t>((span - 1) / size_of_step + 1)};
}

std::vector<size_t> character_starts(const Text& text) { // with the end
    std::vector<size_t> starts;
    for (size_t i = 0; i < text.size(); ++i) {
        if (!is_utf8_tail(text.bytes[i])) starts.push_back(i);
    }
    starts.push_back(text.size());
    return starts;
}

Value loop_attribute(Runtime& run, const Loop& loop, const std::string& name) {
    const auto& items = loop.items->items;
    auto index = static_cast<int64_t>(loop.index), count = static_cast<int64_t>(items.size());
    if (name == "index") return index + 1;
    if (name == "index0") return index;
    if (name == "first") return index == 0;
    if (name == "last") return index + 1 == count;
    if (name == "length") return count;
    if (name == "revindex") return count - index;
    if (name == "revindex0") return count - index - 1;
    if (name == "previtem") return index > 0 ? items[loop.index - 1] : Value(Undefined{});
    if (name == "nextitem") return index + 1 < count ? items[loop.index + 1] : Value(Undefined{});
    run.unsupported("loop." + name);
}

bool order(Runtime& run, std::string_view symbol, const Value& a, const Value& b) {
    auto decide = [&](const auto& x, const auto& y) {
        return symbol == "<" ? x < y : symbol == "<=" ? x <= y : symbol == ">" ? x > y : x >= y;
    };
    const Text *text_a = as_text(a), *text_b = as_text(b);
    if (text_a && text_b) { // UTF-8 sorts as its characters do
        run.charge_text(std::min(text_a->size(), text_b->size()));
        return decide(text_a->bytes, text_b->bytes);
    }
    if (is<Undefined>(a)) undefined_operand(run, a);
    if (is<Undefined>(b)) undefined_operand(run, b);
    if (!is_number(a) || !is_number(b))
        run.error("\"{}\" cannot compare {} and {}", symbol, type_name(a), type_name(b));
    if (is<double>(a) || is<double>(b)) return decide(to_double(a), to_double(b));
    return decide(to_int(a), to_int(b));
}

} // namespace

const Value* find_key(Runtime& run, const Dict& dict, std::string_view key) {
    run.charge_search(dict.entries.size(), key.size());
    for (const auto& [name, value] : dict.entries) {
        if (name->bytes == key) return &value;
    }
    return nullptr;
}

bool equals(Runtime& run, const Value& a, const Value& b) {
    run.charge(1);
    if (is_number(a) && is_number(b)) {
        if (is<double>(a) || is<double>(b)) return to_double(a) == to_double(b);
        return to_int(a) == to_int(b);
    }
    if (a.index() != b.index()) return false;
    if (const Text* text = as_text(a)) {
        run.charge_text(text->size());
        return text->bytes == as_text(b)->bytes;
    }
    if (const List* one = as_list(a)) {
        const List* other = as_list(b);
        if (one->items.size() != other->items.size() || one->tuple != other->tuple) return false;
        for (size_t i = 0; i < one->items.size(); ++i) {
            if (!equals(run, one->items[i], other->items[i])) return false;
        }
        return true;
    }
    if (const Dict* one = as_dict(a)) {
        const Dict* other = as_dict(b);
        if (one->entries.size() != other->entries.size()) return false;
        for (const auto& [key, value] : one->entries) {
            const Value* found = find_key(run, *other, key->bytes);
            if (!found || !equals(run, value, *found)) return false;
        }
        return true;
    }
    return is<Undefined>(a) || is<None>(a);
}

bool compare(Runtime& run, std::string_view symbol, const Value& a, const Value& b) {
    if (symbol == "==") return equals(run, a, b);
    if (symbol == "!=") return !equals(run, a, b);
    if (symbol == "in") return contains(run, b, a);
    if (symbol == "not in") return !contains(run, b, a);
    return order(run, symbol, a, b);
}

Value arithmetic(Runtime& run, std::string_view symbol, const Value& a, const Value& b) {
    const Text *text_a = as_text(a), *text_b = as_text(b);
    if (symbol == "+" && text_a && text_b) {
        run.charge_text(text_a->size() + text_b->size());
        Text sum = *text_a;
        sum.append(*text_b);
        return make_text(std::move(sum));
    }
    if (is_number(a) && is_number(b)) {
        bool real = is<double>(a) || is<double>(b) || symbol == "/";
        if (real) return double_arithmetic(run, symbol, to_double(a), to_double(b));
        return int_arithmetic(run, symbol[0], to_int(a), to_int(b));
    }
    const List *list_a = as_list(a), *list_b = as_list(b);
    if (symbol == "+" && list_a && list_b && list_a->tuple == list_b->tuple) {
        run.charge_items(list_a->items.size() + list_b->items.size());
        std::vector<Value> sum = list_a->items;
        sum.insert(sum.end(), list_b->items.begin(), list_b->items.end());
        return make_list(std::move(sum), list_a->tuple);
    }
    if (symbol == "*" && text_a && is<int64_t>(b)) return repeat(run, *text_a, std::get<int64_t>(b));
    if (symbol == "*" && text_b && is<int64_t>(a)) return repeat(run, *text_b, std::get<int64_t>(a));
    if (symbol == "%" && text_a) run.unsupported("formatting with %");
    if (is<Undefined>(a)) undefined_operand(run, a);
    if (is<Undefined>(b)) undefined_operand(run, b);
    run.error("\"{}\" cannot work on {} and {}; is a message's content missing?", symbol, type_name(a), type_name(b));
}

Value negate(Runtime& run, const Value& value) {
    if (is<double>(value)) return -std::get<double>(value);
    if (!is_number(value)) run.error("\"-\" cannot work on {}", type_name(value));
    return int_arithmetic(run, '-', 0, to_int(value));
}

Value get_attribute(Runtime& run, const Value& object, const std::string& name) {
    if (is<Undefined>(object)) undefined_operand(run, object);
    if (auto loop = std::get_if<std::shared_ptr<const Loop>>(&object)) return loop_attribute(run, **loop, name);
    if (has_method(object, name)) return std::make_shared<const Method>(Method{object, name});
    if (const Dict* dict = as_dict(object)) {
        if (const Value* found = find_key(run, *dict, name)) return *found;
    }
    return Undefined{&name};
}

Value get_item(Runtime& run, const Value& object, const Value& key) {
    if (is<Undefined>(object)) undefined_operand(run, object);
    const Text* name = as_text(key);
    if (const Dict* dict = as_dict(object)) {
        const Value* found = name ? find_key(run, *dict, name->bytes) : nullptr;
        if (found) return *found;
    }
    if (name && has_method(object, name->bytes)) return std::make_shared<const Method>(Method{object, name->bytes});
    if (!is<int64_t>(key) && !is<bool>(key)) return Undefined{};
    int64_t index = to_int(key);
    if (const List* list = as_list(object)) {
        auto count = static_cast<int64_t>(list->items.size());
        if (index < -count || index >= count) return Undefined{};
        return list->items[static_cast<size_t>(index < 0 ? index + count : index)];
    }
    if (const Text* text = as_text(object)) {
        run.charge_text(text->size());
        std::vector<size_t> starts = character_starts(*text);
        auto count = static_cast<int64_t>(starts.size()) - 1;
        if (index < -count || index >= count) return Undefined{};
        auto at = static_cast<size_t>(index < 0 ? index + count : index);
        return make_text(text->slice(starts[at], starts[at + 1]));
    }
    return Undefined{};
}

Value get_slice(Runtime& run, const Value& object, const Value* begin, const Value* end, const Value* step) {
    if (is<Undefined>(object)) undefined_operand(run, object);
    auto each = [&](size_t size, auto&& take) {
        Range range = slice_range(run, size, begin, end, step);
        run.charge_items(range.count);
        for (size_t i = 0; i < range.count; ++i)
            take(static_cast<size_t>(range.begin + static_cast<int64_t>(i) * range.step));
    };
    if (const List* list = as_list(object)) {
        std::vector<Value> part;
        each(list->items.size(), [&](size_t i) { part.push_back(list->items[i]); });
        return make_list(std::move(part), list->tuple);
    }
    if (const Text* text = as_text(object)) {
        run.charge_text(text->size());
        std::vector<size_t> starts = character_starts(*text);
        Text part;
        each(starts.size() - 1, [&](size_t i) { part.append(*text, starts[i], starts[i + 1]); });
        return make_text(std::move(part));
    }
    return Undefined{};
}

std::vector<Value> iterate(Runtime& run, const Value& value) {
    std::vector<Value> items;
    if (const List* list = as_list(value)) {
        run.charge_items(list->items.size());
        return list->items;
    }
    if (const Dict* dict = as_dict(value)) {
        run.charge_items(dict->entries.size());
        for (const auto& [key, entry] : dict->entries) items.emplace_back(key);
        return items;
    }
    if (const Text* text = as_text(value)) {
        run.charge(text->size() * 4); // a value for each character
        std::vector<size_t> starts = character_starts(*text);
        for (size_t i = 0; i + 1 < starts.size(); ++i)
            items.push_back(make_text(text->slice(starts[i], starts[i + 1])));
        return items;
    }
    if (!is<Undefined>(value)) run.error("a value of type {} cannot be looped over", type_name(value));
    return items;
}

} // namespace steer::jinja
