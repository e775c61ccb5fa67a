#include "text/token_table.h"

#include "files/utf8.h"

namespace steer {

void TokenTable::put(int32_t id, std::string_view bytes, uint8_t flags) {
    const auto index = static_cast<size_t>(id);
    if (index >= tokens_.size()) tokens_.resize(index + 1);
    tokens_[index] = {bytes_.size(), static_cast<uint32_t>(bytes.size()), static_cast<uint8_t>(flags | Known)};
    bytes_ += bytes;
}

void TokenTable::set_control(int32_t id, std::string_view content, bool special) {
    put(id, content, static_cast<uint8_t>(Control | (special ? Special : 0)));
    controls_.add(content, id);
}

std::string_view TokenTable::bytes(int32_t id) const {
    if (!known(id)) return {};
    const Token& token = tokens_[static_cast<size_t>(id)];
    return std::string_view(bytes_).substr(token.begin, token.size);
}

void TokenTable::add_to(Sha256& sum) const {
    for (int32_t id = 0; id < size(); ++id) {
        const Token& token = tokens_[static_cast<size_t>(id)];
        const uint32_t head[3] = {static_cast<uint32_t>(id), token.size, token.flags & uint32_t{Control | Special}};
        sum.update(head, sizeof head);
        sum.update(bytes_.data() + token.begin, token.size);
    }
}

void TableTokenizer::encode(std::string_view text, bool special, std::vector<int32_t>& out) const {
    std::string repaired;
    if (!is_valid_utf8(text)) text = repaired = replace_invalid_utf8(text);

    size_t done = 0;
    ControlMatch match;
    while (special && find_next_control(text, done, match)) {
        encode_plain(text.substr(done, match.begin - done), out.empty(), out);
        out.push_back(match.id);
        done = match.end;
    }
    encode_plain(text.substr(done), out.empty(), out);
}

} // namespace steer
