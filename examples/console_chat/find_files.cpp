#include "find_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

namespace chat {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t largest_vector = 256u << 20; // bytes; weights are larger, and are not opened to look
constexpr int levels_up = 6;                          // from build/NAME/bin to the source tree

bool has_model(const fs::path& folder) {
    std::error_code ignored;
    return fs::is_regular_file(folder / "config.json", ignored);
}

bool may_be_vector(const fs::directory_entry& entry) {
    std::error_code error;
    if (!entry.is_regular_file(error) || error) return false;
    const std::string extension = entry.path().extension().string();
    if (extension != ".safetensors" && extension != ".pt" && extension != ".gguf") return false;
    const std::string name = entry.path().filename().string();
    for (const char* weights : {"model", "pytorch_model", "adapter", "consolidated"}) {
        if (name.starts_with(weights)) return false;
    }
    const std::uintmax_t size = entry.file_size(error);
    return !error && size <= largest_vector;
}

struct Candidate {
    fs::path path;
    fs::file_time_type time;
};

std::vector<Candidate> candidates(const fs::path& model) {
    std::vector<Candidate> found;
    std::error_code no_folder;
    const bool one_file = fs::is_regular_file(model, no_folder); // then what lies beside it
    const fs::path home = one_file ? fs::absolute(model, no_folder).parent_path() : model, above = home / "..";
    for (const fs::path& folder : {home / "vectors", home, above, above / "vectors"}) {
        std::error_code error;
        for (fs::directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end;
             !error && it != end; it.increment(error)) {
            std::error_code no_time;
            if (!may_be_vector(*it)) continue;
            found.push_back({it->path().lexically_normal(), it->last_write_time(no_time)});
        }
    }
    std::sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
        return a.time != b.time ? a.time > b.time : a.path < b.path;
    });
    return found;
}

} // namespace

std::string find_demo_model() {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    if (error) return {};
    const fs::path folder = program.parent_path();
    for (const char* installed : {"../share/steer/demo_model/model", "../share/steer/demo_model"}) {
        if (has_model(folder / installed)) return (folder / installed).lexically_normal().string();
    }
    fs::path up = folder;
    for (int level = 0; level < levels_up && up.has_relative_path(); ++level, up = up.parent_path()) {
        const fs::path model = up / "examples" / "demo_model" / "model";
        if (has_model(model)) return model.string();
    }
    return {};
}

FoundVector find_vector(const std::string& model_path, const steer_model* model) {
    for (const Candidate& candidate : candidates(fs::path(model_path))) {
        try {
            return {load_vector(candidate.path.string(), model), candidate.path.string()};
        } catch (const EngineError&) {
            // Some other file, or another model's vector: the next one.
        }
    }
    return {};
}

} // namespace chat
