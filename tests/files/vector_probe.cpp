// The readers of tensors and vectors for tests/python:
//   sha FILE                         hex digest of a file
//   floats FILE TENSOR OUT           a safetensors tensor as raw float32
//   vector FILE [OPTION=VALUE...]    a persona vector as JSON, rows included
//   resave FILE OUT [FORMAT]         load any, save native or as STEER_FORMAT_* says
// Options of a load: name, layer_begin, measured, applied, layer_count, hidden_size.
//   combine OUT NORM FILE WEIGHT...  native
//   extract FILE HOLDOUT SEED        safetensors with positive, negative [pairs, layers, hidden] and groups I64: JSON
// A failure is one line "STATUS words" on standard error and exit status 1.
#include "files/error.h"
#include "../tree.h"
#include "files/safetensors.h"
#include "steer/extract.h"
#include "steer/vector.h"

#include <cstdio>
#include <cstdlib>

using namespace steer;

namespace {

Tree figure(float value) { return std::isnan(value) ? Tree(nullptr) : Tree(double{value}); }

Tree to_json(const VectorRow& row) {
    if (!row.present()) return nullptr;
    Tree out = Tree::object();
    out["values"] = Tree::array();
    for (const float value : row.values) out["values"].push_back(double{value});
    out["norm"] = figure(row.norm);
    out["residual_norm"] = figure(row.residual_norm);
    out["explained_variance"] = figure(row.explained_variance);
    out["auc"] = figure(row.auc);
    out["auc_content"] = figure(row.auc_content);
    out["neutral"] = figure(row.neutral);
    out["persona"] = figure(row.persona);
    out["split_half_cosine"] = figure(row.split_half_cosine);
    return out;
}

Tree rows_to_json(const std::vector<VectorRow>& rows) {
    Tree out = Tree::array();
    for (const VectorRow& row : rows) out.push_back(to_json(row));
    return out;
}

Tree to_json(const Vector& v) {
    Tree out = Tree::object();
    out["name"] = v.name;
    out["hidden_size"] = v.hidden_size;
    out["layer_begin"] = v.layer_begin, out["layer_end"] = v.layer_end;
    out["site_measured"] = v.site_measured, out["site_applied"] = v.site_applied;
    out["best"] = {v.best_begin, v.best_end}, out["gauge_layer"] = v.gauge_layer;
    out["strength_safe"] = figure(v.strength_safe);
    out["calibrated"] = v.calibrated;
    out["fingerprint"] = to_hex(v.fingerprint), out["model_fingerprint"] = to_hex(v.model_fingerprint);
    out["metadata"] = v.metadata;
    out["write"] = rows_to_json(v.write), out["read"] = rows_to_json(v.read);
    return out;
}

const TensorInfo& need(const SafetensorsFile& file, const char* name) {
    const TensorInfo* tensor = file.find(name);
    if (tensor == nullptr) fail(STEER_ERR_FORMAT, "{}: no tensor {}", file.name(), name);
    return *tensor;
}

Tree extract(const char* path, float holdout, uint64_t seed) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    const TensorInfo& states = need(file, "positive");
    const std::vector<float> positive = file.read_floats(states), negative = file.read_floats(need(file, "negative"));
    std::vector<uint64_t> groups(static_cast<size_t>(states.shape[0]));
    file.read(need(file, "groups"), 0, groups.data(), groups.size() * 8);
    MeanDifferenceOptions options;
    options.layer_begin = std::atoi(file.metadata().at("layer_begin").c_str());
    options.layer_end = options.layer_begin + static_cast<int32_t>(states.shape[1]);
    options.layer_count = std::atoi(file.metadata().at("layer_count").c_str());
    options.hidden_size = static_cast<int32_t>(states.shape[2]);
    options.holdout = holdout, options.seed = seed;
    MeanDifference extraction(options, groups);
    const size_t size = static_cast<size_t>(states.shape[1] * states.shape[2]);
    for (const uint32_t pair : extraction.order())
        extraction.add({positive.data() + pair * size, size}, {negative.data() + pair * size, size});
    const MeanDifferenceResult result = extraction.finish({});
    Tree out = Tree::object();
    out["order"] = extraction.order(), out["train_pairs"] = result.train_pairs;
    out["train_groups"] = result.train_groups, out["holdout_groups"] = result.holdout_groups;
    out["rows"] = rows_to_json(result.rows);
    out["separation"] = Tree::array();
    for (const float value : result.separation) out["separation"].push_back(figure(value));
    out["best"] = {result.best_begin, result.best_end}, out["gauge_layer"] = result.gauge_layer;
    return out;
}

VectorOptions read_options(int count, char** words) {
    VectorOptions options;
    for (int i = 0; i < count; ++i) {
        const std::string word = words[i], key = word.substr(0, word.find('=')), value = word.substr(key.size() + 1);
        if (key == "name") options.name = value;
        else if (key == "layer_begin") options.layer_begin = std::stoi(value);
        else if (key == "measured") options.site_measured = std::stoi(value);
        else if (key == "applied") options.site_applied = std::stoi(value);
        else if (key == "layer_count") options.layer_count = std::stoi(value);
        else if (key == "hidden_size") options.hidden_size = std::stoi(value);
        else fail(STEER_ERR_ARG, "no option {}", key);
    }
    return options;
}

int run(int argc, char** argv) {
    const std::string what = argc > 1 ? argv[1] : "";
    if (what == "sha" && argc == 3) {
        const std::string bytes = read_file(argv[2], UINT64_MAX);
        std::puts(to_hex(sha256(bytes.data(), bytes.size())).c_str());
    } else if (what == "floats" && argc == 5) {
        const SafetensorsFile file = SafetensorsFile::open(argv[2]);
        const std::vector<float> values = file.read_floats(need(file, argv[3]));
        write_file_atomically(argv[4], {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
    } else if (what == "vector" && argc >= 3) {
        std::puts(to_json(*load_vector(argv[2], read_options(argc - 3, argv + 3))).dump().c_str());
    } else if (what == "resave" && (argc == 4 || argc == 5)) {
        save_vector(*load_vector(argv[2], {}), argv[3], argc == 5 ? std::atoi(argv[4]) : STEER_FORMAT_NATIVE);
    } else if (what == "combine" && argc >= 6 && argc % 2 == 0) {
        std::vector<VectorPtr> vectors;
        std::vector<float> weights;
        for (int i = 4; i < argc; i += 2) {
            vectors.push_back(load_vector(argv[i], {}));
            weights.push_back(std::strtof(argv[i + 1], nullptr));
        }
        save_vector(*combine_vectors(vectors, weights, std::strtof(argv[3], nullptr)), argv[2], STEER_FORMAT_NATIVE);
    } else if (what == "extract" && argc == 5) {
        std::puts(extract(argv[2], std::strtof(argv[3], nullptr), std::strtoull(argv[4], nullptr, 10)).dump().c_str());
    } else {
        std::fputs("see the head of vector_probe.cpp\n", stderr);
        return 2;
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const Error& error) {
        std::fprintf(stderr, "%d %s\n", error.status(), error.what());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%d %s\n", STEER_ERR_INTERNAL, error.what());
    }
    return 1;
}
