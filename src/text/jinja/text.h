// A string that remembers, byte for byte, where it came from. Every operation of the templates moves the origins along.
#pragma once

#include <string>
#include <string_view>

namespace steer::jinja {

enum class Origin : char {
    Message = 0,  // the caller's words
    Template = 1, // the template's own
    End = 2,      // the mark behind the last message's content, where a continued message is cut
};

struct Text {
    std::string bytes;
    std::string origins; // one Origin for each byte

    Text() = default;
    Text(std::string_view text, Origin origin) : bytes(text), origins(text.size(), static_cast<char>(origin)) {}

    size_t size() const { return bytes.size(); }
    void append(const Text& other) { append(other, 0, other.size()); }
    void append(const Text& other, size_t begin, size_t end) {
        bytes.append(other.bytes, begin, end - begin);
        origins.append(other.origins, begin, end - begin);
    }
    void append(std::string_view text, Origin origin) {
        bytes.append(text);
        origins.append(text.size(), static_cast<char>(origin));
    }
    Text slice(size_t begin, size_t end) const {
        Text part;
        part.append(*this, begin, end);
        return part;
    }
};

} // namespace steer::jinja
