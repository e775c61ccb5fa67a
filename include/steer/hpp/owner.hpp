// What holds a C handle, and the ids as types of their own.
#pragma once

#include "error.hpp"

#include <string>
#include <string_view>

namespace steer::inline STEER_HPP_MODE {
namespace detail {

// Move only; frees what it holds. Empty after a move: every call on it then fails with STEER_ERR_ARG.
template<class Object, void (*free_object)(Object*)> class Owner {
  public:
    Owner() = default;
    explicit Owner(Object* handle) noexcept : handle_(handle) {}
    Owner(Owner&& other) noexcept : handle_(other.release()) {}
    Owner& operator=(Owner&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    ~Owner() { free_object(handle_); }

    explicit operator bool() const noexcept { return handle_ != nullptr; }
    Object* get() const noexcept { return handle_; }
    Object* release() noexcept { return std::exchange(handle_, nullptr); }
    void reset(Object* handle = nullptr) noexcept { free_object(std::exchange(handle_, handle)); }
    Object** out() noexcept { // for a C function that makes one
        reset();
        return &handle_;
    }

  private:
    Object* handle_ = nullptr;
};

template<class Kind> struct Id {
    uint32_t value = 0; // 0: none

    explicit operator bool() const noexcept { return value != 0; }
    size_t slot() const noexcept { return STEER_SLOT(value); } // its place in Step::strengths() or Step::gauges()
    bool operator==(const Id&) const = default;
};

inline steer_view view(std::string_view text) { return {text.data(), text.size()}; }

// Absent where there is none, also where the text is there and empty.
inline steer_view optional_view(const std::optional<std::string>& text) {
    if (!text) return {nullptr, 0};
    return {text->c_str(), text->size()};
}
inline steer_view filled_view(const std::string& text) { return {text.empty() ? nullptr : text.data(), text.size()}; }

} // namespace detail

using InjectionId = detail::Id<struct InjectionKind>;
using GaugeId = detail::Id<struct GaugeKind>;

} // namespace steer::inline STEER_HPP_MODE
