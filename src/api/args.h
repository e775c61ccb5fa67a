// Arguments as they come through the door: nothing is believed before it was looked at.
#pragma once

#include "api/guard.h"
#include "files/error.h"
#include "model/backend.h"
#include "steer/steer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace steer {

inline void need(const void* pointer, const char* name) {
    if (pointer == nullptr) fail(STEER_ERR_ARG, "{} is NULL", name);
}

template<class T> T& clear_out(T* out, const char* name) { // handles and numbers: zero unless all goes well
    need(out, name);
    *out = T{};
    return *out;
}

[[noreturn]] inline void not_built(const char* field, const char* words) {
    fail(STEER_ERR_UNSUPPORTED, "{}: {}", field, words);
}

inline int32_t check_enum(int32_t value, int32_t last, const char* name) {
    if (value < 0 || value > last) fail(STEER_ERR_ARG, "{} is {}: 0 to {} are known", name, value, last);
    return value;
}

inline void check_flags(uint32_t flags, uint32_t known, const char* name) {
    if ((flags & ~known) != 0) fail(STEER_ERR_UNSUPPORTED, "{}: unknown bits {:#x}", name, flags & ~known);
}

inline float check_finite(float value, const char* name) {
    if (!std::isfinite(value)) fail(STEER_ERR_ARG, "{} is {}: it must be finite", name, value);
    return value;
}

inline float check_range(float value, float min, float max, const char* name) {
    if (!(value >= min && value <= max)) fail(STEER_ERR_ARG, "{} is {}: it must lie in [{}, {}]", name, value, min, max);
    return value;
}

inline int32_t check_int(int32_t value, int32_t min, int32_t max, const char* name) {
    if (value < min || value > max) fail(STEER_ERR_ARG, "{} is {}: it must lie in [{}, {}]", name, value, min, max);
    return value;
}

// No array takes more than half of the address space: such a count was negative once, or never set.
inline void check_count(size_t count, size_t element_size, const char* name) {
    if (count > PTRDIFF_MAX / element_size) fail(STEER_ERR_ARG, "{} is {}: no memory holds as many", name, count);
}

inline std::string_view read_view(const steer_view& view, const char* name) {
    check_count(view.size, 1, name);
    if (view.data == nullptr && view.size > 0) fail(STEER_ERR_ARG, "{} has size {} and no data", name, view.size);
    return view.data == nullptr ? std::string_view() : std::string_view(view.data, view.size);
}

template<class T> std::span<const T> read_array(const T* data, size_t count, const char* name) {
    check_count(count, sizeof(T), name);
    if (count > 0) need(data, name);
    return {data, count};
}

inline std::string read_text(const char* text, const char* name) {
    need(text, name);
    return text;
}

// Defaults, as far as the caller's struct reaches.
template<class T> void write_defaults(T* out, size_t struct_size, T defaults) {
    if (out == nullptr || struct_size < sizeof defaults.struct_size) return;
    defaults.struct_size = static_cast<uint32_t>(struct_size);
    std::memset(static_cast<void*>(out), 0, struct_size);
    std::memcpy(static_cast<void*>(out), &defaults, std::min(struct_size, sizeof defaults));
}

// The caller's options, or the defaults for NULL. A caller built with a newer header may pass a larger struct: what this
// library does not know must be zero there.
template<class T> T read_options(const T* given, const T& defaults, const char* name) {
    constexpr size_t largest = 1 << 16;
    if (given == nullptr) return defaults;
    uint32_t size;
    std::memcpy(&size, given, sizeof size);
    if (size < sizeof(T) || size > largest)
        fail(STEER_ERR_ARG, "{}.struct_size is {}, this version knows {}: fill it with its init function", name, size,
             sizeof(T));
    const auto* bytes = reinterpret_cast<const unsigned char*>(given);
    for (size_t i = sizeof(T); i < size; i++)
        if (bytes[i] != 0) fail(STEER_ERR_UNSUPPORTED, "{}: byte {} is set, this version knows {} bytes", name, i, sizeof(T));
    T options;
    std::memcpy(&options, given, sizeof options);
    return options;
}

// As much of value as the caller's struct holds, the rest of it zero.
template<class T> void write_out(T* out, size_t out_size, const T& value) {
    const size_t known = std::min(out_size, sizeof value);
    std::memcpy(static_cast<void*>(out), &value, known);
    std::memset(reinterpret_cast<char*>(out) + known, 0, out_size - known);
}

template<class T> void need_out(const T* out, size_t out_size) {
    need(out, "out");
    if (out_size == 0) fail(STEER_ERR_ARG, "out_size is 0");
}

// Two calls: NULL with cap 0 asks for the size.
class Buffer {
  public:
    Buffer(size_t cap, size_t* size, const char* size_name) : cap_(cap) {
        need(size, size_name);
        size_ = size;
        *size = 0;
    }

    // False: only the size was asked for. All pointers of the call with the same cap are to be given here.
    template<class... Pointers> bool fits(size_t needed, Pointers... buffers) const {
        *size_ = needed;
        const bool any = ((buffers != nullptr) || ...);
        if (!any && cap_ == 0) return false;
        if (!any) fail(STEER_ERR_ARG, "the buffer is NULL, its size is {}", cap_);
        if (needed > cap_) fail(STEER_ERR_BUFFER, "the buffer holds {}, {} are needed", cap_, needed);
        return true;
    }

  private:
    size_t cap_;
    size_t* size_ = nullptr;
};

inline void write_bytes(std::string_view from, char* buf, size_t cap, size_t* size) {
    const Buffer buffer(cap, size, "size");
    if (buffer.fits(from.size(), buf)) std::copy(from.begin(), from.end(), buf);
}

// A C progress function as the library's own; keep_on: another reason to stop.
template<class KeepOn> Progress to_progress(steer_progress_fn fn, void* user, KeepOn keep_on) {
    return [=](float fraction) {
        return keep_on() && (fn == nullptr || call_host([&] { return fn(user, fraction); }) == 0);
    };
}

} // namespace steer
