// Reads forward through a file of little-endian numbers and counted texts, as GGUF has them: a piece at a time, never
// behind the end.
#pragma once

#include "files/checked.h"
#include "files/error.h"
#include "files/file.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace steer {

static_assert(std::endian::native == std::endian::little, "stored numbers are little-endian and are read as they are");

class GgufCursor {
  public:
    explicit GgufCursor(const ByteSource& source, uint64_t at = 0) : source_(source), at_(at) {}

    uint64_t at() const { return at_; }

    // Good until the next call.
    std::string_view bytes(uint64_t size) {
        if (!inside(at_, size, source_.size())) refuse("is cut short");
        if (at_ < begin_ || !inside(at_ - begin_, size, piece_.size())) {
            begin_ = at_;
            piece_ = source_.read(at_, static_cast<size_t>(std::min(std::max(size, kPiece), source_.size() - at_)));
        }
        const std::string_view out =
            std::string_view(piece_).substr(static_cast<size_t>(at_ - begin_), static_cast<size_t>(size));
        at_ += size;
        return out;
    }

    template<class T>
    T number() {
        T value;
        std::memcpy(&value, bytes(sizeof(T)).data(), sizeof(T));
        return value;
    }

    std::string text(uint64_t longest, const char* what) {
        const auto size = number<uint64_t>();
        if (size > longest) refuse(what);
        return std::string(bytes(size));
    }

    void skip(uint64_t size) { // without reading
        if (!inside(at_, size, source_.size())) refuse("is cut short");
        at_ += size;
    }

    [[noreturn]] void refuse(const char* what) const {
        fail(STEER_ERR_FORMAT, "{}: the GGUF header {} (near byte {})", source_.name(), what, at_);
    }

  private:
    static constexpr uint64_t kPiece = 64 << 10;

    const ByteSource& source_;
    std::string piece_;
    uint64_t begin_ = 0, at_;
};

} // namespace steer
