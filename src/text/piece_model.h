// How a normalised text is cut into pieces of a vocabulary.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace steer {

constexpr int32_t kUnknownPiece = -1;

struct PieceSpan {
    uint32_t size; // bytes of the text
    int32_t id;    // kUnknownPiece: one character that no piece spells
};

class PieceModel {
  public:
    virtual ~PieceModel() = default;

    // Appends spans that cover normal from end to end; normal has less than 2^31 bytes.
    virtual void cut(std::string_view normal, std::vector<PieceSpan>& out) const = 0;
};

} // namespace steer
