// text_probe TOKENIZER [TEMPLATE]: a tokenizer.json, or a folder with the files of a tokenizer. Answers requests from standard input, so that Python can compare in bulk.
// A request is an operation byte, a 32-bit size and that many bytes; an answer is a status, a size and bytes.
//   e, s: text to ids, without and with control tokens    d: ids to bytes    n: normalised text    p: fingerprint
//   r: chat as JSON to text                               c: chat as JSON to ids, then one mark for each
//   o: chat as JSON to one byte for each byte of its text, 1 where it comes from the template
#include "files/error.h"
#include "files/file.h"
#include "files/sha256.h"
#include "text/chat.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace steer;

namespace {

std::string read_whole(const char* path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) fail(STEER_ERR_IO, "{}: cannot be opened", path);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::string read_if_there(const std::string& path) { return file_exists(path) ? read_whole(path.c_str()) : std::string(); }

std::unique_ptr<Tokenizer> load(const char* path) {
    if (!std::filesystem::is_directory(path)) return load_bpe_tokenizer(read_whole(path), path);
    const auto read = [&](const char* name) { return read_if_there(join_path(path, name)); };
    const std::string json = read("tokenizer.json"), model = read("tokenizer.model"), config = read("tokenizer_config.json"),
                      added = read("added_tokens.json"), special = read("special_tokens_map.json");
    return load_tokenizer({json, model, config, added, special, path});
}

std::string as_bytes(const std::vector<int32_t>& ids) {
    return {reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t)};
}

std::vector<int32_t> as_ids(const std::string& bytes) {
    std::vector<int32_t> ids(bytes.size() / sizeof(int32_t));
    std::memcpy(ids.data(), bytes.data(), ids.size() * sizeof(int32_t));
    return ids;
}

// {"messages": [{"role", "content", ...}], "tools", "variables", "open_reply", "continue_last", "prefer": [ids]}
ChatRequest read_request(const Json& json, std::vector<int32_t>& prefer) {
    ChatRequest request;
    const auto field = [&](const char* key) { return json.find(key) == nullptr ? Json() : *json.find(key); };
    for (const Json& entry : get_array(json, "messages", "request")) {
        ChatMessage message;
        for (const auto& [key, value] : entry.items()) {
            if (key == "role") {
                message.role = value.get<std::string>();
            } else if (key == "content") {
                if (value.is_string()) message.content = value.get<std::string>();
            } else {
                message.extra[key] = value;
            }
        }
        request.messages.push_back(std::move(message));
    }
    request.tools = field("tools");
    request.variables = field("variables");
    request.open_reply = get_bool_or(json, "open_reply", "request", false);
    request.continue_last = get_bool_or(json, "continue_last", "request", false);
    for (const Json& id : field("prefer")) prefer.push_back(id.get<int32_t>());
    return request;
}

std::string answer(char operation, const std::string& bytes, const Tokenizer& tokenizer, const ChatTemplate& chat) {
    std::vector<int32_t> ids;
    std::string out;
    switch (operation) {
    case 'e':
    case 's':
        return tokenizer.encode(bytes, operation == 's', ids), as_bytes(ids);
    case 'd':
        for (int32_t id : as_ids(bytes)) out += tokenizer.token_bytes(id);
        return out;
    case 'n':
        return tokenizer.normalise(bytes, true);
    case 'p':
        return to_hex(tokenizer.fingerprint());
    default:
        break;
    }
    std::vector<int32_t> prefer;
    ChatRequest request = read_request(parse_json(bytes, "request"), prefer);
    if (operation == 'r') return chat.render_text(request);
    if (operation == 'o') {
        for (const ChatPiece& piece : chat.render(request)) out.append(piece.text.size(), piece.from_template ? 1 : 0);
        return out;
    }
    EncodedChat encoded = encode_chat(tokenizer, chat, request, prefer);
    return as_bytes(encoded.ids) + std::string(encoded.marks.begin(), encoded.marks.end());
}

void put(int32_t status, const std::string& bytes) {
    auto size = static_cast<uint32_t>(bytes.size());
    std::fwrite(&status, sizeof status, 1, stdout);
    std::fwrite(&size, sizeof size, 1, stdout);
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) return std::fputs("usage: text_probe TOKENIZER [TEMPLATE]\n", stderr), 2;
    try {
        auto tokenizer = load(argv[1]);
        auto chat =
            ChatTemplate::of_model(argc > 2 ? read_whole(argv[2]) : std::string(), "", argc > 2 ? argv[2] : "default");
        put(STEER_OK, std::to_string(tokenizer->size()));
        char operation;
        uint32_t size;
        while (std::fread(&operation, 1, 1, stdin) == 1 && std::fread(&size, sizeof size, 1, stdin) == 1) {
            std::string bytes(size, '\0');
            if (std::fread(bytes.data(), 1, size, stdin) != size) return 1;
            try {
                put(STEER_OK, answer(operation, bytes, *tokenizer, chat));
            } catch (const Error& error) {
                put(error.status(), error.what());
            }
        }
    } catch (const Error& error) {
        put(error.status(), error.what());
        return 1;
    }
}
