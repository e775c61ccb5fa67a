#include "text/bpe_tokenizer.h"

#include "text/nfc.h"
#include "text/pre_tokenizer.h"
#include "files/utf8.h"

namespace steer {

void BpeTokenizer::encode_plain(std::string_view valid, bool, std::vector<int32_t>& out) const {
    std::string normal;
    if (nfc_ && !is_nfc_quickly(valid)) valid = normal = to_nfc(valid);

    BpeScratch scratch;
    const CharTable& table = CharTable::get();
    for (const char *at = valid.data(), *end = at + valid.size(); at < end;) {
        const char* word_end = qwen_word_end(table, at, end);
        scratch.word.clear();
        scratch.word.reserve(static_cast<size_t>(word_end - at));
        while (at < word_end) scratch.word.push_back(byte_ids_[static_cast<uint8_t>(*at++)]);
        model_.encode_word(scratch, out);
    }
}

std::string BpeTokenizer::normalise(std::string_view text, bool) const {
    std::string valid = replace_invalid_utf8(text);
    return nfc_ && !is_nfc_quickly(valid) ? to_nfc(valid) : valid;
}

} // namespace steer
