#include "steer/vector.h"

#include "files/error.h"
#include "files/quote.h"
#include "steer/vector_io.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace steer {
namespace {

constexpr size_t kNameMax = 256;

// One set of rows of a draft, checked and completed. set: "write" or "read".
class RowChecker {
  public:
    RowChecker(const Vector& draft, const std::string& where, steer_status status)
        : draft_(draft), where_(where), status_(status) {}

    void check(std::vector<VectorRow>& rows, const char* set) const {
        for (size_t i = 0; i < rows.size(); ++i)
            if (rows[i].present()) check_row(rows[i], set, draft_.layer_begin + static_cast<int32_t>(i));
    }

  private:
    void check_row(VectorRow& row, const char* set, int32_t layer) const {
        if (row.values.size() != static_cast<size_t>(draft_.hidden_size))
            fail(status_, "{}: the {} row of layer {} has {} numbers, others have {}", where_, set, layer,
                 row.values.size(), draft_.hidden_size);
        double square = 0.0;
        for (const float value : row.values) {
            if (!std::isfinite(value))
                fail(status_, "{}: the {} row of layer {} holds a number that is not finite", where_, set, layer);
            square += double{value} * value;
        }
        const double norm = std::sqrt(square);
        if (norm > double{std::numeric_limits<float>::max()})
            fail(status_, "{}: the {} row of layer {} is too long for float32", where_, set, layer);
        row.norm = static_cast<float>(norm);
        if (row.norm == 0.0f) fail(status_, "{}: the {} row of layer {} has length zero", where_, set, layer);
        for (const float figure : {row.residual_norm, row.explained_variance, row.auc, row.auc_content, row.neutral,
                                   row.persona, row.split_half_cosine})
            if (std::isinf(figure))
                fail(status_, "{}: a figure of the {} row of layer {} is infinite", where_, set, layer);
    }

    const Vector& draft_;
    const std::string& where_;
    steer_status status_;
};

bool any_row(const Vector& v, size_t index) {
    return v.write[index].present() || (!v.read.empty() && v.read[index].present());
}

// So that both ends of the layer range have a row.
void trim(Vector& v, const std::string& where, steer_status status) {
    size_t first = 0, last = v.write.size();
    while (first < last && !any_row(v, first)) ++first;
    while (last > first && !any_row(v, last - 1)) --last;
    const bool no_write = std::none_of(v.write.begin(), v.write.end(), [](const VectorRow& r) { return r.present(); });
    if (no_write) fail(status, "{}: there is no row to push with", where);
    const auto cut = [&](std::vector<VectorRow>& rows) {
        if (rows.empty()) return;
        rows.erase(rows.begin() + static_cast<ptrdiff_t>(last), rows.end());
        rows.erase(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(first));
    };
    cut(v.write);
    cut(v.read);
    v.layer_end = v.layer_begin + static_cast<int32_t>(last);
    v.layer_begin += static_cast<int32_t>(first);
}

void hash_number(Sha256& hash, int32_t value) {
    const auto bits = static_cast<uint32_t>(value);
    const uint8_t bytes[4] = {static_cast<uint8_t>(bits), static_cast<uint8_t>(bits >> 8),
                              static_cast<uint8_t>(bits >> 16), static_cast<uint8_t>(bits >> 24)};
    hash.update(bytes, 4);
}

Digest row_fingerprint(const Vector& v) {
    Sha256 hash;
    hash.update("steer rows 1", 12);
    hash_number(hash, v.hidden_size);
    const std::array<const std::vector<VectorRow>*, 2> sets = {&v.write, &v.read};
    for (int32_t set = 0; set < 2; ++set) {
        for (size_t i = 0; i < sets[set]->size(); ++i) {
            const VectorRow& row = (*sets[set])[i];
            if (!row.present()) continue;
            hash_number(hash, set);
            hash_number(hash, v.layer_begin + static_cast<int32_t>(i));
            hash.update(row.values.data(), row.values.size() * sizeof(float));
        }
    }
    return hash.finish();
}

void check_numbers(const Vector& v, const std::string& where, steer_status status) {
    if (v.name.size() > kNameMax) fail(status, "{}: a name of more than {} bytes", where, kNameMax);
    if (v.hidden_size < 1 || v.hidden_size > kHiddenMax)
        fail(status, "{}: a hidden size of {}, 1 to {} are possible", where, v.hidden_size, kHiddenMax);
    if (v.layer_begin < 0 || v.layer_end > kLayerMax || v.layer_begin >= v.layer_end)
        fail(status, "{}: layers {} to {} (end not included), 0 to {} are possible", where, v.layer_begin, v.layer_end,
             kLayerMax);
    const auto layers = static_cast<size_t>(v.layer_end - v.layer_begin);
    if (v.write.size() != layers || (!v.read.empty() && v.read.size() != layers))
        fail(status, "{}: {} rows for {} layers", where, v.write.size(), layers);
    for (const int32_t site : {v.site_measured, v.site_applied})
        if (site != STEER_SITE_OUTPUT && site != STEER_SITE_INPUT)
            fail(status, "{}: a site is STEER_SITE_OUTPUT or STEER_SITE_INPUT, not {}", where, site);
    const bool no_band = v.best_begin == -1 && v.best_end == -1;
    if (!no_band && (v.best_begin < 0 || v.best_begin >= v.best_end || v.best_end > kLayerMax))
        fail(status, "{}: the recommended layers {} to {} make no range", where, v.best_begin, v.best_end);
    if (!std::isnan(v.strength_safe) && !(v.strength_safe > 0.0f && std::isfinite(v.strength_safe)))
        fail(status, "{}: the safe strength {} is not a positive number", where, v.strength_safe);
}

int32_t known_site(int32_t site, const char* field) {
    if (site < STEER_SITE_FROM_FILE || site > STEER_SITE_INPUT) fail(STEER_ERR_ARG, "{}: {} is no site", field, site);
    return site;
}

} // namespace

