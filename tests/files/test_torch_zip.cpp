// What is read is there; what is refused is in tests/hostile.
#include "build_files.h"
#include "files/torch_zip.h"

#include <catch2/catch.hpp>

using namespace steer;
using namespace build;

namespace {

const std::string kData("\x00\x3c\x00\xc0\x00\x38\x01\x00", 8); // 1, -2, 0.5 and 2^-24 in half precision

std::string half_tensor(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides, int64_t offset = 0) {
    return tensor(storage("0", "HalfStorage", 4), offset, shape, strides);
}

Zip good() { return torch_file(join({"}", integer(7), half_tensor({4}, {1}), "s"}), {{"0", kData}}); }

TorchZip read(const std::string& bytes) { return TorchZip(ByteSource(bytes, "bad.file")); }

std::vector<float> floats(const std::string& body, const std::string& data = kData) {
    const std::string bytes = torch_file(body, {{"0", data}}).bytes;
    TorchZip file = read(bytes);
    return file.read_floats(file.tree().tensors.at(file.tree().at(file.tree().root).tensor));
}

} // namespace

TEST_CASE("CRC-32 has the check value of its definition") {
    CHECK(steer::crc32("123456789", 9) == 0xcbf43926u);
    CHECK(steer::crc32("", 0) == 0);
}

TEST_CASE("a torch archive is read: plain, with zip64 records, and without descriptors") {
    const std::vector<ZipEntry> entries = {
        {"any name/data.pkl", pickle(join({"}", integer(7), half_tensor({4}, {1}), "s"}))}, {"any name/data/0", kData}};
    for (const Zip& archive : {good(), zip(entries, true), zip(entries, false, false)}) {
        TorchZip file = read(archive.bytes);
        const PickleNode& root = file.tree().at(file.tree().root);
        REQUIRE(root.kind == PickleNode::Kind::dict);
        REQUIRE(root.items.size() == 2);
        CHECK(file.tree().at(root.items[0]).integer == 7);
        const PickleTensor& tensor = file.tree().tensors.at(file.tree().at(root.items[1]).tensor);
        CHECK(file.read_floats(tensor) == std::vector<float>{1.0f, -2.0f, 0.5f, 0x1p-24f});
    }
}

TEST_CASE("offset and strides of a tensor are honoured") {
    CHECK(floats(half_tensor({2, 2}, {2, 1})) == std::vector<float>{1.0f, -2.0f, 0.5f, 0x1p-24f});
    CHECK(floats(half_tensor({2, 2}, {1, 2})) == std::vector<float>{1.0f, 0.5f, -2.0f, 0x1p-24f});
    CHECK(floats(half_tensor({2}, {2}, 1)) == std::vector<float>{-2.0f, 0x1p-24f});
    CHECK(floats(half_tensor({}, {}, 2)) == std::vector<float>{0.5f});
    CHECK(floats(half_tensor({3, 0}, {0, 1}, 4)).empty());
    CHECK(floats(half_tensor({1, 3, 1}, {99, 1, 99}, 1)) == std::vector<float>{-2.0f, 0.5f, 0x1p-24f});
}

TEST_CASE("values of a pickle") {
    const std::string body = "(N\x88\x89" + integer(-5) + "K\xff" + "M\x34\x12" + "\x8a\x02\xff\xff" +
                             std::string("\x8a\x00", 2) + "G" + std::string("\x3f\xf8\0\0\0\0\0\0", 8) +
                             text("ギャル") +
                             "](K\x01K\x02"
                             "e"
                             ")\x85t";
    const PickleTree tree = parse_pickle(pickle(body), "good");
    const PickleNode& root = tree.at(tree.root);
    using Kind = PickleNode::Kind;
    REQUIRE(root.kind == Kind::tuple);
    REQUIRE(root.items.size() == 12);
    const auto at = [&](size_t i) { return tree.at(root.items[i]); };
    CHECK(at(0).kind == Kind::none);
    CHECK((at(1).kind == Kind::boolean && at(1).integer == 1 && at(2).integer == 0));
    CHECK((at(3).integer == -5 && at(4).integer == 255 && at(5).integer == 0x1234));
    CHECK((at(6).integer == -1 && at(7).integer == 0));
    CHECK((at(8).kind == Kind::real && at(8).real == 1.5));
    CHECK(at(9).text == "ギャル");
    CHECK((at(10).kind == Kind::list && at(10).items.size() == 2 && tree.at(at(10).items[1]).integer == 2));
    CHECK((at(11).kind == Kind::tuple && tree.at(at(11).items[0]).items.empty()));
}

TEST_CASE("a list that contains itself is only a number in a list") {
    const PickleTree tree =
        parse_pickle(pickle("]q" + std::string(1, '\0') + "h" + std::string(1, '\0') + "a"), "good");
    CHECK(tree.at(tree.root).items == std::vector<uint32_t>{tree.root});
}
