#include "build_files.h"
#include "corpus.h"
#include "files/safetensors.h"

#include <algorithm>

using namespace steer;
using build::safetensors;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;

const std::string kGood8 = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";

std::string one(const std::string& tensor, size_t data = 8) {
    return safetensors("{\"t\":" + tensor + "}", std::string(data, '\0'));
}

void read(std::string_view bytes) { (void)SafetensorsFile(ByteSource(bytes, kName)); }

void check_tensor(const SafetensorsFile& file, const TensorInfo& tensor, std::string_view bytes) {
    promise(tensor.begin <= tensor.end && tensor.end <= bytes.size(), "a tensor outside the file");
    promise(file.find(tensor.name) == &tensor, "a tensor that is not found by its name");
    uint64_t size = dtype_size(tensor.dtype);
    for (const int64_t extent : tensor.shape) size *= static_cast<uint64_t>(extent);
    promise(size == tensor.size(), "a tensor whose shape does not make its bytes");
    if (dtype_is_float(tensor.dtype))
        promise(file.read_floats(tensor).size() * dtype_size(tensor.dtype) == size, "floats that are not all there");
}

// What was read, written again and read again, is the same.
void check_written(const SafetensorsFile& file, std::string_view bytes) {
    std::vector<TensorBytes> tensors;
    for (const TensorInfo& t : file.tensors())
        tensors.push_back({t.name, t.dtype, t.shape, bytes.substr(t.begin, t.size())});
    const std::string written = write_safetensors(tensors, file.metadata());
    const SafetensorsFile again(ByteSource(written, kName));
    promise(again.metadata() == file.metadata(), "metadata changed by writing it");
    promise(again.tensors().size() == file.tensors().size(), "tensors lost by writing them");
    for (const TensorInfo& t : file.tensors()) {
        const TensorInfo* other = again.find(t.name);
        promise(other != nullptr && other->dtype == t.dtype && other->shape == t.shape &&
                    std::string_view(written).substr(other->begin, other->size()) == bytes.substr(t.begin, t.size()),
                "a tensor changed by writing it");
    }
}

void check(std::string_view bytes) {
    const SafetensorsFile file(ByteSource(bytes, kName));
    uint64_t covered = 0;
    for (const TensorInfo& tensor : file.tensors()) {
        check_tensor(file, tensor, bytes);
        covered += tensor.size();
    }
    uint64_t header = 0;
    for (size_t i = 8; i-- > 0;) header = header << 8 | static_cast<uint8_t>(bytes[i]);
    promise(8 + header + covered == bytes.size(), "tensors that do not cover the data");
    if (file.tensors().size() <= 1000) check_written(file, bytes);
}

std::vector<Bad> bad_frames() {
    const std::string deep = "{\"t\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
    return {
        {"empty file", "", kFormat, "too few"},
        {"seven bytes", "1234567", kFormat, "too few"},
        {"no header", build::u64(0), kFormat, "does not begin with '{'"},
        {"header longer than the file", build::u64(100) + "{}", kFormat, "does not fit"},
        {"header longer than the file by one", build::u64(3) + "{}", kFormat, "does not fit"},
        {"header of 2^64-1 bytes", build::u64(UINT64_MAX) + "{}", kFormat, "at most"},
        {"header of 2^64-8 bytes: with the length it wraps to 0", build::u64(UINT64_MAX - 7) + "{}", kFormat, "at most"},
        {"header of 2^63 bytes", build::u64(uint64_t{1} << 63) + "{}", kFormat, "at most"},
        {"header over 16 MiB", build::u64((16 << 20) + 1) + "{}", kFormat, "at most"},
        {"big-endian length", std::string(7, '\0') + "\x02{}", kFormat, "at most"},
        {"header is a list", safetensors("[]", ""), kFormat, "does not begin with '{'"},
        {"space before the brace", safetensors(" {}", ""), kFormat, "does not begin with '{'"},
        {"byte order mark", safetensors("\xef\xbb\xbf{}", ""), kFormat, "does not begin with '{'"},
        {"open brace only", safetensors("{", ""), kFormat, "not JSON"},
        {"text after the header", safetensors("{}x", ""), kFormat, "not JSON"},
        {"two objects", safetensors("{}{}", ""), kFormat, "not JSON"},
        {"comma at the end", safetensors("{\"t\":" + kGood8 + ",}", std::string(8, '\0')), kFormat, "not JSON"},
        {"comment", safetensors("{/* none */}", ""), kFormat, "not JSON"},
        {"zeros behind the header", safetensors(std::string("{}\0\0", 4), ""), kFormat, "not JSON"},
        {"broken UTF-8 in a name", safetensors("{\"\xff\":" + kGood8 + "}", std::string(8, '\0')), kFormat, "not JSON"},
        {"half a surrogate in a name", safetensors(R"({"\ud800":)" + kGood8 + "}", std::string(8, '\0')), kFormat,
         "not JSON"},
        {"a zero byte inside", safetensors(std::string("{\0}", 3), ""), kFormat, "not JSON"},
        {"100,000 nested lists", safetensors(deep, ""), kFormat, "a list where none may stand"},
        {"100,000 nested objects", safetensors("{\"t\":" + std::string(100000, '{'), ""), kFormat, "not JSON"},
    };
}

