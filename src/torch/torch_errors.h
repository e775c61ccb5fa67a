// What libtorch throws, as steer::Error.
#pragma once

#include "files/error.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>

namespace steer {

// Calls body; whatever libtorch throws in it leaves as steer::Error. Its own memory errors come first, for they derive
// from c10::Error.
template<class Body> auto with_torch_errors(Body body) -> decltype(body()) {
    try {
        return body();
    } catch (const Error&) {
        throw;
    } catch (const c10::OutOfMemoryError& error) {
        fail(STEER_ERR_DEVICE_MEMORY, "out of device memory: {}", error.what_without_backtrace());
    } catch (const c10::Error& error) {
        const std::string words = error.what_without_backtrace();
        if (words.find("DefaultCPUAllocator") != std::string::npos) fail(STEER_ERR_MEMORY, "out of memory: {}", words);
        if (words.find("_ALLOC_FAILED") != std::string::npos) fail(STEER_ERR_DEVICE_MEMORY, "out of device memory: {}", words);
        fail(STEER_ERR_INTERNAL, "libtorch: {}", words);
    }
}

// The same for reading an archive: whatever libtorch says of it, the file is not what it should be.
template<class Body> auto with_archive_errors(const std::string& name, Body body) -> decltype(body()) {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const c10::Error& error) {
        fail(STEER_ERR_FORMAT, "{}: libtorch cannot read it: {}", name, error.what_without_backtrace());
    } catch (const std::exception& error) {
        fail(STEER_ERR_FORMAT, "{}: libtorch cannot read it: {}", name, error.what());
    }
}

} // namespace steer
