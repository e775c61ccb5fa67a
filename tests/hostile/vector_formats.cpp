// Persona vectors in formats of others: numpy, .svec and other JSON; features of autoencoders.
#include "build_files.h"
#include "corpus.h"
#include "files/safetensors.h"
#include "steer/vector.h"
#include "vector_checks.h"

using namespace steer;
using namespace build;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;
const std::string kOne("\0\0\x80\x3f", 4), kTwo = kOne + kOne;

// -- numpy

std::string npy(const std::string& header, const std::string& data, char version = 1) {
    const std::string length = version == 1 ? u16(header.size()) : u32(header.size());
    return join({"\x93NUMPY", std::string(1, version), std::string(1, '\0'), length, header, data});
}
std::string shaped(const std::string& shape, const std::string& data = kTwo) {
    return npy("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }\n", data);
}
std::string described(const std::string& descr, const std::string& data = kTwo) {
    return npy("{'descr': " + descr + ", 'fortran_order': False, 'shape': (2,), }\n", data);
}

std::vector<Bad> bad_numpy() {
    const std::string half = "{'descr': '<f4', 'shape': (2,), }", odd = "not that of a numpy array";
    return {
        {"a magic alone", "\x93NUMPY", kFormat, "too short"},
        {"version 0", npy(half, kTwo, 0), kUnsupported, "version 0"},
        {"version 9", npy(half, kTwo, 9), kUnsupported, "version 9"},
        {"a header longer than the file", put(shaped("(2,)"), 8, u16(999)), kFormat, "999 bytes"},
        {"a header of 2^32-1 bytes", put(npy(half, kTwo, 2), 8, u32(UINT32_MAX)), kFormat, "4294967295 bytes"},
        {"an empty header", npy("", kTwo), kFormat, odd},
        {"no dict", npy("[1]", kTwo), kFormat, odd},
        {"a key missing", npy(half, kTwo), kFormat, odd},
        {"a key twice", npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", kTwo), kFormat, odd},
        {"another key", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", kTwo), kFormat, odd},
        {"words behind the dict", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", kTwo), kFormat, odd},
        {"a text without an end", npy("{'descr': '<f4", kTwo), kFormat, odd},
        {"an order in words", npy("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}", kTwo), kFormat, odd},
        {"whole numbers", described("'<i4'"), kUnsupported, "'<i4'"},
        {"big-endian", described("'>f4'"), kUnsupported, "'>f4'"},
        {"objects", described("'|O'"), kUnsupported, "'|O'"},
        {"records", described("[('a', '<f4')]"), kUnsupported, "records"},
        {"a type with a terminal's escape", described("'\x1b[31m'"), kUnsupported, "\\x1b[31m"},
        {"a negative size", shaped("(-2,)"), kFormat, odd},
        {"a size of 2^64", shaped("(18446744073709551616,)"), kFormat, odd},
        {"sizes that overflow", shaped("(4294967296, 4294967296)"), kFormat, "do not make"},
        {"a size that is none", shaped("(x,)"), kFormat, odd},
        {"nine dimensions", shaped("(1, 1, 1, 1, 1, 1, 1, 1, 2)"), kFormat, odd},
        {"more numbers than there are", shaped("(3,)"), kFormat, "do not make the 8 bytes"},
        {"fewer numbers than there are", shaped("(1,)"), kFormat, "do not make the 8 bytes"},
        {"no dimension", shaped("()", kOne), kUnsupported, "shape []"},
        {"three dimensions", shaped("(1, 1, 2)"), kUnsupported, "shape [1, 1, 2]"},
        {"nothing", shaped("(0,)", ""), kFormat, "empty array"},
        {"a row of nothing, often", shaped("(4294967296, 0)", ""), kFormat, "empty array"},
        {"zeros", shaped("(2,)", std::string(8, '\0')), kFormat, "length zero"},
    };
}

std::vector<Seed> numpy_seeds() {
    return {{"one row", shaped("(2,)"), {{8, 2}}, SIZE_MAX},
            {"rows", npy("{'descr': '<f2', 'fortran_order': True, 'shape': (2, 2), }\n", std::string("\0\x3c\0\x40\0\x44\0\x48", 8), 2),
             {{8, 4}}, SIZE_MAX}};
}

// -- JSON

std::string wire(const std::string& kind, const std::string& tensors, const std::string& version = "1") {
    return join({R"({"version":)", version, R"(,"kind":")", kind, R"(","tensors":{)", tensors, "}}"});
}
std::string svec(const std::string& directions, const std::string& more = "") {
    return join({R"({"model_type":"qwen2","directions":{)", directions, "}", more, "}"});
}

std::vector<Bad> bad_json() {
    return {
        {"JSON of another kind", R"({"model_type": 1})", kUnsupported, "neither .svec"},
        {"cut short", R"({"directions": {"1": [1)", kFormat, "not valid JSON"},
        {"directions a list", R"({"directions": [1]})", kFormat, "\"directions\" must be an object"},
        {"no directions", svec(""), kFormat, "no row to push with"},
        {"a layer in words", svec(R"("one": [1])"), kFormat, "'one' is no layer"},
        {"layer -1", svec(R"("-1": [1])"), kFormat, "'-1' is no layer"},
        {"layer 4096", svec(R"("4096": [1])"), kFormat, "'4096' is no layer"},
        {"a layer with a terminal's escape", svec("\"\\u001b[31m\": [1]"), kFormat, "\\x1b[31m"},
        {"a number for a row", svec(R"("1": 7)"), kFormat, "list of numbers"},
        {"a row of texts", svec(R"("1": ["a"])"), kFormat, "string where a number"},
        {"a row of null", svec(R"("1": [null])"), kFormat, "null where a number"},
        {"an empty row", svec(R"("1": [])"), kFormat, "is empty"},
        {"a row beyond float32", svec(R"("1": [1e39])"), kFormat, "too large for float32"},
        {"rows of two widths", svec(R"("1": [1], "2": [1, 2])"), kFormat, "has 2 numbers"},
        {"two directions for a layer", svec(R"("1": [[1], [2]])"), kUnsupported, "2 directions for one layer"},
        {"nested three deep", svec(R"("1": [[[1]]])"), kFormat, "array where a number"},
        {"nested deeper than is read", svec("\"1\": " + std::string(20, '[') + std::string(20, ']')), kFormat, "nested deeper"},
        {"heads", svec(R"("1": [[1]])", R"(,"num_heads":4)"), kUnsupported, "attention heads"},
        {"own: no metadata", svec(R"("1": [1])", R"(,"steer":{})"), kFormat, "\"metadata\" is missing"},
        {"own: a number in the metadata", svec(R"("1": [1])", R"(,"steer":{"metadata":{"a":1}})"), kFormat, "must be a string"},
        {"own: no schema", svec(R"("1": [1])", R"(,"steer":{"metadata":{}})"), kUnsupported, "steer.schema is missing"},
        {"own: a row before the embedding", svec(R"("0": [1])", R"(,"steer":{"metadata":{"steer.schema":"1"}})"), kFormat, "layer -1"},
        {"own: rows to read with, in words", svec(R"("1": [1])", R"(,"steer":{"metadata":{"steer.schema":"1"},"read":{"x":[1]}})"), kFormat,
         "'x' is no layer"},
        {"experts", R"({"layer_configs": {"1": {"expert_ids": [1]}}})", kUnsupported, "SteerMoE"},
        {"wire: version 2", wire("direction", "", "2"), kUnsupported, "version 2"},
        {"wire: low rank", wire("lowrank", ""), kUnsupported, "'lowrank'"},
        {"wire: a pair of concepts", wire("concept_pair", ""), kUnsupported, "'concept_pair'"},
        {"wire: another tensor", wire("direction", R"("h1.layer.1":{})"), kUnsupported, "'h1.layer.1'"},
        {"wire: no data", wire("direction", R"("layer.1":{"shape":[1]})"), kFormat, "\"data\" is missing"},
        {"wire: no base64", wire("direction", R"("layer.1":{"shape":[1],"data":"AACAP?=="})"), kFormat, "no base64"},
        {"wire: base64 cut short", wire("direction", R"("layer.1":{"shape":[1],"data":"AACAP"})"), kFormat, "no base64"},
        {"wire: base64 of another length", wire("direction", R"("layer.1":{"shape":[1],"data":"AAAA"})"), kFormat, "32-bit floats"},
        {"wire: padding in the middle", wire("direction", R"("layer.1":{"shape":[1],"data":"AA==AACAPw=="})"), kFormat, "no base64"},
        {"wire: another shape", wire("direction", R"("layer.1":{"shape":[2],"data":"AACAPw=="})"), kFormat, "not [hidden]"},
        {"wire: two rows", wire("direction", R"("layer.1":{"shape":[2,1],"data":"AACAPwAAgD8="})"), kFormat, "not [hidden]"},
        {"wire: a shape of 2^63", wire("direction", R"("layer.1":{"shape":[9223372036854775808],"data":"AACAPw=="})"), kFormat, "\"shape\" is"},
        {"wire: a negative shape", wire("direction", R"("layer.1":{"shape":[-1],"data":"AACAPw=="})"), kFormat, "\"shape\" is"},
    };
}

std::vector<Seed> json_seeds() {
    const std::vector<float> rows = {1.0f, 2.5f};
    const VectorPtr made = create_vector(rows.data(), 2, 1, {});
    return {{"CAST", svec(R"("1": [1, 2.5], "2": [-1, 1e-3])", R"(,"explained_variances":{"1": 0.5})"), {}},
            {"AISteer360", svec(R"("1": [[1, 2.5]])", R"(,"num_heads":null,"probe_accuracies":{"1:0": 0.5})"), {}},
            {"wire", wire("direction", R"("layer.1":{"shape":[1,1],"data":"AACAPw=="})"), {}},
            {"written here", vector_to_bytes(*made, STEER_FORMAT_SVEC), {}}};
}

// -- a feature of an autoencoder

void read_feature(std::string_view bytes) {
    VectorOptions options;
    options.name = "feature:2", options.layer_begin = 1;
    (void)load_vector_bytes(bytes, kName, options);
}

void check_feature(std::string_view bytes) {
    VectorOptions options;
    options.name = "feature:2", options.layer_begin = 1;
    const VectorPtr v = load_vector_bytes(bytes, kName, options);
    promise(v->layer_end == v->layer_begin + 1 && v->metadata.at("feature") == "2", "a feature that is not one row");
    check_vector(vector_to_bytes(*v));
}

const std::string kHalf = storage("0", "HalfStorage", 8);
std::string decoder(const std::string& matrix, const std::string& more = "") {
    return torch_file("}(" + text("W_dec") + matrix + more + "u", {{"0", std::string(16, '\x3c')}}).bytes;
}

std::vector<Bad> bad_features() {
    const auto stored = [](std::vector<int64_t> shape, const std::string& bytes, const TextMap& metadata = {}) {
        return write_safetensors({{"W_dec", Dtype::f32, std::move(shape), bytes}}, metadata);
    };
    const std::string eight = kTwo + kTwo + kTwo + kTwo;
    return {
        {"no decoder", write_safetensors({{"W_enc", Dtype::f32, {1}, kOne}}, {}), kUnsupported, "no decoder"},
        {"no decoder of torch", torch_file("}", {}).bytes, kUnsupported, "no decoder"},
        {"a decoder that is a number", torch_file("}" + text("W_dec") + integer(1) + "s", {}).bytes, kUnsupported, "no decoder"},
        {"GGUF", std::string("GGUF\x03\0\0\0", 8), kUnsupported, "autoencoders are read from"},
        {"one dimension", stored({8}, eight), kFormat, "two dimensions"},
        {"too few features", stored({2, 2}, kTwo + kTwo), STEER_ERR_ARG, "it has 2"},
        {"whole numbers", write_safetensors({{"W_dec", Dtype::i32, {4, 2}, eight}}, {}), kUnsupported, "is I32"},
        {"another layer", stored({4, 2}, eight, {{"layer", "9"}}), STEER_ERR_ARG, "is of layer 9"},
        {"a layer beyond all", stored({4, 2}, eight, {{"layer", "4096"}}), kFormat, "no layer number"},
        {"of the feed-forward part", stored({4, 2}, eight, {{"hook_name", "blocks.1.hook_mlp_out"}}), kUnsupported, "hook_mlp_out"},
        {"a bias of another width", write_safetensors({{"W_dec", Dtype::f32, {4, 2}, eight}, {"b_dec", Dtype::f32, {1}, kOne}}, {}),
         STEER_ERR_MISMATCH, "none is the hidden size of 1"},
        {"nothing", stored({0, 4}, ""), kFormat, "shape [0, 4]"},
        {"outside its storage", decoder(tensor(kHalf, 1, {4, 2}, {2, 1})), kFormat, "outside its storage"},
        {"strides that overflow", decoder(tensor(kHalf, 0, {4, 2}, {INT32_MAX, INT32_MAX})), kFormat, "outside"},
        {"damaged behind the row", [] {
             const Zip z = torch_file("}" + text("W_dec") + tensor(kHalf, 0, {4, 2}, {2, 1}) + "s", {{"0", std::string(16, '\x3c')}});
             return put(z.bytes, z.data[2] + 15, "x");
         }(), kFormat, "CRC is wrong"},
    };
}

std::vector<Seed> feature_seeds() {
    const std::string eight = kTwo + kTwo + kTwo + kTwo;
    return {{"rows", write_safetensors({{"W_dec", Dtype::f32, {4, 2}, eight}}, {{"hook_name", "blocks.1.hook_resid_pre"}}), {{0, 8}}, SIZE_MAX},
            {"columns", decoder(tensor(kHalf, 0, {2, 4}, {4, 1}), text("layer") + integer(1)), {}}};
}

} // namespace

Reader numpy_vector_reader() {
    return {"vector_numpy", read_vector, check_vector, bad_numpy, 28, numpy_seeds, {kFormat, kUnsupported}, kName + ": "};
}
Reader json_vector_reader() {
    Reader reader{"vector_json", read_vector, check_vector, bad_json, 35, json_seeds, {kFormat, kUnsupported}, kName + ": "};
    reader.heap_factor = 24; // as JSON has it: lists of short numbers
    reader.heap_base = 32 << 20;
    reader.json = true;
    return reader;
}
Reader feature_reader() {
    Reader reader{"vector_feature", read_feature, check_feature, bad_features, 14, feature_seeds,
                  {kFormat, kUnsupported, STEER_ERR_ARG, STEER_ERR_MISMATCH}, kName + ": "};
    return reader;
}

} // namespace hostile
