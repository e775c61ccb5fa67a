#include "torch/decoder_module.h"

#include "decoder_source.h" // decoder.py as text, made by CMake
#include "files/error.h"
#include "torch/decoder.h"
#include "torch/torch_errors.h"

#include <ATen/ops/empty.h>
#include <fmt/ranges.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>

namespace steer {
namespace {

namespace jit = torch::jit;

const std::vector<std::string> kForward{"Tensor", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor[]", "int[]", "int[]"};
const std::vector<std::string> kNorm{"Tensor", "Tensor"};

bool is_optional(const at::Tensor&) { return false; }
bool is_optional(const std::optional<at::Tensor>&) { return true; }

// The sizes are the same in every block. visit(name, number)
template<class Visit> void for_each_number(const ModelConfig& config, Visit visit) {
    visit("head_count", int64_t{config.head_count});
    visit("kv_head_count", int64_t{config.kv_head_count});
    visit("head_dim", int64_t{config.head_dim});
    visit("norm_eps", double{config.norm_eps});
}

// The module that comes with a model is held against the methods and attributes that the layer loop uses.
class Check {
  public:
    Check(const jit::Module& module, const std::string& name) : module_(module), name_(name) {}

    void method(const char* method, const std::vector<std::string>& expected) const {
        const auto found = module_.find_method(method);
        if (!found) fail(STEER_ERR_MISMATCH, "{}: its module has no method {}", name_, method);
        const auto& arguments = found->function().getSchema().arguments();
        bool same = arguments.size() == expected.size() + 1; // self
        for (size_t i = 0; same && i < expected.size(); i++) same = arguments[i + 1].type()->str() == expected[i];
        const auto& returns = found->function().getSchema().returns();
        if (!same || returns.size() != 1 || returns[0].type()->str() != "Tensor")
            fail(STEER_ERR_MISMATCH, "{}: method {} must take ({}) and give a Tensor", name_, method, fmt::join(expected, ", "));
    }

    template<class Number> void number(const char* attribute, Number expected) const {
        const c10::IValue value = get(attribute);
        const bool same = std::is_integral_v<Number> ? value.isInt() && value.toInt() == static_cast<int64_t>(expected)
                                                     : value.isDouble() && static_cast<float>(value.toDouble()) == static_cast<float>(expected);
        if (!same) fail(STEER_ERR_MISMATCH, "{}: attribute {} must be {}, as config.json says", name_, attribute, expected);
    }

    void tensor(const char* attribute, bool optional) const {
        get(attribute);
        const std::string type = module_.type()->getAttribute(attribute)->str(), wanted = optional ? "Tensor?" : "Tensor";
        if (type != wanted) fail(STEER_ERR_MISMATCH, "{}: attribute {} is {}, it must be {}", name_, attribute, type, wanted);
    }

    void boolean(const char* attribute) const {
        if (!get(attribute).isBool()) fail(STEER_ERR_MISMATCH, "{}: attribute {} must be a bool", name_, attribute);
    }

  private:
    c10::IValue get(const char* attribute) const {
        if (!module_.hasattr(attribute)) fail(STEER_ERR_MISMATCH, "{}: its module has no attribute {}", name_, attribute);
        return module_.attr(attribute);
    }

    const jit::Module& module_;
    const std::string& name_;
};

} // namespace

jit::Module make_decoder_module(const ModelConfig& config, bool fused_attention) {
    jit::Module block("SteerDecoderBlock");
    for_each_number(config, [&](const char* name, auto number) {
        block.register_attribute(name, c10::IValue(number).type(), number);
    });
    block.register_attribute("fused_attention", c10::BoolType::get(), fused_attention);
    const BlockWeights none;
    for_each_weight(none, [&](const char* name, const auto& weight) {
        if (is_optional(weight)) block.register_attribute(name, c10::OptionalType::ofTensor(), c10::IValue());
        else block.register_attribute(name, c10::TensorType::get(), at::empty({0}));
    });
    block.define(kDecoderSource);
    return block;
}

jit::Module read_decoder_module(const std::string& bytes, const std::string& name, const ModelConfig& config,
                                bool fused_attention) {
    jit::Module block = with_archive_errors(name, [&] {
        std::istringstream in(bytes);
        return jit::load(in, c10::Device(c10::kCPU));
    });
    const Check check(block, name);
    check.method("forward", kForward);
    check.method("norm", kNorm);
    for_each_number(config, [&](const char* attribute, auto number) { check.number(attribute, number); });
    const BlockWeights none;
    for_each_weight(none, [&](const char* attribute, const auto& weight) { check.tensor(attribute, is_optional(weight)); });
    check.boolean("fused_attention");
    block.setattr("fused_attention", fused_attention);
    return block;
}

std::string write_decoder_module(const jit::Module& module) {
    std::ostringstream out;
    module.save(out);
    return std::move(out).str();
}

} // namespace steer
