#include "files/pickle.h"

#include "build_files.h"
#include "corpus.h"

using namespace steer;
using namespace build;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;

void read(std::string_view bytes) { (void)parse_pickle(bytes, kName); }

void check(std::string_view bytes) {
    const PickleTree tree = parse_pickle(bytes, kName);
    promise(tree.root < tree.nodes.size(), "a root that is no node");
    for (const PickleNode& node : tree.nodes) {
        using Kind = PickleNode::Kind;
        for (const uint32_t item : node.items) promise(item < tree.nodes.size(), "an item that is no node");
        if (node.kind == Kind::dict) promise(node.items.size() % 2 == 0, "a key without a value");
        if (node.kind == Kind::tensor || node.kind == Kind::storage)
            promise(node.tensor < tree.tensors.size(), "a tensor that is not there");
        promise(pickle_kind_name(node.kind) != nullptr, "a kind without a name");
    }
    for (const PickleTensor& tensor : tree.tensors) {
        promise(tensor.shape.size() == tensor.strides.size() && tensor.shape.size() <= 8, "an odd shape");
        promise(!tensor.storage.empty() || tensor.array < tree.arrays.size(), "numbers that are nowhere");
        for (const int64_t extent : tensor.shape) promise(extent >= 0, "a negative dimension");
        for (const int64_t stride : tensor.strides) promise(stride >= 0, "a negative stride");
    }
}

std::string long_integer(const std::string& bytes) { return "\x8a" + std::string(1, char(bytes.size())) + bytes; }
std::string repeated(const std::string& piece, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; ++i) out += piece;
    return out;
}

std::vector<Bad> bad_programs() {
    return {
        {"empty pickle", "", kFormat, "protocol number"},
        {"one byte", "\x80", kFormat, "protocol number"},
        {"protocol 4", "\x80\x04N.", kUnsupported, "protocol 4"},
        {"protocol 255", "\x80\xffN.", kUnsupported, "protocol 255"},
        {"protocol 0", "(dp0\n.", kFormat, "protocol number"},
        {"no end", "\x80\x02}", kFormat, "cut short"},
        {"goes on after the end", "\x80\x02}.}", kFormat, "after its end"},
        {"nothing on the stack", pickle(""), kFormat, "exactly one value"},
        {"two values on the stack", pickle("}}"), kFormat, "exactly one value"},
        {"an open mark", pickle("}("), kFormat, "exactly one value"},
        {"runs code: os.system", pickle(global("os", "system") + "(" + text("true") + "tR"), kUnsupported, "os.system"},
        {"builtins.eval", pickle(global("builtins", "eval")), kUnsupported, "builtins.eval"},
        {"torch.load inside", pickle(global("torch", "load")), kUnsupported, "torch.load"},
        {"numpy scalar", pickle(global("numpy._core.multiarray", "scalar")), kUnsupported, "multiarray.scalar"},
        {"numpy array of objects", pickle(numpy_array({1}, "abcd", "O8")), kUnsupported, "type 'O8'"},
        {"numpy array of whole numbers", pickle(numpy_array({1}, "abcd", "i4")), kUnsupported, "type 'i4'"},
        {"numpy array in big-endian order", pickle(numpy_array({1}, "ab", "f2", ">")), kUnsupported, "big-endian"},
        {"numpy array of an odd order", pickle(numpy_array({1}, "ab", "f2", "?")), kFormat, "unexpected parts"},
        {"numpy array that its bytes do not fill", pickle(numpy_array({2}, "ab")), kFormat, "do not fill"},
        {"numpy array of 2^62 numbers", pickle(numpy_array({INT32_MAX, INT32_MAX, 4}, "ab")), kFormat, "numpy array"},
        {"numpy array of a negative size", pickle(numpy_array({-1}, "ab")), kFormat, "odd shape"},
        {"numpy array of nine dimensions", pickle(numpy_array(std::vector<int64_t>(9, 1), "ab")), kFormat, "too many dimensions"},
        {"numpy array of characters beyond a byte", pickle(numpy_array({1}, "\xc4\x80")), kFormat, "bytes that are none"},
        {"numpy array of no characters", pickle(numpy_array({1}, "\xff\xff")), kFormat, "bytes that are no text"},
        {"numpy array filled twice",
         pickle(numpy_array({1}, "ab") + tuple({1}) + "b"), kUnsupported, "opcode 0x62"},
        {"bytes in another code", pickle(global("_codecs", "encode") + text("a") + text("rot13") + "\x86R"), kFormat, "makes bytes"},
        {"the same bytes a thousand times", [] {
             std::string body = "(" + text(std::string(4096, 'a')) + "q" + std::string(1, '\0');
             for (int i = 0; i < 1000; ++i) body += global("_codecs", "encode") + std::string("h\0", 2) + text("latin1") + "\x86R";
             return pickle(body + "t");
         }(), kFormat, "too often"},
        {"integer storage", pickle(storage("0", "LongStorage", 1)), kUnsupported, "torch.LongStorage"},
        {"name split in another way", pickle(global("torch HalfStorage", "") + "0"), kUnsupported, "not on the list"},
        {"name with a carriage return", pickle(global("torch", "HalfStorage\r")), kUnsupported, "\\x0d"},
        {"name of 1 MiB", pickle(global("torch", std::string(1 << 20, 'x'))), kUnsupported, "xxx...'"},
        {"opcode BUILD", pickle("}}b"), kUnsupported, "opcode 0x62"},
        {"opcode INST", pickle("(ios\nsystem\n"), kUnsupported, "opcode 0x69"},
        {"opcode OBJ", pickle("(o"), kUnsupported, "opcode 0x6f"},
        {"opcode NEWOBJ", pickle(")\x81"), kUnsupported, "opcode 0x81"},
        {"opcode STACK_GLOBAL", pickle(text("os") + text("system") + "\x93"), kUnsupported, "opcode 0x93"},
        {"opcode EXT1", pickle("\x82\x01"), kUnsupported, "opcode 0x82"},
        {"opcode PERSID", pickle("P0\n"), kUnsupported, "opcode 0x50"},
        {"opcode LONG4", pickle("\x8b" + u32(0x7fffffff)), kUnsupported, "opcode 0x8b"},
        {"opcode BYTEARRAY8", pickle("\x96" + u64(UINT64_MAX)), kUnsupported, "opcode 0x96"},
        {"opcode PROTO again", pickle("\x80\x02}"), kUnsupported, "opcode 0x80"},
        {"text longer than the file", pickle("X" + u32(0xffffffff)), kFormat, "cut short"},
        {"number cut short", "\x80\x02J\x01", kFormat, "cut short"},
        {"float cut short", "\x80\x02G\x3f", kFormat, "cut short"},
        {"global without an end", "\x80\x02" "cos", kFormat, "cut short"},
        {"number of 72 bits", pickle(long_integer(std::string(9, '\1'))), kFormat, "64 bits"},
        {"number of 255 bytes that are not there", "\x80\x02\x8a\xff", kFormat, "64 bits"},
    };
}

