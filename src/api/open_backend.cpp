// Finds libsteer_torch beside our own library, checks it and loads it, once and for good.
#include "api/elf_search.h"
#include "files/error.h"
#include "model/backend_entry.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>

namespace steer {
namespace {

constexpr const char* kLibtorch = "libtorch_cpu.so";

struct Loaded {
    std::mutex mutex;
    const BackendEntry* entry = nullptr;
    int32_t intra_op = 0, inter_op = 0; // asked for before it was loaded
};

Loaded& loaded() {
    static Loaded* const one = new Loaded;
    return *one;
}

std::string own_folder() {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&open_backend), &info) == 0 || info.dli_fname == nullptr)
        fail(STEER_ERR_INTERNAL, "libsteer cannot find its own file");
    const std::string path = info.dli_fname;
    const size_t slash = path.rfind('/');
    return slash == path.npos ? "." : path.substr(0, slash);
}

// A file of that name that this process has mapped; empty: none.
std::string find_mapped(std::string_view file_name) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        const size_t slash = line.rfind('/');
        if (slash != line.npos && std::string_view(line).substr(slash + 1) == file_name) return line.substr(line.find('/'));
    }
    return {};
}

bool same_file(const std::string& a, const std::string& b) {
    struct stat of_a{}, of_b{};
    return stat(a.c_str(), &of_a) == 0 && stat(b.c_str(), &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

// "2.11.0" of a libtorch that is mapped. Empty: one of before 2.9, which does not say.
std::string version_of(void* libtorch) {
    const auto abi_version = reinterpret_cast<uint64_t (*)()>(dlsym(libtorch, "aoti_torch_abi_version"));
    if (abi_version == nullptr) return {};
    const uint64_t version = abi_version(); // a byte each, from the top: major, minor, patch
    return fmt::format("{}.{}.{}", version >> 56, version >> 48 & 0xff, version >> 40 & 0xff);
}

// Two libtorch in one process end it in their static initialisers, or one serves both with the wrong types, before anyone
// can say a word. So we look first whether one is mapped. Of the version we were built for it is shared, wherever it came
// from: the linker takes it for our library too, by its name.
void refuse_second_libtorch(const std::string& library) {
    const std::string mapped = find_mapped(kLibtorch);
    if (mapped.empty() || same_file(mapped, find_needed_library(library, kLibtorch))) return;
    void* shared = dlopen(kLibtorch, RTLD_LAZY | RTLD_NOLOAD); // nullptr: it goes by another name, ours would come beside it
    const std::string version = shared == nullptr ? std::string() : version_of(shared);
    if (shared != nullptr) dlclose(shared);
    if (!version.empty() && version == STEER_TORCH_VERSION) return;
    fail(STEER_ERR_STATE, "libtorch {} is loaded, " STEER_TORCH_VERSION " needed: take one for both; {}, {}",
         version.empty() ? "of another kind" : version, mapped, library); // short: two paths have to fit into an error's words
}

const BackendEntry* load(Loaded& state) {
    const std::string path = own_folder() + "/" + kBackendLibrary;
    struct stat found{};
    if (stat(path.c_str(), &found) != 0)
        fail(STEER_ERR_UNSUPPORTED, "{} is not there: without it models can be opened (residency NONE), but not run", path);
    refuse_second_libtorch(path);
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) {
        const char* words = dlerror();
        fail(STEER_ERR_IO, "{} cannot be loaded: {}", path, words == nullptr ? "no reason given" : words);
    }
    const auto entry_fn = reinterpret_cast<BackendEntryFn>(dlsym(library, kBackendSymbol));
    if (entry_fn == nullptr) fail(STEER_ERR_MISMATCH, "{} has no {}: it is not a backend of libsteer", path, kBackendSymbol);
    const BackendEntry* entry = entry_fn();
    if (std::strcmp(entry->build_id, STEER_BUILD_ID) != 0)
        fail(STEER_ERR_MISMATCH, "{} is of build {}, libsteer of {}: install both from one build", path, entry->build_id,
             STEER_BUILD_ID);
    if (state.intra_op > 0 || state.inter_op > 0) entry->set_threads(state.intra_op, state.inter_op);
    return entry;
}

const BackendEntry& entry() {
    Loaded& state = loaded();
    const std::lock_guard lock(state.mutex);
    if (state.entry == nullptr) state.entry = load(state);
    return *state.entry;
}

} // namespace

std::unique_ptr<Backend> open_backend(std::shared_ptr<const Package> package, const BackendOptions& options) {
    return entry().open(std::move(package), options);
}

void set_backend_threads(int32_t intra_op, int32_t inter_op) {
    Loaded& state = loaded();
    const std::lock_guard lock(state.mutex);
    if (state.entry != nullptr) fail(STEER_ERR_STATE, "steer_threads_set comes before the first model is loaded");
    state.intra_op = intra_op;
    state.inter_op = inter_op;
}

// Does not load anything: a host may ask before it wants a gigabyte of libraries.
std::string backend_build_info() {
    Loaded& state = loaded();
    const std::lock_guard lock(state.mutex);
    if (state.entry != nullptr) return state.entry->build_info();
    const std::string path = own_folder() + "/" + kBackendLibrary;
    struct stat found{};
    return stat(path.c_str(), &found) == 0 ? fmt::format("{} is there, not loaded yet", kBackendLibrary)
                                           : fmt::format("no {} beside libsteer", kBackendLibrary);
}

} // namespace steer
