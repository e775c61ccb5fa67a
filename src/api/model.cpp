// Chapter 5 of the header: models.
#include "api/args.h"
#include "api/guard.h"
#include "api/handles.h"

using namespace steer;

namespace {

steer_model_options default_options() {
    steer_model_options options{};
    options.struct_size = sizeof options;
    options.residency = STEER_RESIDENCY_DEVICE;
    return options;
}

std::string read_device(const char* device) {
    if (device == nullptr) return {};
    const std::string_view text(device);
    if (text == "cpu") return "cpu";
    const std::string_view digits = text.starts_with("cuda:") ? text.substr(5) : std::string_view();
    const bool number = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits.empty() || digits.size() > 3 || !number)
        fail(STEER_ERR_ARG, "device is \"{}\": \"cpu\", \"cuda:0\", \"cuda:1\" ... or NULL", text.substr(0, 32));
    return device;
}

BackendOptions read_backend_options(const steer_model_options& options) {
    check_enum(options.dtype, STEER_DTYPE_BF16, "dtype");
    check_enum(options.priority, STEER_PRIORITY_LOW, "priority");
    check_enum(options.weights, STEER_WEIGHTS_NF4, "weights");
    check_flags(options.flags, STEER_MODEL_VERIFY | STEER_MODEL_ALLOW_CODE, "flags");
    return {read_device(options.device), options.dtype, options.weights, options.priority, options.device_memory_max};
}

} // namespace

extern "C" {

void steer_model_options_init(steer_model_options* o, size_t struct_size) {
    write_defaults(o, struct_size, default_options());
}

steer_status steer_model_load(const char* path, const steer_model_options* o, steer_model** out, steer_error* err) {
    return guard(err, [&] {
        clear_out(out, "out");
        const std::string folder = read_text(path, "path");
        const steer_model_options options = read_options(o, default_options(), "steer_model_options");
        const int32_t residency = check_enum(options.residency, STEER_RESIDENCY_DEVICE, "residency");
        const bool allow_code = (options.flags & STEER_MODEL_ALLOW_CODE) != 0;
        auto model = std::make_shared<Model>(folder, read_backend_options(options), allow_code);
        const Progress progress = to_progress(options.progress_fn, options.progress_user, [] { return true; });
        if ((options.flags & STEER_MODEL_VERIFY) != 0) model->verify(progress);
        if (residency != STEER_RESIDENCY_NONE) model->set_residency(residency, progress);
        *out = to_handle(std::move(model));
    });
}

void steer_model_free(steer_model* m) {
    guard_void([&] {
        if (PinnedModel model(m); model) model.remove();
    });
}

steer_status steer_model_get_info(const steer_model* m, steer_model_info* out, size_t out_size, steer_error* err) {
    return guard(err, [&] {
        need_out(out, out_size);
        const PinnedModel model(m, "model");
        const ModelConfig& config = model->config();
        const ModelMemory memory = model->memory();
        steer_model_info info{};
        info.layer_count = config.layer_count;
        info.hidden_size = config.hidden_size;
        info.vocab_size = config.vocab_size;
        info.context_max = config.context_max;
        info.dtype = memory.dtype;
        info.weights = model->weights_format();
        info.residency = memory.residency;
        info.device = memory.device;
        info.weight_bytes = memory.weight_bytes;
        info.cache_bytes_per_token = memory.cache_bytes_per_token;
        info.device_bytes_used = memory.used;
        info.device_bytes_free = memory.free;
        std::copy(model->fingerprint().begin(), model->fingerprint().end(), info.fingerprint);
        write_out(out, out_size, info);
    });
}

steer_status steer_model_get_text(const steer_model* m, int32_t what, char* buf, size_t cap, size_t* size,
                                  steer_error* err) {
    return guard(err, [&] {
        const PinnedModel model(m, "model");
        const Package& package = model->package();
        switch (check_enum(what, STEER_MODEL_GENERATION_CONFIG, "what")) {
        case STEER_MODEL_ARCHITECTURE: return write_bytes(package.config.architecture, buf, cap, size);
        case STEER_MODEL_CHAT_TEMPLATE: return write_bytes(package.chat_template, buf, cap, size);
        case STEER_MODEL_CONFIG: return write_bytes(package.config_text, buf, cap, size);
        default: return write_bytes(package.generation_config_text, buf, cap, size);
        }
    });
}

steer_status steer_model_set_residency(steer_model* m, int32_t residency, steer_progress_fn fn, void* user,
                                       steer_error* err) {
    return guard(err, [&] {
        const PinnedModel model(m, "model");
        check_enum(residency, STEER_RESIDENCY_DEVICE, "residency");
        model->set_residency(residency, to_progress(fn, user, [&] { return model.alive(); }));
    });
}

steer_status steer_model_export(const steer_model* m, const char* folder, steer_progress_fn fn, void* user, steer_error* err) {
    return guard(err, [&] {
        const PinnedModel model(m, "model");
        model->export_to(read_text(folder, "folder"), to_progress(fn, user, [&] { return model.alive(); }));
    });
}

} // extern "C"
