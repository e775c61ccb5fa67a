// The readers of tensors and vectors for tests/python:
//   sha FILE                         hex digest of a file
//   floats FILE TENSOR OUT           a safetensors tensor as raw float32
//   vector FILE [OPTION=VALUE...]    a persona vector as JSON, rows included
//   resave FILE OUT [FORMAT]         load any, save native or as STEER_FORMAT_* says
// Options of a load: name, layer_begin, measured, applied, layer_count, hidden_size.
//   combine OUT NORM FILE WEIGHT...  native
//   extract FILE HOLDOUT SEED METHOD safetensors with positive, negative [pairs, layers, hidden] and groups I64: JSON; with
//                                    content_positive and content_negative of the same shape if there are shared tokens
//   auc FILE                         safetensors with positive, negative F32: the area under the curve
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
    out["calibrated"] = (v.calibration != nullptr);
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

Tree figures(const std::vector<float>& values) {
    Tree out = Tree::array();
    for (const float value : values) out.push_back(figure(value));
    return out;
}

Tree extract(const char* path, float holdout, uint64_t seed, int32_t method) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    const TensorInfo& shape = need(file, "positive");
    const size_t size = static_cast<size_t>(shape.shape[1] * shape.shape[2]);
    std::vector<uint64_t> groups(static_cast<size_t>(shape.shape[0]));
    file.read(need(file, "groups"), 0, groups.data(), groups.size() * 8);
    const auto states = [&](const char* name) { return file.read_floats(need(file, name)); };
    const std::vector<float> positive = states("positive"), negative = states("negative");
    std::vector<float> content_positive, content_negative;
    if (file.find("content_positive") != nullptr)
        content_positive = states("content_positive"), content_negative = states("content_negative");
    const auto of_pair = [&](const std::vector<float>& all, uint32_t pair) {
        return all.empty() ? std::span<const float>() : std::span<const float>(all.data() + pair * size, size);
    };

    const int32_t layer_begin = std::atoi(file.metadata().at("layer_begin").c_str());
    const auto split = std::make_shared<const GroupSplit>(groups, holdout, seed);
    RowExtraction extraction({method, layer_begin, layer_begin + static_cast<int32_t>(shape.shape[1]),
                              static_cast<int32_t>(shape.shape[2])}, split);
    for (const uint32_t pair : split->order())
        extraction.add({of_pair(positive, pair), of_pair(negative, pair)},
                       {of_pair(content_positive, pair), of_pair(content_negative, pair)});
    const ExtractedRows result = extraction.finish({});
    Tree out = Tree::object();
    out["order"] = split->order(), out["train_pairs"] = split->train_pairs();
    out["train_groups"] = split->train_groups(), out["holdout_groups"] = split->holdout_groups();
    out["halves"] = Tree::array();
    for (size_t at = 0; at < split->train_pairs(); ++at) out["halves"].push_back(split->half(at));
    out["rows"] = rows_to_json(result.rows);
    out["separation"] = figures(result.separation), out["content_separation"] = figures(result.content_separation);
    return out;
}

double area(const char* path) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    const std::vector<float> positive = file.read_floats(need(file, "positive")), negative = file.read_floats(need(file, "negative"));
    return area_under_curve(std::vector<double>(positive.begin(), positive.end()),
                            std::vector<double>(negative.begin(), negative.end()));
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
    } else if (what == "extract" && argc == 6) {
        const uint64_t seed = std::strtoull(argv[4], nullptr, 10);
        std::puts(extract(argv[2], std::strtof(argv[3], nullptr), seed, std::atoi(argv[5])).dump().c_str());
    } else if (what == "auc" && argc == 3) {
        std::printf("%.17g\n", area(argv[2]));
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
