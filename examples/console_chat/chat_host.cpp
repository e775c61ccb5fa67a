#include "chat_host.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "find_files.h"
#include "gauge_line.h"
#include "log.h"
#include "numbers.h"
#include "terminal.h"
#include "width.h"

namespace chat {

namespace {

// One line on standard error, rewritten in place, shown only when loading takes long enough to be noticed.
class LoadingBar {
  public:
    explicit LoadingBar(std::string name) : name_(std::move(name)), visible_(is_terminal(STDERR_FD)) {}
    ~LoadingBar() {
        if (drawn_) write_all(STDERR_FD, "\r\x1b[K");
    }
    void show(float fraction) {
        const auto waited = std::chrono::steady_clock::now() - start_;
        if (!visible_ || waited < std::chrono::milliseconds(400)) return;
        char percent[16];
        std::snprintf(percent, sizeof percent, " %3.0f %%", static_cast<double>(fraction) * 100);
        const int room = terminal_size(STDERR_FD).columns - gauge_cells - 20;
        write_all(STDERR_FD, "\r\x1b[2mloading\x1b[0m " + std::string(fit(name_, room)) + " " + gauge_bar(fraction) +
                                 percent + "\x1b[K");
        drawn_ = true;
    }

  private:
    static constexpr int STDERR_FD = 2;
    std::string name_;
    bool visible_, drawn_ = false;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

const char* dtype_name(int32_t dtype) {
    switch (dtype) {
    case STEER_DTYPE_F32:
        return "float32";
    case STEER_DTYPE_F16:
        return "float16";
    case STEER_DTYPE_BF16:
        return "bfloat16";
    default:
        return "its own type";
    }
}

// Of a path the folder's name; one that is only called "model" is named after the folder around it.
std::string model_name(const std::string& path) {
    std::filesystem::path folder = std::filesystem::path(path).lexically_normal();
    if (!folder.has_filename()) folder = folder.parent_path();
    const bool says_little = folder.filename() == "model" && folder.parent_path().has_filename();
    return printable((says_little ? folder.parent_path() : folder).filename().string());
}

} // namespace

ChatHost::ChatHost(const Options& options, Signals& signals) : options_(options), signals_(signals) {
    for (const std::string& warning : options_.warnings) log_warning(warning);
    load(signals);
    open_persona();
    open_session();
}

ChatHost::~ChatHost() { signals_.cancels(nullptr); }

void ChatHost::load(Signals& signals) {
    model_path_ = options_.model.empty() ? find_demo_model() : options_.model;
    if (model_path_.empty()) {
        throw std::runtime_error("the demo model is not here; name a Hugging Face folder with --model");
    }
    LoadingBar bar(model_name(model_path_));
    ModelSettings settings{model_path_, options_.device, options_.dtype, options_.weights, options_.allow_code,
                           [&](float fraction) {
                               bar.show(fraction);
                               return !signals.interrupted();
                           }};
    model_ = load_model(settings);
    info_ = model_info(model_.get());
}

void ChatHost::open_persona() {
    if (options_.vector == "none") return;
    FoundVector found;
    if (options_.vector.empty()) {
        found = find_vector(model_path_, model_.get());
    } else {
        found = {load_vector(options_.vector, model_.get()), options_.vector};
    }
    if (!found.vector) {
        if (options_.strength || options_.layers || !options_.visualize_layers.empty()) {
            throw std::runtime_error("no persona vector beside " + model_path_ + " fits it; name one with --vector");
        }
        log_warning("no persona vector beside " + model_path_ + " fits it: chatting without a persona");
        return;
    }
    PersonaSettings settings{options_.strength.value_or(default_strength), options_.unit, options_.layers,
                             options_.visualize_layers};
    persona_ = std::make_unique<Persona>(std::move(found.vector), found.path, info_.layer_count, settings);
    if (options_.layers && to_text(*options_.layers) != to_text(persona_->layers())) {
        log_warning("--layers " + to_text(*options_.layers) + ": the vector has rows for layers " +
                    to_text(persona_->layers()) + " of these");
    }
}

void ChatHost::open_session() {
    steer_session_options options;
    steer_session_options_init(&options, sizeof options);
    // Each watched layer takes two gauges; /layers holds two injections for a moment.
    const int gauges = persona_ ? static_cast<int>(persona_->gauges().size()) * 2 : 0;
    if (gauges > 255) throw UsageError("--visualize-layer: at most 127 layers can be watched at once");
    options.gauge_max = std::max(options.gauge_max, gauges);
    steer_session* session = nullptr;
    steer_error error{};
    check(steer_session_create(model_.get(), &options, &session, &error), error, "session");
    session_.reset(session);

    steer_generation_options generation;
    steer_generation_options_init(&generation, sizeof generation, model_.get());
    generation.token_max = options_.max_tokens;
    generation.temperature = options_.temperature;
    generation.top_p = options_.top_p;
    generation.seed = options_.seed;
    std::vector<steer_view> stops;
    for (const std::string& stop : options_.stop) stops.push_back({stop.data(), stop.size()});
    generation.stop_texts = stops.data();
    generation.stop_text_count = stops.size();
    check(steer_session_set_generation(session, &generation, &error), error, "generation settings");
    if (persona_) persona_->attach(session);
    signals_.cancels(session);
}

std::vector<std::string> ChatHost::banner() const {
    const std::string place = info_.device < 0 ? "CPU" : "CUDA device " + std::to_string(info_.device);
    std::vector<std::string> lines;
    const bool packed = info_.weights != STEER_WEIGHTS_AS_STORED;
    lines.push_back("model    " + model_name(model_path_) + ", " + std::to_string(info_.layer_count) + " layers, " +
                    dtype_name(info_.dtype) + (packed ? std::string(" with ") + weights_name(info_.weights) + " weights" : "") +
                    " on " + place);
    if (!persona_) {
        lines.push_back("persona  none");
        return lines;
    }
    lines.push_back("persona  " + persona_->name());
    lines.push_back("strength " + number_text(persona_->strength()) + " " + unit_name(persona_->unit()));
    lines.push_back("layers   " + to_text(persona_->layers()));
    std::string watched;
    for (const LayerGauge& gauge : persona_->gauges()) {
        watched += (watched.empty() ? "layer " : ", ") + std::to_string(gauge.layer);
    }
    lines.push_back("gauge    " + watched);
    return lines;
}

std::vector<std::string> ChatHost::layer_lines() const {
    std::vector<std::string> lines{"the model has layers 0-" + std::to_string(info_.layer_count - 1)};
    if (!persona_) return lines;
    const steer_vector_info& info = persona_->info();
    const LayerRange pushed = persona_->layers();
    std::string watched;
    for (const LayerGauge& gauge : persona_->gauges()) watched += " " + std::to_string(gauge.layer);
    lines.push_back(persona_->name() + " has rows for layers " + to_text({info.layer_begin, info.layer_end - 1}));
    if (info.best_begin >= 0 && info.best_end > info.best_begin) {
        lines.push_back("its best layers are " + to_text({info.best_begin, info.best_end - 1}));
    }
    lines.push_back("pushed in: " + to_text(pushed) + "; watched:" + watched);
    return lines;
}

std::string ChatHost::context_text() const {
    steer_session_info info{};
    steer_error error{};
    if (steer_session_get_info(session_.get(), &info, sizeof info, &error) != STEER_OK) return {};
    return std::to_string(info.token_count) + " of " + std::to_string(info.context_max) + " tokens";
}

} // namespace chat
