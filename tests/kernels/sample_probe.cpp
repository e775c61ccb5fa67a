// Shows filter_logits and draw_token to a test in another language. Standard input holds requests, one after the other:
//   a line of JSON: vocab_size, settings, tokens, reply_begin, allowed, seed, positions
//   vocab_size float32 logits; where the line says "twin": true, vocab_size more, of the twin
// Standard output holds for each:
//   a line of JSON: greedy; finite, log_prob and entropy (with a twin: kl, kl_share, twin_log_prob) of the first draw; the token drawn at each position
//   vocab_size float32 scores
//   vocab_size bytes, 1 where the id is kept
#include "kernels/cpu/sample.h"

#include <nlohmann/json.hpp>

#include <iostream>

using nlohmann::json;

namespace {

steer::SamplingSettings settings_from(const json& from) {
    steer::SamplingSettings settings;
    settings.temperature = from.value("temperature", 1.0f);
    settings.top_k = from.value("top_k", 0);
    settings.top_p = from.value("top_p", 1.0f);
    settings.min_p = from.value("min_p", 0.0f);
    settings.typical_p = from.value("typical_p", 1.0f);
    settings.repeat_penalty = from.value("repeat_penalty", 1.0f);
    settings.presence_penalty = from.value("presence_penalty", 0.0f);
    settings.frequency_penalty = from.value("frequency_penalty", 0.0f);
    settings.kl_budget = from.value("kl_budget", INFINITY);
    settings.penalty_window = from.value("penalty_window", -1);
    for (const json& bias : from.value("biases", json::array()))
        settings.biases.push_back({bias.at(0), bias.at(1).is_null() ? -INFINITY : bias.at(1).get<float>()});
    return settings;
}

} // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const json request = json::parse(line);
        const steer::SamplingSettings settings = settings_from(request.at("settings"));
        const auto tokens = request.value("tokens", std::vector<int32_t>{});
        const auto allowed = request.value("allowed", std::vector<uint32_t>{});
        const size_t size = request.at("vocab_size");
        std::vector<float> logits(size);
        std::vector<float> twin(request.value("twin", false) ? size : 0);
        for (std::vector<float>* row : {&logits, &twin})
            std::cin.read(reinterpret_cast<char*>(row->data()), static_cast<std::streamsize>(row->size() * sizeof(float)));

        steer::Draw draw{0,
                         &settings,
                         request.value("seed", uint64_t{1}),
                         0,
                         static_cast<int32_t>(size),
                         tokens,
                         request.value("reply_begin", 0),
                         allowed};
        json reply;
        for (const int32_t position : request.value("positions", std::vector<int32_t>{0})) {
            steer::Drawn drawn;
            draw.position = position;
            steer::draw_token(logits.data(), twin.empty() ? nullptr : twin.data(), draw, drawn);
            if (reply.empty())
                reply = {{"finite", drawn.finite}, {"log_prob", drawn.log_prob}, {"entropy", drawn.entropy}};
            if (!reply.contains("kl") && !twin.empty())
                reply.update({{"kl", drawn.kl}, {"kl_share", drawn.kl_share}, {"twin_log_prob", drawn.twin_log_prob}});
            reply["tokens"].push_back(drawn.token);
        }
        steer::FilteredLogits filtered;
        steer::filter_logits(logits.data(), draw, filtered);
        reply["greedy"] = filtered.greedy;
        std::cout << reply << '\n';
        std::cout.write(reinterpret_cast<const char*>(filtered.scores.data()),
                        static_cast<std::streamsize>(size * sizeof(float)));
        for (int32_t id = 0; id < static_cast<int32_t>(size); id++) std::cout.put(filtered.keeps(id) ? 1 : 0);
        std::cout.flush();
    }
}
