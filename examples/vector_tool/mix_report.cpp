#include "mix_report.h"

#include "csv.h"

#include <cstdio>
#include <limits>

namespace vector_tool {
namespace {

std::string number(size_t index) { return std::to_string(index + 1); }
std::string both(size_t i, size_t j) { return number(i) + " and " + number(j); }

void print_head(const char* first, const char* word, size_t count) {
    std::printf("%-9s", first);
    for (size_t i = 0; i < count; i++) std::printf("%15s", (word + number(i)).c_str());
    std::printf("\n");
}

void print_change(const Change& change) { std::printf("  %+6.3f +-%.3f", change.mean, change.error); }

} // namespace

MixReport::MixReport(const std::vector<std::string>& files, const std::vector<float>& weights, const std::vector<LoadedVector>& vectors)
    : count_(files.size()), rows_{{"table", "layer", "i", "j", "gauge", "value", "error"}} {
    for (size_t i = 0; i < count_; i++)
        std::printf("%zu: %s, weight %g, %s\n", i + 1, info_of(vectors[i]).name, static_cast<double>(weights[i]), files[i].c_str());
}

void MixReport::cosines(const std::vector<LayerRows>& layers) {
    std::printf("\ncosines\nlayer    ");
    for (size_t i = 0; i < count_; i++)
        for (size_t j = i + 1; j < count_; j++) std::printf("%10s", both(i, j).c_str());
    std::printf("\n");
    for (const LayerRows& at : layers) {
        Eigen::MatrixXd whole = Eigen::MatrixXd::Constant(count_, count_, std::numeric_limits<double>::quiet_NaN());
        const Eigen::MatrixXd found = vector_tool::cosines(at.rows);
        for (size_t a = 0; a < at.vectors.size(); a++)
            for (size_t b = 0; b < at.vectors.size(); b++) whole(at.vectors[a], at.vectors[b]) = found(a, b);
        std::printf("%5d    ", at.layer);
        for (size_t i = 0; i < count_; i++)
            for (size_t j = i + 1; j < count_; j++) {
                std::isnan(whole(i, j)) ? std::printf("%10s", "-") : std::printf("%+10.3f", whole(i, j));
                rows_.push_back({"cosine", std::to_string(at.layer), number(i), number(j), "", cell(whole(i, j)), ""});
            }
        std::printf("\n");
    }
}

void MixReport::left(const std::vector<LayerRows>& before, const std::vector<LayerRows>& after) {
    std::printf("\nwhat is left of each row made orthogonal, of its length\n");
    print_head("layer", "", count_);
    for (size_t k = 0; k < before.size(); k++) {
        std::printf("%5d    ", before[k].layer);
        for (size_t i = 0, at = 0; i < count_; i++) {
            if (at == before[k].vectors.size() || before[k].vectors[at] != i) {
                std::printf("%15s", "-");
                continue;
            }
            const double share = after[k].rows.row(at).norm() / before[k].rows.row(at).norm();
            std::printf("%15.3f", share);
            rows_.push_back({"left", std::to_string(before[k].layer), number(i), "", "", cell(share), ""});
            at++;
        }
        std::printf("\n");
    }
}

void MixReport::interference(const Interference& found, size_t prompts) {
    std::printf("\nchange of the gauges in gaps, over %zu prompts, each vector at half of its safe strength\n", prompts);
    print_head("running", "gauge ", count_);
    for (size_t i = 0; i < count_; i++) {
        std::printf("%-9s", number(i).c_str());
        for (size_t j = 0; j < count_; j++) {
            const Change& change = found.alone[i][j];
            print_change(change);
            rows_.push_back({"alone", "", number(i), "", number(j), cell(change.mean), cell(change.error)});
        }
        std::printf("\n");
    }
    for (size_t k = 0; k < found.pairs.size(); k++)
        for (size_t j = 0; j < count_; j++) {
            const Change& change = found.together[k][j];
            const auto& [a, b] = found.pairs[k];
            rows_.push_back({"together", "", number(a), number(b), number(j), cell(change.mean), cell(change.error)});
        }
    print_together(found);
}

void MixReport::print_together(const Interference& found) const {
    std::printf("\npairs, and below each the sum of the two alone\n");
    print_head("running", "gauge ", count_);
    for (size_t k = 0; k < found.pairs.size(); k++) {
        const auto& [a, b] = found.pairs[k];
        std::printf("%-9s", both(a, b).c_str());
        for (const Change& change : found.together[k]) print_change(change);
        std::printf("\n%-9s", "  sum");
        for (size_t j = 0; j < count_; j++) std::printf("  %+6.3f %7s", found.alone[a][j].mean + found.alone[b][j].mean, "");
        std::printf("\n");
    }
}

void MixReport::write(const std::string& csv) const { write_csv(csv, rows_); }

} // namespace vector_tool
