#include "text/piece_bpe.h"

#include "files/utf8.h"

#include <algorithm>
#include <unordered_map>

namespace steer {
namespace {

bool holds_space_inside(std::string_view text, std::string_view space) {
    while (text.starts_with(space)) text.remove_prefix(space.size());
    return text.find(space) != text.npos;
}

// Scores to ranks: the highest first, equal ones alike.
class Ranks {
  public:
    explicit Ranks(const SentencePieceModel& model) {
        for (const SentencePiece& piece : model.pieces)
            if (piece.type == SentencePiece::Normal) scores_.push_back(piece.score);
        std::sort(scores_.begin(), scores_.end(), std::greater<>());
        scores_.erase(std::unique(scores_.begin(), scores_.end()), scores_.end());
    }
    uint32_t of(float score) const {
        const auto at = std::lower_bound(scores_.begin(), scores_.end(), score, std::greater<>());
        return static_cast<uint32_t>(at - scores_.begin());
    }

  private:
    std::vector<float> scores_;
};

} // namespace

PieceBpe::PieceBpe(const SentencePieceModel& model)
    : user_defined_(model.texts({SentencePiece::UserDefined})), space_(model.space()) {
    for (const SentencePiece& piece : model.pieces) {
        sizes_.push_back(static_cast<uint32_t>(piece.text.size()));
        if (piece.is_text() && holds_space_inside(piece.text, space_)) words_ = false;
    }
    add_merges(model);
}

void PieceBpe::add_merges(const SentencePieceModel& model) {
    auto next_symbol = static_cast<int32_t>(model.pieces.size());
    std::unordered_map<std::string_view, int32_t> symbols;
    for (const auto& [text, id] : model.texts({SentencePiece::Normal})) symbols.emplace(text, id);
    for (const auto& [text, id] : model.texts({SentencePiece::Normal})) {
        for (std::string_view rest = text; !rest.empty();) {
            const Utf8Char next = decode_utf8(rest.data(), rest.data() + rest.size());
            const auto [at, fresh] = symbols.try_emplace(rest.substr(0, next.size), next_symbol);
            next_symbol += fresh;
            characters_.set(next.code, at->second);
            rest.remove_prefix(next.size);
        }
    }
    unknown_symbol_ = next_symbol;

    const Ranks ranks(model);
    for (const auto& [text, id] : model.texts({SentencePiece::Normal})) {
        const BpeMerge merge{ranks.of(model.pieces[static_cast<size_t>(id)].score), id};
        for (size_t middle = 1; middle < text.size(); ++middle) {
            if (is_utf8_tail(text[middle])) continue;
            const auto left = symbols.find(text.substr(0, middle)), right = symbols.find(text.substr(middle));
            if (left != symbols.end() && right != symbols.end()) merges_.add(left->second, right->second, merge);
        }
    }
}

// A run of spaces begins a word.
size_t PieceBpe::find_word_end(std::string_view text) const {
    if (!words_) return text.size();
    size_t at = 0;
    while (text.substr(at).starts_with(space_)) at += space_.size();
    return std::min(text.size(), text.find(space_, at));
}

void PieceBpe::cut(std::string_view normal, std::vector<PieceSpan>& out) const {
    Scratch scratch;
    while (!normal.empty()) {
        const size_t end = find_word_end(normal);
        cut_word(normal.substr(0, end), scratch, out);
        normal.remove_prefix(end);
    }
}

void PieceBpe::cut_word(std::string_view word, Scratch& scratch, std::vector<PieceSpan>& out) const {
    size_t begin = 0;
    for (size_t at = 0; at < word.size();) {
        const PieceTrie::Match found = user_defined_.longest(word.substr(at));
        if (found.size == 0) {
            at += decode_utf8(word.data() + at, word.data() + word.size()).size;
            continue;
        }
        cut_symbols(word.substr(begin, at - begin), scratch, out);
        out.push_back({static_cast<uint32_t>(found.size), found.value});
        begin = at += found.size;
    }
    cut_symbols(word.substr(begin), scratch, out);
}

void PieceBpe::cut_symbols(std::string_view text, Scratch& scratch, std::vector<PieceSpan>& out) const {
    scratch.bpe.word.clear(), scratch.merged.clear();
    for (const char *at = text.data(), *end = at + text.size(); at < end;) {
        const Utf8Char next = decode_utf8(at, end);
        const int32_t* symbol = next.kind == Utf8Char::Good ? characters_.find(next.code) : nullptr;
        scratch.bpe.word.push_back(symbol ? *symbol : unknown_symbol_);
        at += next.size;
    }
    merges_.encode_word(scratch.bpe, scratch.merged);
    for (const int32_t symbol : scratch.merged) {
        const bool known = static_cast<size_t>(symbol) < sizes_.size();
        const uint32_t size = known ? sizes_[static_cast<size_t>(symbol)]
                                    : decode_utf8(text.data(), text.data() + text.size()).size;
        out.push_back({size, known ? symbol : kUnknownPiece});
        text.remove_prefix(size);
    }
}

} // namespace steer