std::vector<Bad> bad_stacks() {
    // What small opcodes can make much of: each would take far more memory than its bytes.
    const std::string tuple5 = join({"(", text("storage"), global("torch", "HalfStorage"), text(std::string(255, 'k')),
                                     text("cpu"), integer(1), "tq", std::string(1, '\0')});
    return {
        {"tuple without a mark", pickle("t"), kFormat, "mark that is not there"},
        {"tuple of three from two", pickle("NN\x87"), kFormat, "value that is not there"},
        {"append to nothing", pickle("Na"), kFormat, "value that is not there"},
        {"append to a dict", pickle("}Na"), kFormat, "cannot hold"},
        {"append to a string", pickle(text("x") + "Na"), kFormat, "cannot hold"},
        {"item set in a list", pickle("]NNs"), kFormat, "cannot hold"},
        {"items set in a tuple", pickle(")(NNu"), kFormat, "cannot hold"},
        {"key without a value", pickle("}(Nu"), kFormat, "key without a value"},
        {"takes from below a mark", pickle("]N(a"), kFormat, "value that is not there"},
        {"keeps what is below a mark", pickle("N(q" + std::string(1, '\0')), kFormat, "value that is not there"},
        {"recalls what was not kept", pickle("h\x05"), kFormat, "never kept"},
        {"recalls at 2^32-1", pickle("j" + u32(0xffffffff)), kFormat, "never kept"},
        {"keeps at 2^32-1", pickle("Nr" + u32(0xffffffff)), kFormat, "remembers too many"},
        {"200,000 values", pickle("(" + std::string(200000, 'N') + "t"), kFormat, "too many values"},
        {"3 million marks", pickle(std::string(3 << 20, '(')), kFormat, "too many marks"},
        {"a million references on the stack", pickle("Nq" + std::string(1, '\0') + "(" +
                                                     repeated(std::string("h\0", 2), 1 << 20) + "t"), kFormat,
         "too many values"},
        {"100,000 storages", pickle("(" + tuple5 + repeated(std::string("h\0Q", 3), 100000) + "t"), kFormat,
         "too many tensors"},
    };
}

