// The corpus of hostile bytes behind a command line:
//   readers                  their names, one a line
//   seeds READER FOLDER      seeds and named malformed inputs of at most 64 KiB, one file each: where a fuzzer starts
//   named [READER]           what is said of each named input, with its time and heap
//   generated READER FILE    every named and generated input into a file, for other readers of the format to compare: each as
//                            its size u32, its bytes, our status i32, the size of our words u32, our words
//   read READER FILE         what is said of a file, as of a fuzzer's find
#include "generate.h"
#include "heap.h"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>

using namespace hostile;

namespace {

void write_seeds(const Reader& reader, const std::string& folder) {
    size_t count = 0;
    const auto write = [&](const std::string& bytes) {
        if (bytes.size() <= 65536) std::ofstream(fmt::format("{}/seed-{:04}", folder, count++), std::ios::binary) << bytes;
    };
    for (const Seed& seed : reader.seeds()) write(seed.bytes);
    for (const Bad& bad : reader.bad()) write(bad.bytes);
    std::printf("%zu files\n", count);
}

void say(const Reader& reader, const std::string& name, std::string_view bytes) {
    const auto begin = std::chrono::steady_clock::now();
    const HeapPeak peak;
    steer_status status = STEER_OK;
    std::string words;
    try {
        reader.read(bytes);
    } catch (const steer::Error& error) {
        status = error.status(), words = error.what();
    }
    const auto passed = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    std::printf("%-16s %-18s %9zu bytes %9.1f ms %7.1f MiB  %s: %.300s\n", reader.name, steer_status_name(status), bytes.size(),
                passed, static_cast<double>(peak.bytes()) / (1 << 20), name.c_str(), words.c_str());
    std::fflush(stdout);
}

void write_all(const Reader& reader, const std::string& path) {
    std::ofstream out(path, std::ios::binary);
    const auto number = [&](auto value) { out.write(reinterpret_cast<const char*>(&value), sizeof value); };
    const auto write = [&](const std::string& bytes) {
        int32_t status = STEER_OK;
        std::string words;
        try {
            reader.read(bytes);
        } catch (const steer::Error& error) {
            status = error.status(), words = error.what();
        }
        number(static_cast<uint32_t>(bytes.size()));
        out << bytes;
        number(status);
        number(static_cast<uint32_t>(words.size()));
        out << words;
    };
    for (const Bad& bad : reader.bad()) write(bad.bytes);
    for (const Seed& seed : reader.seeds()) {
        write(seed.bytes);
        generate(reader, seed, write);
    }
}

int run(const std::vector<std::string>& arguments) {
    const std::string what = arguments.empty() ? "" : arguments[0];
    if (what == "readers" && arguments.size() == 1) {
        for (const Reader& reader : readers()) std::puts(reader.name);
    } else if (what == "seeds" && arguments.size() == 3) {
        write_seeds(find_reader(arguments[1]), arguments[2]);
    } else if (what == "named" && arguments.size() <= 2) {
        for (const Reader& reader : readers())
            if (arguments.size() == 1 || arguments[1] == reader.name)
                for (const Bad& bad : reader.bad()) say(reader, bad.name, bad.bytes);
    } else if (what == "generated" && arguments.size() == 3) {
        write_all(find_reader(arguments[1]), arguments[2]);
    } else if (what == "read" && arguments.size() == 3) {
        std::ifstream in(arguments[2], std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(in), {}};
        say(find_reader(arguments[1]), arguments[2], bytes);
        (void)examine(find_reader(arguments[1]), bytes);
    } else {
        std::fputs("see the head of hostile_probe.cpp\n", stderr);
        return 2;
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
