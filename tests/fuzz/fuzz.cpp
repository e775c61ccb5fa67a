// libFuzzer over the corpus of tests/hostile: --target=NAME is a reader's name, --list tells them, --seeds=FOLDER writes where
// a target starts. Everything else is libFuzzer's own (-help=1). A find is a crash, a promise of corpus.h that does not hold,
// or more memory than is allowed.
#include "generate.h"
#include "heap.h"
#include "mutate_json.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>

using namespace hostile;

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t largest);

namespace {

const Reader* target = nullptr;

[[noreturn]] void leave(int status) {
    std::fflush(stdout);
    std::_Exit(status);
}

void list() {
    for (const Reader& reader : readers()) std::puts(reader.name);
    leave(0);
}

// The named malformed inputs too: each has reached some place of its own.
void write_seeds(const std::string& folder) {
    size_t count = 0;
    const auto write = [&](const std::string& bytes) {
        if (bytes.size() <= 16384) std::ofstream(fmt::format("{}/seed-{:04}", folder, count++), std::ios::binary) << bytes;
    };
    for (const Seed& seed : target->seeds()) write(seed.bytes);
    for (const Bad& bad : target->bad()) write(bad.bytes);
    leave(0);
}

std::string mutate_text(std::string text, size_t largest) {
    const size_t size = text.size();
    text.resize(std::max(largest, size_t{1}));
    text.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(text.data()), size, text.size()));
    return text;
}

void mutate(std::string& bytes, size_t largest, fuzz::Random& random) {
    std::string text = target->json && random() % 2 == 0 ? json_part(*target, bytes) : std::string();
    if (!text.empty() && fuzz::mutate_json(text, random, mutate_text)) bytes = with_json_part(*target, bytes, text);
    else bytes = mutate_text(std::move(bytes), largest);
    if (target->repair != nullptr && random() % 4 != 0) target->repair(bytes);
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
    std::string seeds;
    for (int i = 1; i < *argc; ++i) {
        const std::string_view argument = (*argv)[i];
        if (argument == "--list") list();
        if (argument.starts_with("--target=")) target = &find_reader(argument.substr(9));
        if (argument.starts_with("--seeds=")) seeds = argument.substr(8);
    }
    if (target == nullptr) {
        std::fputs("say --target=NAME; --list tells the names\n", stderr);
        leave(2);
    }
    if (!seeds.empty()) write_seeds(seeds);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const HeapPeak peak;
    try {
        target->read(bytes);
    } catch (const steer::Error&) { // looked at below
    }
    promise(peak.bytes() <= target->heap_base + target->heap_factor * size, "more memory than is allowed");
    (void)examine(*target, bytes);
    return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t largest, unsigned int seed) {
    fuzz::Random random(seed);
    std::string bytes(reinterpret_cast<char*>(data), size);
    mutate(bytes, largest, random);
    if (bytes.size() > largest) bytes.resize(largest);
    std::copy(bytes.begin(), bytes.end(), data);
    return bytes.size();
}
