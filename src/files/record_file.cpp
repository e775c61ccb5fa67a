#include "files/record_file.h"

#include "files/error.h"
#include "files/quote.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace steer {
namespace {

constexpr size_t kKindSize = 16;

std::array<char, kKindSize> padded(std::string_view kind) {
    std::array<char, kKindSize> bytes{};
    kind.copy(bytes.data(), bytes.size());
    return bytes;
}

Digest digest_of(const Digest& key, std::span<const float> values) {
    Sha256 sum;
    sum.update(key.data(), key.size());
    sum.update(values.data(), values.size_bytes());
    return sum.finish();
}

} // namespace

RecordFile::RecordFile(std::string path, std::string_view kind) : path_(std::move(path)) {
    std::error_code none;
    const std::filesystem::path where(path_);
    const bool there = std::filesystem::exists(where, none);
    if (there && !std::filesystem::is_regular_file(where, none))
        fail(STEER_ERR_IO, "{}: a folder or a device, where a file is needed", quote(path_));
    file_.reset(std::fopen(path_.c_str(), there ? "r+be" : "w+be"));
    if (!file_) fail_with("cannot be opened");
    const uint64_t size = there ? std::filesystem::file_size(where, none) : 0;
    const auto wanted = padded(kind);
    if (size == 0) {
        write(wanted.data(), wanted.size());
        end_ = kKindSize;
        return;
    }
    std::array<char, kKindSize> found{};
    if (size >= kKindSize) read(found.data(), found.size());
    if (found != wanted) fail(STEER_ERR_FORMAT, "{}: holds something else than {}: name a new file", quote(path_), kind);
    read_index(size);
}

void RecordFile::read_index(uint64_t file_size) {
    end_ = kKindSize;
    while (file_size - end_ >= sizeof(Header)) {
        Header header;
        seek(end_);
        read(&header, sizeof header);
        const uint64_t room = file_size - end_ - sizeof header;
        if (header.count > room / sizeof(float)) break;
        records_[header.key] = end_;
        end_ += sizeof header + header.count * sizeof(float);
    }
    if (end_ == file_size) return;
    std::error_code failed;
    std::filesystem::resize_file(path_, end_, failed);
    if (failed) fail(STEER_ERR_IO, "{}: its broken end cannot be cut off: {}", quote(path_), failed.message());
}

std::optional<std::vector<float>> RecordFile::find(const Digest& key) {
    const auto found = records_.find(key);
    if (found == records_.end()) return std::nullopt;
    Header header;
    seek(found->second);
    read(&header, sizeof header);
    std::vector<float> values(header.count);
    read(values.data(), values.size() * sizeof(float));
    if (header.digest != digest_of(key, values)) return std::nullopt;
    return values;
}

void RecordFile::add(const Digest& key, std::span<const float> values) {
    const Header header{key, values.size(), digest_of(key, values)};
    seek(end_);
    write(&header, sizeof header);
    write(values.data(), values.size_bytes());
    if (std::fflush(file_.get()) != 0) fail_with("cannot be written");
    records_[key] = end_;
    end_ += sizeof header + values.size_bytes();
}

void RecordFile::seek(uint64_t offset) {
    if (fseeko(file_.get(), static_cast<off_t>(offset), SEEK_SET) != 0) fail_with("cannot be read");
}

void RecordFile::read(void* out, size_t size) {
    if (size != 0 && std::fread(out, size, 1, file_.get()) != 1) fail_with("cannot be read");
}

void RecordFile::write(const void* data, size_t size) {
    if (size != 0 && std::fwrite(data, size, 1, file_.get()) != 1) fail_with("cannot be written");
}

void RecordFile::fail_with(const char* what) const { fail(STEER_ERR_IO, "{}: {}: {}", quote(path_), what, std::generic_category().message(errno)); }

} // namespace steer
