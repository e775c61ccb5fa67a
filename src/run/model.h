// An opened model: what never changes (package, tokenizer, chat template, fingerprint), and the backend while its weights
// are on the device.
#pragma once

#include "files/sha256.h"
#include "model/backend.h"
#include "model/package.h"
#include "run/cache.h"
#include "run/constraint_cache.h"
#include "run/generation.h"
#include "run/step_queue.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace steer {

struct ModelMemory {
    int32_t dtype, residency, device;
    uint64_t weight_bytes, cache_bytes_per_token, used, free;
};

class Model {
  public:
    // Checks the folder's files; reads no weights.
    Model(const std::string& folder, const BackendOptions& options, bool allow_code);
    ~Model();
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    const Package& package() const { return *package_; }
    const ModelConfig& config() const { return package_->config; }
    const Tokenizer& tokenizer() const { return *tokenizer_; }
    const ChatTemplate& chat_template() const; // STEER_ERR_UNSUPPORTED where the model's own cannot be understood
    const Digest& fingerprint() const { return fingerprint_; }
    const Generation& generation() const { return generation_; } // its defaults; seed 0
    int32_t weights_format() const { return options_.weights; } // STEER_WEIGHTS_*
    int32_t real_vocab_size() const; // ids from here on are padding
    ConstraintCache& constraints() { return constraints_; } // for any thread

    // STEER_RESIDENCY_*. Waits for the running pass. A load or a move that fails leaves it where it was.
    void set_residency(int32_t residency, const Progress& progress);
    ModelMemory memory(); // where the model is busy: as of the last time it was not
    void verify(const Progress& progress); // every file against the manifest, once
    void export_to(const std::string& folder, const Progress& progress) const;
    int32_t default_chunk() const; // prompt tokens in a step

    std::shared_ptr<CachePool> pool() const; // nullptr: residency is NONE
    std::shared_ptr<CachePool> device_pool() const; // STEER_ERR_STATE where no pass can run
    void run(std::span<PassRow* const> rows); // together with those of other threads; where one is observed, alone
    // For work that is no conversation's step, alone with the backend. STEER_ERR_STATE: no weights, or not on the device.
    using BackendWork = std::function<void(Backend&, const std::shared_ptr<CachePool>&)>;
    void with_backend(const BackendWork& work);
    void with_cache(const BackendWork& work); // parked or not

  private:
    void open(Place place, const Progress& progress);
    void move(Place place, const Progress& progress);
    void close();
    int32_t residency() const;
    void note_residency(int32_t residency, const Backend& backend);
    void check_budget(const Backend& backend, Place place) const;
    void compute(std::span<PassRow* const> rows);

    BackendOptions options_;
    std::shared_ptr<const Package> package_;
    std::unique_ptr<Tokenizer> tokenizer_;
    ConstraintCache constraints_;
    Digest fingerprint_{};
    Generation generation_;
    std::optional<ChatTemplate> chat_template_;
    std::string chat_template_problem_;

    mutable std::mutex state_mutex_; // of what follows; the backend's own calls are ordered by the queue
    std::unique_ptr<Backend> backend_;
    std::shared_ptr<CachePool> pool_;
    ModelMemory memory_{};
    bool opened_before_ = false, verified_ = false;
    StepQueue queue_;
};

} // namespace steer
