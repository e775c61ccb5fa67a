// A tokenizer.model small enough to work out by hand.
#pragma once

#include "../protobuf_writer.h"
#include "text/tokenizer.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace steer::test {

enum PieceKind : int { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };

struct SmallPiece {
    std::string text;
    float score = 0;
    int type = Normal;
};

struct SmallModel { // field numbers: sentencepiece_model.proto
    std::vector<SmallPiece> pieces;
    int model_type = 1;
    bool byte_fallback = false;
    std::string chars_map;
    bool dummy_prefix = true, remove_spaces = false;

    std::string file() const {
        ProtobufWriter out, trainer, normalizer;
        for (const SmallPiece& piece : pieces) {
            ProtobufWriter one;
            one.add_bytes(1, piece.text);
            one.add_float(2, piece.score);
            one.add_number(3, static_cast<uint64_t>(piece.type));
            out.add_bytes(1, one.message());
        }
        trainer.add_number(3, static_cast<uint64_t>(model_type));
        trainer.add_number(35, byte_fallback);
        out.add_bytes(2, trainer.message());
        if (!chars_map.empty()) normalizer.add_bytes(2, chars_map);
        normalizer.add_number(3, dummy_prefix);
        normalizer.add_number(4, remove_spaces);
        out.add_bytes(3, normalizer.message());
        return out.message();
    }
    void add_bytes() {
        byte_fallback = true;
        for (int byte = 0; byte < 256; ++byte) {
            char text[8];
            std::snprintf(text, sizeof text, "<0x%02X>", static_cast<unsigned>(byte));
            pieces.push_back({text, 0, Byte});
        }
    }
};

// Unigram: 3 "▁", then "a" "b" "ab" "▁a".
inline SmallModel small_unigram() {
    SmallModel model;
    model.pieces = {{"<unk>", 0, Unknown}, {"<s>", 0, Control}, {"</s>", 0, Control}, {"\u2581", -3}, {"a", -2}, {"b", -2},
                    {"ab", -3.5f},         {"\u2581" "a", -2.5f}};
    return model;
}

inline std::unique_ptr<Tokenizer> load(const SmallModel& model, const std::string& config = "", const std::string& added = "",
                                       const std::string& special = "") {
    const std::string file = model.file();
    return load_tokenizer({"", file, config, added, special, "small"});
}

// Normalisation rules with one entry: "A" becomes what is given.
inline std::string chars_map(std::string_view replacement) {
    constexpr uint32_t root = 0, begin = 0x100, rule = begin ^ 'A', value = 0x180, count = 0x200;
    std::vector<uint32_t> units(count);
    // Unused units have a label that leads to them from nowhere.
    for (uint32_t i = 0; i < count; ++i) units[i] = (i ^ 1) & 0xff;
    units[root] = (root ^ begin) << 10;
    units[rule] = (rule ^ value) << 10 | 1u << 8 | 'A';
    units[value] = 1u << 31;
    std::string blob(4 + count * 4, '\0');
    const uint32_t size = count * 4;
    std::memcpy(blob.data(), &size, 4);
    std::memcpy(blob.data() + 4, units.data(), size);
    return blob.append(replacement).append(1, '\0');
}
inline void set_unit(std::string& blob, uint32_t index, uint32_t unit) { std::memcpy(blob.data() + 4 + index * 4, &unit, 4); }

} // namespace steer::test
