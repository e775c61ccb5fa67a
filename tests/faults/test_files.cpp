// Every system call for a file fails once, in four ways: what is interrupted or comes in parts is not seen, what fails is
// STEER_ERR_IO with the path, and no file is ever there in part.
#include "fault_plan.h"
#include "host.h"

#include <filesystem>
#include <fstream>
#include <set>

using namespace host;
namespace fs = std::filesystem;

namespace {

std::string bytes_of(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::set<std::string> names_in(const fs::path& folder) {
    std::set<std::string> names;
    if (fs::exists(folder))
        for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
    return names;
}

Vector some_vector(float value) {
    const std::vector<float> rows(48, value);
    steer_vector_options options;
    steer_vector_options_init(&options, sizeof options);
    options.name = "some";
    Vector vector;
    OK(steer_vector_create(rows.data(), 3, 16, &options, vector.out(), &err));
    return vector;
}

// A thing to do, and how the world must look after it went well or failed.
struct Task {
    std::function<steer_status(steer_error*)> run;
    std::function<void(bool succeeded)> check;
};

void fail_everywhere(const std::function<Task()>& make, size_t fewest_calls) {
    using faults::FileFault;
    for (const FileFault fault : {FileFault::error, FileFault::shortened, FileFault::interrupted, FileFault::full}) {
        faults::file_fault = fault;
        size_t count = 0;
        for (size_t at = 0; at == 0 || at < count; at++) {
            const Task task = make();
            steer_error err{};
            faults::files = {false, 0, at == 0 && count == 0 ? SIZE_MAX : at, false};
            {
                const faults::During injecting(faults::files);
                task.run(&err);
            }
            CAPTURE(static_cast<int>(fault), at, err.message);
            if (count == 0) { // the first time only counts
                REQUIRE(err.status == STEER_OK);
                count = faults::files.count;
                if (fault == FileFault::error) REQUIRE(count >= fewest_calls);
                if (count == 0) break;
                at = SIZE_MAX; // on with 0
            } else if (fault == FileFault::shortened || fault == FileFault::interrupted) {
                REQUIRE(err.status == STEER_OK);
            } else {
                REQUIRE((err.status == STEER_ERR_IO || err.status == STEER_OK)); // OK: what could be done without
                if (err.status != STEER_OK) REQUIRE(std::string(err.message).find('/') != std::string::npos);
            }
            task.check(err.status == STEER_OK);
        }
    }
    faults::files = {};
}

} // namespace

TEST_CASE("reading: models and vectors") {
    const tiny::Folder scratch;
    const std::string path = scratch.path() + "/vector.safetensors";
    OK(steer_vector_save(some_vector(0.5f), path.c_str(), STEER_FORMAT_NATIVE, &err));
    fail_everywhere([&] {
        auto model = std::make_shared<Model>();
        return Task{[model](steer_error* err) { return steer_model_load(folder().path().c_str(), nullptr, model->out(), err); },
                    [model](bool succeeded) { CHECK((static_cast<steer_model*>(*model) != nullptr) == succeeded); }};
    }, 12);
    fail_everywhere([&] {
        auto vector = std::make_shared<Vector>();
        return Task{[vector, path](steer_error* err) { return steer_vector_load(path.c_str(), nullptr, vector->out(), err); },
                    [vector](bool succeeded) { CHECK((static_cast<steer_vector*>(*vector) != nullptr) == succeeded); }};
    }, 4);
}

TEST_CASE("writing a vector: the old file, or the whole new one, and nothing beside it") {
    const tiny::Folder scratch;
    const fs::path kept = fs::path(scratch.path()) / "kept", reference = fs::path(scratch.path()) / "reference";
    fs::create_directory(kept);
    const Vector before = some_vector(0.25f), after = some_vector(0.5f);
    OK(steer_vector_save(before, reference.c_str(), STEER_FORMAT_NATIVE, &err));
    const std::string old_bytes = bytes_of(reference);
    OK(steer_vector_save(after, reference.c_str(), STEER_FORMAT_NATIVE, &err));
    const std::string new_bytes = bytes_of(reference);
    REQUIRE(old_bytes != new_bytes);
    const std::string path = (kept / "v.safetensors").string();
    fail_everywhere([&] {
        OK(steer_vector_save(before, path.c_str(), STEER_FORMAT_NATIVE, &err));
        return Task{[&](steer_error* err) { return steer_vector_save(after, path.c_str(), STEER_FORMAT_NATIVE, err); },
                    [&](bool succeeded) {
                        const std::string now = bytes_of(path);
                        CHECK((now == new_bytes || (!succeeded && now == old_bytes)));
                        CHECK(names_in(kept) == std::set<std::string>{"v.safetensors"});
                    }};
    }, 4);
}

TEST_CASE("exporting: the whole folder, or none") {
    const tiny::Folder scratch;
    const Model model = load(STEER_RESIDENCY_NONE);
    const std::string out = scratch.path() + "/out";
    std::set<std::string> whole;
    fail_everywhere([&] {
        fs::remove_all(out);
        return Task{[&](steer_error* err) { return steer_model_export(model, out.c_str(), nullptr, nullptr, err); },
                    [&](bool succeeded) {
                        if (whole.empty()) whole = names_in(out);
                        CHECK(names_in(out) == (succeeded ? whole : std::set<std::string>()));
                        CHECK(fs::exists(out) == succeeded);
                    }};
    }, 30);
    CHECK(whole.contains("steer_manifest.json"));
    CHECK(whole.contains("model.safetensors"));
}
