#include "files/error.h"
#include "files/file.h"
#include "files/quote.h"

#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace steer;
namespace fs = std::filesystem;

namespace {

class Folder { // removed at the end
  public:
    Folder() {
        char name[] = "/tmp/steer-test-XXXXXX";
        REQUIRE(mkdtemp(name) != nullptr);
        path_ = name;
    }
    ~Folder() { fs::remove_all(path_); }
    std::string at(const std::string& name) const { return path_ + "/" + name; }
    size_t count() const {
        return static_cast<size_t>(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
    }

  private:
    std::string path_;
};

void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

void fails(const std::function<void()>& call, steer_status status, const std::string& words) {
    try {
        call();
        FAIL_CHECK("no error; expected: " << words);
    } catch (const Error& error) {
        CHECK(error.status() == status);
        CHECK_THAT(error.what(), Catch::Contains(words));
    }
}

} // namespace

TEST_CASE("a file is read by position, up to its end and no further") {
    const Folder folder;
    const std::string path = folder.at("あ.bin");
    write(path, "0123456789");
    const File file = File::open(path);
    CHECK(file.size() == 10);
    char bytes[4] = {};
    file.read_exact(6, bytes, 4);
    CHECK(std::string(bytes, 4) == "6789");
    file.read_exact(10, bytes, 0);
    CHECK(file.read_all(10) == "0123456789");
    fails([&] { file.read_exact(7, bytes, 4); }, STEER_ERR_IO, "outside");
    fails([&] { file.read_exact(UINT64_MAX, bytes, 4); }, STEER_ERR_IO, "outside");
    fails([&] { file.read_all(9); }, STEER_ERR_FORMAT, "more than the 9 allowed");
    fs::resize_file(path, 8);
    fails([&] { file.read_exact(6, bytes, 4); }, STEER_ERR_IO, "became shorter");
}

TEST_CASE("only regular files are opened") {
    const Folder folder;
    fails([&] { File::open(folder.at("absent")); }, STEER_ERR_IO, "No such file");
    fails([&] { File::open(folder.at("")); }, STEER_ERR_IO, "is a folder");
    fails([&] { File::open(""); }, STEER_ERR_ARG, "empty");
    fails([&] { File::open(std::string("a\0b", 3)); }, STEER_ERR_ARG, "zero byte");
    fails([&] { File::open("/dev/zero"); }, STEER_ERR_IO, "not a regular file");
    REQUIRE(mkfifo(folder.at("pipe").c_str(), 0600) == 0);
    fails([&] { File::open(folder.at("pipe")); }, STEER_ERR_IO, "not a regular file"); // and does not wait for a writer
    write(folder.at("real"), "x");
    fs::create_symlink("real", folder.at("link"));
    CHECK(File::open(folder.at("link")).size() == 1);
    CHECK(file_exists(folder.at("link")));
    CHECK_FALSE(file_exists(folder.at("pipe")));
    CHECK_FALSE(file_exists(folder.at("absent")));
}

TEST_CASE("a file is written whole or not at all") {
    const Folder folder;
    const std::string path = folder.at("out"), large(3 << 20, 'x');
    write_file_atomically(path, "old");
    write_file_atomically(path, large);
    CHECK(read_file(path, large.size()) == large);
    CHECK(folder.count() == 1); // no temporary file stays
    struct stat info {};
    REQUIRE(stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777 & ~0644) == 0);

    fs::create_directory(folder.at("taken"));
    write(folder.at("taken/inside"), "");
    fails([&] { write_file_atomically(folder.at("taken"), "new"); }, STEER_ERR_IO, "cannot be replaced");
    CHECK(folder.count() == 2);
    fails([&] { write_file_atomically(folder.at("no/folder"), "new"); }, STEER_ERR_IO, "cannot be written");
}

TEST_CASE("bytes in memory are read like a file") {
    const ByteSource source("0123456789", "given");
    CHECK(source.read(3, 4) == "3456");
    CHECK(source.read(10, 0).empty());
    fails([&] { source.read(8, 3); }, STEER_ERR_FORMAT, "outside");
    fails([&] { source.read(1, SIZE_MAX); }, STEER_ERR_FORMAT, "outside");
    char byte = 0;
    fails([&] { source.read_exact(UINT64_MAX, &byte, 1); }, STEER_ERR_FORMAT, "given");
}

TEST_CASE("bare file names") {
    for (const char* name : {"model.safetensors", "model-00001-of-00002.safetensors", "..a", "-", ".hidden"})
        CHECK(is_bare_filename(name));
    for (const char* name : {"", ".", "..", "a/b", "/a", "../a", "a\\b", "a b", "a:b", "a\nb", "あ", "~"})
        CHECK_FALSE(is_bare_filename(name));
    CHECK(is_bare_filename(std::string(255, 'a')));
    CHECK_FALSE(is_bare_filename(std::string(256, 'a')));
    CHECK_FALSE(is_bare_filename(std::string("a\0b", 3)));
    CHECK(join_path("/m", "a") == "/m/a");
    CHECK(join_path("/m/", "a") == "/m/a");
    CHECK(join_path("", "a") == "a");
}

TEST_CASE("text of strangers in error words") {
    CHECK(quote("plain ギャル 👍") == "'plain ギャル 👍'");
    CHECK(quote("a\x1b[31m\n") == "'a\\x1b[31m\\x0a'");
    CHECK(quote("\xc3\x28\xed\xa0\x80\xc0\xaf\xf5") == "'\\xc3(\\xed\\xa0\\x80\\xc0\\xaf\\xf5'");
    CHECK(quote("\xc2\x9b") == "'\\xc2\\x9b'"); // a terminal control in two bytes
    CHECK(quote(std::string(100, 'a'), 3) == "'aaa...'");
}
