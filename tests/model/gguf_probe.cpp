// What libsteer makes of a model in a GGUF file, for tests/python to compare with the checkpoint that it was made of:
//   gguf_probe FILE FOLDER    writes config.json, generation_config.json, tokenizer.json, tokenizer_config.json,
//                             chat_template.jinja and weights.json ([{"name", "dtype", "shape", "begin", "end"} ..]) there
// A failure is one line "STATUS words" on standard error and exit status 1.
#include "../tree.h"
#include "files/error.h"
#include "model/gguf_model.h"

#include <cstdio>
#include <fstream>

using namespace steer;

namespace {

void write(const std::string& folder, const char* name, const std::string& text) {
    std::ofstream(join_path(folder, name), std::ios::binary) << text;
}

Tree told(const std::vector<TensorInfo>& weights) {
    Tree out = Tree::array();
    for (const TensorInfo& weight : weights)
        out.push_back({{"name", weight.name}, {"dtype", dtype_name(weight.dtype)}, {"shape", weight.shape},
                       {"begin", weight.begin}, {"end", weight.end}});
    return out;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) return std::fprintf(stderr, "gguf_probe FILE FOLDER\n"), 2;
    try {
        if (!is_gguf_file(argv[1])) fail(STEER_ERR_FORMAT, "{}: does not begin with GGUF", argv[1]);
        const GgufModel model = read_gguf_model(GgufFile(ByteSource(File::open(argv[1]))));
        write(argv[2], "config.json", model.config_text);
        write(argv[2], "generation_config.json", model.generation_config_text);
        write(argv[2], "tokenizer.json", model.tokenizer_text);
        write(argv[2], "tokenizer_config.json", model.tokenizer_config_text);
        write(argv[2], "chat_template.jinja", model.chat_template);
        write(argv[2], "weights.json", told(model.weights).dump());
    } catch (const Error& error) {
        std::fprintf(stderr, "%d %s\n", error.status(), error.what());
        return 1;
    }
}
