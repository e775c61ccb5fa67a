// What packing a model's weights changes in what it says: two loads of the libtorch backend read the same text. Each line of
// standard input is a JSON request, each line of standard output its answer, {"error": words} where it failed.
//
//   {"open": "reference" or "packed", "folder", "weights": STEER_WEIGHTS_*, "dtype": STEER_DTYPE_*, "device"}
//     the one of that name before is closed -> {"weight_bytes", "dtype", "context_max"}
//   {"encode": text}
//     control tokens are read -> {"ids"}; of the reference's tokenizer
//   {"compare": ids, "chunk": positions computed at a time}
//     the ids as one conversation, from its start on; ids beyond the tokenizer are padding and have no share
//     -> of each position but the last: {"kl": [nats, of packed from reference], "agree": [1: the same likeliest id],
//        "reference", "packed": [log-probability of the id that follows]}
#include "../answer_lines.h"
#include "files/error.h"
#include "text/tokenizer.h"
#include "torch/open.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>

using namespace steer;
using nlohmann::json;

namespace {

struct Side {
    std::shared_ptr<const Package> package;
    std::unique_ptr<Backend> backend;

    void open(const json& request) {
        backend.reset(); // two large models have no room beside a third
        package = open_package(request.at("folder"));
        backend = open_torch_backend(package, {.device = request.value("device", "cpu"), .dtype = request.value("dtype", 0),
                                               .weights = request.value("weights", 0)});
        backend->load(Place::device, [](float) { return true; });
    }

    size_t vocab_size() const { return static_cast<size_t>(package->config.vocab_size); }

    // logits [count, vocab_size] of positions [begin, begin + count) of a conversation in blocks 0, 1 ..
    std::vector<float> logits(const std::vector<int32_t>& all, int32_t begin, int32_t count) {
        std::vector<float> made(static_cast<size_t>(count) * vocab_size());
        std::vector<int32_t> positions, ids(all.begin() + begin, all.begin() + begin + count);
        std::vector<BlockId> blocks((static_cast<size_t>(begin + count) + kBlockSize - 1) / kBlockSize);
        for (size_t i = 0; i < blocks.size(); i++) blocks[i] = static_cast<BlockId>(i);
        std::vector<LogitRow> wanted;
        for (int32_t i = 0; i < count; i++) {
            positions.push_back(begin + i);
            wanted.push_back({i});
        }
        const std::vector<uint8_t> reply(ids.size(), 0);
        const BatchRow row{0, count, begin + count, blocks};
        Results results;
        backend->reserve_blocks(static_cast<int32_t>(blocks.size()));
        backend->wait(backend->submit({.ids = ids, .positions = positions, .chooses_reply = reply, .rows = {&row, 1}, .logit_rows = wanted,
                                       .draws = {}, .captures = {}, .logits = made.data()}),
                      results);
        return made;
    }
};

// Log-probabilities of the first count logits, in float64.
std::vector<double> log_softmax(const float* logits, size_t count) {
    const double largest = static_cast<double>(*std::max_element(logits, logits + count));
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) sum += std::exp(static_cast<double>(logits[i]) - largest);
    const double shift = largest + std::log(sum);
    std::vector<double> made(count);
    for (size_t i = 0; i < count; i++) made[i] = static_cast<double>(logits[i]) - shift;
    return made;
}

size_t likeliest(const std::vector<double>& of) { return static_cast<size_t>(std::max_element(of.begin(), of.end()) - of.begin()); }

double divergence(const std::vector<double>& p, const std::vector<double>& q) {
    double sum = 0.0;
    for (size_t i = 0; i < p.size(); i++) sum += std::exp(p[i]) * (p[i] - q[i]);
    return sum;
}

class Bench {
  public:
    json answer(const json& request) {
        if (request.contains("open")) return open(request);
        if (request.contains("encode")) return encode(request.at("encode"));
        return compare(request.at("compare"), request.at("chunk"));
    }

  private:
    json open(const json& request) {
        const std::string name = request.at("open");
        Side& side = name == "reference" ? reference_ : packed_;
        side.open(request);
        if (name == "reference") {
            const Package& package = *side.package;
            tokenizer_ = load_tokenizer({package.tokenizer_text, package.tokenizer_model, package.tokenizer_config_text,
                                         package.added_tokens_text, package.special_tokens_text, package.folder});
        } else if (!reference_.backend || side.vocab_size() != reference_.vocab_size()) {
            fail(STEER_ERR_MISMATCH, "{}: its vocabulary is not the reference's", side.package->folder);
        }
        return {{"weight_bytes", side.backend->memory().weight_bytes},
                {"dtype", side.backend->dtype()},
                {"context_max", side.package->config.context_max}};
    }

    json encode(const std::string& text) const {
        std::vector<int32_t> ids;
        tokenizer_->encode(text, true, ids);
        return {{"ids", ids}};
    }

    json compare(const std::vector<int32_t>& ids, int32_t chunk) {
        told_ = {{"kl", json::array()}, {"agree", json::array()}, {"reference", json::array()}, {"packed", json::array()}};
        const auto count = static_cast<int32_t>(ids.size());
        if (chunk < 1) fail(STEER_ERR_ARG, "\"chunk\" is {}: it must be above 0", chunk);
        for (int32_t begin = 0; begin < count; begin += chunk) compare_chunk(ids, begin, std::min(chunk, count - begin));
        return told_;
    }

    void compare_chunk(const std::vector<int32_t>& ids, int32_t begin, int32_t count) {
        const std::vector<float> ours = reference_.logits(ids, begin, count), theirs = packed_.logits(ids, begin, count);
        const size_t width = reference_.vocab_size(), real = std::min(width, static_cast<size_t>(tokenizer_->size()));
        for (size_t i = 0; i < static_cast<size_t>(count); i++) {
            const size_t next = static_cast<size_t>(begin) + i + 1;
            if (next == ids.size()) break;
            const std::vector<double> p = log_softmax(&ours[i * width], real), q = log_softmax(&theirs[i * width], real);
            told_["kl"].push_back(divergence(p, q));
            told_["agree"].push_back(likeliest(p) == likeliest(q) ? 1 : 0);
            told_["reference"].push_back(p.at(static_cast<size_t>(ids[next])));
            told_["packed"].push_back(q.at(static_cast<size_t>(ids[next])));
        }
    }

    Side reference_, packed_;
    std::unique_ptr<Tokenizer> tokenizer_;
    json told_;
};

} // namespace

int main() {
    Bench bench;
    answer_lines([&](const json& request) { return bench.answer(request); });
}
