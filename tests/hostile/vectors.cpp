// Persona vectors: the native safetensors layout and files of torch.save. GGUF, numpy and JSON are in vector_formats.cpp.
#include "build_files.h"
#include "corpus.h"
#include "files/safetensors.h"
#include "steer/vector.h"
#include "vector_checks.h"

#include <cmath>

using namespace steer;
using namespace build;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;

void check_row(const VectorRow& row, int32_t hidden_size) {
    promise(row.values.size() == static_cast<size_t>(hidden_size), "a row of another width");
    for (const float value : row.values) promise(std::isfinite(value), "a number that is not finite");
    promise(row.norm > 0.0f && std::isfinite(row.norm), "a row without a length");
    for (const float figure : {row.residual_norm, row.explained_variance, row.auc, row.auc_content, row.neutral, row.persona,
                               row.split_half_cosine})
        promise(!std::isinf(figure), "an infinite figure");
}

// In a format that holds all: nothing is lost. Some vectors do not fit into it.
void check_other_format(const Vector& v, const std::string& native, int32_t format) {
    std::string saved;
    try {
        saved = vector_to_bytes(v, format);
    } catch (const Error& error) {
        promise(error.status() == STEER_ERR_UNSUPPORTED, error.what());
        return;
    }
    promise(vector_to_bytes(*load_vector_bytes(saved, kName, {})) == native, "a vector changed by another format");
}

} // namespace

void read_vector(std::string_view bytes) { (void)load_vector_bytes(bytes, kName, {}); }

// What was read, saved and read again, is the same, and its bytes too.
void check_vector(std::string_view bytes) {
    const VectorPtr v = load_vector_bytes(bytes, kName, {});
    promise(v->layer_begin >= 0 && v->layer_begin < v->layer_end && v->layer_end <= 4096, "layers outside");
    const auto layers = static_cast<size_t>(v->layer_end - v->layer_begin);
    promise(v->write.size() == layers && (v->read.empty() || v->read.size() == layers), "rows for other layers");
    for (const auto* rows : {&v->write, &v->read})
        for (const VectorRow& row : *rows)
            if (row.present()) check_row(row, v->hidden_size);
    for (const int32_t layer : {v->layer_begin, v->layer_end - 1})
        promise(v->row(layer, STEER_ROWS_WRITE) != nullptr || v->row(layer, STEER_ROWS_READ) != nullptr, "an end without a row");
    const std::string saved = vector_to_bytes(*v);
    const VectorPtr w = load_vector_bytes(saved, kName, {});
    promise(vector_to_bytes(*w) == saved, "saved twice, two files");
    promise(w->fingerprint == v->fingerprint && w->model_fingerprint == v->model_fingerprint && w->name == v->name &&
                w->metadata == v->metadata && w->site_measured == v->site_measured && w->site_applied == v->site_applied &&
                w->gauge_layer == v->gauge_layer && w->best_begin == v->best_begin && w->best_end == v->best_end,
            "a vector changed by saving it");
    for (const int32_t format : {STEER_FORMAT_GGUF, STEER_FORMAT_SVEC}) check_other_format(*v, saved, format);
}

