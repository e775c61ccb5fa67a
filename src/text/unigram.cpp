#include "text/unigram.h"

#include "files/utf8.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace steer {
namespace {

constexpr float kUnknownPenalty = 10.0f;
constexpr float kRebase = 100000.0f; // sums beyond are begun anew, lest they lose the digits that decide

} // namespace

UnigramModel::UnigramModel(const SentencePieceModel& model)
    : trie_(model.texts({SentencePiece::Normal, SentencePiece::UserDefined})) {
    float lowest = FLT_MAX;
    for (const SentencePiece& piece : model.pieces) {
        scores_.push_back(piece.score);
        user_defined_.push_back(piece.type == SentencePiece::UserDefined);
        if (piece.type == SentencePiece::Normal) lowest = std::min(lowest, piece.score);
    }
    unknown_score_ = lowest - kUnknownPenalty;
}

// Offers all pieces that begin here to where they end. Returns the size of the character here.
size_t UnigramModel::follow(std::string_view normal, size_t begin, std::vector<End>& ends) const {
    const float till_here = ends[begin].score;
    const auto offer = [&](size_t end, float score, int32_t id) {
        if (ends[end].begin < 0 || score + till_here > ends[end].score)
            ends[end] = {score + till_here, static_cast<int32_t>(begin), id};
    };
    const size_t character = decode_utf8(normal.data() + begin, normal.data() + normal.size()).size;
    bool known = false;
    uint32_t node = PieceTrie::kRoot;
    for (size_t at = begin; at < normal.size() && (node = trie_.child(node, normal[at])) != PieceTrie::kNone; ++at) {
        const int32_t id = trie_.value(node);
        if (id < 0) continue;
        const size_t size = at + 1 - begin, index = static_cast<size_t>(id);
        // A user-defined piece is to win over all that could stand in its place, the longer one over the shorter.
        offer(at + 1, user_defined_[index] ? static_cast<float>(0.1 * static_cast<double>(size - 1)) : scores_[index], id);
        known = known || size == character;
    }
    if (!known) offer(begin + character, unknown_score_, kUnknownPiece);
    return character;
}

void UnigramModel::cut(std::string_view normal, std::vector<PieceSpan>& out) const {
    std::vector<End> ends(normal.size() + 1);
    for (size_t at = 0; at < normal.size();) {
        if (const float sum = ends[at].score; std::abs(sum) > kRebase) {
            const size_t last = std::min(normal.size(), at + kPieceSizeMax); // no path reaches further yet
            ends[at].score = 0;
            for (size_t end = at + 1; end <= last; ++end)
                if (ends[end].begin >= 0) ends[end].score -= sum;
        }
        at += follow(normal, at, ends);
    }
    const size_t first = out.size();
    for (size_t end = normal.size(); end > 0;) {
        const End& last = ends[end];
        out.push_back({static_cast<uint32_t>(end) - static_cast<uint32_t>(last.begin), last.id});
        end = static_cast<size_t>(last.begin);
    }
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
}

} // namespace steer
