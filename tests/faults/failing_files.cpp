// The program's own system calls for files, which are the library's too: they fail where the plan says, else go through.
#include "fault_plan.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>

namespace {

template<class Call> Call real(const char* name) { return reinterpret_cast<Call>(dlsym(RTLD_NEXT, name)); }

// What a call gives where it is to fail; INTERRUPTED calls are made again by whoever asked.
int error_now() {
    switch (faults::file_fault) {
    case faults::FileFault::interrupted: return EINTR;
    case faults::FileFault::full: return ENOSPC;
    default: return EIO;
    }
}

bool fails() { return faults::files.fails_next(); }

template<class Result> Result failed() {
    errno = error_now();
    return static_cast<Result>(-1);
}

bool shortens() { return faults::file_fault == faults::FileFault::shortened; }

} // namespace

#pragma GCC visibility push(default)
extern "C" {

int open(const char* path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    const auto mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : mode_t{0};
    va_end(more);
    if (!shortens() && fails()) return failed<int>();
    static const auto next = real<int (*)(const char*, int, ...)>("open");
    return next(path, flags, mode);
}

ssize_t pread(int descriptor, void* out, size_t size, off_t offset) {
    static const auto next = real<ssize_t (*)(int, void*, size_t, off_t)>("pread");
    if (!fails()) return next(descriptor, out, size, offset);
    if (shortens()) return next(descriptor, out, size > 1 ? size / 2 : size, offset);
    return failed<ssize_t>();
}

ssize_t write(int descriptor, const void* data, size_t size) {
    static const auto next = real<ssize_t (*)(int, const void*, size_t)>("write");
    if (!fails()) return next(descriptor, data, size);
    if (shortens()) return next(descriptor, data, size > 1 ? size / 2 : size);
    return failed<ssize_t>();
}

int fsync(int descriptor) {
    static const auto next = real<int (*)(int)>("fsync");
    return !shortens() && fails() ? failed<int>() : next(descriptor);
}

int fstat(int descriptor, struct stat* out) {
    static const auto next = real<int (*)(int, struct stat*)>("fstat");
    return !shortens() && faults::file_fault != faults::FileFault::interrupted && fails() ? failed<int>() : next(descriptor, out);
}

int rename(const char* from, const char* to) {
    static const auto next = real<int (*)(const char*, const char*)>("rename");
    return !shortens() && faults::file_fault != faults::FileFault::interrupted && fails() ? failed<int>() : next(from, to);
}

int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
    static const auto next = real<int (*)(int, const char*, int, const char*, int)>("linkat");
    // A link that cannot be made is no fault: a copy is made instead. So that copies are seen, it never can.
    if (faults::files.armed) return errno = EXDEV, -1;
    return next(from_folder, from, to_folder, to, flags);
}

int mkdir(const char* path, mode_t mode) {
    static const auto next = real<int (*)(const char*, mode_t)>("mkdir");
    return !shortens() && faults::file_fault != faults::FileFault::interrupted && fails() ? failed<int>() : next(path, mode);
}

} // extern "C"
#pragma GCC visibility pop
