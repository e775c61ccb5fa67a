// Runs passes of the libtorch backend as a test asks, and shows logits, every state at every site, and gauge readings.
// Each line of standard input is a JSON request, each line of standard output its answer, {"error": words} where it
// failed.
//
//   {"open": folder, "dtype": STEER_DTYPE_*, "device": "cpu", "weights": STEER_WEIGHTS_*, "reference": true for every pass by the reference path}
//     -> {"layers", "hidden_size", "vocab_size", "dtype"}
//   {"begin": rows, "length": positions}
//     gives each row its cache blocks, not in order -> {}
//   {"pass": [row ..], "directions": [[..] ..], "logits": "all" or "last", "states": true, "out": file}
//     row: {"row": which, "ids": [..], "begin": first position, "reply": [0 or 1 for each id],
//           "planned": false for no plan at all,
//           "pushes": [{"site", "kind": "add", "add_keep_norm" or "interval", "strength", "scale", "span": 1, 2 or 3,
//                       "direction": index, "low", "high": of an interval, null: none}],
//           "probes": [{"site", "tap": "before" or "after", "metric": "cosine", "projection" or "dot", "own",
//                       "direction"}],
//           "gates": [a probe with "bit", "below", "enter" and "leave" ..], "gate_bits": before the first token; a push
//           that waits for gates has "groups": [bits that must all be set ..]}
//     "temperature", "seed": of the draw after each row; 0 and 1 where they are left out
//     -> {"readings": [[..] for each row], "gate_bits": [after each token], "drawn": [token after each row], "log_probs",
//         "entropies": [of them], "host": {"drawn", "log_probs", "entropies": the same by the CPU's draw from the same logits}}
//        and in the file, float32: logits [logit rows, vocab_size]; then, if wanted, the states before the pushes and
//        after them, each [tokens, sites, hidden_size]
#include "../answer_lines.h"
#include "files/error.h"
#include "kernels/cpu/sample.h"
#include "torch/open.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <limits>

using namespace steer;
using nlohmann::json;

namespace {

float norm_of(const std::vector<float>& v) {
    double sum = 0.0;
    for (const float x : v) sum += static_cast<double>(x) * static_cast<double>(x);
    return static_cast<float>(std::sqrt(sum));
}

struct ProbeRow { // what a BatchRow points to
    std::vector<int32_t> ids;
    std::vector<BlockId> blocks;
    std::vector<float> strengths;
    RowPlan plan;
    Gating gating;
};

PushKind kind_of(const std::string& name) {
    return name == "add" ? PushKind::add : name == "add_keep_norm" ? PushKind::add_keep_norm : PushKind::interval;
}

// null or absent: none on that side, which JSON has no number for
float limit(const json& push, const char* name, float side) {
    const json value = push.value(name, json());
    return value.is_null() ? side * std::numeric_limits<float>::infinity() : value.get<float>();
}

using Directions = std::vector<std::vector<float>>;

Probe probe_of(const json& from, const Directions& directions) {
    const std::vector<float>& direction = directions.at(from.at("direction"));
    const std::string metric = from.at("metric");
    return {from.at("site"), from.at("tap") == "before" ? Tap::before : Tap::after,
            metric == "cosine"       ? Metric::cosine
            : metric == "projection" ? Metric::projection
                                     : Metric::dot,
            from.at("own"), norm_of(direction), direction.data()};
}

void read_pushes(const json& from, const Directions& directions, ProbeRow& row) {
    for (const json& push : from) {
        const auto injection = static_cast<int32_t>(row.strengths.size());
        row.strengths.push_back(push.at("strength"));
        row.gating.begin.push_back(static_cast<int32_t>(row.gating.groups.size()));
        for (const json& group : push.value("groups", json::array())) row.gating.groups.push_back(group);
        const std::vector<float>& direction = directions.at(push.at("direction"));
        row.plan.pushes.push_back({push.at("site"), kind_of(push.at("kind")), static_cast<SpanMask>(push.value("span", 3)),
                                   injection, push.value("scale", 1.0f), direction.data(), 0, norm_of(direction),
                                   limit(push, "low", -1.0f), limit(push, "high", 1.0f)});
    }
    row.gating.begin.push_back(static_cast<int32_t>(row.gating.groups.size()));
    const auto before = [](const Push& a, const Push& b) {
        return std::pair(a.site, a.kind) < std::pair(b.site, b.kind);
    };
    std::stable_sort(row.plan.pushes.begin(), row.plan.pushes.end(), before);
}

void read_plan(const json& from, const Directions& directions, int32_t layers, int32_t hidden, ProbeRow& row) {
    read_pushes(from.value("pushes", json::array()), directions, row);
    for (const json& probe : from.value("probes", json::array())) // sorted by site in the request
        row.plan.probes.push_back(probe_of(probe, directions));
    for (const json& gate : from.value("gates", json::array())) // sorted too
        row.plan.gates.push_back({probe_of(gate, directions), gate.at("bit"),
                                  {gate.at("enter"), gate.at("leave"), gate.at("below")}});
    row.plan.index(layers, hidden);
}

class Prober {
  public:
    json answer(const json& request) {
        if (request.contains("open")) return open(request);
        if (request.contains("begin")) return begin(request);
        return pass(request);
    }

