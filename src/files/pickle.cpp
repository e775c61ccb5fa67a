// Opcodes: CPython's Lib/pickletools.py. One pass over the bytes with a stack of node numbers; no recursion anywhere.
#include "files/pickle.h"

#include "files/checked.h"
#include "files/error.h"
#include "files/pickle_objects.h"
#include "files/quote.h"

#include <bit>
#include <cstring>

namespace steer {
namespace {

using Kind = PickleNode::Kind;

// A vector of 64 layers takes about 1,000 nodes and 128 tensors. One byte can make a node of 80 bytes, three a tensor of 100,
// so the limits are what keeps a small file small in memory.
constexpr size_t kNodeMax = 65536, kReferenceMax = 1 << 20, kMarkMax = 4096, kTensorMax = 16384;
constexpr uint32_t kNoNode = 0xffffffff;

class Machine {
  public:
    Machine(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

    PickleTree run() {
        if (bytes_.size() < 2 || bytes_[0] != '\x80') refuse("does not begin with a protocol number");
        if (bytes_[1] != 2)
            fail(STEER_ERR_UNSUPPORTED,
                 "{}: pickle protocol {}; torch.save writes 2 unless told otherwise: save it again", file_,
                 static_cast<unsigned>(static_cast<uint8_t>(bytes_[1])));
        at_ = 2;
        while (!stopped_) step(take<uint8_t>());
        if (at_ != bytes_.size()) refuse("goes on after its end");
        if (stack_.size() != 1 || !marks_.empty()) refuse("does not end with exactly one value");
        tree_.root = stack_.back();
        return std::move(tree_);
    }

  private:
    void step(uint8_t code) {
        switch (code) {
        // clang-format off
        case '.': stopped_ = true; return;
        case '(': mark(); return;
        case 'N': add(Kind::none); return;
        case 0x88: add(Kind::boolean).integer = 1; return;
        case 0x89: add(Kind::boolean); return;
        case 'J': add(Kind::integer).integer = take<int32_t>(); return;
        case 'K': add(Kind::integer).integer = take<uint8_t>(); return;
        case 'M': add(Kind::integer).integer = take<uint16_t>(); return;
        case 0x8a: add(Kind::integer).integer = take_long(); return;
        case 'G': add(Kind::real).real = take_double(); return;
        case 'X': add(Kind::text).text = take_text(); return;
        case ']': add(Kind::list); return;
        case ')': add(Kind::tuple); return;
        case '}': add(Kind::dict); return;
        case 't': add_tuple(pop_to_mark()); return;
        case 0x85: add_tuple(pop(1)); return;
        case 0x86: add_tuple(pop(2)); return;
        case 0x87: add_tuple(pop(3)); return;
        case 'a': extend(Kind::list, pop(1)); return;
        case 'e': extend(Kind::list, pop_to_mark()); return;
        case 's': extend(Kind::dict, pop(2)); return;
        case 'u': extend(Kind::dict, pop_to_mark()); return;
        case 'q': remember(take<uint8_t>()); return;
        case 'r': remember(take<uint32_t>()); return;
        case 'h': recall(take<uint8_t>()); return;
        case 'j': recall(take<uint32_t>()); return;
        case 'c': add_global(); return;
        case 'Q': make_storage(); return;
        case 'R': reduce(); return;
        case 'b': build(); return;
        // clang-format on
        default: refuse_opcode(code);
        }
    }

    [[noreturn]] void refuse_opcode(unsigned code) const {
        fail(STEER_ERR_UNSUPPORTED,
             "{}: pickle opcode 0x{:02x} at byte {} is not allowed: only plain dicts, lists "
             "and float tensors are read",
             file_, code, at_ - 1);
    }

    // -- bytes

    template<class T>
    T take() {
        T value;
        if (!inside(at_, sizeof(T), bytes_.size())) refuse("is cut short");
        std::memcpy(&value, bytes_.data() + at_, sizeof(T));
        at_ += sizeof(T);
        return value;
    }

    int64_t take_long() { // two's complement, as many bytes as said; 64 bits are enough for any size
        const size_t size = take<uint8_t>();
        if (size > 8) refuse("has a number of more than 64 bits");
        uint64_t value = 0;
        bool negative = false;
        for (size_t i = 0; i < size; ++i) {
            const auto byte = take<uint8_t>();
            value |= uint64_t{byte} << (8 * i);
            negative = byte >= 0x80;
        }
        if (negative && size < 8) value |= ~uint64_t{0} << (8 * size);
        return static_cast<int64_t>(value);
    }

    double take_double() { // the one big-endian number of the format
        uint64_t bits = 0;
        for (int i = 0; i < 8; ++i) bits = bits << 8 | take<uint8_t>();
        return std::bit_cast<double>(bits);
    }

    std::string take_text() {
        const size_t size = take<uint32_t>();
        if (!inside(at_, size, bytes_.size())) refuse("is cut short");
        at_ += size;
        return std::string(bytes_.substr(at_ - size, size));
    }

    std::string_view take_line() {
        const size_t end = bytes_.find('\n', at_);
        if (end == bytes_.npos) refuse("is cut short");
        const std::string_view line = bytes_.substr(at_, end - at_);
        at_ = end + 1;
        return line;
    }

    // -- the stack

    void push(uint32_t node) {
        if (++references_ > kReferenceMax) refuse("has too many values");
        stack_.push_back(node);
    }

    void mark() {
        if (marks_.size() == kMarkMax) refuse("has too many marks open");
        marks_.push_back(stack_.size());
    }

    PickleNode& add(Kind kind) {
        if (tree_.nodes.size() == kNodeMax) refuse("has too many values");
        push(static_cast<uint32_t>(tree_.nodes.size()));
        tree_.nodes.emplace_back().kind = kind;
        return tree_.nodes.back();
    }

    void add_tuple(std::vector<uint32_t> items) { add(Kind::tuple).items = std::move(items); }

    size_t floor() const { return marks_.empty() ? 0 : marks_.back(); } // what lies below an open mark is out of reach

    std::vector<uint32_t> pop(size_t count) {
        if (stack_.size() - floor() < count) refuse("takes a value that is not there");
        std::vector<uint32_t> items(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
        stack_.resize(stack_.size() - count);
        return items;
    }

    std::vector<uint32_t> pop_to_mark() {
        if (marks_.empty()) refuse("takes values up to a mark that is not there");
        std::vector<uint32_t> items = pop(stack_.size() - marks_.back());
        marks_.pop_back();
        return items;
    }

    PickleNode& top(Kind kind) {
        if (stack_.size() <= floor()) refuse("takes a value that is not there");
        PickleNode& node = tree_.nodes[stack_.back()];
        if (node.kind != kind) refuse("adds items to something that cannot hold them");
        return node;
    }

    void extend(Kind kind, const std::vector<uint32_t>& items) {
        PickleNode& node = top(kind);
        if (kind == Kind::dict && items.size() % 2 != 0) refuse("has a key without a value");
        node.items.insert(node.items.end(), items.begin(), items.end());
    }

    void remember(uint32_t index) {
        if (index >= kNodeMax) refuse("remembers too many values");
        if (stack_.size() <= floor()) refuse("takes a value that is not there");
        if (index >= memo_.size()) memo_.resize(size_t{index} + 1, kNoNode);
        memo_[index] = stack_.back();
    }

    void recall(uint32_t index) {
        if (index >= memo_.size() || memo_[index] == kNoNode) refuse("recalls a value that it never kept");
        push(memo_[index]);
    }

    // -- objects

    void add_global() {
        const std::string_view module = take_line(), name = take_line();
        add(Kind::global).tensor = find_global(module, name, file_);
    }

    void make_storage() { add_tensor(Kind::storage, parts().storage(tree_.at(pop(1)[0]))); }

    void add_tensor(Kind kind, PickleTensor tensor) {
        if (tree_.tensors.size() == kTensorMax) refuse("has too many tensors");
        add(kind).tensor = static_cast<uint32_t>(tree_.tensors.size());
        tree_.tensors.push_back(std::move(tensor));
    }

    void reduce() {
        const std::vector<uint32_t> operands = pop(2);
        const PickleNode& callee = tree_.at(operands[0]);
        const PickleNode& arguments = tree_.at(operands[1]);
        if (callee.kind != Kind::global || arguments.kind != Kind::tuple) refuse("calls something that is no function");
        const std::vector<uint32_t>& items = arguments.items;
        switch (callee.tensor) {
        case kRebuildTensor: return add_tensor(Kind::tensor, parts().tensor(items));
        case kNumpyReconstruct: return parts().check_empty_array(items), void(add(Kind::numpy_array));
        case kEncode: return add_bytes(parts().bytes(items, bytes_.size() - decoded_));
        case kNumpyDtype: {
            std::string type = parts().dtype(items);
            return void(add(Kind::numpy_dtype).text = std::move(type));
        }
        case kOrderedDict:
            if (items.empty()) return void(add(Kind::dict));
        }
        refuse("calls something that is no function");
    }

    void add_bytes(std::string bytes) {
        if (tree_.arrays.size() == kTensorMax) refuse("has too many numpy arrays");
        decoded_ += bytes.size();
        add(Kind::bytes).tensor = static_cast<uint32_t>(tree_.arrays.size());
        tree_.arrays.push_back(std::move(bytes));
    }

    // numpy fills what it has made: a dtype with its byte order, an array with its numbers.
    void build() {
        const PickleNode& state = tree_.at(pop(1)[0]);
        if (stack_.size() <= floor()) refuse("takes a value that is not there");
        PickleNode& target = tree_.nodes[stack_.back()];
        if (target.kind == Kind::numpy_dtype) return parts().check_byte_order(state);
        if (target.kind != Kind::numpy_array) refuse_opcode('b');
        if (tree_.tensors.size() == kTensorMax) refuse("has too many tensors");
        PickleTensor array = parts().numpy_array(state);
        target.kind = Kind::tensor;
        target.tensor = static_cast<uint32_t>(tree_.tensors.size());
        tree_.tensors.push_back(std::move(array));
    }

    PickleObjects parts() const { return {tree_, file_, at_}; }

    [[noreturn]] void refuse(const char* what) const {
        fail(STEER_ERR_FORMAT, "{}: data.pkl {} (near byte {})", file_, what, at_);
    }

    std::string_view bytes_;
    const std::string& file_;
    size_t at_ = 0;
    bool stopped_ = false;
    size_t references_ = 0; // ever put on the stack
    size_t decoded_ = 0;    // bytes of numpy arrays, which are at most as many as the pickle has
    PickleTree tree_;
    std::vector<uint32_t> stack_, memo_;
    std::vector<size_t> marks_; // heights of the stack
};

} // namespace

PickleTree parse_pickle(std::string_view bytes, const std::string& name) { return Machine(bytes, name).run(); }

const PickleNode* PickleTree::find(const PickleNode& dict, std::string_view key) const {
    if (dict.kind != Kind::dict) return nullptr;
    for (size_t i = dict.items.size(); i >= 2; i -= 2) {
        const PickleNode& name = at(dict.items[i - 2]);
        if (name.kind == Kind::text && name.text == key) return &at(dict.items[i - 1]);
    }
    return nullptr;
}

const char* pickle_kind_name(PickleNode::Kind kind) {
    static constexpr const char* kNames[] = {"None",    "a bool", "an int",   "a float",        "a string", "a list",
                                             "a tuple", "a dict", "a tensor", "a bare storage", "a class",
                                             "bytes",   "a numpy dtype", "an unfinished numpy array"};
    return kNames[static_cast<size_t>(kind)];
}

} // namespace steer
