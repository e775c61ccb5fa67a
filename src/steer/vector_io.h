// Between the files of vector*.cpp; others include vector.h.
#pragma once

#include "files/safetensors.h"
#include "files/torch_zip.h"
#include "steer/vector.h"

#include <span>

namespace steer {

inline constexpr int32_t kLayerMax = 4096, kHiddenMax = 1 << 20;

struct StoredSites { // STEER_SITE_FROM_FILE (0) where the file does not say
    int32_t measured = STEER_SITE_FROM_FILE, applied = STEER_SITE_FROM_FILE;
};

inline constexpr StoredSites kAtOutput{STEER_SITE_OUTPUT, STEER_SITE_OUTPUT};
inline constexpr StoredSites kAtInput{STEER_SITE_INPUT, STEER_SITE_INPUT};

// What the file says was measured stays; the options may fill in what it leaves open, and choose where to apply.
void set_sites(Vector& draft, const StoredSites& stored, const VectorOptions& options, const std::string& where);

// -- rows: hidden size and layers of a draft come from them

using LayerRows = std::map<int32_t, std::vector<float>>;

void set_rows(Vector& draft, LayerRows write, const std::string& where, LayerRows read = {}); // zeros are refused later
void drop_zero_rows(LayerRows& rows); // where a format writes them for "none here"

// Values of shape [hidden]: one row, for the layer of the options. [n, hidden]: a row for every block, measured at its
// output, or n of n-1 blocks, where row i is the stream before block i and the last one stands behind the final norm,
// which is no site. A model's layer count, a layer or a site in the options tells which; else an even n is the first,
// an odd n the second: Qwen decoders have an even number of blocks.
enum class MatrixRows { unknown, outputs }; // outputs: the format itself says that it is the first
StoredSites set_matrix(Vector& draft, std::span<const float> values, std::span<const int64_t> shape, MatrixRows kind,
                       const VectorOptions& options, const std::string& where);

// -- formats. A reader is given what was opened; what it reads is told by the content alone.

void refuse_known_tensors(const SafetensorsFile& file); // by name what is known and is no vector; else returns
VectorPtr load_native_vector(const SafetensorsFile& file, const VectorOptions& options);
VectorPtr load_gguf_vector(ByteSource source, const VectorOptions& options);
VectorPtr load_torch_vector(TorchZip file, const VectorOptions& options);
VectorPtr load_numpy_vector(const ByteSource& source, const VectorOptions& options);
VectorPtr load_json_vector(const ByteSource& source, const VectorOptions& options);

// One row of a sparse autoencoder's decoder: the direction that a feature writes.
VectorPtr load_feature(const SafetensorsFile& file, uint64_t feature, const VectorOptions& options);
VectorPtr load_feature(TorchZip file, uint64_t feature, const VectorOptions& options);

std::string vector_to_native(const Vector& vector);
std::string vector_to_gguf(const Vector& vector);  // everything; rows that llama.cpp has no place for beside the tensors
std::string vector_to_svec(const Vector& vector);  // everything
std::string vector_to_torch(const Vector& vector); // rows alone, rounded to float16

// Older tools and CAST push row L in at the input of block L, so a row gets the number that puts it where it is pushed
// in here. They take it for measured at the output of that block, which nothing they read can deny.
int32_t key_of(const Vector& vector, int32_t layer);

// -- what the formats share

// The metadata of a native file, and a vector from rows and that: refuses rows that are not those it was written for.
TextMap native_metadata(const Vector& vector);
VectorPtr finish_native(Vector draft, TextMap metadata, const VectorOptions& options, const std::string& name);

bool parse_layer(std::string_view text, int32_t& layer); // "20"; no sign, no leading zero, below kLayerMax

// Of a foreign file. Keys of our own are left out: they mean something in a native file.
void keep_metadata(Vector& draft, std::string_view key, std::string_view value);

// The file's name without folder and ending; what a vector is called whose file does not name it.
std::string name_from_path(const std::string& path);
std::string choose_name(const VectorOptions& options, const std::string& path); // the option's, else the file's

} // namespace steer