std::vector<Bad> bad_tensors() {
    const std::string rebuild = global("torch._utils", "_rebuild_tensor_v2"),
                      hooks = global("collections", "OrderedDict") + ")R";
    const std::string half = storage("0", "HalfStorage", 4);
    const auto shaped = [&](const std::vector<int64_t>& shape, const std::vector<int64_t>& strides, int64_t offset = 0) {
        return pickle(tensor(half, offset, shape, strides));
    };
    const auto parts = [&](const std::string& body) { return pickle(rebuild + "(" + body + "tR"); };
    const std::string plain = half + integer(0) + tuple({4}) + tuple({1});
    return {
        {"calls a string", pickle(text("x") + ")R"), kFormat, "no function"},
        {"calls a storage", pickle(global("torch", "HalfStorage") + ")R"), kFormat, "no function"},
        {"calls with a list", pickle(rebuild + "]R"), kFormat, "no function"},
        {"OrderedDict of something", pickle(global("collections", "OrderedDict") + "(]tR"), kFormat, "no function"},
        {"reference that is no tuple", pickle("NQ"), kFormat, "not a tensor's storage"},
        {"reference to a module",
         pickle("(" + text("module") + global("torch", "HalfStorage") + text("0") + text("cpu") + integer(4) + "tQ"),
         kFormat, "not a tensor's storage"},
        {"reference of four parts", pickle("(" + text("storage") + global("torch", "HalfStorage") + text("0") +
                                           text("cpu") + "tQ"), kFormat, "not a tensor's storage"},
        {"storage of a function",
         pickle("(" + text("storage") + rebuild + text("0") + text("cpu") + integer(4) + "tQ"), kFormat,
         "is not a storage"},
        {"storage name with a path", pickle(storage("../data.pkl", "HalfStorage", 4)), kFormat, "odd name"},
        {"storage without a name", pickle(storage("", "HalfStorage", 4)), kFormat, "odd name"},
        {"storage name of 256 bytes", pickle(storage(std::string(256, 'x'), "HalfStorage", 4)), kFormat, "odd name"},
        {"negative storage", pickle(storage("0", "HalfStorage", -1)), kFormat, "odd name or size"},
        {"tensor of nothing", pickle(rebuild + ")R"), kFormat, "unexpected parts"},
        {"tensor with a seventh part", parts(plain + "\x89" + hooks + "N"), kFormat, "unexpected parts"},
        {"tensor with a flag for requires_grad that is a number", parts(plain + integer(0) + hooks), kFormat,
         "unexpected parts"},
        {"tensor with hooks that are a list", parts(plain + "\x89]"), kFormat, "unexpected parts"},
        {"tensor of a tensor", parts(tensor(half, 0, {4}, {1}) + integer(0) + tuple({4}) + tuple({1}) + "\x89" + hooks),
         kFormat, "unexpected parts"},
        {"shape that is a list", parts(half + integer(0) + "]" + tuple({1}) + "\x89" + hooks), kFormat,
         "unexpected parts"},
        {"shape of strings", parts(half + integer(0) + "(" + text("4") + "t" + tuple({1}) + "\x89" + hooks), kFormat,
         "odd shape"},
        {"negative dimension", shaped({-4}, {1}), kFormat, "odd shape"},
        {"negative stride", shaped({4}, {-1}), kFormat, "odd shape"},
        {"negative offset", shaped({2}, {1}, -1), kFormat, "odd shape"},
        {"shape and strides of different length", shaped({4}, {1, 1}), kFormat, "odd shape"},
        {"nine dimensions", shaped(std::vector<int64_t>(9, 1), std::vector<int64_t>(9, 1)), kFormat,
         "too many dimensions"},
    };
}

std::vector<Bad> bad() {
    std::vector<Bad> all = bad_programs();
    for (auto more : {bad_stacks(), bad_tensors()}) all.insert(all.end(), more.begin(), more.end());
    return all;
}

std::vector<Seed> seeds() {
    const std::string half = storage("0", "HalfStorage", 4), zero(1, '\0');
    const std::string rows = join({"}q", zero, "(", integer(1), tensor(half, 0, {4}, {1}), integer(2),
                                   tensor(half, 1, {2}, {2}), "u"});
    const std::string values = join({"(N\x88\x89", integer(-5), "K\xff", "M\x34\x12", long_integer("\xff\xff"),
                                     "G", std::string("\x3f\xf8\0\0\0\0\0\0", 8), text("ギャル"), "](K\x01K\x02" "e",
                                     ")\x85t"});
    return {{"numpy", pickle(numpy_array({2, 1}, "ab\xc2\x80" "c")), {}}, {"rows", pickle(rows), {}}, {"values", pickle(values), {}}, {"a list in itself",
             pickle(join({"]q", zero, "h", zero, "a"})), {}}};
}

void repair(std::string& bytes) {
    bytes.replace(0, std::min<size_t>(2, bytes.size()), "\x80\x02");
    if (bytes.back() != '.') bytes += '.';
}

} // namespace

Reader pickle_reader() {
    Reader reader{"pickle", read, check, bad, 70, seeds, {kFormat, kUnsupported}, kName + ": "};
    reader.repair = repair;
    return reader;
}

} // namespace hostile
