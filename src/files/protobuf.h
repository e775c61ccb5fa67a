// The wire format of protocol buffers, as far as a message of numbers, texts and messages goes: fields one after the other,
// each with a number and a kind. https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace steer {

struct ProtobufField {
    enum Kind : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

    uint32_t number = 0;
    Kind kind = Varint;
    uint64_t value = 0;     // of all kinds but Bytes
    std::string_view bytes; // a text or a message inside; lies in the message that was read

    float as_float() const; // of Fixed32
};

class ProtobufReader {
  public:
    // name: for error messages only. Both must outlive the reader.
    ProtobufReader(std::string_view message, const std::string& name) : rest_(message), name_(name) {}

    bool next(ProtobufField& out); // false: the end. STEER_ERR_FORMAT where the bytes are no message

  private:
    uint64_t varint();
    std::string_view take(uint64_t size);

    std::string_view rest_;
    const std::string& name_;
};

} // namespace steer
