// Opens a model without its weights, so without libtorch: look MODEL_FOLDER
#include <steer/steer.h>

#include <cstdio>
#include <string>
#include <vector>

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    if (steer_version() != STEER_VERSION) {
        std::fprintf(stderr, "library %u, header %d\n", steer_version(), STEER_VERSION);
        return 1;
    }
    steer_error err{};
    steer_model_options options;
    steer_model_options_init(&options, sizeof options);
    options.residency = STEER_RESIDENCY_NONE;
    steer_model* model = nullptr;
    if (steer_model_load(argv[1], &options, &model, &err) != STEER_OK) {
        std::fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const std::string text = "こんにちは, hello  world\n";
    std::vector<int32_t> ids(text.size());
    std::vector<char> back(text.size() + 1);
    size_t count = 0, size = 0;
    bool same = steer_text_encode(model, text.data(), text.size(), 0, ids.data(), ids.size(), &count, &err) == STEER_OK &&
                steer_text_decode(model, ids.data(), count, 0, back.data(), back.size(), &size, &err) == STEER_OK &&
                std::string(back.data(), size) == text;
    steer_model_free(model);
    std::printf("%zu tokens, %s\n", count, same ? "same text back" : err.message);
    return same ? 0 : 1;
}
