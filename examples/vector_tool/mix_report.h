// What mix tells: tables for people, and the same figures as CSV.
#pragma once

#include "interference.h"
#include "layer_rows.h"

#include <string>
#include <vector>

namespace vector_tool {

// CSV: table,layer,i,j,gauge,value,error; vectors are numbered from 1 as listed. cosine: of i and j at a layer; left: of i at
// a layer, as a share of its length; alone: change of a gauge while i runs; together: while i and j run.
class MixReport {
  public:
    MixReport(const std::vector<std::string>& files, const std::vector<float>& weights, const std::vector<LoadedVector>& vectors);
    void cosines(const std::vector<LayerRows>& layers);
    void left(const std::vector<LayerRows>& before, const std::vector<LayerRows>& after);
    void interference(const Interference& found, size_t prompts);
    void write(const std::string& csv) const;

  private:
    void print_together(const Interference& found) const;

    size_t count_;
    std::vector<std::vector<std::string>> rows_;
};

} // namespace vector_tool
