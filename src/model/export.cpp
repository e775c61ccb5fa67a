// An exported folder: written here, and held against its manifest here.
#include "files/error.h"
#include "files/folder.h"
#include "model/package.h"

#include <vector>

namespace steer {
namespace {

std::string bare_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Reports bytes of several files as one share. Every byte passes `passes` times.
class Progress {
  public:
    Progress(const Package& package, int passes, const std::function<void(float)>& told) : told_(told) {
        for (const SafetensorsFile& file : package.files) total_ += file.source().size() * static_cast<uint64_t>(passes);
    }
    std::function<void(uint64_t)> of_next_file() {
        begun_ += last_;
        last_ = 0;
        return [this](uint64_t done) {
            last_ = done;
            told_(total_ == 0 ? 1.0f : static_cast<float>(static_cast<double>(begun_ + done) / static_cast<double>(total_)));
        };
    }

  private:
    const std::function<void(float)>& told_;
    uint64_t total_ = 0, begun_ = 0, last_ = 0;
};

// The folder that is written to. Unless the export is finished, what it made is taken away again; a folder that is exported
// in place keeps what it has.
class Target {
  public:
    Target(const Package& package, const std::string& folder) : folder_(folder), in_place_(is_same_file(package.folder, folder)) {
        names_.reserve(package.small_files.size() + package.files.size() + 2);
        if (in_place_) return;
        const FolderState state = look_at_folder(folder);
        if (state == FolderState::used) fail(STEER_ERR_IO, "{}: is not empty: an export goes into a new folder", folder);
        if (state == FolderState::missing) make_folder(folder);
        made_folder_ = state == FolderState::missing;
    }
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;
    ~Target() {
        if (in_place_ || finished_) return;
        for (const std::string& path : names_) remove_file(path.c_str());
        if (made_folder_) remove_folder(folder_.c_str());
    }

    bool in_place() const { return in_place_; }
    std::string path(std::string_view name) { return names_.emplace_back(join_path(folder_, name)); } // to be written
    void finish() { finished_ = true; }

  private:
    const std::string& folder_;
    std::vector<std::string> names_;
    bool in_place_, made_folder_ = false, finished_ = false;
};

} // namespace

void verify_weights(const Package& package, const std::function<void(float fraction)>& told) {
    if (package.gguf)
        fail(STEER_ERR_UNSUPPORTED, "{}: a GGUF file has no {} to verify it against: open it without STEER_MODEL_VERIFY", package.folder,
             kManifestFile);
    if (!package.manifest)
        fail(STEER_ERR_UNSUPPORTED, "{}: there is no {} to verify the files against: export the model first", package.folder,
             kManifestFile);
    Progress progress(package, 1, told);
    for (const SafetensorsFile& file : package.files)
        check_entry(package.manifest->files.at(bare_name(file.name())), hash_source(file.source(), progress.of_next_file()),
                    file.name());
}

void export_package(const Package& package, const Digest& fingerprint, std::string_view decoder_archive,
                    const std::string& folder, const std::function<void(float fraction)>& told) {
    if (package.gguf)
        fail(STEER_ERR_UNSUPPORTED, "{}: a GGUF file is not exported: it is one file already; an export takes a Hugging Face folder",
             package.folder);
    Target target(package, folder);
    Manifest manifest;
    manifest.fingerprint = fingerprint;
    const auto nothing = [](uint64_t) {};

    const std::string archive_path = target.path(kDecoderArchive);
    write_file_atomically(archive_path, decoder_archive);
    manifest.files[kDecoderArchive] = hash_source(ByteSource(decoder_archive, archive_path), nothing);
    for (const std::string& name : package.small_files) {
        if (name == kDecoderArchive) continue; // of a folder that was exported before
        const std::string to = target.path(name);
        if (!target.in_place()) link_or_copy_file(join_path(package.folder, name), to, nothing);
        manifest.files[name] = hash_source(ByteSource(File::open(to)), nothing);
    }
    Progress progress(package, target.in_place() ? 1 : 2, told);
    for (const SafetensorsFile& file : package.files) {
        const std::string name = bare_name(file.name()), to = target.path(name);
        if (!target.in_place()) link_or_copy_file(file.name(), to, progress.of_next_file());
        manifest.files[name] = hash_source(ByteSource(File::open(to)), progress.of_next_file());
    }
    write_file_atomically(target.path(kManifestFile), write_manifest(manifest));
    target.finish();
}

} // namespace steer
