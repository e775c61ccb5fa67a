// A process that writes the same file again and again is killed at some moment: what is there is whole.
#include "fault_plan.h"
#include "host.h"

#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

extern char** environ;

using namespace host;
namespace fs = std::filesystem;

namespace {

constexpr const char* kWriter = "writes without end";
constexpr const char* kFile = "STEER_TEST_WRITES";

Vector large_vector(float value) { // large enough that a write takes its time
    const std::vector<float> rows(64 * 4096, value);
    steer_vector_options options;
    steer_vector_options_init(&options, sizeof options);
    options.name = "large";
    Vector vector;
    OK(steer_vector_create(rows.data(), 64, 4096, &options, vector.out(), &err));
    return vector;
}

std::string bytes_of(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

ino_t inode_of(const std::string& file) {
    struct stat status{};
    return stat(file.c_str(), &status) == 0 ? status.st_ino : 0;
}

// Returns when it has written for the first time: each write is a new file under the old name.
pid_t start_writer(const std::string& file) {
    const ino_t before = inode_of(file);
    setenv(kFile, file.c_str(), 1);
    std::string self = fs::read_symlink("/proc/self/exe").string(), name = kWriter;
    char* const arguments[] = {self.data(), name.data(), nullptr};
    pid_t process = 0;
    REQUIRE(posix_spawn(&process, self.c_str(), nullptr, nullptr, arguments, environ) == 0);
    for (int i = 0; i < 30000 && inode_of(file) == before; i++) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    REQUIRE(inode_of(file) != before);
    return process;
}

} // namespace

TEST_CASE(kWriter, "[.]") {
    const char* file = std::getenv(kFile);
    if (file == nullptr) return;
    const Vector one = large_vector(1.0f), two = large_vector(2.0f);
    while (true)
        for (const steer_vector* vector : {static_cast<const steer_vector*>(one), static_cast<const steer_vector*>(two)})
            OK(steer_vector_save(vector, file, STEER_FORMAT_NATIVE, &err));
}

TEST_CASE("killed while it saves, a process leaves the old file or the new one") {
    const tiny::Folder scratch;
    const std::string file = scratch.path() + "/v.safetensors";
    std::vector<std::string> whole;
    for (const float value : {1.0f, 2.0f}) {
        OK(steer_vector_save(large_vector(value), file.c_str(), STEER_FORMAT_NATIVE, &err));
        whole.push_back(bytes_of(file));
    }
    std::mt19937 random(1);
    size_t cut_short = 0; // kills that met a write: its temporary file is left
    for (size_t i = 0; i < faults::points(1000, 40).size(); i++) {
        const pid_t writer = start_writer(file);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
        kill(writer, SIGKILL);
        int status = 0;
        REQUIRE(waitpid(writer, &status, 0) == writer);
        REQUIRE(WIFSIGNALED(status));
        const std::string now = bytes_of(file);
        REQUIRE((now == whole[0] || now == whole[1]));
        Vector loaded;
        OK(steer_vector_load(file.c_str(), nullptr, loaded.out(), &err));
        for (const auto& entry : fs::directory_iterator(scratch.path()))
            if (entry.path().string().find(".tmp-") != std::string::npos) cut_short++, fs::remove(entry.path());
    }
    CHECK(cut_short > 0); // else no kill came at the right moment, and nothing was shown
}
