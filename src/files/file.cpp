#include "files/file.h"

#include "files/checked.h"
#include "files/error.h"
#include "files/quote.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace steer {
namespace {

[[noreturn]] void fail_io(const std::string& path, const char* what, int error) {
    fail(STEER_ERR_IO, "{}: {}: {}", path, what, std::generic_category().message(error));
}

void check_path(const std::string& path) {
    if (path.empty()) fail(STEER_ERR_ARG, "the path is empty");
    if (path.find('\0') != std::string::npos) fail(STEER_ERR_ARG, "the path {} contains a zero byte", quote(path));
}

template<class Call>
auto retry(Call call) {
    decltype(call()) result;
    do result = call();
    while (result == -1 && errno == EINTR);
    return result;
}

} // namespace

File::File(int descriptor, std::string path, uint64_t size)
    : descriptor_(descriptor), path_(std::move(path)), size_(size) {}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)), size_(other.size_) {}

File& File::operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(path_, other.path_);
    std::swap(size_, other.size_);
    return *this;
}

File::~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

File File::open(const std::string& path) {
    check_path(path);
    // O_NONBLOCK: a pipe without a writer must not hold us up before we see that it is one.
    const int descriptor = retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); });
    if (descriptor < 0) fail_io(path, "cannot be opened", errno);
    File file(descriptor, path, 0);
    struct stat info {};
    if (::fstat(descriptor, &info) != 0) fail_io(path, "cannot be examined", errno);
    if (S_ISDIR(info.st_mode)) fail(STEER_ERR_IO, "{}: is a folder, a file is needed", path);
    if (!S_ISREG(info.st_mode)) fail(STEER_ERR_IO, "{}: is not a regular file", path);
    file.size_ = static_cast<uint64_t>(info.st_size);
    return file;
}

void File::read_exact(uint64_t offset, void* out, size_t size) const {
    if (!inside(offset, size, size_))
        fail(STEER_ERR_IO, "{}: bytes {}+{} are outside the file of {}", path_, offset, size, size_);
    auto* bytes = static_cast<char*>(out);
    while (size > 0) {
        const size_t piece = std::min(size, size_t{1} << 30); // some systems cap a read below 2^31
        const ssize_t got = ::pread(descriptor_, bytes, piece, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail_io(path_, "cannot be read", errno);
        if (got == 0) fail(STEER_ERR_IO, "{}: became shorter while it was read", path_);
        bytes += got, offset += static_cast<uint64_t>(got), size -= static_cast<size_t>(got);
    }
}

std::string File::read_all(uint64_t limit) const {
    if (size_ > limit) fail(STEER_ERR_FORMAT, "{}: {} bytes, more than the {} allowed here", path_, size_, limit);
    std::string bytes(static_cast<size_t>(size_), '\0');
    read_exact(0, bytes.data(), bytes.size());
    return bytes;
}

ByteSource::ByteSource(File file) : name_(file.path()), file_(std::move(file)) {}
ByteSource::ByteSource(std::string_view memory, std::string name) : name_(std::move(name)), memory_(memory) {}

void ByteSource::read_exact(uint64_t offset, void* out, size_t size) const {
    if (file_) return file_->read_exact(offset, out, size);
    if (!inside(offset, size, memory_.size()))
        fail(STEER_ERR_FORMAT, "{}: bytes {}+{} are outside the {} given", name_, offset, size, memory_.size());
    if (size > 0) std::memcpy(out, memory_.data() + offset, size);
}

std::string ByteSource::read(uint64_t offset, size_t size) const {
    if (!inside(offset, size, this->size()))
        fail(STEER_ERR_FORMAT, "{}: bytes {}+{} are outside the file of {}", name_, offset, size, this->size());
    std::string bytes(size, '\0');
    read_exact(offset, bytes.data(), size);
    return bytes;
}

std::string read_file(const std::string& path, uint64_t limit) { return File::open(path).read_all(limit); }

bool file_exists(const std::string& path) {
    struct stat info {};
    return !path.empty() && ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool is_bare_filename(std::string_view name) {
    if (name.empty() || name.size() > 255 || name == "." || name == "..") return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    });
}

std::string join_path(const std::string& folder, std::string_view name) {
    std::string path = folder;
    if (!path.empty() && path.back() != '/') path += '/';
    return path.append(name);
}

namespace {

// Created for us alone, removed again unless it was renamed into place.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& target) : target_(target) {
        static std::atomic<uint32_t> count{0}; // with the process id: no two of ours meet
        for (int attempt = 0; attempt < 100 && descriptor_ < 0; ++attempt) {
            path_ = target + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(count.fetch_add(1));
            descriptor_ = retry([&] { return ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644); });
            if (descriptor_ < 0 && errno != EEXIST) fail_io(target_, "cannot be written", errno);
        }
        if (descriptor_ < 0) fail_io(target_, "cannot be written", EEXIST);
        exists_ = true;
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() {
        if (descriptor_ >= 0) ::close(descriptor_);
        if (exists_) ::unlink(path_.c_str());
    }

    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            const size_t piece = std::min(bytes.size(), size_t{1} << 30);
            const ssize_t done = ::write(descriptor_, bytes.data(), piece);
            if (done < 0 && errno == EINTR) continue;
            if (done <= 0) fail_io(target_, "cannot be written", done < 0 ? errno : ENOSPC);
            bytes.remove_prefix(static_cast<size_t>(done));
        }
    }

    void move_into_place() {
        if (retry([&] { return ::fsync(descriptor_); }) != 0) fail_io(target_, "cannot be flushed to disk", errno);
        const int descriptor = std::exchange(descriptor_, -1);
        if (::close(descriptor) != 0 && errno != EINTR) fail_io(target_, "cannot be written", errno);
        if (::rename(path_.c_str(), target_.c_str()) != 0) fail_io(target_, "cannot be replaced", errno);
        exists_ = false;
    }

  private:
    const std::string& target_;
    std::string path_;
    int descriptor_ = -1;
    bool exists_ = false;
};

// So that the new name survives a power cut. Some file systems cannot do that for a folder: then it is as good as it
// gets.
void flush_folder_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    const int descriptor = retry([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (descriptor < 0) return;
    (void)retry([&] { return ::fsync(descriptor); });
    ::close(descriptor);
}

} // namespace

void write_file_atomically(const std::string& path, std::string_view bytes) {
    write_file_atomically(path, [&](const WritePiece& write) { write(bytes); });
}

void write_file_atomically(const std::string& path, const std::function<void(const WritePiece& write)>& produce) {
    check_path(path);
    TemporaryFile temporary(path);
    produce([&](std::string_view bytes) { temporary.write(bytes); });
    temporary.move_into_place();
    flush_folder_of(path);
}

} // namespace steer
