// An opened model: what never changes (package, tokenizer, chat template, fingerprint), and the backend while its weights
// are on the device.
#pragma once

#include "files/sha256.h"
#include "model/backend.h"
#include "model/package.h"
#include "run/cache.h"
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
    Model(const std::string& folder, const BackendOptions& options);
    ~Model();
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    const Package& package() const { return *package_; }
    const ModelConfig& config() const { return package_->config; }
    const Tokenizer& tokenizer() const { return *tokenizer_; }
    const ChatTemplate& chat_template() const; // STEER_ERR_UNSUPPORTED where the model's own cannot be understood
    const Digest& fingerprint() const { return fingerprint_; }
    const Generation& generation() const { return generation_; } // its defaults; seed 0
    int32_t real_vocab_size() const; // ids from here on are padding

    // STEER_RESIDENCY_NONE or _DEVICE. Waits for the running pass. A load that fails leaves it at NONE.
    void set_residency(int32_t residency, const Progress& progress);
    ModelMemory memory(); // where the model is busy: as of the last time it was not
    int32_t default_chunk() const; // prompt tokens in a step

    std::shared_ptr<CachePool> pool() const; // nullptr: the weights are not on the device
    void run(std::span<PassRow* const> rows) { queue_.run(rows); }
    // For passes that are no conversation's. STEER_ERR_STATE where the weights are not on the device.
    void with_backend(const std::function<void(Backend&, const std::shared_ptr<CachePool>&)>& work);

  private:
    void open(const Progress& progress);
    void close();
    void compute(std::span<PassRow* const> rows);

    BackendOptions options_;
    std::shared_ptr<const Package> package_;
    std::unique_ptr<Tokenizer> tokenizer_;
    Digest fingerprint_{};
    Generation generation_;
    std::optional<ChatTemplate> chat_template_;
    std::string chat_template_problem_;

    mutable std::mutex state_mutex_; // of what follows; the backend's own calls are ordered by the queue
    std::unique_ptr<Backend> backend_;
    std::shared_ptr<CachePool> pool_;
    ModelMemory memory_{};
    bool opened_before_ = false;
    StepQueue queue_;
};

} // namespace steer
