#include "text/jinja/builtins.h"

namespace steer::jinja {
namespace {

size_t parameter_count(const Builtin& builtin) {
    size_t count = 0;
    while (count < parameters_max && !builtin.parameters[count].empty()) ++count;
    return count;
}

} // namespace

Value invoke(Runtime& run, const Builtin& builtin, const Value& input, const Arguments& arguments) {
    Call call{run, input, {}};
    size_t count = parameter_count(builtin);
    if (arguments.list.size() > count)
        run.unsupported(fmt::format("\"{}\" with {} arguments", builtin.name, arguments.list.size()));
    for (size_t i = 0; i < arguments.list.size(); ++i) call.args[i] = &arguments.list[i];
    for (const auto& [name, value] : arguments.named) {
        size_t place = 0;
        while (place < count && builtin.parameters[place] != name) ++place;
        if (place == count) run.unsupported(fmt::format("\"{}\" with the argument \"{}\"", builtin.name, name));
        if (call.args[place]) run.error("\"{}\": the argument \"{}\" is given twice", builtin.name, name);
        call.args[place] = &value;
    }
    return builtin.body(call);
}

const Text& text_argument(Call& call, size_t index, const char* what) {
    const Text* text = call.args[index] ? as_text(*call.args[index]) : nullptr;
    if (!text)
        call.run.error("{} needs a string as argument, found {}", what,
                       call.args[index] ? type_name(*call.args[index]) : "none");
    return *text;
}

const Text& text_input(Call& call, const char* what) {
    const Text* text = as_text(call.input);
    if (!text) call.run.error("{} needs a string, found {}", what, type_name(call.input));
    return *text;
}

} // namespace steer::jinja
