// Files: opened only if regular, read by position into memory that the caller owns, written whole or not at all.
// Failures are STEER_ERR_IO with the path and the system's words.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace steer {

class File {
  public:
    static File open(const std::string& path); // UTF-8; a folder, pipe or device is refused, a symbolic link followed
    File(File&& other) noexcept;
    File& operator=(File&& other) noexcept;
    ~File();

    const std::string& path() const { return path_; }
    uint64_t size() const { return size_; } // when opened

    // Any thread. Fewer bytes than asked for: an error, as when somebody cuts the file while we read.
    void read_exact(uint64_t offset, void* out, size_t size) const;
    std::string read_all(uint64_t limit) const; // larger than limit: STEER_ERR_FORMAT

  private:
    File(int descriptor, std::string path, uint64_t size);
    int descriptor_ = -1;
    std::string path_;
    uint64_t size_ = 0;
};

// The bytes of a file, or of memory that the caller keeps; what the format readers read from.
class ByteSource {
  public:
    explicit ByteSource(File file);
    ByteSource(std::string_view memory, std::string name); // name: for error messages only

    const std::string& name() const { return name_; }
    uint64_t size() const { return file_ ? file_->size() : memory_.size(); }
    void read_exact(uint64_t offset, void* out, size_t size) const; // any thread
    std::string read(uint64_t offset, size_t size) const;           // range checked before memory is taken

  private:
    std::string name_;
    std::optional<File> file_;
    std::string_view memory_;
};

std::string read_file(const std::string& path, uint64_t limit);
bool file_exists(const std::string& path); // and is a regular file

// A temporary file beside it, flushed to disk, then renamed over path: at every moment path is absent, the old file or
// the whole new one. Permissions 0644 as masked by the process.
void write_file_atomically(const std::string& path, std::string_view bytes);
// The same piece by piece: produce calls write as often as it likes.
using WritePiece = std::function<void(std::string_view bytes)>;
void write_file_atomically(const std::string& path, const std::function<void(const WritePiece& write)>& produce);

// One name inside a folder, as a shard list or an adapter may give it: [A-Za-z0-9._-]+, at most 255, not "." or "..".
bool is_bare_filename(std::string_view name);
std::string join_path(const std::string& folder, std::string_view name);

} // namespace steer
