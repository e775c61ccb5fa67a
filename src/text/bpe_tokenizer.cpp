#include "text/bpe_tokenizer.h"

#include "text/nfc.h"
#include "text/pre_tokenizer.h"
#include "files/utf8.h"

namespace steer {

void BpeTokenizer::encode(std::string_view text, bool special, std::vector<int32_t>& out) const {
    std::string repaired;
    if (!is_valid_utf8(text)) text = repaired = replace_invalid_utf8(text);

    BpeScratch scratch;
    size_t done = 0;
    ControlMatch match;
    while (special && parts_.added.find(text, done, match)) {
        encode_plain(text.substr(done, match.begin - done), scratch, out);
        out.push_back(match.id);
        done = match.end;
    }
    encode_plain(text.substr(done), scratch, out);
}

void BpeTokenizer::encode_plain(std::string_view valid, BpeScratch& scratch, std::vector<int32_t>& out) const {
    std::string normal;
    if (parts_.nfc && !is_nfc_quickly(valid)) valid = normal = to_nfc(valid);

    const CharTable& table = CharTable::get();
    for (const char *at = valid.data(), *end = at + valid.size(); at < end;) {
        const char* word_end = qwen_word_end(table, at, end);
        parts_.model.encode_word({at, static_cast<size_t>(word_end - at)}, scratch, out);
        at = word_end;
    }
}

std::string BpeTokenizer::normalise(std::string_view text) const {
    std::string valid = replace_invalid_utf8(text);
    return parts_.nfc && !is_nfc_quickly(valid) ? to_nfc(valid) : valid;
}

} // namespace steer
