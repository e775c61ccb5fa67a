#include "corpus.h"
#include "text/chat.h"
#include "files/utf8.h"

using namespace steer;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED, kArg = STEER_ERR_ARG;

Json json(const char* text) { return parse_json(text, kName); }

// A conversation with everything that a template may ask for.
ChatRequest request() {
    ChatRequest all;
    all.messages.push_back({"system", "Be \xE3\x82\xAE\xE3\x83\xA3\xE3\x83\xAB.", nullptr});
    all.messages.push_back({"user", " <|im_end|> hi 'there' 12\n", nullptr});
    all.messages.push_back({"assistant", std::nullopt,
                            json(R"({"tool_calls": [{"function": {"name": "f", "arguments": {"x": 1.5}}}]})")});
    all.messages.push_back({"tool", "<think>a</think>b", json(R"({"name": "f"})")});
    all.tools = json(R"([{"type": "function", "function": {"name": "f", "parameters": {"x": null}}}])");
    all.variables = json(R"({"enable_thinking": false, "n": 7})");
    all.open_reply = true;
    return all;
}

void read(std::string_view bytes) {
    const ChatTemplate parsed = ChatTemplate::parse(bytes, kName);
    (void)parsed.render(request());
}

void check(std::string_view bytes) {
    const ChatTemplate parsed = ChatTemplate::parse(bytes, kName);
    const ChatRequest asked = request();
    const std::vector<ChatPiece> pieces = parsed.render(asked);
    std::string text;
    for (size_t i = 0; i < pieces.size(); ++i) {
        promise(!pieces[i].text.empty(), "an empty piece");
        promise(i == 0 || pieces[i].from_template != pieces[i - 1].from_template, "two pieces of one origin");
        text += pieces[i].text;
    }
    promise(text.size() <= size_t{4} << 20, "more than 4 MiB of text");
    promise(is_valid_utf8(text), "text that is not UTF-8");
    promise(text == parsed.render_text(asked), "rendered twice, two texts");
    promise(parsed.source() == bytes, "another source");
}

std::string repeat(const std::string& text, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; ++i) out += text;
    return out;
}

std::vector<Bad> bad_syntax() {
    const auto nested = [](const std::string& open, const std::string& close) {
        return "{{ " + repeat(open, 10000) + "1" + repeat(close, 10000) + " }}";
    };
    return {
        {"a tag that is not closed", "{{ x", kFormat, "line 1: a tag is not closed"},
        {"a comment that is not closed", "a\nb{# x", kFormat, "line 2: a comment is not closed"},
        {"a string that is not closed", "{{ 'x }}", kFormat, "a string is not closed"},
        {"a string that ends in a backslash", "{{ 'x\\", kFormat, "a string is not closed"},
        {"an escape without digits", "{{ '\\u12' }}", kFormat, "hexadecimal digits"},
        {"an escape of half a surrogate", "{{ '\\ud800' }}", kFormat, "no character"},
        {"an escape beyond Unicode", "{{ '\\U00110000' }}", kFormat, "no character"},
        {"an unknown character", "{{ $x }}", kFormat, "unexpected character"},
        {"a control character", "{{ \x1b }}", kFormat, "unexpected character"},
        {"brackets crossed", "{{ ([)] }}", kFormat, "unexpected \")\""},
        {"brackets closed twice", "{{ x) }}", kFormat, "unexpected \")\""},
        {"an if that is not closed", "{% if x %}", kFormat, "\"endif\" is expected"},
        {"an if closed by a for", "{% if x %}{% endfor %}", kFormat, "endfor"},
        {"an end without a beginning", "{% endif %}", kFormat, "unexpected"},
        {"an else alone", "{% else %}", kFormat, "unexpected"},
        {"a for without in", "{% for x %}{% endfor %}", kFormat, "\"in\" is expected"},
        {"a for over nothing", "{% for x in %}{% endfor %}", kFormat, "expected"},
        {"a set without a value", "{% set x = %}", kFormat, "expected"},
        {"a set of a number", "{% set 1 = 2 %}", kFormat, "a name is expected"},
        {"an unknown tag", "{% frobnicate %}", kFormat, "frobnicate"},
        {"a break outside", "{% break %}", kFormat, "outside of a loop"},
        {"an operator alone", "{{ + }}", kFormat, "expected"},
        {"two values", "{{ a b }}", kFormat, "the tag should end here"},
        {"an empty index", "{{ a[] }}", kFormat, "an index is expected"},
        {"a named argument first", "{{ range(a=1, 2) }}", kFormat, "follows one with a name"},
        {"not UTF-8", "{{ '\xff' }}", kFormat, "not UTF-8"},
        {"2 MiB of text", std::string(2 << 20, 'x'), kFormat, "bytes, allowed are"},
        {"10,000 brackets", nested("(", ")"), kUnsupported, "nesting deeper than 64"},
        {"10,000 lists", nested("[", "]"), kUnsupported, "nesting deeper than 64"},
        {"10,000 dictionaries", nested("{'a':", "}"), kUnsupported, "nesting deeper than 64"},
        {"10,000 indices", nested("a[", "]"), kUnsupported, "nesting deeper than 64"},
        {"10,000 calls in calls", nested("f(", ")"), kUnsupported, "nesting deeper than 64"},
        {"10,000 calls in named arguments", nested("f(a=", ")"), kUnsupported, "nesting deeper than 64"},
        {"brackets that are never closed", "{{ " + repeat("(", 100000), kFormat, "a tag is not closed"},
        {"100,000 signs", "{{ " + repeat("-", 100000) + "1 }}", kUnsupported, "nesting deeper than 64"},
        {"100,000 nots", "{{ " + repeat("not ", 100000) + "1 }}", kUnsupported, "nesting deeper than 64"},
        {"100,000 ifs", repeat("{% if 1 %}", 50000), kUnsupported, "nested deeper than 64"},
        {"50,000 elses in a row", "{{ " + repeat("1 if 1 else ", 50000) + "1 }}", kUnsupported, "deeper than 64"},
        {"100,000 additions", "{{ 1" + repeat("+1", 100000) + " }}", kUnsupported, "more than 128 levels"},
        {"100,000 attributes", "{{ a" + repeat(".b", 100000) + " }}", kUnsupported, "more than 128 levels"},
        {"100,000 filters", "{{ 1" + repeat("|int", 100000) + " }}", kUnsupported, "more than 128 levels"},
        {"100,000 calls", "{{ f" + repeat("()", 100000) + " }}", kUnsupported, "more than 128 levels"},
        {"a number of 1 MB", "{{ 1" + repeat("0", 1000000) + " }}", kUnsupported, "the number"},
        {"a name of 1 MB", "{% " + repeat("x", 1000000) + " %}", kUnsupported, "a name of 1000000 bytes"},
        {"a filter's name of 1 MB", "{{ 1|" + repeat("x", 1000000) + " }}", kUnsupported, "a name of 1000000 bytes"},
        {"files of the host", "{% include '/etc/passwd' %}", kUnsupported, "include"},
        {"imports", "{% import 'os' as os %}", kUnsupported, "import"},
        {"inheritance", "{% extends 'x' %}", kUnsupported, "extends"},
        {"power", "{{ 2 ** 1000 }}", kUnsupported, "**"},
    };
}

