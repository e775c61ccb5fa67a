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

// Two libtorch in one process end it in their static initialisers, or one serves both with the wrong types, before anyone
// can say a word: so we look first whether one is mapped that is not the one we would load.
void refuse_second_libtorch(const std::string& library) {
    const std::string mapped = find_mapped("libtorch_cpu.so");
    if (mapped.empty()) return;
    const std::string ours = find_needed_library(library, "libtorch_cpu.so");
    if (!same_file(mapped, ours))
        fail(STEER_ERR_STATE,
             "this process has already loaded {}, but {} needs {}: two libtorch cannot share a process. Run libsteer in "
             "another process, or build it for the libtorch that is loaded",
             mapped, library, ours.empty() ? "one of its own" : ours);
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
