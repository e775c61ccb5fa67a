// Added tokens as Hugging Face writes them beside a tokenizer.model: tokenizer_config.json, added_tokens.json,
// special_tokens_map.json.
#pragma once

#include "text/added_tokens.h"
#include "text/tokenizer.h"

#include <map>
#include <optional>
#include <set>
#include <string>

namespace steer {

struct AddedTokenFiles {
    std::map<int32_t, AddedToken> by_id;
    std::set<std::string, std::less<>> special; // texts named bos_token, eos_token, additional_special_tokens, ...

    std::optional<bool> add_prefix_space;
    bool legacy = false;
};

// Read as transformers does: ids from added_tokens_decoder, else from added_tokens.json. A special token that has no id
// in any file and is no piece of the model is left out: no id, no row of the embedding. Ids up to id_max.
AddedTokenFiles read_added_token_files(const TokenizerFiles& files, int32_t id_max);

} // namespace steer