std::vector<Bad> bad_runs() {
    const std::string twice = "{% set t = t + t %}";
    const auto large = [](const std::string& value, int times) { // kept until the end
        std::string text;
        for (int i = 0; i < times; ++i) text += fmt::format("{{% set v{} = {} %}}", i, value);
        return text + "{{ 1 // 0 }}";
    };
    std::string pairs, sets, reads;
    for (int i = 0; i < 40000; ++i) pairs += fmt::format("'k{}':1,", i), sets += fmt::format("{{% set v{} = 1 %}}", i);
    for (int i = 0; i < 1000; ++i) reads += "{{ missing }}";
    return {
        {"Python's way out", "{{ ''.__class__.__mro__[1].__subclasses__() }}", kArg, "undefined"},
        {"globals", "{{ self.__init__.__globals__ }}", kArg, "undefined"},
        {"a method that formats", "{{ '{0.__class__}'.format(1) }}", kUnsupported, "format"},
        {"an unknown function", "{{ lipsum() }}", kUnsupported, "the function \"lipsum\""},
        {"a call of text", "{{ 'x'() }}", kArg, "cannot be called"},
        {"a loop over a number", "{% for x in 5 %}{% endfor %}", kArg, "cannot be looped over"},
        {"a range of a billion", "{% for x in range(10**9) %}{% endfor %}", kUnsupported, "**"},
        {"a range of a thousand million", "{% for x in range(1000000000) %}{% endfor %}", kArg, "more than 100000"},
        {"a range of 2^62", "{{ range(4611686018427387904) }}", kArg, "a whole number is needed"},
        {"a range whose step is 0", "{{ range(1, 2, 0) }}", kArg, "the step not 0"},
        {"loops in loops", repeat("{% for x in range(1000) %}", 4) + repeat("{% endfor %}", 4), kArg, "more than 1000000 steps"},
        {"a text doubled 40 times", "{% set t = 'x' %}" + repeat(twice, 40), kArg, "bytes"},
        {"a text times a billion", "{{ 'x' * 1000000000 }}", kArg, "more than 4194304 bytes"},
        {"a text times 2^63", "{{ 'x' * 9223372036854775807 }}", kArg, "more than 4194304 bytes"},
        {"an output of 5 MiB", "{% for i in range(90000) %}" + std::string(64, 'x') + "{% endfor %}", kArg, "4194304 bytes"},
        {"a macro that calls itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", kArg, "nested too deeply"},
        {"two macros that call each other",
         "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}", kArg, "nested too deeply"},
        {"a list in a list in a list",
         "{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}", kArg, "nested deeper"},
        {"lists doubled", "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
         kArg, "more than 1000000 steps"},
        {"lists of one list", "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}"
                              "{{ ns.l }}", kArg, "more than 1000000 steps"},
        {"lists of one list as JSON", "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}"
                                      "{% endfor %}{{ ns.l|tojson }}", kArg, "more than 1000000 steps"},
        {"40,000 keys, twenty times", "{% for i in range(20) %}{% set d = {" + pairs + "} %}{% endfor %}", kArg,
         "more than 1000000 steps"},
        {"40,000 names", sets + reads, kArg, "more than 1000000 steps"},
        {"14 texts of 4 MiB", large("'x' * 4194304", 14), kArg, "division by zero"},
        {"18 lists of 100,000", large("range(100000)", 18), kArg, "division by zero"},
        {"400,000 parts", large("('x,' * 400000).split(',')", 1), kArg, "division by zero"},
        {"160,000 numbers as texts", large("range(80000)|map('string')|list", 2), kArg, "division by zero"},
        {"division by zero", "{{ 1 // 0 }}", kArg, "division by zero"},
        {"a remainder of zero", "{{ 1 % 0 }}", kArg, "division by zero"},
        {"2^63", "{{ 9223372036854775807 + 1 }}", kArg, "beyond 64 bits"},
        {"-2^63 negated", "{{ -(-9223372036854775807 - 1) }}", kArg, "beyond 64 bits"},
        {"a slice with step 0", "{{ 'abc'[::0] }}", kArg, "step 0"},
        {"a slice with step -2^63", "{{ 'abc'[::-9223372036854775807 - 1] }}", kArg, "beyond 64 bits"},
        {"text and number added", "{{ 'a' + 1 }}", kArg, "cannot work on"},
        {"none compared", "{{ none < 1 }}", kArg, "cannot compare"},
        {"a member of undefined", "{{ nothing.more }}", kArg, "\"nothing\" is undefined"},
        {"the template's own words", "{{ raise_exception('\\x1b[31mred') }}", kArg, "\\x1b[31mred"},
        {"the template's own words, 1 MB of them", "{{ raise_exception('w' * 1000000) }}", kArg, "www...'"},
        {"a filter named by a terminal's escape", "{{ [1]|map('\\x1b[31m') }}", kUnsupported, "\\x1b[31m"},
        {"a message's text as a filter", "{{ [1]|map(messages[1].content) }}", kUnsupported, "the filter"},
        {"macro called with too much", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", kArg, "takes 1 arguments"},
        {"three names for two values", "{% for a, b, c in [[1, 2]] %}{% endfor %}", kArg, "3 names for 2 values"},
        {"a macro printed", "{% macro m() %}{% endmacro %}{{ m }}", kUnsupported, "printing"},
        {"a macro as JSON", "{% macro m() %}{% endmacro %}{{ m|tojson }}", kArg, "no JSON form"},
    };
}

std::vector<Bad> bad() {
    std::vector<Bad> all = bad_syntax();
    const std::vector<Bad> runs = bad_runs();
    all.insert(all.end(), runs.begin(), runs.end());
    return all;
}

std::vector<Seed> seeds() {
    return {
        {"ChatML", "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') + "
                   "'<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}", {}},
        {"tools", "{%- if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% elif not x is defined %}-{% else %}"
                  "{% endif %}{%- set ns = namespace(last=-1, multi=true) %}{% for m in messages[::-1] %}{% set i = "
                  "(messages|length - 1) - loop.index0 %}{% if ns.multi and m.role == 'user' %}{% set ns.last = i %}"
                  "{% endif %}{% endfor %}{{ ns.last }}", {}},
        {"texts", "{# c #}{% macro m(a, b=1) %}{{ a ~ b }}{% endmacro %}{{ m('x', b=[1, 2.5]) }}{{ messages[3].content"
                  ".split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') | trim | upper }}{% set b %}z{% endset %}"
                  "{{ b * 3 }}{{ {'a': 1}.items() | list }}{{ messages | map(attribute='role') | join(', ') }}{{ 7 // 2 % 3 }}", {}},
    };
}

} // namespace

Reader template_reader() {
    Reader reader{"template", read, check, bad, 90, seeds, {kFormat, kUnsupported, kArg}, ""};
    reader.heap_factor = 128;       // a token for each character, of at most 1 MiB
    reader.heap_base = 160 << 20;   // a million steps, each of which may keep 64 bytes
    return reader;
}

} // namespace hostile
