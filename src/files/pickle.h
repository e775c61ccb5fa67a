// The part of Python's pickle format (protocol 2) that torch.save writes for plain containers of float tensors and
// numpy arrays. Nothing is ever called or imported: an opcode or a global outside the list below is refused. Globals:
// torch._utils._rebuild_tensor_v2, torch.{Double,Float,Half,BFloat16}Storage, collections.OrderedDict, and of numpy
// {numpy._core,numpy.core}.multiarray._reconstruct, numpy.ndarray, numpy.dtype, _codecs.encode.
#pragma once

#include "files/dtype.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

struct PickleTensor {
    Dtype dtype{};
    std::vector<int64_t> shape, strides; // in elements, both of the same length, none negative
    uint64_t offset = 0;                 // of the first element in its storage
    std::string storage;                 // the record's name: data/<storage>; empty: a numpy array
    uint64_t storage_numel = 0;
    uint32_t array = 0; // of a numpy array: its bytes, in PickleTree::arrays
};

struct PickleNode {
    // What follows tensor is what tensors and numpy arrays (which are tensors too) are made from; where a file puts one
    // elsewhere it is just an unexpected value.
    // clang-format off
    enum class Kind : uint8_t { none, boolean, integer, real, text, list, tuple, dict, tensor,
                                storage, global, bytes, numpy_dtype, numpy_array };
    // clang-format on
    Kind kind = Kind::none;
    uint32_t tensor = 0; // tensor, storage: index into PickleTree::tensors; bytes: into arrays; global: its number
    int64_t integer = 0; // boolean too
    double real = 0.0;
    std::string text; // numpy_dtype: "f4"
    std::vector<uint32_t> items; // list, tuple: nodes; dict: key, value, key, value ...
};

// Nodes refer to each other by index: one may be shared, or even contain itself. Walk with a depth limit.
struct PickleTree {
    std::vector<PickleNode> nodes;
    std::vector<PickleTensor> tensors;
    std::vector<std::string> arrays; // bytes of numpy arrays
    uint32_t root = 0;

    const PickleNode& at(uint32_t index) const { return nodes[index]; }
    // The value of a text key in a dict, of the last such key as in Python; nullptr: there is none, or it is no dict.
    const PickleNode* find(const PickleNode& dict, std::string_view key) const;
};

const char* pickle_kind_name(PickleNode::Kind kind); // "a dict"

PickleTree parse_pickle(std::string_view bytes, const std::string& name); // name: for error messages

} // namespace steer