  private:
    json open(const json& request) {
        package_ = open_package(request.at("open"));
        const BackendOptions options{.device = request.value("device", "cpu"), .dtype = request.value("dtype", 1), .weights = request.value("weights", 0)};
        backend_ = request.value("reference", false) ? open_reference_backend(package_, options)
                                                     : open_torch_backend(package_, options);
        backend_->load(Place::device, [](float) { return true; });
        const ModelConfig& config = package_->config;
        return {{"layers", config.layer_count},
                {"hidden_size", config.hidden_size},
                {"vocab_size", config.vocab_size},
                {"dtype", backend_->dtype()}};
    }

    // Row r of R holds blocks r, R + r, 2 R + r .. from the far end: neither beside each other nor ascending.
    json begin(const json& request) {
        const int32_t rows = request.at("begin"), length = request.at("length");
        const int32_t each = (length + kBlockSize - 1) / kBlockSize;
        backend_->reserve_blocks(rows * each);
        blocks_.assign(static_cast<size_t>(rows), {});
        for (int32_t row = 0; row < rows; row++)
            for (int32_t i = each - 1; i >= 0; i--) blocks_[static_cast<size_t>(row)].push_back(i * rows + row);
        return json::object();
    }

    json pass(const json& request) {
        const Directions directions = request.value("directions", Directions{});
        const int32_t layers = package_->config.layer_count;
        const auto hidden = static_cast<size_t>(package_->config.hidden_size), sites = static_cast<size_t>(layers) + 1;
        std::vector<ProbeRow> rows(request.at("pass").size());
        std::vector<BatchRow> batch_rows;
        std::vector<LogitRow> logit_rows;
        std::vector<int32_t> ids, positions, last_logits;
        std::vector<uint8_t> reply;
        for (size_t r = 0; r < rows.size(); r++) {
            const json& from = request.at("pass")[r];
            ProbeRow& row = rows[r];
            read_plan(from, directions, layers, package_->config.hidden_size, row);
            row.ids = from.at("ids").get<std::vector<int32_t>>();
            const int32_t first = from.at("begin"), token_begin = static_cast<int32_t>(ids.size());
            const auto count = static_cast<int32_t>(row.ids.size());
            const auto marks = from.value("reply", std::vector<uint8_t>(row.ids.size(), 0));
            reply.insert(reply.end(), marks.begin(), marks.end());
            for (int32_t i = 0; i < count; i++) {
                ids.push_back(row.ids[static_cast<size_t>(i)]);
                positions.push_back(first + i);
                if (request.at("logits") == "all" || i == count - 1) logit_rows.push_back({token_begin + i});
            }
            last_logits.push_back(static_cast<int32_t>(logit_rows.size()) - 1);
            const auto& owned = blocks_.at(from.at("row"));
            row.blocks.assign(owned.begin(), owned.begin() + (first + count + kBlockSize - 1) / kBlockSize);
            batch_rows.push_back({token_begin,
                                  count,
                                  first + count,
                                  row.blocks,
                                  from.value("planned", true) ? &row.plan : nullptr,
                                  row.strengths,
                                  {},
                                  &row.gating,
                                  from.value("gate_bits", uint64_t{0})});
        }

        SamplingSettings settings;
        settings.temperature = request.value("temperature", 0.0f);
        std::vector<Draw> draws;
        for (size_t r = 0; r < rows.size(); r++)
            draws.push_back({last_logits[r], &settings, request.value("seed", uint64_t{1}), batch_rows[r].kv_len, package_->config.vocab_size,
                             {}, 0, {}});
        const size_t state_count = request.value("states", false) ? 2 * ids.size() * sites * hidden : 0;
        std::vector<float> states(state_count),
            logits(logit_rows.size() * static_cast<size_t>(package_->config.vocab_size));
        std::vector<int32_t> each_token(ids.size());
        std::vector<Capture> captures;
        for (size_t i = 0; i < (state_count == 0 ? 0 : 2 * ids.size()); i++) {
            const size_t token = i % ids.size();
            each_token[token] = static_cast<int32_t>(token);
            captures.push_back({-1,
                                layers,
                                i < ids.size() ? Tap::before : Tap::after,
                                {&each_token[token], 1},
                                states.data() + i * sites * hidden});
        }

        Results results;
        const Batch batch{.ids = ids,
                          .positions = positions,
                          .chooses_reply = reply,
                          .rows = batch_rows,
                          .logit_rows = logit_rows,
                          .draws = draws,
                          .captures = captures,
                          .logits = logits.data()};
        backend_->wait(backend_->submit(batch), results);

        std::ofstream out(request.at("out").get<std::string>(), std::ios::binary);
        const auto write = [&](const std::vector<float>& values) {
            out.write(reinterpret_cast<const char*>(values.data()),
                      static_cast<std::streamsize>(values.size() * sizeof(float)));
        };
        write(logits);
        write(states);
        json answer = told(results, rows);
        std::vector<Drawn> on_host(draws.size());
        for (size_t i = 0; i < draws.size(); i++)
            draw_token(&logits[static_cast<size_t>(draws[i].logit_row * package_->config.vocab_size)], nullptr, draws[i], on_host[i]);
        answer.update(told(results.drawn));
        answer["host"] = told(on_host);
        return answer;
    }

    static json told(const std::vector<Drawn>& all) {
        json answer{{"drawn", json::array()}, {"log_probs", json::array()}, {"entropies", json::array()}};
        for (const Drawn& drawn : all) {
            answer["drawn"].push_back(drawn.token);
            answer["log_probs"].push_back(drawn.log_prob);
            answer["entropies"].push_back(drawn.entropy);
        }
        return answer;
    }

    static json told(const Results& results, const std::vector<ProbeRow>& rows) {
        json answer{{"readings", json::array()}, {"gate_bits", results.gate_bits}};
        size_t reading = 0;
        for (size_t r = 0; r < rows.size(); r++) {
            json of_row = json::array();
            for (size_t i = 0; i < rows[r].plan.probes.size(); i++) of_row.push_back(results.readings.at(reading++));
            answer["readings"].push_back(std::move(of_row));
        }
        return answer;
    }

    std::shared_ptr<const Package> package_;
    std::unique_ptr<Backend> backend_;
    std::vector<std::vector<BlockId>> blocks_; // of each row
};

} // namespace

int main() {
    Prober prober;
    answer_lines([&](const json& request) { return prober.answer(request); });
}
