// The same through the C++ header: look_hpp MODEL_FOLDER
#include <steer/steer.hpp>

#include <cstdio>

int main(int argc, char** argv) {
    if (argc != 2 || !steer::version_fits()) return 2;
    try {
        const steer::Model model = steer::Model::load(argv[1], {.residency = steer::Residency::none});
        const std::string text = "こんにちは, hello  world\n";
        const std::vector<int32_t> ids = model.encode(text);
        const bool same = model.decode(ids) == text;
        std::printf("%zu tokens, %s\n", ids.size(), same ? "same text back" : "another text");
        return same ? 0 : 1;
    } catch (const steer::Exception& error) {
        std::fprintf(stderr, "%s: %s\n", steer::status_name(error.status()), error.what());
        return 1;
    }
}
