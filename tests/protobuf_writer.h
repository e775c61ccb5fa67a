// Writes the wire format of protocol buffers, to build files from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

class ProtobufWriter {
  public:
    void add_number(uint32_t field, uint64_t value) { varint(uint64_t{field} << 3), varint(value); }
    void add_float(uint32_t field, float value) {
        varint(uint64_t{field} << 3 | 5);
        message_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void add_bytes(uint32_t field, std::string_view bytes) {
        varint(uint64_t{field} << 3 | 2), varint(bytes.size());
        message_ += bytes;
    }
    const std::string& message() const { return message_; }

  private:
    void varint(uint64_t value) {
        for (; value >= 0x80; value >>= 7) message_ += static_cast<char>(value | 0x80);
        message_ += static_cast<char>(value);
    }

    std::string message_;
};
