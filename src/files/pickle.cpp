// Opcodes: CPython's Lib/pickletools.py. One pass over the bytes with a stack of node numbers; no recursion anywhere.
#include "files/pickle.h"

#include "files/checked.h"
#include "files/error.h"
#include "files/file.h"
#include "files/quote.h"

#include <bit>
#include <cstring>

namespace steer {
namespace {

using Kind = PickleNode::Kind;

// A vector of 64 layers takes about 1,000 nodes and 128 tensors. One byte can make a node of 80 bytes, three a tensor of 100,
// so the limits are what keeps a small file small in memory.
constexpr size_t kNodeMax = 65536, kReferenceMax = 1 << 20, kMarkMax = 4096, kTensorMax = 16384, kDimsMax = 8;
constexpr uint32_t kNoNode = 0xffffffff;

enum Global : uint32_t { kRebuildTensor, kOrderedDict, kDouble, kFloat, kHalf, kBFloat16 };

struct GlobalName {
    std::string_view name;
    Global global;
};

constexpr GlobalName kGlobals[] = {
    {"torch._utils _rebuild_tensor_v2", kRebuildTensor},
    {"collections OrderedDict", kOrderedDict},
    {"torch DoubleStorage", kDouble},
    {"torch FloatStorage", kFloat},
    {"torch HalfStorage", kHalf},
    {"torch BFloat16Storage", kBFloat16},
};

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
        // clang-format on
        default:
            fail(STEER_ERR_UNSUPPORTED,
                 "{}: pickle opcode 0x{:02x} at byte {} is not allowed: only plain dicts, lists "
                 "and float tensors are read",
                 file_, code, at_ - 1);
        }
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

    // -- tensors

    void add_global() {
        const std::string_view module = take_line(), name = take_line();
        const std::string both = std::string(module) + " " + std::string(name);
        for (const GlobalName& known : kGlobals)
            if (both == known.name) return void(add(Kind::global).tensor = known.global);
        fail(STEER_ERR_UNSUPPORTED, "{}: the pickle names {}, which is not on the list of what may be read", file_,
             quote(std::string(module) + "." + std::string(name), 80));
    }

    // ('storage', torch.HalfStorage, '0', 'cpu', 5120): the record's name and how many elements it has
    void make_storage() {
        const PickleNode& id = tree_.at(pop(1)[0]);
        const auto is = [&](size_t i, Kind kind) { return tree_.at(id.items[i]).kind == kind; };
        if (id.kind != Kind::tuple || id.items.size() != 5 || !is(0, Kind::text) || !is(1, Kind::global) ||
            !is(2, Kind::text) || !is(3, Kind::text) || !is(4, Kind::integer) ||
            tree_.at(id.items[0]).text != "storage")
            refuse("has a reference that is not a tensor's storage");
        PickleTensor tensor;
        switch (tree_.at(id.items[1]).tensor) {
        case kDouble:
            tensor.dtype = Dtype::f64;
            break;
        case kFloat:
            tensor.dtype = Dtype::f32;
            break;
        case kHalf:
            tensor.dtype = Dtype::f16;
            break;
        case kBFloat16:
            tensor.dtype = Dtype::bf16;
            break;
        default:
            refuse("has a storage of something that is not a storage");
        }
        tensor.storage = tree_.at(id.items[2]).text;
        const int64_t numel = tree_.at(id.items[4]).integer;
        if (!is_bare_filename(tensor.storage) || numel < 0) refuse("has a storage with an odd name or size");
        tensor.storage_numel = static_cast<uint64_t>(numel);
        add_tensor(Kind::storage, std::move(tensor));
    }

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
        if (callee.tensor == kRebuildTensor) return rebuild_tensor(arguments.items);
        if (callee.tensor != kOrderedDict || !arguments.items.empty()) refuse("calls something that is no function");
        add(Kind::dict);
    }

    // (storage, offset, shape, strides, requires_grad, hooks). A seventh item would be conjugate or negative bits.
    void rebuild_tensor(const std::vector<uint32_t>& items) {
        const auto is = [&](size_t i, Kind kind) { return tree_.at(items[i]).kind == kind; };
        if (items.size() != 6 || !is(0, Kind::storage) || !is(1, Kind::integer) || !is(2, Kind::tuple) ||
            !is(3, Kind::tuple) || !is(4, Kind::boolean) || !is(5, Kind::dict))
            refuse("builds a tensor from unexpected parts");
        PickleTensor tensor = tree_.tensors[tree_.at(items[0]).tensor];
        const int64_t offset = tree_.at(items[1]).integer;
        tensor.shape = sizes(tree_.at(items[2]));
        tensor.strides = sizes(tree_.at(items[3]));
        if (offset < 0 || tensor.shape.size() != tensor.strides.size()) refuse("has a tensor with an odd shape");
        tensor.offset = static_cast<uint64_t>(offset);
        add_tensor(Kind::tensor, std::move(tensor));
    }

    std::vector<int64_t> sizes(const PickleNode& tuple) const {
        std::vector<int64_t> out;
        if (tuple.items.size() > kDimsMax) refuse("has a tensor of too many dimensions");
        for (const uint32_t item : tuple.items) {
            const PickleNode& node = tree_.at(item);
            if (node.kind != Kind::integer || node.integer < 0) refuse("has a tensor with an odd shape");
            out.push_back(node.integer);
        }
        return out;
    }

    [[noreturn]] void refuse(const char* what) const {
        fail(STEER_ERR_FORMAT, "{}: data.pkl {} (near byte {})", file_, what, at_);
    }

    std::string_view bytes_;
    const std::string& file_;
    size_t at_ = 0;
    bool stopped_ = false;
    size_t references_ = 0; // ever put on the stack
    PickleTree tree_;
    std::vector<uint32_t> stack_, memo_;
    std::vector<size_t> marks_; // heights of the stack
};

} // namespace

PickleTree parse_pickle(std::string_view bytes, const std::string& name) { return Machine(bytes, name).run(); }

const char* pickle_kind_name(PickleNode::Kind kind) {
    static constexpr const char* kNames[] = {"None",    "a bool", "an int",   "a float",        "a string", "a list",
                                             "a tuple", "a dict", "a tensor", "a bare storage", "a class"};
    return kNames[static_cast<size_t>(kind)];
}

} // namespace steer
