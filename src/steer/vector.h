// The persona vector: one direction per layer, with where it was measured, where it is applied, and what is known of
// it.
#pragma once

#include "files/sha256.h"
#include "steer/calibration.h"
#include "steer/steer.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

inline constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN(); // of a figure: never 0

struct VectorRow {
    std::vector<float> values;           // hidden_size; empty: no row at this layer
    float norm = kUnknown;               // |values|
    float residual_norm = kUnknown;      // of the stream at the row's site, median
    float explained_variance = kUnknown; // these as extract.h defines them
    float auc = kUnknown, auc_content = kUnknown;
    float neutral = kUnknown, persona = kUnknown;
    float split_half_cosine = kUnknown;

    bool present() const { return !values.empty(); }
};

// Shared as shared_ptr<const Vector> and never changed after finish_vector made it.
struct Vector {
    std::string name;
    int32_t hidden_size = 0;
    int32_t layer_begin = 0, layer_end = 0;                                      // half open; both ends have a row
    int32_t site_measured = STEER_SITE_OUTPUT, site_applied = STEER_SITE_OUTPUT; // or STEER_SITE_INPUT
    std::vector<VectorRow> write;                                                // index: layer - layer_begin
    std::vector<VectorRow> read; // the same size, or empty: read with the write rows
    int32_t best_begin = -1, best_end = -1, gauge_layer = -1;
    float strength_safe = kUnknown; // relative
    CalibrationPtr calibration; // nullptr: raw strengths and natural gauges only
    Digest fingerprint{};                        // of the rows; set by finish_vector
    Digest model_fingerprint{};                  // all zero: untied
    std::map<std::string, std::string> metadata; // method, pooling, and whatever else a file carried; kept when saved

    bool tied() const { return model_fingerprint != Digest{}; }
    // rows: STEER_ROWS_WRITE or STEER_ROWS_READ (the write row where there is one set only). nullptr: no row there.
    const VectorRow* row(int32_t layer, int32_t rows) const;
    // Site k is the output of block k, -1 the embedding: layer L at its output is site L, at its input L - 1.
    int32_t applied_at(int32_t layer) const { return site_applied == STEER_SITE_INPUT ? layer - 1 : layer; }
    int32_t measured_at(int32_t layer) const { return site_measured == STEER_SITE_INPUT ? layer - 1 : layer; }
};

using VectorPtr = std::shared_ptr<const Vector>;

// Checks every rule above, trims absent rows at both ends, computes norms and the fingerprint. where: for error words.
VectorPtr finish_vector(Vector draft, const std::string& where, steer_status status = STEER_ERR_ARG);

struct VectorOptions {
    int32_t layer_begin = 0; // create: of the first row; load: only for files that do not tell
    int32_t site_measured = STEER_SITE_FROM_FILE, site_applied = STEER_SITE_FROM_FILE;
    // create: its name; load: the one wanted, feature:N of an autoencoder, or what to call one without a name
    std::string name;
    Digest model_fingerprint{}; // create only; a load leaves the comparison to the caller
    int32_t layer_count = 0, hidden_size = 0; // load: of the model it is wanted for, where files leave open; 0: unknown
};

VectorPtr create_vector(const float* rows, size_t row_count, size_t hidden_size, const VectorOptions& options);

// The format is told by the content, never by the name. In memory, name is for messages and for naming the vector.
VectorPtr load_vector(const std::string& path, const VectorOptions& options);
VectorPtr load_vector_bytes(std::string_view bytes, const std::string& name, const VectorOptions& options);

// STEER_FORMAT_*. What a format cannot hold is refused, or left out where vector_io.h says so.
std::string vector_to_bytes(const Vector& vector, int32_t format = STEER_FORMAT_NATIVE);
void save_vector(const Vector& vector, const std::string& path, int32_t format); // these bytes; atomic

std::string metadata_to_json(const Vector& vector); // {"key": "text"}

// Rows of each layer: the sum of weights[i] times rows of vectors[i], over the layers that any of them has; norm > 0
// scales each to that length. Sites must agree; model fingerprints too, but untied vectors go with any.
VectorPtr combine_vectors(const std::vector<VectorPtr>& vectors, const std::vector<float>& weights, float norm);

// Refuses (STEER_ERR_MISMATCH, naming both) a vector whose width or model fingerprint is not the model's.
void check_vector_fits(const Vector& vector, const Digest& model_fingerprint, int32_t hidden_size, int32_t layer_count);

} // namespace steer