std::vector<Bad> bad_tensors() {
    const auto with = [](const std::string& rest) { return one(R"({"dtype":"F32","shape":[2],)" + rest + "}"); };
    const auto shaped = [](const std::string& shape) {
        return one(R"({"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,8]})");
    };
    const auto typed = [](const std::string& dtype) {
        return one(R"({"dtype":)" + dtype + R"(,"shape":[2],"data_offsets":[0,8]})");
    };
    return {
        {"nested object as a field", with(R"("data_offsets":{"a":1})"), kFormat, "an object where none"},
        {"tensor is a number", one("3"), kFormat, "a number where none"},
        {"tensor is a string", one("\"x\""), kFormat, "a string where none"},
        {"tensor is null", one("null"), kFormat, "null where none"},
        {"tensor is a list", one("[1]"), kFormat, "a list where none"},
        {"tensor of no fields", one("{}"), kFormat, "lacks dtype"},
        {"no dtype", one(R"({"shape":[2],"data_offsets":[0,8]})"), kFormat, "lacks dtype"},
        {"no shape", one(R"({"dtype":"F32","data_offsets":[0,8]})"), kFormat, "lacks shape"},
        {"no offsets", one(R"({"dtype":"F32","shape":[2]})"), kFormat, "lacks data_offsets"},
        {"unknown field", with(R"("data_offsets":[0,8],"x":1)"), kFormat, "unknown field 'x'"},
        {"unknown field with a terminal's escape", with(R"("data_offsets":[0,8],"\u001b[31m":1)"), kFormat, "\\x1b[31m"},
        {"field twice", with(R"("shape":[2],"data_offsets":[0,8])"), kFormat, "shape twice"},
        {"unknown dtype", typed("\"F7\""), kUnsupported, "'F7'"},
        {"dtype in small letters", typed("\"f32\""), kUnsupported, "'f32'"},
        {"dtype of 1 MiB", typed("\"" + std::string(1 << 20, 'F') + "\""), kUnsupported, "FFF...'"},
        {"dtype is a number", typed("32"), kFormat, "a number where"},
        {"dtype is a list", typed("[\"F32\"]"), kFormat, "a list where"},
        {"dtype is null", typed("null"), kFormat, "null where"},
        {"shape is a string", shaped("\"2\""), kFormat, "a string where"},
        {"negative dimension", shaped("[-2]"), kFormat, "negative"},
        {"fractional dimension", shaped("[2.0]"), kFormat, "not whole"},
        {"dimension 1e400", shaped("[1e400]"), kFormat, "near byte"},
        {"dimension 2^64", shaped("[18446744073709551616]"), kFormat, "not whole or too large"},
        {"dimension 2^63", shaped("[9223372036854775808]"), kFormat, "too large"},
        {"dimensions whose product wraps to 0", shaped("[4294967296,4294967296]"), kFormat, "do not make"},
        {"dimensions whose product wraps to 8 bytes", shaped("[4611686018427387904,2]"), kFormat, "do not make"},
        {"nine dimensions", shaped("[1,1,1,1,1,1,1,1,2]"), kFormat, "more than 8"},
        {"dimensions in a dimension", shaped("[[2]]"), kFormat, "a list where"},
        {"boolean in the shape", shaped("[true]"), kFormat, "true or false"},
        {"one offset", with(R"("data_offsets":[0])"), kFormat, "2 are needed"},
        {"no offset", with(R"("data_offsets":[])"), kFormat, "2 are needed"},
        {"three offsets", with(R"("data_offsets":[0,8,8])"), kFormat, "2 are needed"},
        {"end before begin", with(R"("data_offsets":[8,0])"), kFormat, "before it begins"},
        {"negative offset", with(R"("data_offsets":[-8,0])"), kFormat, "negative"},
        {"offsets of 2^64-1", with(R"("data_offsets":[0,18446744073709551615])"), kFormat, "too large"},
        {"offset in words", with(R"("data_offsets":[0,"8"])"), kFormat, "a string where"},
        {"extent too small for the shape", with(R"("data_offsets":[0,4])"), kFormat, "do not make the 4 bytes"},
        {"extent too large for the shape", with(R"("data_offsets":[0,12])"), kFormat, "do not make the 12 bytes"},
    };
}

