#include "corpus.h"

#include "files/utf8.h"

#include <algorithm>

namespace hostile {

const std::vector<Reader>& readers() {
    static const std::vector<Reader> all = {
        json_reader(),           safetensors_reader(),  torch_zip_reader(),     pickle_reader(),      tokenizer_reader(),
        sentencepiece_reader(),  added_tokens_reader(),
        model_config_reader(),   quant_config_reader(), quant_state_reader(),
        generation_config_reader(), shard_index_reader(), tokenizer_config_reader(),
        gguf_model_reader(),     manifest_reader(),       native_vector_reader(),  torch_vector_reader(),
        gguf_vector_reader(),    numpy_vector_reader(), json_vector_reader(),   feature_reader(),     saved_state_reader(),   template_reader(),    chat_reader(),
        schema_reader(),         text_reader(),           api_reader(),
    };
    return all;
}

const Reader& find_reader(std::string_view name) {
    for (const Reader& reader : readers())
        if (reader.name == name) return reader;
    throw std::logic_error("there is no reader " + std::string(name));
}

void check_words(const std::string& words) {
    promise(!words.empty(), "a refusal without words");
    promise(words.size() <= 1024, "words of " + std::to_string(words.size()) + " bytes: " + words.substr(0, 200));
    promise(steer::is_valid_utf8(words), "words that are not UTF-8: " + words);
    const bool plain = std::none_of(words.begin(), words.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    promise(plain, "control characters in the words: " + words);
}

Verdict examine(const Reader& reader, std::string_view bytes) {
    try {
        reader.read(bytes);
    } catch (const steer::Error& error) {
        const auto& known = reader.statuses;
        promise(std::find(known.begin(), known.end(), error.status()) != known.end(),
                std::string("status ") + std::to_string(error.status()) + ": " + error.what());
        promise(std::string_view(error.what()).substr(0, reader.told.size()) == reader.told,
                "words that do not say of what: " + std::string(error.what()));
        check_words(error.what());
        return Verdict::refused;
    }
    reader.check(bytes);
    return Verdict::accepted;
}

} // namespace hostile
