#include "convert.h"

#include <cstdio>

namespace vector_tool {
namespace {

int32_t format_by_ending(const std::string& path) {
    const auto ends = [&](const std::string& ending) {
        return path.size() >= ending.size() && path.compare(path.size() - ending.size(), ending.size(), ending) == 0;
    };
    if (ends(".gguf")) return STEER_FORMAT_GGUF;
    if (ends(".pt")) return STEER_FORMAT_TORCH;
    if (ends(".svec")) return STEER_FORMAT_SVEC;
    return STEER_FORMAT_NATIVE;
}

std::string row_as(const char* word, int32_t shift) {
    const std::string number = shift == 0 ? "L" : shift < 0 ? "L-1" : "L+1";
    return std::string("row L is ") + word + number;
}

// The one line: what the other format calls the same site.
std::string describe_shift(const steer_vector_info& info, int32_t format) {
    const bool at_input = info.site_applied == STEER_SITE_INPUT;
    const int32_t first_site = info.layer_begin - (at_input ? 1 : 0); // of block outputs
    if (format == STEER_FORMAT_NATIVE) return "rows keep their layers and sites";
    if (format == STEER_FORMAT_GGUF) {
        const std::string words =
            row_as("direction.", at_input ? -1 : 0) + ", which llama.cpp pushes in at the output of that block";
        return first_site >= 1
                   ? words
                   : words + "; rows before the output of block 1 have no place there and stand beside the tensors";
    }
    return row_as("key ", at_input ? 0 : 1) +
           ", which its readers push in at the input of that block and take for measured at its output";
}

} // namespace

void convert(const ConvertSettings& settings) {
    const LoadedVector vector = load_file(settings.in, settings.load);
    const int32_t format = settings.format >= 0 ? settings.format : format_by_ending(settings.out);
    steer_error error;
    throw_if(steer_vector_save(vector.get(), settings.out.c_str(), format, &error), error);
    const steer_vector_info info = info_of(vector);
    std::printf("%s: layers %d-%d, %d wide, %s\n", info.name, info.layer_begin, info.layer_end - 1, info.hidden_size,
                describe_sites(info).c_str());
    std::printf("written: %s: %s\n", settings.out.c_str(), describe_shift(info, format).c_str());
}

} // namespace vector_tool