std::vector<Bad> bad_layouts() {
    const std::string next = R"({"dtype":"F32","shape":[2],"data_offsets":[8,16]})";
    const auto two = [](const std::string& a, const std::string& b, size_t data) {
        return safetensors("{\"a\":" + a + ",\"b\":" + b + "}", std::string(data, '\0'));
    };
    const auto metadata = [](const std::string& text) { return safetensors("{\"__metadata__\":" + text + "}", ""); };
    std::string many = "{\"__metadata__\":{";
    for (int i = 0; i <= 65536; ++i) many += fmt::format("{}\"{}\":\"\"", i ? "," : "", i);
    std::string tensors = "{";
    for (int i = 0; i <= 262144; ++i)
        tensors += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", i ? "," : "", i);
    return {
        {"data cut short", one(kGood8, 7), kFormat, "cut short"},
        {"no data", one(kGood8, 0), kFormat, "cut short"},
        {"bytes behind the last tensor", one(kGood8, 9), kFormat, "belong to none"},
        {"bytes and no tensor", safetensors("{}", "x"), kFormat, "belong to none"},
        {"another archive behind the data", one(kGood8) + build::zip({{"a/x", "x"}}).bytes, kFormat, "belong to none"},
        {"hole at the start", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})"), kFormat, "gap"},
        {"hole between two", two(kGood8, R"({"dtype":"F32","shape":[2],"data_offsets":[12,20]})", 20), kFormat, "gap"},
        {"overlap", two(kGood8, R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})", 12), kFormat, "overlaps"},
        {"two tensors on the same bytes", two(kGood8, kGood8, 8), kFormat, "overlaps"},
        {"one inside another", two(kGood8, R"({"dtype":"U8","shape":[2],"data_offsets":[2,4]})", 8), kFormat, "overlaps"},
        {"an empty one in the middle of another", two(kGood8, R"({"dtype":"U8","shape":[0],"data_offsets":[4,4]})", 8),
         kFormat, "overlaps"},
        {"an empty one behind the end", two(kGood8, R"({"dtype":"U8","shape":[0],"data_offsets":[9,9]})", 8), kFormat,
         "cut short"},
        {"one name twice",
         safetensors("{\"t\":" + kGood8 + ",\"t\":" + next + "}", std::string(16, '\0')), kFormat, "'t' stands twice"},
        {"one name twice, once escaped",
         safetensors("{\"t\":" + kGood8 + R"(,"\u0074":)" + next + "}", std::string(16, '\0')), kFormat, "twice"},
        {"metadata twice", safetensors(R"({"__metadata__":{},"__metadata__":{}})", ""), kFormat,
         "__metadata__ stands twice"},
        {"metadata entry twice", metadata(R"({"a":"1","a":"2"})"), kFormat, "stands twice"},
        {"metadata with a number", metadata(R"({"a":1})"), kFormat, "strings only"},
        {"metadata with an object", metadata(R"({"a":{}})"), kFormat, "strings only"},
        {"metadata with null", metadata(R"({"a":null})"), kFormat, "strings only"},
        {"metadata is a string", metadata("\"a\""), kFormat, "a string where"},
        {"metadata is a tensor", metadata(kGood8), kFormat, "strings only"},
        {"65,537 metadata entries", safetensors(many + "}}", ""), kFormat, "more than 65536"},
        {"262,145 tensors", safetensors(tensors + "}", ""), kFormat, "more than 262144"},
    };
}

std::vector<Bad> bad() {
    std::vector<Bad> all = bad_frames();
    for (auto more : {bad_tensors(), bad_layouts()}) all.insert(all.end(), more.begin(), more.end());
    return all;
}

std::vector<Seed> seeds() {
    const std::string several =
        R"({"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
        R"("y":{"dtype":"BF16","shape":[1,3],"data_offsets":[8,14]}})";
    const std::string odd = R"({"e":{"dtype":"I64","shape":[3,0],"data_offsets":[0,0]},)"
                            R"("s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
                            R"("名":{"dtype":"BOOL","shape":[1,1,1],"data_offsets":[8,9]}}   )";
    const auto seed = [](const char* name, const std::string& header, size_t data) {
        return Seed{name, safetensors(header, std::string(data, '\x3f')), {{0, 8}}, 8 + header.size()};
    };
    return {seed("several", several, 14), seed("odd shapes", odd, 9), seed("one", "{\"t\":" + kGood8 + "}", 8),
            seed("nothing", "{}", 0)};
}

// The length reaches to the last brace, and the data as far as the largest number before it.
void repair(std::string& bytes) {
    const size_t brace = bytes.rfind('}');
    if (brace == bytes.npos || brace < 8) return;
    const size_t data = std::min(bytes.find_first_not_of(' ', brace + 1), bytes.size());
    bytes.replace(0, 8, build::u64(data - 8));
    size_t end = 0;
    const size_t last = bytes.rfind("data_offsets", brace);
    for (size_t at = last == bytes.npos ? brace : last, number = 0; at < brace; ++at) {
        const bool digit = bytes[at] >= '0' && bytes[at] <= '9';
        number = digit ? std::min<size_t>(number * 10 + static_cast<size_t>(bytes[at] - '0'), 4096) : 0;
        end = std::max(end, number);
    }
    if (end < 4096) bytes.resize(data + end, '\x3f');
}

} // namespace

Reader safetensors_reader() {
    Reader reader{"safetensors", read, check, bad, 80, seeds, {kFormat, kUnsupported}, kName + ": "};
    reader.repair = repair;
    reader.json = true;
    return reader;
}

} // namespace hostile
