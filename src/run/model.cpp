#include "run/model.h"

#include "files/error.h"
#include "model/weight_bytes.h"
#include "run/log.h"

#include <algorithm>

namespace steer {
namespace {

// Before a backend can say it: what the weights take in the dtype asked for, as stored where the choice is left to us.
ModelMemory estimate_memory(const Package& package, const BackendOptions& options) {
    const uint64_t element = options.dtype == STEER_DTYPE_F32                                ? 4
                             : options.dtype == STEER_DTYPE_AUTO                             ? dtype_size(package.stored_dtype)
                                                                                             : 2;
    const ModelConfig& config = package.config;
    const auto kv = static_cast<uint64_t>(config.kv_size()) * 2 * static_cast<uint64_t>(config.layer_count);
    const int32_t device = options.device.starts_with("cuda:") ? std::atoi(options.device.c_str() + 5) : -1;
    return {options.dtype, STEER_RESIDENCY_NONE, device, weight_bytes(package, element, options.weights), kv * element, 0, 0};
}

ModelMemory measure(const Backend& backend, int32_t residency) {
    const BackendMemory now = backend.memory();
    return {backend.dtype(), residency, backend.device(), now.weight_bytes, now.cache_bytes_per_token, now.used, now.free};
}

std::unique_ptr<Tokenizer> make_tokenizer(const Package& package) {
    auto tokenizer = load_tokenizer({package.tokenizer_text, package.tokenizer_model, package.tokenizer_config_text,
                                     package.added_tokens_text, package.special_tokens_text, package.folder});
    // Added tokens may have no row (a padding token often has none); a text that no row stands for is another model's.
    for (int32_t id = package.config.vocab_size; id < tokenizer->size(); id++)
        if (!tokenizer->is_control(id) && !tokenizer->token_bytes(id).empty())
            fail(STEER_ERR_MISMATCH, "{}: its tokenizer has token {}, config.json says \"vocab_size\" {}", package.folder, id,
                 package.config.vocab_size);
    return tokenizer;
}

} // namespace

Model::Model(const std::string& folder, const BackendOptions& options, bool allow_code)
    : options_(options),
      package_(open_package(folder, allow_code)),
      tokenizer_(make_tokenizer(*package_)),
      constraints_(*tokenizer_, real_vocab_size()),
      fingerprint_(steer::fingerprint(*package_, tokenizer_->fingerprint())),
      generation_(model_generation(*package_)),
      memory_(estimate_memory(*package_, options)),
      queue_([this](std::span<PassRow* const> rows) { compute(rows); }) {
    if (package_->manifest && package_->manifest->fingerprint != fingerprint_)
        fail(STEER_ERR_MISMATCH, "{}: its fingerprint is {}, {} says {}", folder, to_hex(fingerprint_), kManifestFile,
             to_hex(package_->manifest->fingerprint));
    if (!package_->decoder_archive.empty() && !package_->manifest)
        log(STEER_LOG_WARN, "{}: {} is code that no {} vouches for", folder, kDecoderArchive, kManifestFile);
    try {
        chat_template_ = ChatTemplate::of_model(package_->chat_template, package_->tokenizer_config_text,
                                                join_path(folder, "chat template"));
    } catch (const Error& error) { // the rest of the model is of use without it
        chat_template_problem_ = error.what();
        log(STEER_LOG_WARN, "{}", chat_template_problem_);
    }
}

Model::~Model() { close(); }

const ChatTemplate& Model::chat_template() const {
    if (!chat_template_) fail(STEER_ERR_UNSUPPORTED, "{}", chat_template_problem_);
    return *chat_template_;
}

int32_t Model::real_vocab_size() const { return std::min(tokenizer_->size(), config().vocab_size); }

void Model::set_residency(int32_t residency, const Progress& progress) {
    queue_.alone([&] {
        if (residency == STEER_RESIDENCY_NONE) return close();
        const Place place = residency == STEER_RESIDENCY_HOST ? Place::host : Place::device;
        if (!backend_) open(place, progress);
        else move(place, progress);
    });
}

void Model::open(Place place, const Progress& progress) {
    if (opened_before_) { // the files may have changed since
        auto package = open_package(package_->folder, !package_->decoder_archive.empty());
        const Digest now = steer::fingerprint(*package, make_tokenizer(*package)->fingerprint());
        if (now != fingerprint_)
            fail(STEER_ERR_MISMATCH, "{}: the files have changed: fingerprint {}, the open model has {}", package->folder,
                 to_hex(now), to_hex(fingerprint_));
    }
    auto backend = open_backend(package_, options_);
    check_budget(*backend, place);
    const bool verifies = package_->manifest && !package_->decoder_archive.empty() && !verified_; // before any code is read
    if (verifies) verify([&](float share) { return !progress || progress(0.5f * share); });
    backend->load(place, [&](float share) { return !progress || progress(verifies ? 0.5f + 0.5f * share : share); });
    auto pool = std::make_shared<CachePool>(*backend, options_.memory_max);
    note_residency(place == Place::host ? STEER_RESIDENCY_HOST : STEER_RESIDENCY_DEVICE, *backend);
    const std::lock_guard lock(state_mutex_);
    backend_ = std::move(backend);
    pool_ = std::move(pool);
    opened_before_ = true;
}

void Model::verify(const Progress& progress) {
    verify_weights(*package_, [&](float share) {
        if (progress && !progress(share)) fail(STEER_ERR_CANCELLED, "verifying {} was stopped", package_->folder);
    });
    verified_ = true;
}

void Model::export_to(const std::string& folder, const Progress& progress) const {
    BackendOptions options = options_;
    options.device = "cpu"; // it computes nothing
    export_package(*package_, fingerprint_, open_backend(package_, options)->decoder_archive(), folder, [&](float share) {
        if (progress && !progress(share)) fail(STEER_ERR_CANCELLED, "the export of {} was stopped", package_->folder);
    });
}

void Model::move(Place place, const Progress& progress) {
    backend_->move(place, progress);
    note_residency(place == Place::host ? STEER_RESIDENCY_HOST : STEER_RESIDENCY_DEVICE, *backend_);
}

// Before anything is read: a load that cannot end well does not begin.
void Model::check_budget(const Backend& backend, Place place) const {
    const BackendMemory needs = backend.memory();
    if (place == Place::device && options_.memory_max > 0 && needs.weight_bytes > options_.memory_max)
        fail(STEER_ERR_DEVICE_MEMORY, "{}: the weights take {} bytes, device_memory_max is {}", package_->folder,
             needs.weight_bytes, options_.memory_max);
    const bool counts = place == Place::device || backend.device() < 0; // of main memory only what the device's own is
    if (counts && needs.free > 0 && needs.weight_bytes > needs.free)
        fail(backend.device() < 0 ? STEER_ERR_MEMORY : STEER_ERR_DEVICE_MEMORY,
             "{}: the weights take {} bytes, {} are free: choose a smaller model or dtype, or free memory", package_->folder,
             needs.weight_bytes, needs.free);
}

void Model::note_residency(int32_t residency, const Backend& backend) {
    const ModelMemory now = measure(backend, residency);
    const std::lock_guard lock(state_mutex_);
    memory_ = now;
}

void Model::close() {
    std::unique_ptr<Backend> backend; // ends after the lock
    const std::lock_guard lock(state_mutex_);
    if (pool_) pool_->close();
    pool_.reset();
    backend = std::move(backend_);
    memory_.residency = STEER_RESIDENCY_NONE;
    memory_.used = memory_.free = 0;
}

ModelMemory Model::memory() {
    queue_.alone_if_idle([&] {
        if (backend_) note_residency(residency(), *backend_);
    });
    const std::lock_guard lock(state_mutex_);
    return memory_;
}

int32_t Model::default_chunk() const {
    const std::lock_guard lock(state_mutex_);
    return backend_ && backend_->device() >= 0 ? 1024 : 256;
}

std::shared_ptr<CachePool> Model::pool() const {
    const std::lock_guard lock(state_mutex_);
    return pool_;
}

void Model::with_backend(const BackendWork& work) {
    queue_.alone([&] {
        const auto pool = device_pool();
        work(*backend_, pool);
    });
}

void Model::with_cache(const BackendWork& work) {
    queue_.alone([&] {
        if (!backend_) fail(STEER_ERR_STATE, "the model's weights were dropped, and the cache with them: steer_model_set_residency");
        work(*backend_, pool_);
    });
}

int32_t Model::residency() const {
    const std::lock_guard lock(state_mutex_);
    return memory_.residency;
}

std::shared_ptr<CachePool> Model::device_pool() const {
    const std::lock_guard lock(state_mutex_);
    if (memory_.residency != STEER_RESIDENCY_DEVICE)
        fail(STEER_ERR_STATE, "the model's weights are not on the device: steer_model_set_residency");
    return pool_;
}

void Model::run(std::span<PassRow* const> rows) {
    const bool observed = std::any_of(rows.begin(), rows.end(), [](const PassRow* row) { return row->observer != nullptr; });
    if (observed) queue_.alone([&] { compute(rows); }); // an observer is called by the thread that made the call
    else queue_.run(rows);
}

void Model::compute(std::span<PassRow* const> rows) {
    const auto refuse = [](PassRow& row) {
        row.status = STEER_ERR_STATE;
        row.message.clear();
    };
    // Rows were prepared while the weights were there; they may have been moved, or dropped and read again since.
    const bool can_run = residency() == STEER_RESIDENCY_DEVICE;
    const auto is_here = [&](const PassRow* row) { return can_run && row->blocks->pool() == pool_; };
    if (std::all_of(rows.begin(), rows.end(), is_here)) return run_pass(*backend_, rows);
    for (PassRow* row : rows) {
        if (is_here(row)) run_pass(*backend_, {&row, 1});
        else refuse(*row);
    }
}

} // namespace steer
