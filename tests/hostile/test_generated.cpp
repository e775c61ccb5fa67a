// Many inputs made by rule from few good ones: each is accepted and keeps its promises, or is refused with a status that is the
// input's fault and in words. All on a thread with a small stack, with bounded memory, and nothing is left behind.
#include "generate.h"
#include "heap.h"
#include "stack.h"

#include <catch2/catch.hpp>

#include <cstdlib>

using namespace hostile;

namespace {

struct Count {
    size_t all = 0, accepted = 0;
    std::vector<std::string> faults;
};

void take(const Reader& reader, const std::string& bytes, Count& count) {
    ++count.all;
    const HeapPeak peak;
    try {
        reader.read(bytes);
    } catch (const steer::Error&) {
    } catch (const std::exception& error) {
        count.faults.push_back(error.what());
    }
    if (peak.bytes() > reader.heap_base + reader.heap_factor * bytes.size())
        count.faults.push_back(fmt::format("{} bytes of heap for {}", peak.bytes(), bytes.size()));
    try {
        count.accepted += examine(reader, bytes) == Verdict::accepted;
    } catch (const std::exception& error) {
        count.faults.push_back(error.what());
    }
}

// What is made once and kept was made by now: reading the same again leaves nothing behind. What is kept may move to a piece
// of memory that is a little larger; a leak grows every time.
uint64_t left_behind(const Reader& reader, const Seed& seed) {
    uint64_t least = UINT64_MAX;
    for (int again = 0; again < 3 && least > 0; again++) {
        const uint64_t begin = heap_now();
        generate(reader, seed, [&](const std::string& bytes) {
            try {
                reader.read(bytes);
            } catch (const steer::Error&) {
            }
        });
        least = std::min(least, heap_now() - std::min(begin, heap_now()));
    }
    return least;
}

Count run(const Reader& reader) {
    Count count;
    on_small_stack([&] {
        for (const Seed& seed : reader.seeds()) {
            size_t number = 0;
            generate(reader, seed, [&](const std::string& bytes) {
                if (number++ % kSlower == 0 && count.faults.size() < 10) take(reader, bytes, count);
            });
            if (!count.faults.empty()) return;
            if (kSlower > 1) continue; // and leaks are found by the sanitizer
            if (const uint64_t left = left_behind(reader, seed)) count.faults.push_back(fmt::format("{}: {} bytes are left", seed.name, left));
        }
    });
    return count;
}

} // namespace

TEST_CASE("inputs made by rule are read or refused, and nothing else happens") {
    size_t all = 0;
    for (const Reader& reader : readers()) {
        const Count count = run(reader);
        for (const std::string& fault : count.faults) FAIL_CHECK(reader.name << ": " << fault);
        CHECK(count.all > count.accepted * (reader.bad_min > 0)); // some are refused, where anything is
        INFO(reader.name << ": " << count.all << " inputs, " << count.accepted << " accepted");
        CHECK(count.all >= 100);
        all += count.all;
        if (std::getenv("STEER_TEST_VERBOSE") != nullptr)
            WARN(reader.name << ": " << count.all << " inputs, " << count.accepted << " accepted");
    }
    CHECK(all >= 100000 / kSlower);
}
