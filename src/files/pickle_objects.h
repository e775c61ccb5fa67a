// What pickle.cpp makes of calls: storages, tensors, numpy arrays. Each is checked part by part; nothing is ever
// called.
#pragma once

#include "files/pickle.h"

namespace steer {

enum PickleGlobal : uint32_t {
    kRebuildTensor,
    kOrderedDict,
    kDouble,
    kFloat,
    kHalf,
    kBFloat16,
    kNumpyReconstruct,
    kNumpyArray,
    kNumpyDtype,
    kEncode
};

uint32_t find_global(std::string_view module, std::string_view name,
                     const std::string& file); // not on the list: refused

class PickleObjects {
  public:
    PickleObjects(const PickleTree& tree, const std::string& file, size_t at) : tree_(tree), file_(file), at_(at) {}

    PickleTensor storage(const PickleNode& id) const;
    PickleTensor tensor(const std::vector<uint32_t>& items) const;

    void check_empty_array(const std::vector<uint32_t>& items) const; // as numpy makes one, to be filled
    PickleTensor numpy_array(const PickleNode& state) const;          // filled
    std::string dtype(const std::vector<uint32_t>& items) const;
    void check_byte_order(const PickleNode& state) const;
    std::string bytes(const std::vector<uint32_t>& items,
                      size_t longest) const; // a text's characters, each of them a byte

  private:
    using Kind = PickleNode::Kind;

    bool is(const std::vector<uint32_t>& items, size_t i, Kind kind) const { return tree_.at(items[i]).kind == kind; }
    std::vector<int64_t> sizes(const PickleNode& tuple) const;
    [[noreturn]] void refuse(const char* what) const;

    const PickleTree& tree_;
    const std::string& file_;
    size_t at_; // in the pickle, for words
};

} // namespace steer
