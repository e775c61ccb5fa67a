#include "sweep.h"

#include "picture.h"
#include "prompts.h"
#include "replies.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <set>

namespace vector_tool {
namespace {

struct Row { // of one vector at one strength
    std::string vector;
    int32_t layer_begin = 0, layer_end = 0; // half open
    float strength = 0.0f, kl = 0.0f, kl_p90 = 0.0f, perplexity = 0.0f, ended = 0.0f, style = NAN;
    float raw = 0.0f, own = 0.0f, corrected = 0.0f, twin = 0.0f;
    size_t tokens = 0;
};

using Field = std::vector<float> ReplyTokens::*;

std::vector<float> all_of(const std::vector<ReplyTokens>& replies, Field field) {
    std::vector<float> all;
    for (const ReplyTokens& reply : replies) all.insert(all.end(), (reply.*field).begin(), (reply.*field).end());
    return all;
}

float mean(const std::vector<float>& values) {
    double sum = 0.0;
    for (const float value : values) sum += double{value};
    return static_cast<float>(sum / static_cast<double>(values.size()));
}

// The raw reading has no calibrated scale while it holds the push; the scale's two numbers follow from two tokens' own
// readings, on both scales.
float mean_raw(const std::vector<ReplyTokens>& replies) {
    const std::vector<float> natural = all_of(replies, &ReplyTokens::own_natural), calibrated = all_of(replies, &ReplyTokens::own);
    if (natural.empty()) return NAN;
    const auto [low, high] = std::minmax_element(natural.begin(), natural.end());
    const float at_low = calibrated[static_cast<size_t>(low - natural.begin())], at_high = calibrated[static_cast<size_t>(high - natural.begin())];
    return at_low + (mean(all_of(replies, &ReplyTokens::raw_natural)) - *low) * (at_high - at_low) / (*high - *low);
}

float percentile_90(std::vector<float> values) {
    if (values.empty()) return NAN;
    std::sort(values.begin(), values.end());
    return values[static_cast<size_t>(0.9 * static_cast<double>(values.size() - 1) + 0.5)];
}

std::vector<std::string> read_markers(const std::string& path) {
    std::vector<std::string> markers;
    if (path.empty()) return markers;
    std::ifstream file(path);
    if (!file) throw std::runtime_error(path + ": cannot be opened");
    for (std::string line; std::getline(file, line);)
        if (!line.empty()) markers.push_back(line);
    return markers;
}

float marked_share(const std::vector<ReplyTokens>& replies, const std::vector<std::string>& markers) {
    if (markers.empty()) return NAN;
    const auto marked = std::count_if(replies.begin(), replies.end(), [&](const ReplyTokens& reply) {
        return std::any_of(markers.begin(), markers.end(), [&](const std::string& m) { return reply.text.find(m) != std::string::npos; });
    });
    return static_cast<float>(marked) / static_cast<float>(replies.size());
}

Row summary(const steer_vector_info& info, float strength, const std::vector<ReplyTokens>& replies, const std::vector<std::string>& markers) {
    Row row;
    row.vector = info.name;
    row.layer_begin = info.best_begin, row.layer_end = info.best_end;
    row.strength = strength;
    const std::vector<float> kl = all_of(replies, &ReplyTokens::kl);
    row.tokens = kl.size();
    row.kl = mean(kl), row.kl_p90 = percentile_90(kl);
    row.perplexity = std::exp(mean(all_of(replies, &ReplyTokens::surprise)));
    row.ended = static_cast<float>(std::count_if(replies.begin(), replies.end(), [](const ReplyTokens& r) { return r.ended; })) /
                static_cast<float>(replies.size());
    row.style = marked_share(replies, markers);
    row.raw = mean_raw(replies), row.own = mean(all_of(replies, &ReplyTokens::own));
    row.corrected = mean(all_of(replies, &ReplyTokens::corrected)), row.twin = mean(all_of(replies, &ReplyTokens::twin));
    return row;
}

void write_table(std::FILE* out, const std::vector<Row>& rows, const char* head, const char* format) {
    std::fputs(head, out);
    for (const Row& row : rows)
        std::fprintf(out, format, row.layer_begin, row.layer_end - 1, double{row.strength}, row.tokens, double{row.ended}, double{row.kl},
                     double{row.kl_p90}, double{row.perplexity}, double{row.style}, double{row.raw}, double{row.own}, double{row.corrected},
                     double{row.twin});
}

void write_csv(const std::string& path, const std::vector<Row>& rows) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) throw std::runtime_error(path + ": cannot be written");
    write_table(file, rows, "first_layer,last_layer,strength,tokens,ended,kl,kl_p90,perplexity,style,raw,own,corrected,twin\n",
                "%d,%d,%.6g,%zu,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g\n");
    if (std::fclose(file) != 0) throw std::runtime_error(path + ": cannot be written");
}

struct Drawn {
    const char* name;
    float Row::*field;
};

