// The one symbol that libsteer looks up in libsteer_torch: a table of what crosses between the two. They are built together
// from the same sources with the same compiler, which build_id proves before anything else in the table is touched; so C++
// types and steer::Error cross freely (types are compared by name, both have their own copy of the type's description).
//
// libsteer_torch defines, once:
//     extern "C" STEER_API const steer::BackendEntry* steer_torch_entry() {
//         static const steer::BackendEntry entry{STEER_BUILD_ID, open, set_threads, build_info};
//         return &entry;
//     }
// and links the CMake target steer_build_id, which defines STEER_BUILD_ID.
#pragma once

#include "model/backend.h"

#include <memory>
#include <string>

namespace steer {

struct BackendEntry {
    const char* build_id; // first, so that a library of another build can be refused in words
    std::unique_ptr<Backend> (*open)(std::shared_ptr<const Package> package, const BackendOptions& options);
    void (*set_threads)(int32_t intra_op, int32_t inter_op); // before the first open; 0 or less: leave as it is
    std::string (*build_info)();                             // "libtorch 2.11.0, CUDA 13.0"
};

constexpr const char* kBackendLibrary = "libsteer_torch.so";
constexpr const char* kBackendSymbol = "steer_torch_entry";
using BackendEntryFn = const BackendEntry* (*)();

} // namespace steer
