// Folders, and files that are put into them whole. Failures are STEER_ERR_IO with the path and the system's words.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace steer {

enum class FolderState { missing, empty, used };
FolderState look_at_folder(const std::string& path); // what is no folder: STEER_ERR_IO
void make_folder(const std::string& path);           // the last part of the path
void remove_file(const char* path) noexcept;         // as far as that can be done
void remove_folder(const char* path) noexcept;       // an empty one
bool is_same_file(const std::string& a, const std::string& b); // or folder

// The file under a second name where the file system can do that, else a copy, written whole or not at all. to must not
// exist. told: bytes so far; throws to stop.
void link_or_copy_file(const std::string& from, const std::string& to, const std::function<void(uint64_t done)>& told);

} // namespace steer
