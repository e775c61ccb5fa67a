// Inputs made from a seed by rule: cut at every length, every bit flipped, every number another, every JSON value another kind.
#pragma once

#include "corpus.h"
#include "../tree.h"


namespace hostile {

// Each input once as it is and, where the reader has sums and lengths, once with these put right.
void generate(const Reader& reader, const Seed& seed, const std::function<void(const std::string&)>& use);

// The JSON text in the bytes of a seed, and the bytes with another text in its place. safetensors: the header.
std::string json_part(const Reader& reader, const std::string& bytes);
std::string with_json_part(const Reader& reader, const std::string& bytes, const std::string& text);

// Values that a file may hold where another was meant.
const std::vector<Tree>& odd_values();

} // namespace hostile
