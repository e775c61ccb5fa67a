// How libsteer finds libsteer_torch beside itself, refuses what does not belong to it, and lets its exceptions through.
// Arguments: folders with a copy of libsteer, without and with the stub; a library by libtorch's name.
#include "files/error.h"
#include "tiny_model.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

namespace {

int faults = 0;

struct Door {
    decltype(&steer_model_load) load;
    decltype(&steer_model_options_init) init;
    decltype(&steer_build_info) build_info;

    explicit Door(const std::string& folder) {
        void* library = dlopen((folder + "/libsteer.so").c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) {
            std::cerr << dlerror() << "\n";
            std::exit(1);
        }
        load = reinterpret_cast<decltype(load)>(dlsym(library, "steer_model_load"));
        init = reinterpret_cast<decltype(init)>(dlsym(library, "steer_model_options_init"));
        build_info = reinterpret_cast<decltype(build_info)>(dlsym(library, "steer_build_info"));
    }

    void expect(const char* device, steer_status status, const std::string& words) const {
        static const tiny::Folder folder;
        steer_model_options options;
        init(&options, sizeof options);
        options.device = device;
        steer_model* model = nullptr;
        steer_error err{};
        const steer_status got = load(folder.path().c_str(), &options, &model, &err);
        const bool good = got == status && std::strstr(err.message, words.c_str()) != nullptr;
        std::cerr << (good ? "good: " : "FAULT: ") << got << " " << err.message << "\n";
        faults += !good;
    }
    void expect_info(const std::string& words) const {
        const bool good = std::strstr(build_info(), words.c_str()) != nullptr;
        std::cerr << (good ? "good: " : "FAULT: ") << build_info() << "\n";
        faults += !good;
    }
};

} // namespace

int main(int, char** arguments) {
    const std::string without = arguments[1], with = arguments[2], other_libtorch = arguments[3];
    const Door bare(without);
    bare.expect("cpu", STEER_ERR_UNSUPPORTED, without + "/libsteer_torch.so");
    bare.expect_info("no libsteer_torch.so");

    const Door door(with);
    door.expect_info("not loaded yet");
    setenv("STEER_TEST_OTHER_BUILD", "1", 1);
    door.expect("cpu", STEER_ERR_MISMATCH, "another build");
    unsetenv("STEER_TEST_OTHER_BUILD");
    void* const torch = dlopen(other_libtorch.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (torch == nullptr) faults++;
    door.expect("cpu", STEER_ERR_STATE, other_libtorch);
    if (torch != nullptr) dlclose(torch);
    door.expect("cpu", STEER_ERR_DEVICE_MEMORY, "the stub has no memory");
    door.expect(nullptr, STEER_ERR_MEMORY, "out of memory");
    door.expect_info("stub");
    return faults == 0 ? 0 : 1;
}
