// Records that outlive the process that wrote them, cut off anywhere.
#include "files/error.h"
#include "files/record_file.h"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace steer;

namespace {

constexpr const char* kKind = "test records";

struct Scratch {
    std::string path = (std::filesystem::temp_directory_path() / ("steer-records-" + std::to_string(::getpid()))).string();
    Scratch() { std::filesystem::remove(path); }
    ~Scratch() { std::filesystem::remove(path); }
};

Digest key(uint8_t number) {
    Digest made{};
    made[0] = number;
    return made;
}

std::vector<float> numbers(uint8_t number) { return std::vector<float>(number, static_cast<float>(number)); }

void write_three(const std::string& path) {
    RecordFile file(path, kKind);
    for (uint8_t number = 1; number <= 3; number++) file.add(key(number), numbers(number));
}

} // namespace

TEST_CASE("what was added is there in the next process") {
    const Scratch scratch;
    write_three(scratch.path);
    RecordFile again(scratch.path, kKind);
    for (uint8_t number = 1; number <= 3; number++) CHECK(again.find(key(number)) == numbers(number));
    CHECK_FALSE(again.find(key(9)));
    again.add(key(9), {});
    CHECK(again.find(key(9)) == numbers(0));
    CHECK(again.find(key(2)) == numbers(2));
    again.add(key(2), numbers(7)); // the last one counts
    CHECK(RecordFile(scratch.path, kKind).find(key(2)) == numbers(7));
}

TEST_CASE("a file that is cut off anywhere keeps its whole records, and takes more") {
    const Scratch scratch;
    write_three(scratch.path);
    const auto whole = std::filesystem::file_size(scratch.path);
    const size_t ends[] = {16, 16 + 72 + 4, 16 + 2 * 72 + 12, 16 + 3 * 72 + 24}; // after so many records
    REQUIRE(whole == ends[3]);
    for (uintmax_t size = whole; size >= 16; size--) {
        std::filesystem::resize_file(scratch.path, size);
        const size_t left = size >= ends[3] ? 3 : size >= ends[2] ? 2 : size >= ends[1] ? 1 : 0;
        {
            RecordFile cut(scratch.path, kKind);
            REQUIRE(cut.size() == left);
            for (uint8_t number = 1; number <= left; number++) REQUIRE(cut.find(key(number)) == numbers(number));
            cut.add(key(8), numbers(2));
        }
        REQUIRE(RecordFile(scratch.path, kKind).find(key(8)) == numbers(2));
        std::filesystem::remove(scratch.path);
        write_three(scratch.path);
    }
}

TEST_CASE("numbers that are no longer what was written are not there") {
    const Scratch scratch;
    write_three(scratch.path);
    std::fstream file(scratch.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(16 + 72 + 4 + 72 + 1); // in the second record's
    file.put('x');
    file.close();
    RecordFile broken(scratch.path, kKind);
    CHECK_FALSE(broken.find(key(2)));
    CHECK(broken.find(key(3)) == numbers(3));
}

TEST_CASE("a file of something else is refused and stays as it is") {
    const Scratch scratch;
    std::ofstream(scratch.path) << "my diary, which nobody may overwrite";
    CHECK_THROWS_AS(RecordFile(scratch.path, kKind), Error);
    CHECK(std::filesystem::file_size(scratch.path) == 36);
    std::ofstream(scratch.path) << "short";
    CHECK_THROWS_AS(RecordFile(scratch.path, kKind), Error);
    CHECK_THROWS_AS(RecordFile(std::filesystem::temp_directory_path().string(), kKind), Error);
    CHECK_THROWS_AS(RecordFile("/nowhere/at/all", kKind), Error);
}
