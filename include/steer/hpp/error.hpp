// How failures reach the host: thrown, or returned where exceptions are off or not wanted.
#pragma once

#include <steer/steer.h>

#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#if !defined(__cpp_exceptions)
#  define STEER_HPP_MODE no_exceptions
#elif defined(STEER_HPP_RESULTS)
#  define STEER_HPP_MODE results
#else
#  define STEER_HPP_MODE throwing
#  define STEER_HPP_THROWS 1
#endif

// The inline namespace keeps files of different modes apart in one program, and all of them from the names inside a
// libsteer that is linked statically.
namespace steer::inline STEER_HPP_MODE {

// Like std::expected<T, steer_error>. Only one with a value may be dereferenced.
template<class T> class [[nodiscard]] Result {
  public:
    Result(T value) : value_(std::move(value)) {}
    Result(const steer_error& error) : error_(error) {}

    bool has_value() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    T& operator*() & { return *value_; }
    const T& operator*() const& { return *value_; }
    T&& operator*() && { return *std::move(value_); }
    T* operator->() { return &*value_; }
    const T* operator->() const { return &*value_; }
    const steer_error& error() const noexcept { return error_; } // STEER_OK where there is a value

  private:
    std::optional<T> value_;
    steer_error error_{};
};

template<> class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(const steer_error& error) : error_(error) {}

    bool has_value() const noexcept { return error_.status == STEER_OK; }
    explicit operator bool() const noexcept { return has_value(); }
    const steer_error& error() const noexcept { return error_; }

  private:
    steer_error error_{};
};

#if defined(STEER_HPP_THROWS)
class Exception : public std::exception {
  public:
    explicit Exception(const steer_error& error) noexcept : error_(error) {}
    const char* what() const noexcept override { return error_.message; }
    steer_status status() const noexcept { return error_.status; }
    const steer_error& error() const noexcept { return error_; }

  private:
    steer_error error_;
};
template<class T> using Returned = T;
#else
template<class T> using Returned = Result<T>;
#endif

enum class Flow : int32_t { go_on = 0, stop = 1 }; // what a callback answers

namespace detail {

template<class T> Returned<T> give(const steer_error& err, T value) {
#if defined(STEER_HPP_THROWS)
    if (err.status != STEER_OK) throw Exception(err);
#else
    if (err.status != STEER_OK) return err;
#endif
    return value;
}

inline Returned<void> give(const steer_error& err) {
#if defined(STEER_HPP_THROWS)
    if (err.status != STEER_OK) throw Exception(err);
#else
    return err;
#endif
}

inline steer_error make_error(steer_status status, const char* words) noexcept {
    steer_error err{};
    err.status = status;
    std::strncpy(err.message, words, sizeof err.message - 1);
    return err;
}

// Runs what may run out of memory; where that throws it becomes an error, as at the C door.
template<class Body> void attempt([[maybe_unused]] steer_error& err, Body&& body) noexcept {
#if defined(__cpp_exceptions)
    try {
        body();
    } catch (const std::bad_alloc&) {
        err = make_error(STEER_ERR_MEMORY, "out of memory");
    } catch (const std::exception& error) {
        err = make_error(STEER_ERR_INTERNAL, error.what());
    } catch (...) {
        err = make_error(STEER_ERR_INTERNAL, "unknown failure");
    }
#else
    body();
#endif
}

// A host's function behind a C door that nothing may be thrown through: what it throws waits here until the call is back.
class Carrier {
  public:
    template<class Body> int32_t run(Body&& body) noexcept {
#if defined(__cpp_exceptions)
        try {
            return static_cast<int32_t>(body());
        } catch (...) {
            thrown_ = std::current_exception();
            return static_cast<int32_t>(Flow::stop);
        }
#else
        return static_cast<int32_t>(body());
#endif
    }
    void rethrow() {
#if defined(__cpp_exceptions)
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
#endif
    }

  private:
#if defined(__cpp_exceptions)
    std::exception_ptr thrown_;
#endif
};

// The two calls of a function that fills a buffer: for the size, then for the bytes.
template<class Container, class Call> void fetch(Container& out, steer_error& err, Call&& call) {
    size_t size = 0;
    while (true) {
        const steer_status status = call(out.empty() ? nullptr : out.data(), out.size(), &size, &err);
        if (status != STEER_OK && status != STEER_ERR_BUFFER) return;
        const bool filled = status == STEER_OK && size <= out.size();
        out.resize(size);
        if (filled) return;
    }
}

template<class Container, class Call> Returned<Container> fetch(Call&& call) {
    Container out;
    steer_error err{};
    fetch(out, err, std::forward<Call>(call));
    return give(err, std::move(out));
}

// An option that was given; the others stay as an init function made them.
template<class To, class From> void set(To& to, const std::optional<From>& from) {
    if (from) to = static_cast<To>(*from);
}

inline uint32_t flag(bool on, uint32_t bit) { return on ? bit : 0u; }

} // namespace detail
} // namespace steer::inline STEER_HPP_MODE