// All figures of one vector; of several the one of each panel that tells them apart.
void draw(const std::string& path, const std::vector<std::vector<Row>>& swept, float safe) {
    const bool several = swept.size() > 1, marked = !std::isnan(swept.front().front().style);
    std::vector<Panel> panels;
    const auto add = [&](const char* title, const std::vector<Drawn>& figures) {
        Panel& panel = panels.emplace_back(Panel{title, {}});
        for (const std::vector<Row>& rows : swept)
            for (const Drawn& figure : figures) {
                if (several && &figure != &figures.back()) continue;
                const Row& first = rows.front();
                const std::string band = first.vector + " " + std::to_string(first.layer_begin) + "-" + std::to_string(first.layer_end - 1);
                Line& line = panel.lines.emplace_back(Line{several ? band : figure.name, {}});
                for (const Row& row : rows) line.values.push_back(row.*figure.field);
            }
    };
    add(several ? "how far the choice of a token is moved (KL, nats, 90th percentile)" : "how far the choice of a token is moved (KL, nats)",
        {{"mean", &Row::kl}, {"90th percentile", &Row::kl_p90}});
    add("perplexity of the replies to the unsteered model", {{"perplexity", &Row::perplexity}});
    add(several ? "the twin gauge: 0 neutral, 1 persona" : "the gauge: 0 neutral, 1 persona",
        {{"raw", &Row::raw}, {"own", &Row::own}, {"corrected", &Row::corrected}, {"twin", &Row::twin}});
    std::vector<Drawn> shares = {{"ended itself", &Row::ended}};
    if (marked) shares.push_back({"with a marker", &Row::style});
    add(!several ? "share of replies" : marked ? "share of replies with a marker" : "share of replies that ended themselves", shares);
    std::vector<float> x;
    for (const Row& row : swept.front()) x.push_back(row.strength);
    draw_panels(path, "strength (relative)", x, panels, several ? NAN : safe, "safe maximum");
}

std::vector<std::string> choose_prompts(const std::string& path, int32_t most) { // each once, evenly spread
    std::vector<std::string> distinct, chosen;
    std::set<std::string> seen;
    for (const std::string& prompt : read_prompts(path))
        if (seen.insert(prompt).second) distinct.push_back(prompt);
    if (distinct.empty()) throw std::runtime_error(path + ": holds no prompts");
    const size_t count = std::min(distinct.size(), static_cast<size_t>(most));
    for (size_t i = 0; i < count; i++) chosen.push_back(distinct[i * distinct.size() / count]);
    return chosen;
}

std::vector<LoadedVector> load_calibrated(const SweepSettings& settings) {
    std::vector<LoadedVector> vectors;
    for (const std::string& file : settings.vectors) {
        vectors.push_back(load_file(file, settings.load));
        if (info_of(vectors.back()).calibrated == 0) throw std::runtime_error(file + ": is not calibrated: steer_vector calibrate comes first");
    }
    return vectors;
}

// One set of strengths for all, so that they can be compared.
std::vector<float> choose_strengths(const SweepSettings& settings, const std::vector<LoadedVector>& vectors) {
    float to = settings.to;
    for (const LoadedVector& vector : vectors) {
        const float safe = info_of(vector).strength_safe;
        if (settings.to <= settings.from) to = std::max(to, 1.5f * (std::isnan(safe) ? 0.6f : safe));
    }
    std::vector<float> strengths;
    for (int32_t step = 0; step < settings.steps; step++)
        strengths.push_back(settings.from + (to - settings.from) * static_cast<float>(step) / static_cast<float>(std::max(settings.steps - 1, 1)));
    return strengths;
}

} // namespace

void sweep(const SweepSettings& settings) {
    const LoadedModel model = load_model(settings.model, settings.place);
    const std::vector<LoadedVector> vectors = load_calibrated(settings);
    const std::vector<std::string> prompts = choose_prompts(settings.prompts, settings.prompt_max), markers = read_markers(settings.markers);
    const std::vector<float> strengths = choose_strengths(settings, vectors);
    const auto whole = static_cast<float>(vectors.size() * strengths.size() * prompts.size());
    float done = 0.0f;
    std::vector<std::vector<Row>> swept;
    std::vector<Row> rows;
    for (const LoadedVector& vector : vectors) {
        swept.emplace_back();
        for (const float strength : strengths) {
            std::vector<ReplyTokens> replies;
            for (size_t i = 0; i < prompts.size(); i++) {
                replies.push_back(make_reply(model.get(), vector.get(), prompts[i], {strength, settings.kl_budget, settings.token_max, settings.seed + i}));
                show_progress(const_cast<char*>("sweeping"), ++done / whole);
            }
            swept.back().push_back(summary(info_of(vector), strength, replies, markers));
        }
        rows.insert(rows.end(), swept.back().begin(), swept.back().end());
    }
    write_table(stdout, rows, " layers  strength   tokens  ended      KL  KL p90  perplexity   style     raw     own  corrected    twin\n",
                "%3d-%-3d %9.3f %8zu %6.2f %7.3f %7.3f %11.2f %7.2f %7.2f %7.2f %10.2f %7.2f\n");
    if (!settings.csv.empty()) write_csv(settings.csv, rows), std::printf("written: %s\n", settings.csv.c_str());
    if (settings.picture.empty()) return;
    draw(settings.picture, swept, info_of(vectors.front()).strength_safe);
    std::printf("written: %s\n", settings.picture.c_str());
}

} // namespace vector_tool
