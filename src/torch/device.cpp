#include "torch/device.h"

#include "files/error.h"

#include <c10/core/DeviceGuard.h>

#include <charconv>
#include <fstream>

#ifdef STEER_CUDA
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#endif

namespace steer {
namespace {

#ifdef STEER_CUDA
// The CUDA half of libtorch is large and needs a dozen libraries of its own, so it is loaded when a CUDA device is first
// asked for; loading it registers its operators. Empty: it is there; else the linker's words.
std::string load_cuda_half() {
    return dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr ? std::string() : std::string(dlerror());
}

int32_t cuda_device_count() {
    int count = 0;
    return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}
#endif

// N of "cuda:N", 0 of "cuda"; -1: neither
int32_t cuda_index(const std::string& asked) {
    if (asked == "cuda") return 0;
    if (!asked.starts_with("cuda:")) return -1;
    int32_t index = -1;
    const char* end = asked.data() + asked.size();
    const auto parsed = std::from_chars(asked.data() + 5, end, index);
    return parsed.ec == std::errc() && parsed.ptr == end && index >= 0 && index < 128 ? index : -1;
}

} // namespace

c10::Device choose_device(const std::string& asked) {
    if (asked == "cpu") return c10::kCPU;
    const int32_t index = cuda_index(asked);
    if (!asked.empty() && index < 0) fail(STEER_ERR_ARG, "device \"{}\": must be \"cpu\" or \"cuda:N\"", asked.substr(0, 64));
#ifdef STEER_CUDA
    const int32_t count = cuda_device_count();
    if (asked.empty() && (count == 0 || !load_cuda_half().empty())) return c10::kCPU;
    const int32_t chosen = asked.empty() ? 0 : index;
    if (chosen >= count) fail(STEER_ERR_DEVICE, "device \"{}\": {} CUDA devices are there", asked, count);
    if (const std::string words = load_cuda_half(); !words.empty())
        fail(STEER_ERR_DEVICE, "device \"{}\": the CUDA half of libtorch does not load: {}", asked, words);
    return {c10::kCUDA, static_cast<c10::DeviceIndex>(chosen)};
#else
    if (!asked.empty()) fail(STEER_ERR_UNSUPPORTED, "device \"{}\": this build of libsteer has no CUDA; use \"cpu\"", asked);
    return c10::kCPU;
#endif
}

uint64_t free_memory(c10::Device device) {
#ifdef STEER_CUDA
    if (device.is_cuda()) {
        const c10::DeviceGuard guard(device);
        size_t free = 0, total = 0;
        return cudaMemGetInfo(&free, &total) == cudaSuccess ? free : 0;
    }
#endif
    std::ifstream info("/proc/meminfo");
    std::string field, unit;
    for (uint64_t kilobytes = 0; info >> field >> kilobytes; std::getline(info, unit))
        if (device.is_cpu() && field == "MemAvailable:") return kilobytes << 10;
    return 0;
}

} // namespace steer
