// Hostile bytes for every reader of the library, in one place: named malformed inputs with what is to be said of them, good
// seeds to cut, flip and mutate, and what must hold of whatever is accepted. The tests of this folder and the fuzzers of
// tests/fuzz use the same table; a new reader that is added here is tested, generated and fuzzed.
#pragma once

#include "files/error.h"

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace hostile {

inline const std::string kName = "bad.file"; // what readers of bytes are told that they read

struct Bad {
    std::string name, bytes;
    steer_status status;
    std::string words; // part of the message
};

struct Field { // a number in a seed, little-endian
    size_t at, size;
};

struct Seed {
    std::string name, bytes;
    std::vector<Field> fields; // numbers in a text are found by themselves
    size_t flipped = SIZE_MAX; // every bit of the first so many bytes is flipped
};

struct Broken : std::logic_error { // the reader, not the input, is wrong
    using std::logic_error::logic_error;
};
inline void promise(bool holds, const std::string& what) {
    if (!holds) throw Broken(what);
}

struct Reader {
    const char* name;                   // "safetensors"
    void (*read)(std::string_view);     // as the library reads it; throws steer::Error where it refuses
    void (*check)(std::string_view);    // reads once more and looks at all that was read; throws Broken
    std::vector<Bad> (*bad)();
    size_t bad_min;                     // named cases that there must be
    std::vector<Seed> (*seeds)();       // all are accepted
    std::vector<steer_status> statuses; // of refusals
    std::string told;                   // what every refusal's words begin with; empty: look at nothing
    uint64_t heap_factor = 4;           // a read takes at most so many times the bytes
    uint64_t heap_base = 16 << 20;      // and this
    void (*repair)(std::string&) = nullptr; // lengths and sums as the bytes are now, so that a mutation is read further
    bool json = false;                  // the bytes are a JSON text (behind an 8-byte length in safetensors)
};

const std::vector<Reader>& readers();
const Reader& find_reader(std::string_view name);

// Words for people: whole characters, nothing that a terminal would obey, not longer than a screen.
void check_words(const std::string& words);

// Everything that is done to one input, wherever it comes from.
enum class Verdict { accepted, refused };
Verdict examine(const Reader& reader, std::string_view bytes);

// One for each file of this folder.
Reader json_reader();
Reader safetensors_reader();
Reader torch_zip_reader();
Reader pickle_reader();
Reader tokenizer_reader();
Reader sentencepiece_reader();
Reader added_tokens_reader();
Reader model_config_reader();
Reader quant_config_reader(); // "quantization_config" of config.json
Reader quant_state_reader();  // what bitsandbytes says of a matrix
Reader generation_config_reader();
Reader shard_index_reader();
Reader tokenizer_config_reader();
Reader gguf_model_reader();
Reader manifest_reader();
Reader native_vector_reader();
Reader torch_vector_reader();
Reader gguf_vector_reader();
Reader numpy_vector_reader();
Reader json_vector_reader();
Reader feature_reader();  // a row of a sparse autoencoder
Reader saved_state_reader();
Reader template_reader();
Reader chat_reader();
Reader schema_reader();
Reader text_reader();     // nothing is refused
Reader api_reader();      // calls of the C door, of which every one may be refused

} // namespace hostile
