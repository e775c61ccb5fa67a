#include "generate.h"

#include "build_files.h"

#include <algorithm>

using namespace steer;

namespace hostile {
namespace {

constexpr uint64_t kNumbers[] = {0, 1, INT32_MAX, uint64_t{1} << 31, UINT32_MAX, INT64_MAX, uint64_t{1} << 63, UINT64_MAX};

std::vector<uint64_t> numbers_for(const std::string& bytes) {
    std::vector<uint64_t> numbers(std::begin(kNumbers), std::end(kNumbers));
    for (const uint64_t near : {bytes.size() - 1, bytes.size(), bytes.size() + 1}) numbers.push_back(near);
    return numbers;
}

class Generator {
  public:
    Generator(const Reader& reader, const Seed& seed, const std::function<void(const std::string&)>& use)
        : reader_(reader), seed_(seed), use_(use) {}

    void run() {
        for (size_t size = 0; size < seed_.bytes.size(); ++size) use_(seed_.bytes.substr(0, size));
        flip_bits();
        for (const Field& field : seed_.fields)
            for (const uint64_t number : numbers_for(seed_.bytes))
                use(build::put(seed_.bytes, field.at, build::u64(number).substr(0, field.size)));
        replace_digits();
        if (reader_.json) change_json();
    }

  private:
    void use(const std::string& bytes) {
        use_(bytes);
        if (reader_.repair == nullptr) return;
        std::string repaired = bytes;
        reader_.repair(repaired);
        use_(repaired);
    }

    void flip_bits() {
        for (size_t i = 0; i < std::min(seed_.flipped, seed_.bytes.size()); ++i)
            for (int bit = 0; bit < 8; ++bit) {
                std::string bytes = seed_.bytes;
                bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
                use(bytes);
            }
    }

    // Numbers that are written in a text.
    void replace_digits() {
        const std::string& bytes = seed_.bytes;
        if (reader_.json || !seed_.fields.empty()) return; // changed by their places, or as values
        for (size_t end, at = 0; (at = bytes.find_first_of("0123456789", at)) != bytes.npos; at = end) {
            end = std::min(bytes.find_first_not_of("0123456789", at), bytes.size());
            for (const uint64_t number : numbers_for(bytes))
                use(bytes.substr(0, at) + std::to_string(number) + bytes.substr(end));
        }
    }

    void change_json() {
        root_ = Tree::parse(json_part(reader_, seed_.bytes));
        change(root_);
    }

    void emit() {
        const std::string text = root_.dump(-1, ' ', false, Tree::error_handler_t::replace);
        use_(with_json_part(reader_, seed_.bytes, text));
    }

    void change(Tree& node) {
        const Tree before = node;
        for (const Tree& odd : odd_values()) {
            node = odd;
            emit();
        }
        if (before.is_number())
            for (const uint64_t number : numbers_for(seed_.bytes)) node = number, emit();
        node = before;
        if (node.is_array()) {
            node.push_back(before.empty() ? Tree(0) : before.back());
            emit();
            node = before;
        }
        for (size_t i = 0; i < before.size() && node.is_structured(); ++i) {
            remove(node, i);
            emit();
            node = before;
            change(node.is_array() ? node[i] : (node.get_ref<Tree::object_t&>().begin() + static_cast<std::ptrdiff_t>(i))->second);
        }
    }

    static void remove(Tree& node, size_t i) {
        if (node.is_array()) return node.erase(i);
        auto& entries = node.get_ref<Tree::object_t&>();
        Tree::object_t kept;
        for (size_t j = 0; j < entries.size(); ++j)
            if (j != i) kept.push_back(*(entries.begin() + static_cast<std::ptrdiff_t>(j)));
        node = Tree::object();
        node.get_ref<Tree::object_t&>() = std::move(kept);
    }

    const Reader& reader_;
    const Seed& seed_;
    const std::function<void(const std::string&)>& use_;
    Tree root_;
};

bool framed(const Reader& reader) { // behind an 8-byte length, before data
    return reader.name == std::string_view("safetensors") || reader.name == std::string_view("vector_native");
}

uint64_t length_of(const std::string& bytes) {
    uint64_t length = 0;
    for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<uint8_t>(bytes[i]);
    return std::min<uint64_t>(length, bytes.size() - 8);
}

} // namespace

void generate(const Reader& reader, const Seed& seed, const std::function<void(const std::string&)>& use) {
    Generator(reader, seed, use).run();
}

std::string json_part(const Reader& reader, const std::string& bytes) {
    if (!framed(reader)) return bytes;
    return bytes.size() < 8 ? std::string() : bytes.substr(8, length_of(bytes));
}

std::string with_json_part(const Reader& reader, const std::string& bytes, const std::string& text) {
    if (!framed(reader)) return text;
    if (bytes.size() < 8) return build::safetensors(text, "");
    return build::safetensors(text, bytes.substr(8 + length_of(bytes)));
}

const std::vector<Tree>& odd_values() {
    static const std::vector<Tree> all = {nullptr, true, -1, 0, 1.5, 1e300, UINT64_MAX, INT64_MIN, "", "x", "\x1b[31m",
                                          "../x", Tree::array(), Tree::object(), Tree::array({Tree::array({1})}),
                                          Tree{{"a", Tree::array({nullptr})}}};
    return all;
}

} // namespace hostile
