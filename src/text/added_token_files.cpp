#include "text/added_token_files.h"

#include "files/error.h"
#include "files/file.h"
#include "files/quote.h"

#include <charconv>

namespace steer {
namespace {

constexpr const char* kSingleNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
constexpr const char* kListNames[] = {"additional_special_tokens", "extra_special_tokens"};

Json read_object(std::string_view text, const std::string& name) {
    if (text.empty()) return Json::object();
    Json json = parse_json(text, name);
    if (!json.is_object()) fail(STEER_ERR_FORMAT, "{}: must be an object", name);
    return json;
}

// A token stands there as its text, or as an object with "content".
void add_special(const Json* token, AddedTokenFiles& out) {
    if (token != nullptr && token->is_object()) token = find_field(*token, "content");
    if (token != nullptr && token->is_string()) out.special.insert(token->get<std::string>());
}

void read_special(const Json& json, AddedTokenFiles& out) {
    for (const char* name : kSingleNames) add_special(find_field(json, name), out);
    for (const char* name : kListNames) {
        const Json* tokens = find_field(json, name); // a list, or an object of named ones
        if (tokens == nullptr) continue;
        for (const Json& token : *tokens) add_special(&token, out);
        if (!tokens->is_object()) continue;
        for (const auto& [named, token] : tokens->items()) add_special(&token, out);
    }
}

int32_t read_id(const std::string& key, const std::string& name, int32_t id_max) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 || id > id_max)
        fail(STEER_ERR_FORMAT, "{}: added_tokens_decoder: {} is no id from 0 to {}", name, quote(key), id_max);
    return id;
}

void read_decoder(const Json& config, const std::string& name, int32_t id_max, AddedTokenFiles& out) {
    for (const auto& [key, entry] : get_object(config, "added_tokens_decoder", name).items()) {
        const int32_t id = read_id(key, name, id_max);
        AddedToken token = read_added_token(entry, fmt::format("{}: added_tokens_decoder: {}", name, id));
        token.special = token.special || out.special.contains(token.content);
        if (!token.content.empty()) out.by_id[id] = std::move(token);
    }
}

void read_added_tokens(std::string_view text, const std::string& name, int32_t id_max, AddedTokenFiles& out) {
    const Json json = read_object(text, name);
    for (const auto& [content, value] : json.items()) {
        const auto id = static_cast<int32_t>(get_int(json, content, name, 0, id_max));
        if (!content.empty()) out.by_id[id] = {content, out.special.contains(content)};
    }
}

} // namespace

AddedTokenFiles read_added_token_files(const TokenizerFiles& files, int32_t id_max) {
    const std::string config_name = join_path(files.folder, "tokenizer_config.json");
    const Json config = read_object(files.tokenizer_config, config_name);
    AddedTokenFiles out;
    read_special(config, out);
    read_special(read_object(files.special_tokens_map, join_path(files.folder, "special_tokens_map.json")), out);
    if (const Json* decoder = find_field(config, "added_tokens_decoder"); decoder != nullptr && !decoder->is_null())
        read_decoder(config, config_name, id_max, out);
    else read_added_tokens(files.added_tokens, join_path(files.folder, "added_tokens.json"), id_max, out);

    const Json* prefix = find_field(config, "add_prefix_space");
    if (prefix != nullptr && !prefix->is_null()) out.add_prefix_space = get_bool(config, "add_prefix_space", config_name);
    out.legacy = get_bool_or(config, "legacy", config_name, false);
    const Json* options = find_field(config, "sp_model_kwargs");
    if (options != nullptr && !options->empty())
        fail(STEER_ERR_UNSUPPORTED, "{}: \"sp_model_kwargs\" is not supported", config_name);
    return out;
}

} // namespace steer
