#include "text/jinja/string_operations.h"

#include "text/find.h"
#include "text/jinja/format.h"
#include "text/jinja/strings.h"
#include "files/utf8.h"

#include <utf8proc.h>

namespace steer::jinja {
namespace {

class Places { // where one text stands in another, found in linear time
  public:
    Places(Runtime& run, const Text& text, const Text& part) : text_(text.bytes), part_(part.bytes) {
        run.charge_text(text.size() + part.size());
        if (part.size() > 32) finder_.emplace(part.bytes); // a short one cannot make the plain search slow
    }
    size_t next(size_t from) const { return finder_ ? finder_->find(text_, from) : text_.find(part_, from); }

  private:
    std::string_view text_, part_;
    std::optional<Finder> finder_;
};

bool among(std::string_view character, const Text* characters) {
    if (!characters) {
        const char* at = character.data();
        return is_space(decode_valid_utf8(at));
    }
    return characters->bytes.find(character) != std::string::npos;
}

} // namespace

Text strip(Runtime& run, const Text& text, const Text* characters, Side side) {
    run.charge_text(text.size());
    if (characters && characters->size() > 256) run.unsupported("stripping more than 256 bytes of characters");
    size_t begin = 0, end = text.size();
    while (side != Side::Right && begin < end) {
        size_t next = begin + 1;
        while (next < end && is_utf8_tail(text.bytes[next])) ++next;
        if (!among(std::string_view(text.bytes).substr(begin, next - begin), characters)) break;
        begin = next;
    }
    while (side != Side::Left && end > begin) {
        size_t last = end - 1;
        while (last > begin && is_utf8_tail(text.bytes[last])) --last;
        if (!among(std::string_view(text.bytes).substr(last, end - last), characters)) break;
        end = last;
    }
    return text.slice(begin, end);
}

// Character by character: the few that change their number of characters (other than the sharp s) stay as they are.
Text change_case(Runtime& run, const Text& text, Case wanted) {
    run.charge_text(text.size());
    Text out;
    const char *begin = text.bytes.data(), *at = begin, *end = begin + text.size();
    while (at < end) {
        bool first = at == begin;
        auto origin = static_cast<Origin>(text.origins[static_cast<size_t>(at - begin)]);
        uint32_t code = decode_valid_utf8(at);
        bool upper = wanted == Case::Upper, title = wanted == Case::Capitalize && first;
        if (code == 0xDF && (upper || title)) {
            out.append(upper ? "SS" : "Ss", origin);
            continue;
        }
        auto signed_code = static_cast<utf8proc_int32_t>(code);
        auto other = upper   ? utf8proc_toupper(signed_code)
                     : title ? utf8proc_totitle(signed_code)
                             : utf8proc_tolower(signed_code);
        std::string changed;
        append_utf8(static_cast<uint32_t>(other), changed);
        out.append(changed, origin);
    }
    return out;
}

std::vector<Value> split(Runtime& run, const Text& text, const Text* separator, int64_t max) {
    std::vector<Value> parts;
    size_t from = 0;
    auto full = [&] { return max >= 0 && parts.size() >= static_cast<size_t>(max); };
    auto take = [&](size_t begin, size_t end) {
        run.charge(2);
        parts.push_back(make_text(text.slice(begin, end)));
    };
    if (separator) {
        if (separator->size() == 0) run.error("split: the separator is empty");
        Places places(run, text, *separator);
        size_t at;
        while (!full() && (at = places.next(from)) != std::string::npos) {
            take(from, at);
            from = at + separator->size();
        }
        take(from, text.size());
        return parts;
    }
    run.charge_text(text.size());
    std::string_view bytes = text.bytes;
    for (;;) {
        from += leading_space(bytes.substr(from));
        if (from == bytes.size()) return parts;
        if (full()) {
            take(from, bytes.size());
            return parts;
        }
        size_t end = from;
        for (const char* at = bytes.data() + from; end < bytes.size();) {
            if (is_space(decode_valid_utf8(at))) break;
            end = static_cast<size_t>(at - bytes.data());
        }
        take(from, end);
        from = end;
    }
}

std::vector<Value> split_lines(Runtime& run, const Text& text) {
    run.charge_text(text.size());
    std::vector<Value> lines;
    const char *begin = text.bytes.data(), *at = begin, *end = begin + text.size(), *line = begin;
    auto take = [&](const char* to) {
        run.charge(2);
        lines.push_back(make_text(text.slice(static_cast<size_t>(line - begin), static_cast<size_t>(to - begin))));
    };
    while (at < end) {
        const char* stop = at;
        uint32_t code = decode_valid_utf8(at);
        bool breaks = (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 ||
                      code == 0x2028 || code == 0x2029;
        if (!breaks) continue;
        if (code == '\r' && at < end && *at == '\n') ++at;
        take(stop);
        line = at;
    }
    if (line < end) take(end);
    return lines;
}

Text replace(Runtime& run, const Text& text, const Text& old_part, const Text& new_part, int64_t max) {
    if (old_part.size() == 0) run.unsupported("replacing an empty text");
    Places places(run, text, old_part);
    Text out;
    size_t from = 0, at;
    for (int64_t count = 0; (max < 0 || count < max) && (at = places.next(from)) != std::string::npos; ++count) {
        out.append(text, from, at);
        out.append(new_part);
        run.charge_text(new_part.size());
        if (out.size() > text_max) run.error("a text of more than {} bytes", text_max);
        from = at + old_part.size();
    }
    out.append(text, from, text.size());
    run.charge_text(out.size());
    return out;
}

Text join(Runtime& run, const Text& separator, const std::vector<Value>& items, bool convert) {
    Text out;
    for (size_t i = 0; i < items.size(); ++i) {
        if (i > 0) out.append(separator);
        if (!convert && !as_text(items[i])) run.error("join: an item is a {}, not a string", type_name(items[i]));
        append_str(run, items[i], out);
        run.charge_text(separator.size());
    }
    if (out.size() > text_max) run.error("a text of more than {} bytes", text_max);
    return out;
}

std::optional<size_t> find_text(Runtime& run, const Text& text, const Text& part, size_t from) {
    size_t at = Places(run, text, part).next(from);
    return at == std::string::npos ? std::nullopt : std::optional<size_t>(at);
}

} // namespace steer::jinja
