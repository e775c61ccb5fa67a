#include "files/folder.h"

#include "files/error.h"
#include "files/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

namespace steer {
namespace {

constexpr size_t kPiece = 8u << 20;

[[noreturn]] void fail_io(const std::string& path, const char* what, int error) {
    fail(STEER_ERR_IO, "{}: {}: {}", path, what, std::generic_category().message(error));
}

struct CloseFolder {
    void operator()(DIR* folder) const { ::closedir(folder); }
};

} // namespace

FolderState look_at_folder(const std::string& path) {
    const std::unique_ptr<DIR, CloseFolder> folder(::opendir(path.c_str()));
    if (!folder && errno == ENOENT) return FolderState::missing;
    if (!folder) fail_io(path, "cannot be opened as a folder", errno);
    while (const dirent* entry = ::readdir(folder.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") return FolderState::used;
    }
    return FolderState::empty;
}

void make_folder(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) != 0) fail_io(path, "cannot be made", errno);
}

void remove_file(const char* path) noexcept { ::unlink(path); }
void remove_folder(const char* path) noexcept { ::rmdir(path); }

bool is_same_file(const std::string& a, const std::string& b) {
    struct stat of_a{}, of_b{};
    return ::stat(a.c_str(), &of_a) == 0 && ::stat(b.c_str(), &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

void link_or_copy_file(const std::string& from, const std::string& to, const std::function<void(uint64_t done)>& told) {
    const File source = File::open(from);
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW) == 0) return told(source.size());
    if (errno == EEXIST) fail_io(to, "cannot be written", errno);
    write_file_atomically(to, [&](const WritePiece& write) {
        std::vector<char> piece(static_cast<size_t>(std::min<uint64_t>(kPiece, source.size())));
        for (uint64_t done = 0; done < source.size();) {
            const auto size = static_cast<size_t>(std::min<uint64_t>(piece.size(), source.size() - done));
            source.read_exact(done, piece.data(), size);
            write({piece.data(), size});
            done += size;
            told(done);
        }
    });
}

} // namespace steer
