#include "build_files.h"
#include "files/torch_zip.h"

using namespace steer;
using namespace build;

namespace {

const std::string kData("\x00\x3c\x00\xc0\x00\x38\x01\x00", 8); // 1, -2, 0.5 and 2^-24 in half precision

std::string half_tensor(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides, int64_t offset = 0) {
    return tensor(storage("0", "HalfStorage", 4), offset, shape, strides);
}

Zip good() { return torch_file(join({"}", integer(7), half_tensor({4}, {1}), "s"}), {{"0", kData}}); }

TorchZip read(const std::string& bytes) { return TorchZip(ByteSource(bytes, "bad.file")); }

void read_all(const std::string& bytes) {
    TorchZip file = read(bytes);
    for (const ZipRecord& record : file.records()) (void)file.read(record);
    for (const PickleTensor& tensor : file.tree().tensors)
        if (!tensor.shape.empty()) (void)file.read_floats(tensor);
}

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

TEST_CASE("malformed zip archives are refused in words") {
    const Zip z = good();
    const std::string& b = z.bytes;
    const size_t c = z.central[2], l = z.local[2], d = z.descriptor[2]; // of data/0
    const Zip wide = zip({{"a/data.pkl", pickle("}")}}, true);
    const auto named = [](const std::string& name) { return zip({{"a/data.pkl", pickle("}")}, {name, "x"}}).bytes; };
    const Zip plain = zip({{"a/data.pkl", pickle("}")}}, false, false);
    // The record a/y inside the data of a/x, and the directory's a/y pointing there.
    const Zip inner = zip({{"a/y", "y"}});
    const Zip outer = zip({{"a/data.pkl", pickle("}")}, {"a/x", inner.bytes.substr(0, inner.directory)}, {"a/y", "y"}});
    const std::string nested = put(outer.bytes, outer.central[2] + 42, u32(outer.data[1]));
    build::refuses(
        {
            {"a record inside another", nested, STEER_ERR_FORMAT, "overlap"},
            {"empty", "", STEER_ERR_FORMAT, "too short"},
            {"end record cut", b.substr(0, b.size() - 1), STEER_ERR_FORMAT, "not at the end"},
            {"a byte behind the end", b + "x", STEER_ERR_FORMAT, "not at the end"},
            {"archive comment", put(b, z.end + 20, u16(1)) + "x", STEER_ERR_FORMAT, "not at the end"},
            {"several disks", put(b, z.end + 4, u16(1)), STEER_ERR_UNSUPPORTED, "several parts"},
            {"entries here and in all differ", put(b, z.end + 8, u16(1)), STEER_ERR_UNSUPPORTED, "several parts"},
            {"more entries than there are", put(put(b, z.end + 8, u16(9)), z.end + 10, u16(9)), STEER_ERR_FORMAT,
             "zip directory"},
            {"fewer entries than there are", put(put(b, z.end + 8, u16(3)), z.end + 10, u16(3)), STEER_ERR_FORMAT,
             "belong to no record"},
            {"directory offset off by one", put(b, z.end + 16, u32(z.directory + 1)), STEER_ERR_FORMAT, "does not lie"},
            {"directory size 2^32-1", put(b, z.end + 12, u32(0xffffffff)), STEER_ERR_FORMAT, "zip directory"},
            {"directory offset 2^32-1", put(b, z.end + 16, u32(0xffffffff)), STEER_ERR_FORMAT, "does not lie"},
            {"directory entry damaged", put(b, c, "XX"), STEER_ERR_FORMAT, "damaged at its byte"},
            {"name longer than the directory", put(b, z.central.back() + 28, u16(65535)), STEER_ERR_FORMAT,
             "damaged at its byte"},
            {"encrypted", put(put(b, c + 8, u16(0x0809)), l + 6, u16(0x0809)), STEER_ERR_UNSUPPORTED, "encrypted"},
            {"compressed", put(put(b, c + 10, u16(8)), l + 8, u16(8)), STEER_ERR_UNSUPPORTED, "compressed"},
            {"compressed in the directory only", put(b, c + 10, u16(8)), STEER_ERR_UNSUPPORTED, "compressed"},
            {"compressed in the local header only", put(b, l + 8, u16(8)), STEER_ERR_FORMAT, "disagree"},
            {"stored with two sizes", put(b, c + 20, u32(4)), STEER_ERR_FORMAT, "two sizes differ"},
            {"other name in the local header", put(b, l + 30, "b"), STEER_ERR_FORMAT, "disagree"},
            {"other flags in the local header", put(b, l + 6, u16(0x0800)), STEER_ERR_FORMAT, "disagree"},
            {"other size in the local header", put(b, l + 22, u32(4)), STEER_ERR_FORMAT, "its size"},
            {"other CRC in the local header", put(b, l + 14, u32(4)), STEER_ERR_FORMAT, "its CRC"},
            {"zero size in a local header without descriptor", put(plain.bytes, plain.local[0] + 22, u32(0)),
             STEER_ERR_FORMAT, "its size"},
            {"descriptor with another CRC", put(b, d + 4, u32(1)), STEER_ERR_FORMAT, "what follows its data"},
            {"descriptor with another size", put(b, d + 12, u32(1)), STEER_ERR_FORMAT, "what follows its data"},
            {"local header elsewhere", put(b, c + 42, u32(l + 1)), STEER_ERR_FORMAT, "disagree"},
            {"local header beyond the file", put(b, c + 42, u32(0x7fffffff)), STEER_ERR_FORMAT, "its place"},
            {"zip64 offset without the field", put(b, c + 42, u32(0xffffffff)), STEER_ERR_FORMAT,
             "zip64 field is missing"},
            {"size larger than the file", put(put(b, c + 20, u32(1 << 30)), c + 24, u32(1 << 30)), STEER_ERR_FORMAT,
             "its size"},
            {"two entries on one record", put(b, z.central[3] + 42, u32(l)), STEER_ERR_FORMAT, "disagree"},
            {"data changed", put(b, z.data[2], "x"), STEER_ERR_FORMAT, "CRC is wrong"},
            {"pickle changed", put(b, z.data[0] + 4, "x"), STEER_ERR_FORMAT, "CRC is wrong"},
            {"zip64 end record moved", put(wide.bytes, wide.end - 12, u64(5)), STEER_ERR_FORMAT,
             "not where the locator says"},
            {"zip64 end record damaged", put(wide.bytes, wide.end - 76, "XX"), STEER_ERR_FORMAT,
             "zip64 end record is damaged"},
            {"zip64 and plain end disagree", put(wide.bytes, wide.end + 12, u32(1)), STEER_ERR_FORMAT, "disagree"},
            {"2^40 entries",
             put(put(put(wide.bytes, wide.end - 52, u64(1ull << 40)), wide.end - 44, u64(1ull << 40)), wide.end + 8,
                 u32(0xffffffff)),
             STEER_ERR_FORMAT, "at most 65536"},
            {"path upwards", named("a/../b"), STEER_ERR_FORMAT, "may not be called"},
            {"absolute path", named("/etc/passwd"), STEER_ERR_FORMAT, "may not be called"},
            {"backslash", named("a\\b"), STEER_ERR_FORMAT, "may not be called"},
            {"control character in a name", named("a/\x1b[31m"), STEER_ERR_FORMAT, "\\x1b"},
            {"folder entry", named("a/b/"), STEER_ERR_FORMAT, "may not be called"},
            {"name of 600 bytes", named("a/" + std::string(600, 'x')), STEER_ERR_FORMAT, "may not be called"},
            {"record outside the archive's folder", named("b/x"), STEER_ERR_FORMAT, "not in the archive's folder"},
            {"record twice", named("a/data.pkl"), STEER_ERR_FORMAT, "stands twice"},
            {"no folder", zip({{"data.pkl", pickle("}")}}).bytes, STEER_ERR_FORMAT, "not in the archive's folder"},
            {"no records", zip({}).bytes, STEER_ERR_FORMAT, "empty zip archive"},
            {"no pickle", zip({{"a/x", ""}}).bytes, STEER_ERR_FORMAT, "no data.pkl"},
            {"TorchScript", named("a/code/__torch__.py"), STEER_ERR_UNSUPPORTED, "TorchScript"},
            {"big-endian", named("a/byteorder"), STEER_ERR_UNSUPPORTED, "little-endian"},
            {"pickle of 5 MiB", zip({{"a/data.pkl", pickle(std::string(5 << 20, ')'))}}).bytes, STEER_ERR_FORMAT,
             "at most"},
        },
        read_all);
}

TEST_CASE("malformed pickles are refused in words") {
    const auto file = [](const std::string& body) { return torch_file(body, {{"0", kData}}).bytes; };
    const auto raw = [](const std::string& bytes) { return zip({{"a/data.pkl", bytes}, {"a/data/0", kData}}).bytes; };
    const std::string rebuild = global("torch._utils", "_rebuild_tensor_v2"),
                      hooks = global("collections", "OrderedDict") + ")R";
    const std::string half = storage("0", "HalfStorage", 4);
    build::refuses(
        {
            {"empty pickle", raw(""), STEER_ERR_FORMAT, "protocol number"},
            {"protocol 4", raw("\x80\x04N."), STEER_ERR_UNSUPPORTED, "protocol 4"},
            {"protocol 0", raw("(dp0\n."), STEER_ERR_FORMAT, "protocol number"},
            {"no end", raw("\x80\x02}"), STEER_ERR_FORMAT, "cut short"},
            {"goes on after the end", raw("\x80\x02}.}"), STEER_ERR_FORMAT, "after its end"},
            {"nothing on the stack", file(""), STEER_ERR_FORMAT, "exactly one value"},
            {"two values on the stack", file("}}"), STEER_ERR_FORMAT, "exactly one value"},
            {"an open mark", file("}("), STEER_ERR_FORMAT, "exactly one value"},
            {"runs code: os.system", file(global("os", "system") + "(" + text("true") + "tR"), STEER_ERR_UNSUPPORTED,
             "os.system"},
            {"builtins.eval", file(global("builtins", "eval")), STEER_ERR_UNSUPPORTED, "builtins.eval"},
            {"numpy array", file(global("numpy._core.multiarray", "_reconstruct")), STEER_ERR_UNSUPPORTED,
             "_reconstruct"},
            {"integer storage", file(storage("0", "LongStorage", 1)), STEER_ERR_UNSUPPORTED, "torch.LongStorage"},
            {"name split in another way", file(global("torch HalfStorage", "") + "0"), STEER_ERR_UNSUPPORTED,
             "not on the list"},
            {"opcode BUILD", file("}}b"), STEER_ERR_UNSUPPORTED, "opcode 0x62"},
            {"opcode INST", file("(ios\nsystem\n"), STEER_ERR_UNSUPPORTED, "opcode 0x69"},
            {"opcode STACK_GLOBAL", file(text("os") + text("system") + "\x93"), STEER_ERR_UNSUPPORTED, "opcode 0x93"},
            {"opcode EXT1", file("\x82\x01"), STEER_ERR_UNSUPPORTED, "opcode 0x82"},
            {"text longer than the file", file("X" + u32(0xffffffff)), STEER_ERR_FORMAT, "cut short"},
            {"number cut short", raw("\x80\x02J\x01"), STEER_ERR_FORMAT, "cut short"},
            {"global without an end", file("cos"), STEER_ERR_FORMAT, "cut short"},
            {"number of 72 bits", file("\x8a\x09" + std::string(9, '\1')), STEER_ERR_FORMAT, "64 bits"},
            {"tuple without a mark", file("t"), STEER_ERR_FORMAT, "mark that is not there"},
            {"tuple of three from two", file("NN\x87"), STEER_ERR_FORMAT, "value that is not there"},
            {"append to nothing", file("Na"), STEER_ERR_FORMAT, "value that is not there"},
            {"append to a dict", file("}Na"), STEER_ERR_FORMAT, "cannot hold"},
            {"item set in a list", file("]NNs"), STEER_ERR_FORMAT, "cannot hold"},
            {"key without a value", file("}(Nu"), STEER_ERR_FORMAT, "key without a value"},
            {"takes from below a mark", file("]N(a"), STEER_ERR_FORMAT, "value that is not there"},
            {"recalls what was not kept", file("h\x05"), STEER_ERR_FORMAT, "never kept"},
            {"keeps at 2^32-1", file("Nr" + u32(0xffffffff)), STEER_ERR_FORMAT, "remembers too many"},
            {"200,000 values", file("(" + std::string(200000, 'N') + "t"), STEER_ERR_FORMAT, "too many values"},
            {"calls a string", file(text("x") + ")R"), STEER_ERR_FORMAT, "no function"},
            {"calls a storage", file(global("torch", "HalfStorage") + ")R"), STEER_ERR_FORMAT, "no function"},
            {"OrderedDict of something", file(global("collections", "OrderedDict") + "(]tR"), STEER_ERR_FORMAT,
             "no function"},
            {"reference that is no tuple", file("NQ"), STEER_ERR_FORMAT, "not a tensor's storage"},
            {"reference to a module",
             file("(" + text("module") + global("torch", "HalfStorage") + text("0") + text("cpu") + integer(4) + "tQ"),
             STEER_ERR_FORMAT, "not a tensor's storage"},
            {"storage of a function",
             file("(" + text("storage") + rebuild + text("0") + text("cpu") + integer(4) + "tQ"), STEER_ERR_FORMAT,
             "is not a storage"},
            {"storage name with a path", file(storage("../data.pkl", "HalfStorage", 4)), STEER_ERR_FORMAT, "odd name"},
            {"negative storage", file(storage("0", "HalfStorage", -1)), STEER_ERR_FORMAT, "odd name or size"},
            {"tensor of nothing", file(rebuild + ")R"), STEER_ERR_FORMAT, "unexpected parts"},
            {"tensor with a seventh part",
             file(rebuild + "(" + half + integer(0) + tuple({4}) + tuple({1}) + "\x89" + hooks + "NtR"),
             STEER_ERR_FORMAT, "unexpected parts"},
            {"negative dimension", file(half_tensor({-4}, {1})), STEER_ERR_FORMAT, "odd shape"},
            {"negative stride", file(half_tensor({4}, {-1})), STEER_ERR_FORMAT, "odd shape"},
            {"negative offset", file(half_tensor({2}, {1}, -1)), STEER_ERR_FORMAT, "odd shape"},
            {"shape and strides of different length", file(half_tensor({4}, {1, 1})), STEER_ERR_FORMAT, "odd shape"},
            {"nine dimensions", file(half_tensor(std::vector<int64_t>(9, 1), std::vector<int64_t>(9, 1))),
             STEER_ERR_FORMAT, "too many dimensions"},
            {"reaches behind its storage", file(half_tensor({4}, {1}, 1)), STEER_ERR_FORMAT, "outside its storage"},
            {"strides reach behind its storage", file(half_tensor({2, 2}, {3, 1})), STEER_ERR_FORMAT,
             "outside its storage"},
            {"more elements than its storage", file(half_tensor({1 << 30}, {0})), STEER_ERR_FORMAT,
             "outside its storage"},
            {"product of dimensions wraps", file(half_tensor({1 << 30, 1 << 30, 1 << 30}, {0, 0, 0})), STEER_ERR_FORMAT,
             "outside its storage"},
            {"record missing", file(tensor(storage("9", "HalfStorage", 4), 0, {4}, {1})), STEER_ERR_FORMAT,
             "data/9 of a tensor is missing"},
            {"more elements declared than stored", file(tensor(storage("0", "HalfStorage", 5), 0, {4}, {1})),
             STEER_ERR_FORMAT, "5 elements of F16"},
            {"another type than stored", file(tensor(storage("0", "FloatStorage", 4), 0, {4}, {1})), STEER_ERR_FORMAT,
             "4 elements of F32"},
        },
        read_all);
}