namespace {

// -- native

const std::string kOne("\0\0\x80\x3f", 4), kTwo = kOne + kOne;
const TextMap kSchema = {{"steer.schema", "1"}};

std::string with(const std::string& key, const std::string& value) {
    TextMap metadata = kSchema;
    metadata[key] = value;
    return write_safetensors({{"write.3", Dtype::f32, {1}, kOne}}, metadata);
}

std::vector<Bad> bad_formats() {
    return {
        {"nothing", "", kFormat, "neither"},
        {"text", "hello, this is a text", kFormat, "neither"},
        {"an HTML page", "<!DOCTYPE html><html>404</html>", kFormat, "neither"},
        {"a pointer of a large-file store", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", kFormat,
         "neither"},
        {"GGUF with a brace at byte 8", std::string("GGUF\x03\0\0\0{", 9), kFormat, "GGUF header is cut short"},
        {"hidden states", write_safetensors({{"hidden_states", Dtype::f32, {1}, kOne}}, {}), kUnsupported, "hidden states of a run"},
        {"an autoencoder", write_safetensors({{"W_dec", Dtype::f32, {1}, kOne}}, {}), kUnsupported, "feature:NUMBER"},
        {"a LoRA", write_safetensors({{"model.layers.0.q_proj.lora_A.weight", Dtype::f32, {1}, kOne}}, {}), kUnsupported, "LoRA"},
        {"bare pickle", "\x80\x02}.", kUnsupported, "bare pickle"},
        {"JSON", "{\"model_type\": 1}", kUnsupported, "JSON"},
        {"zip cut short", "PK\x03\x04", kFormat, "too short"},
        {"empty zip", zip({}).bytes, kFormat, "neither"},
        {"safetensors cut short", safetensors("{}", "").substr(0, 9), kFormat, "does not fit"},
        {"model weights", write_safetensors({{"model.norm.weight", Dtype::f32, {1}, kOne}}, {}), kUnsupported,
         "steer.schema is missing"},
        {"later schema", with("steer.schema", "2"), kUnsupported, "schema '2'"},
        {"schema with a terminal's escape", with("steer.schema", "\x1b[31m"), kUnsupported, "\\x1b[31m"},
        {"schema of 1 MiB", with("steer.schema", std::string(1 << 20, '1')), kUnsupported, "111...'"},
    };
}

std::vector<Bad> bad_rows() {
    const auto row = [](const std::string& name, Dtype dtype, std::vector<int64_t> shape, const std::string& bytes) {
        return write_safetensors({{name, dtype, std::move(shape), bytes}}, kSchema);
    };
    const auto named = [&](const std::string& name) { return row(name, Dtype::f32, {1}, kOne); };
    const auto number = [&](const std::string& bytes) { return row("write.3", Dtype::f32, {1}, bytes); };
    return {
        {"no rows", write_safetensors({}, kSchema), kFormat, "no rows"},
        {"read rows only", named("read.3"), kFormat, "no row to push with"},
        {"unknown tensor", named("curve.3"), kUnsupported, "'curve.3'"},
        {"layer not a number", named("write.x"), kUnsupported, "'write.x'"},
        {"layer missing", named("write."), kUnsupported, "'write.'"},
        {"layer with a zero in front", named("write.03"), kUnsupported, "'write.03'"},
        {"layer -1", named("write.-1"), kUnsupported, "'write.-1'"},
        {"layer +1", named("write.+1"), kUnsupported, "'write.+1'"},
        {"layer 1e2", named("write.1e2"), kUnsupported, "'write.1e2'"},
        {"layer with a space behind", named("write.1 "), kUnsupported, "'write.1 '"},
        {"layer 4096", named("write.4096"), kUnsupported, "'write.4096'"},
        {"layer 2^40", named("write.1099511627776"), kUnsupported, "neither write.LAYER"},
        {"layer of a million digits", named("write." + std::string(1000000, '1')), kUnsupported, "111...'"},
        {"a row's name with a terminal's escape", named("\x1b]0;owned\x07"), kUnsupported, "\\x1b]0;owned"},
        {"half precision", row("write.3", Dtype::f16, {2}, kOne), kFormat, "is F16"},
        {"whole numbers", row("write.3", Dtype::i32, {1}, kOne), kFormat, "is I32"},
        {"two dimensions", row("write.3", Dtype::f32, {1, 1}, kOne), kFormat, "[1, 1]"},
        {"no dimension", row("write.3", Dtype::f32, {}, kOne), kFormat, "[]"},
        {"an empty row", row("write.3", Dtype::f32, {0}, {}), kFormat, "'write.3' is empty"},
        {"not a number", number(std::string("\0\0\xc0\x7f", 4)), kFormat, "not finite"},
        {"infinite", number(std::string("\0\0\x80\x7f", 4)), kFormat, "not finite"},
        {"length zero", number(std::string(4, '\0')), kFormat, "length zero"},
        {"too long for float32",
         row("write.3", Dtype::f32, {2}, "\xff\xff\x7f\x7f\xff\xff\x7f\x7f"), kFormat, "too long"},
        {"two widths", write_safetensors({{"write.3", Dtype::f32, {1}, kOne}, {"write.4", Dtype::f32, {2}, kTwo}}, kSchema),
         kFormat, "has 2 numbers"},
        {"two widths of two sets",
         write_safetensors({{"write.3", Dtype::f32, {1}, kOne}, {"read.3", Dtype::f32, {2}, kTwo}}, kSchema), kFormat,
         "read row of layer 3 has 2 numbers"},
    };
}

std::vector<Bad> bad_metadata() {
    return {
        {"hidden size denied", with("steer.hidden_size", "2"), kFormat, "says 2, the rows say 1"},
        {"layer range denied", with("steer.layer_end", "9"), kFormat, "says 9, the rows say 4"},
        {"first layer denied", with("steer.layer_begin", "0"), kFormat, "says 0, the rows say 3"},
        {"hidden size in words", with("steer.hidden_size", "one"), kFormat, "cannot be 'one'"},
        {"hidden size with a space", with("steer.hidden_size", " 1"), kFormat, "cannot be ' 1'"},
        {"empty number", with("steer.gauge_layer", ""), kFormat, "cannot be ''"},
        {"gauge layer without a row", with("steer.gauge_layer", "4"), kFormat, "gauge layer 4"},
        {"gauge layer 2^31", with("steer.gauge_layer", "2147483648"), kFormat, "cannot be"},
        {"gauge layer -2^31", with("steer.gauge_layer", "-2147483648"), kFormat, "gauge layer -2147483648"},
        {"half a range", with("steer.best_begin", "3"), kFormat, "make no range"},
        {"infinite strength", with("steer.strength_safe", "inf"), kFormat, "safe strength"},
        {"strength 1e999", with("steer.strength_safe", "1e999"), kFormat, "cannot be '1e999'"},
        {"strength 0", with("steer.strength_safe", "0"), kFormat, "safe strength"},
        {"unknown site", with("steer.site_applied", "middle"), kFormat, "cannot be 'middle'"},
        {"site in capitals", with("steer.site_measured", "OUTPUT"), kFormat, "cannot be 'OUTPUT'"},
        {"short fingerprint", with("steer.model_fingerprint", "abcd"), kFormat, "cannot be 'abcd'"},
        {"fingerprint of other letters", with("steer.model_fingerprint", std::string(64, 'g')), kFormat, "cannot be 'ggg"},
        {"rows changed", with("steer.fingerprint", std::string(64, '1')), kFormat, "they were changed"},
        {"a calibration that is no JSON", with("steer.calibration", "1,"), kFormat, "steer.calibration"},
        {"a calibration that is a number", with("steer.calibration", "1"), kFormat, "steer.calibration"},
        {"a calibration of schema 3", with("steer.calibration", "{\"schema\":3}"), kUnsupported, "schema 3"},
        {"an empty calibration", with("steer.calibration", "{\"schema\":2}"), kFormat, "\"dtype\" is missing"},
        {"long name", with("steer.name", std::string(300, 'n')), kFormat, "a name of more than"},
        {"a value with a terminal's escape", with("steer.site_applied", "\x1b[31m"), kFormat, "\\x1b[31m"},
        {"stats no JSON", with("steer.stats", "{"), kFormat, "steer.stats"},
        {"stats a number", with("steer.stats", "7"), kFormat, "steer.stats"},
        {"stats nested", with("steer.stats", R"({"write":{"3":{"auc":[[[[1]]]]}}})"), kFormat, "nested deeper"},
        {"stats of another layer", with("steer.stats", R"({"write":{"4":{"auc":1}}})"), kFormat, "layer '4'"},
        {"stats of a layer in other digits", with("steer.stats", R"({"write":{"03":{"auc":1}}})"), kFormat, "layer '03'"},
        {"stats of rows not there", with("steer.stats", R"({"read":{"3":{"auc":1}}})"), kFormat, "layer '3'"},
        {"a figure in words", with("steer.stats", R"({"write":{"3":{"auc":"high"}}})"), kFormat, "auc"},
        {"a figure beyond float32", with("steer.stats", R"({"write":{"3":{"auc":1e39}}})"), kFormat, "auc"},
        {"a figure twice", with("steer.stats", R"({"write":{"3":{"auc":1,"auc":2}}})"), kFormat, "comes twice"},
        {"stats a list", with("steer.stats", R"({"write":[1]})"), kFormat, "write is no object"},
        {"figures a list", with("steer.stats", R"({"write":{"3":[1]}})"), kFormat, "is no object"},
    };
}

std::vector<Bad> bad_native() {
    std::vector<Bad> all = bad_formats();
    for (auto more : {bad_rows(), bad_metadata()}) all.insert(all.end(), more.begin(), more.end());
    return all;
}

std::vector<Seed> native_seeds() {
    TextMap metadata = kSchema;
    metadata["steer.name"] = "ギャル";
    metadata["steer.hidden_size"] = "2", metadata["steer.layer_begin"] = "3", metadata["steer.layer_end"] = "5";
    metadata["steer.site_measured"] = "output", metadata["steer.site_applied"] = "input";
    metadata["steer.best_begin"] = "3", metadata["steer.best_end"] = "5", metadata["steer.gauge_layer"] = "4";
    metadata["steer.strength_safe"] = "0.45", metadata["steer.calibrated"] = "false", metadata["licence"] = "CC0";
    metadata["steer.stats"] = R"({"write":{"3":{"auc":0.5,"neutral":-1.5}},"read":{"4":{"persona":2}}})";
    const std::string full = write_safetensors({{"write.3", Dtype::f32, {2}, kTwo}, {"read.4", Dtype::f32, {2}, kTwo}}, metadata);
    const std::string small = write_safetensors({{"write.0", Dtype::f32, {1}, kOne}}, kSchema);
    const VectorPtr sealed = load_vector_bytes(small, kName, {}); // with its fingerprint
    return {{"full", full, {{0, 8}}, full.size()}, {"small", small, {{0, 8}}, small.size()},
            {"sealed", vector_to_bytes(*sealed), {{0, 8}}, SIZE_MAX}};
}

// -- torch.save of {layer: row}

const std::string kHalf = storage("0", "HalfStorage", 4);
const std::string kData("\x00\x3c\x00\xc0\x00\x38\x01\x00", 8);

std::string row(int64_t offset, int64_t count, int64_t stride = 1) { return tensor(kHalf, offset, {count}, {stride}); }
std::string file(const std::string& body, const std::string& data = kData) { return torch_file(body, {{"0", data}}).bytes; }
std::string rows(const std::vector<std::pair<std::string, std::string>>& entries) {
    std::string body = "}(";
    for (const auto& [key, value] : entries) body += key + value;
    return body + "u";
}

std::vector<Bad> bad_torch() {
    const std::string nan("\x00\x7e\x00\x3c\x00\x3c\x00\x3c", 8), zeros(8, '\0');
    std::vector<std::pair<std::string, std::string>> shared;
    for (int layer = 0; layer < 3000; ++layer) shared.emplace_back(integer(layer), "h" + std::string(1, '\0'));
    shared[0].second = row(0, 4) + "q" + std::string(1, '\0');
    const auto tensor_of = [](const std::vector<int64_t>& shape, const std::vector<int64_t>& strides, int64_t offset = 0) {
        return rows({{integer(1), tensor(kHalf, offset, shape, strides)}});
    };
    const auto stored = [](const std::string& key, const std::string& type, int64_t numel) {
        return rows({{integer(1), tensor(storage(key, type, numel), 0, {4}, {1})}});
    };
    return {
        {"None", file("N"), kUnsupported, "holds None"},
        {"a number", file(integer(7)), kUnsupported, "holds an int"},
        {"a tensor of three dimensions", file(tensor(kHalf, 0, {2, 2, 1}, {2, 1, 1})), kUnsupported, "shape [2, 2, 1]"},
        {"a tensor without dimensions", file(tensor(kHalf, 0, {}, {})), kUnsupported, "shape []"},
        {"an empty tensor", file(tensor(kHalf, 0, {0, 4}, {4, 1})), kFormat, "shape [0, 4]"},
        {"a tensor of 2^40 rows of nothing new", file(tensor(kHalf, 0, {INT32_MAX, 512}, {0, 0})), kFormat, "shape [2147483647, 512]"},
        {"a list of tensors", file("]" + row(0, 4) + "a"), kUnsupported, "holds a list"},
        {"a list in itself", file("]q" + std::string(1, '\0') + "h" + std::string(1, '\0') + "a"), kUnsupported,
         "holds a list"},
        {"a bare storage", file(kHalf), kUnsupported, "a bare storage"},
        {"a class", file(global("torch", "HalfStorage")), kUnsupported, "a class"},
        {"an empty dict", file("}"), kFormat, "dict is empty"},
        {"a dict by names", file(rows({{text("axes"), row(0, 4)}})), kUnsupported, "key 'axes'"},
        {"an axis that is a number", file(rows({{text("axis"), integer(1)}})), kUnsupported, "an int where a tensor"},
        {"an axis in itself", file("}q" + std::string(1, '\0') + text("axis") + "h" + std::string(1, '\0') + "s"), kUnsupported,
         "a dict where a tensor"},
        {"LoReFT", file(rows({{text("rotate_layer"), row(0, 4)}})), kUnsupported, "LoReFT"},
        {"LM-Steer", file("]" + rows({{text("projector1"), row(0, 4)}}) + "a"), kUnsupported, "LM-Steer"},
        {"a linear transport", file(rows({{text("A_"), row(0, 4)}})), kUnsupported, "LinearTransport"},
        {"an autoencoder", file(rows({{text("W_dec"), row(0, 4)}})), kUnsupported, "feature:NUMBER"},
        {"capping without a vector", file(rows({{text("vectors"), "}"}})), kFormat, "is empty"},
        {"capping by numbers", file(rows({{text("vectors"), rows({{integer(1), "}"}})}})), STEER_ERR_ARG, "holds no vector '1'"},
        {"capping at no layer", file(rows({{text("vectors"), rows({{text("a"), rows({{text("vector"), row(0, 4)}})}})}})), kFormat,
         "\"layer\""},
        {"capping at layer -1",
         file(rows({{text("vectors"), rows({{text("a"), rows({{text("vector"), row(0, 4)}, {text("layer"), integer(-1)}})}})}})),
         kFormat, "\"layer\""},
        {"capping with a matrix",
         file(rows({{text("vectors"), rows({{text("a"), rows({{text("vector"), tensor(kHalf, 0, {2, 2}, {2, 1})},
                                                            {text("layer"), integer(1)}})}})}})),
         kFormat, "one dimension"},
        {"numpy bytes that are none", file(global("_codecs", "encode") + text("\xc4\x80") + text("latin1") + "\x86R"), kFormat,
         "bytes that are none"},
        {"a key with a terminal's escape", file(rows({{text("\x1b[31m"), row(0, 4)}})), kUnsupported, "\\x1b[31m"},
        {"a key of broken UTF-8", file(rows({{text("\xff\xfe"), row(0, 4)}})), kUnsupported, "\\xff\\xfe"},
        {"a dict by floats", file(rows({{"G" + std::string(8, '\0'), row(0, 4)}})), kUnsupported, "not layer numbers"},
        {"a dict by booleans", file(rows({{"\x88", row(0, 4)}})), kUnsupported, "not layer numbers"},
        {"a dict by None", file(rows({{"N", row(0, 4)}})), kUnsupported, "not layer numbers"},
        {"layer -1", file(rows({{integer(-1), row(0, 4)}})), kFormat, "-1 is no layer"},
        {"layer 4096", file(rows({{integer(4096), row(0, 4)}})), kFormat, "4096 is no layer"},
        {"layer 2^63-1", file(rows({{"\x8a\x08" + u64(INT64_MAX), row(0, 4)}})), kFormat, "is no layer"},
        {"a layer twice", file(rows({{integer(1), row(0, 4)}, {integer(1), row(0, 4)}})), kFormat, "layer 1 stands twice"},
        {"a row that is a list", file(rows({{integer(1), "]"}})), kUnsupported, "a list for layer 1"},
        {"a row that is a dict in itself",
         file("}q" + std::string(1, '\0') + integer(1) + "h" + std::string(1, '\0') + "s"), kUnsupported,
         "a dict for layer 1"},
        {"two dimensions", file(tensor_of({1, 4}, {4, 1})), kUnsupported, "shape [1, 4] for layer 1"},
        {"no dimension", file(tensor_of({}, {})), kUnsupported, "shape [] for layer 1"},
        {"an empty row", file(tensor_of({0}, {1})), kFormat, "is empty"},
        {"rows of two widths", file(rows({{integer(1), row(0, 4)}, {integer(2), row(0, 3)}})), kFormat, "has 3 numbers"},
        {"3,000 rows on one storage", file(rows(shared)), kFormat, "share one storage"},
        {"reaches behind its storage", file(tensor_of({4}, {1}, 1)), kFormat, "outside its storage"},
        {"a stride that reaches behind", file(tensor_of({3}, {2})), kFormat, "outside its storage"},
        {"a stride of 2^31-1", file(tensor_of({4}, {INT32_MAX})), kFormat, "outside its storage"},
        {"an offset of 2^31-1", file(tensor_of({1}, {1}, INT32_MAX)), kFormat, "outside its storage"},
        {"more numbers than the file has", file(tensor_of({INT32_MAX}, {0})), kFormat, "more numbers than the file"},
        {"one number as many", file(tensor_of({5}, {0})), kFormat, "outside its storage"},
        {"record missing", file(stored("9", "HalfStorage", 4)), kFormat, "data/9 of a tensor is missing"},
        {"more elements declared than stored", file(stored("0", "HalfStorage", 5)), kFormat, "5 elements of F16"},
        {"another type than stored", file(stored("0", "FloatStorage", 4)), kFormat, "4 elements of F32"},
        {"a storage of 2^31-1 elements", file(stored("0", "DoubleStorage", INT32_MAX)), kFormat, "elements of F64"},
        {"not a number", file(rows({{integer(1), row(0, 4)}}), nan), kFormat, "not finite"},
        {"length zero", file(rows({{integer(1), row(0, 4)}}), zeros), kFormat, "length zero"},
        {"a record's bytes changed", [] {
             const Zip z = torch_file(rows({{integer(1), row(0, 4)}}), {{"0", kData}});
             return put(z.bytes, z.data[2], "x");
         }(), kFormat, "CRC is wrong"},
    };
}

std::vector<Seed> torch_seeds() {
    const std::string body = rows({{integer(1), row(0, 2)}, {integer(2), row(0, 2, 2)}});
    const std::string axis = rows({{text("axis"), tensor(kHalf, 0, {2, 2}, {2, 1})}, {text("metadata"),
                                                  rows({{text("n"), integer(7)}})}});
    const std::string cap = rows({{text("vector"), text("a")}, {text("cap"), integer(-3)}});
    const std::string capping =
        rows({{text("vectors"), rows({{text("a"), rows({{text("vector"), row(0, 2)}, {text("layer"), integer(3)}})}})},
              {text("experiments"), "](" + rows({{text("id"), text("x")}, {text("interventions"), "](" + cap + "e"}}) + "e"}});
    return {{"two rows", file(body), {}}, {"a tensor", file(tensor(kHalf, 0, {2, 2}, {2, 1})), {}}, {"an axis", file(axis), {}},
            {"capping", file(capping), {}}, {"numpy", file(numpy_array({2}, "\x01<\x02<")), {}}};
}

} // namespace

Reader native_vector_reader() {
    Reader reader{"vector_native", read_vector, check_vector, bad_native, 60, native_seeds, {kFormat, kUnsupported}, kName + ": "};
    reader.repair = safetensors_reader().repair;
    reader.json = true;
    return reader;
}
Reader torch_vector_reader() {
    Reader reader{"vector_torch", read_vector, check_vector, bad_torch, 45, torch_seeds, {kFormat, kUnsupported, STEER_ERR_ARG},
                  kName + ": "};
    reader.repair = torch_zip_reader().repair;
    return reader;
}

} // namespace hostile
