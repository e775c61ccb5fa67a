// Every named malformed input is refused with its status and in its words; every seed is accepted and keeps its promises. All of
// it on a thread with a small stack and with bounded memory.
#include "corpus.h"
#include "heap.h"
#include "stack.h"

#include <catch2/catch.hpp>

#include <set>

using namespace hostile;

namespace {

// What is wrong about how a reader takes an input; empty: nothing.
std::string fault(const Reader& reader, const Bad& bad) {
    const uint64_t allowed = reader.heap_base + reader.heap_factor * bad.bytes.size();
    steer_status status = STEER_OK;
    std::string words;
    const HeapPeak peak;
    try {
        on_small_stack([&] { reader.read(bad.bytes); });
    } catch (const steer::Error& error) {
        status = error.status(), words = error.what();
    }
    if (peak.bytes() > allowed) return fmt::format("takes {} bytes, {} are allowed", peak.bytes(), allowed);
    if (status != bad.status) return fmt::format("{} instead of {}: {}", steer_status_name(status), steer_status_name(bad.status), words.substr(0, 400));
    if (words.find(bad.words) == words.npos) return fmt::format("says \"{}\" without \"{}\"", words.substr(0, 400), bad.words);
    Verdict verdict{};
    on_small_stack([&] { verdict = examine(reader, bad.bytes); });
    return verdict == Verdict::refused ? "" : "is accepted when it is read again";
}

} // namespace

TEST_CASE("named malformed inputs are refused with their status and words") {
    size_t total = 0;
    for (const Reader& reader : readers()) {
        const std::vector<Bad> all = reader.bad();
        CHECK(all.size() >= reader.bad_min);
        total += all.size();
        for (const Bad& bad : all) {
            std::string what;
            try {
                what = fault(reader, bad);
            } catch (const std::exception& error) {
                what = error.what();
            }
            if (!what.empty()) FAIL_CHECK(reader.name << ": " << bad.name << ": " << what);
        }
    }
    CHECK(total >= 400);
}

TEST_CASE("seeds are accepted and keep their promises") {
    for (const Reader& reader : readers()) {
        const std::vector<Seed> all = reader.seeds();
        CHECK_FALSE(all.empty());
        for (const Seed& seed : all) {
            INFO(reader.name << ": " << seed.name);
            CHECK_NOTHROW(on_small_stack([&] { CHECK(examine(reader, seed.bytes) == Verdict::accepted); }));
            for (const Field& field : seed.fields) CHECK(field.at + field.size <= seed.bytes.size());
            if (reader.repair == nullptr) continue;
            std::string repaired = seed.bytes;
            reader.repair(repaired);
            CHECK_NOTHROW(examine(reader, repaired) == Verdict::accepted);
        }
    }
}