const VectorRow* Vector::row(int32_t layer, int32_t rows) const {
    if (layer < layer_begin || layer >= layer_end) return nullptr;
    const bool second = rows == STEER_ROWS_READ && !read.empty();
    const VectorRow& found = (second ? read : write)[static_cast<size_t>(layer - layer_begin)];
    return found.present() ? &found : nullptr;
}

VectorPtr finish_vector(Vector draft, const std::string& where, steer_status status) {
    check_numbers(draft, where, status);
    const RowChecker checker(draft, where, status);
    checker.check(draft.write, "write");
    checker.check(draft.read, "read");
    trim(draft, where, status);
    if (draft.gauge_layer != -1 && draft.row(draft.gauge_layer, STEER_ROWS_READ) == nullptr)
        fail(status, "{}: gauge layer {} has no row", where, draft.gauge_layer);
    draft.fingerprint = row_fingerprint(draft);
    return std::make_shared<const Vector>(std::move(draft));
}

void set_sites(Vector& draft, const StoredSites& stored, const VectorOptions& options, const std::string& where) {
    const int32_t wanted = known_site(options.site_measured, "site_measured");
    const int32_t applied = known_site(options.site_applied, "site_applied");
    if (stored.measured != 0 && wanted != 0 && stored.measured != wanted)
        fail(STEER_ERR_ARG,
             "{}: its rows were measured at the {} of the block, which the options deny: leave "
             "site_measured at STEER_SITE_FROM_FILE",
             where, stored.measured == STEER_SITE_INPUT ? "input" : "output");
    const auto first = [](int32_t a, int32_t b, int32_t c) { return a != 0 ? a : b != 0 ? b : c; };
    draft.site_measured = first(wanted, stored.measured, STEER_SITE_OUTPUT);
    draft.site_applied = first(applied, stored.applied, draft.site_measured);
}

VectorPtr create_vector(const float* rows, size_t row_count, size_t hidden_size, const VectorOptions& options) {
    const std::string where = "vector " + quote(options.name);
    if (rows == nullptr || row_count == 0) fail(STEER_ERR_ARG, "{}: no rows given", where);
    if (hidden_size == 0 || hidden_size > static_cast<size_t>(kHiddenMax) ||
        row_count > static_cast<size_t>(kLayerMax) || options.layer_begin < 0 || options.layer_begin > kLayerMax)
        fail(STEER_ERR_ARG, "{}: {} rows of {} numbers from layer {} on are out of range", where, row_count,
             hidden_size, options.layer_begin);
    Vector draft;
    draft.name = options.name;
    draft.hidden_size = static_cast<int32_t>(hidden_size);
    draft.layer_begin = options.layer_begin;
    draft.layer_end = options.layer_begin + static_cast<int32_t>(row_count);
    draft.model_fingerprint = options.model_fingerprint;
    set_sites(draft, {}, options, where);
    draft.write.resize(row_count);
    for (size_t i = 0; i < row_count; ++i)
        draft.write[i].values.assign(rows + i * hidden_size, rows + (i + 1) * hidden_size);
    return finish_vector(std::move(draft), where);
}

void check_vector_fits(const Vector& vector, const Digest& model_fingerprint, int32_t hidden_size,
                       int32_t layer_count) {
    const std::string who = "vector " + quote(vector.name);
    if (vector.hidden_size != hidden_size)
        fail(STEER_ERR_MISMATCH, "{} is {} wide, the model {}: it was made for another model", who, vector.hidden_size,
             hidden_size);
    if (vector.tied() && vector.model_fingerprint != model_fingerprint)
        fail(STEER_ERR_MISMATCH, "{} belongs to the model {:.16}..., this one is {:.16}...: extract it for this model",
             who, to_hex(vector.model_fingerprint), to_hex(model_fingerprint));
    if (vector.layer_end > layer_count)
        fail(STEER_ERR_MISMATCH, "{} has a row for layer {}, the model has {} layers: it was made for another model",
             who, vector.layer_end - 1, layer_count);
}

} // namespace steer
