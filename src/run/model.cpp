#include "run/model.h"

#include "files/error.h"
#include "run/log.h"

#include <algorithm>

namespace steer {
namespace {

// Before a backend can say it: what the weights take in the dtype asked for, as stored where the choice is left to us.
ModelMemory estimate_memory(const Package& package, const BackendOptions& options) {
    const uint64_t element = options.dtype == STEER_DTYPE_F32                                ? 4
                             : options.dtype == STEER_DTYPE_AUTO                             ? dtype_size(package.stored_dtype)
                                                                                             : 2;
    uint64_t elements = 0;
    for (const WeightShape& weight : expected_weights(package.config)) {
        uint64_t count = 1;
        for (const int64_t extent : weight.shape) count *= static_cast<uint64_t>(extent);
        elements += count;
    }
    const ModelConfig& config = package.config;
    const auto kv = static_cast<uint64_t>(config.kv_size()) * 2 * static_cast<uint64_t>(config.layer_count);
    const int32_t device = options.device.starts_with("cuda:") ? std::atoi(options.device.c_str() + 5) : -1;
    return {options.dtype, STEER_RESIDENCY_NONE, device, elements * element, kv * element, 0, 0};
}

ModelMemory measure(const Backend& backend) {
    const BackendMemory now = backend.memory();
    return {backend.dtype(), STEER_RESIDENCY_DEVICE, backend.device(), now.weight_bytes, now.cache_bytes_per_token,
            now.used, now.free};
}

} // namespace

Model::Model(const std::string& folder, const BackendOptions& options)
    : options_(options),
      package_(open_package(folder)),
      tokenizer_(load_bpe_tokenizer(package_->tokenizer_text, join_path(folder, "tokenizer.json"))),
      fingerprint_(steer::fingerprint(*package_, tokenizer_->fingerprint())),
      generation_(model_generation(*package_)),
      memory_(estimate_memory(*package_, options)),
      queue_([this](std::span<PassRow* const> rows) { compute(rows); }) {
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
        if (residency == STEER_RESIDENCY_NONE) close();
        else if (!backend_) open(progress);
    });
}

void Model::open(const Progress& progress) {
    if (opened_before_) { // the files may have changed since
        auto package = open_package(package_->folder);
        const auto tokenizer = load_bpe_tokenizer(package->tokenizer_text, join_path(package->folder, "tokenizer.json"));
        const Digest now = steer::fingerprint(*package, tokenizer->fingerprint());
        if (now != fingerprint_)
            fail(STEER_ERR_MISMATCH, "{}: the files have changed: fingerprint {}, the open model has {}", package->folder,
                 to_hex(now), to_hex(fingerprint_));
    }
    auto backend = open_backend(package_, options_);
    const BackendMemory needs = backend->memory();
    if (options_.memory_max > 0 && needs.weight_bytes > options_.memory_max)
        fail(STEER_ERR_DEVICE_MEMORY, "{}: the weights take {} bytes, device_memory_max is {}", package_->folder,
             needs.weight_bytes, options_.memory_max);
    backend->load(progress);
    auto pool = std::make_shared<CachePool>(*backend, options_.memory_max);
    const ModelMemory now = measure(*backend);
    const std::lock_guard lock(state_mutex_);
    backend_ = std::move(backend);
    pool_ = std::move(pool);
    memory_ = now;
    opened_before_ = true;
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
        if (!backend_) return;
        const ModelMemory now = measure(*backend_);
        const std::lock_guard lock(state_mutex_);
        memory_ = now;
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

void Model::with_backend(const std::function<void(Backend&, const std::shared_ptr<CachePool>&)>& work) {
    queue_.alone([&] {
        if (!backend_) fail(STEER_ERR_STATE, "the model's weights are not on the device: steer_model_set_residency");
        work(*backend_, pool_);
    });
}

void Model::compute(std::span<PassRow* const> rows) {
    const auto refuse = [](PassRow& row) {
        row.status = STEER_ERR_STATE;
        row.message.clear();
    };
    // Rows were prepared while the weights were there; they may have been dropped and read again since.
    bool all_here = true;
    for (PassRow* row : rows) all_here = all_here && backend_ && row->blocks->pool() == pool_;
    if (all_here) return run_pass(*backend_, rows);
    for (PassRow* row : rows) {
        if (backend_ && row->blocks->pool() == pool_) run_pass(*backend_, {&row, 1});
        else refuse(*row);
    }
}

} // namespace steer
