#include "text/chars_map.h"

#include "files/error.h"
#include "files/utf8.h"

#include <vector>

namespace steer {
namespace {

constexpr size_t kBlobMax = size_t{8} << 20; // NFKC with case folding takes 300 KB
constexpr size_t kReplacementMax = 512;      // NFKC's longest has 33 bytes

} // namespace

class CharsMap::Unit {
  public:
    explicit Unit(uint32_t bits) : bits_(bits) {}

    bool is_value() const { return (bits_ >> 31) != 0; }
    uint32_t value() const { return bits_ & 0x7fffffffu; }
    uint8_t label() const { return static_cast<uint8_t>(bits_); }
    bool has_value() const { return (bits_ >> 8 & 1) != 0; }
    uint32_t offset() const { return (bits_ >> 10) << (bits_ >> 6 & 8); }
    bool is_child(uint8_t byte) const { return !is_value() && label() == byte; }

  private:
    uint32_t bits_;
};

CharsMap::Unit CharsMap::unit(uint32_t index) const {
    uint32_t bits;
    std::memcpy(&bits, trie_.data() + size_t{index} * 4, sizeof bits);
    return Unit(bits);
}

// Looks once at all that a text could lead to, so that longest() need not look where it goes.
class CharsMap::Walk {
  public:
    Walk(const CharsMap& map, const std::string& name) : map_(map), name_(name), states_(map.trie_.size() / 4) {}

    // Depth first over all nodes, each once: branches may share their ends.
    void run() {
        open(0);
        while (!path_.empty()) {
            Step& step = path_.back();
            if (step.next_label > 255) {
                states_[step.node] = State::Done;
                path_.pop_back();
                continue;
            }
            const auto label = static_cast<uint8_t>(step.next_label++);
            const uint32_t child = step.children ^ label;
            if (!at(child).is_child(label)) continue;
            if (states_[child] == State::Open) broken("a rule has no end");
            if (states_[child] == State::New) open(child);
        }
    }

  private:
    enum class State : uint8_t { New, Open, Done };
    struct Step {
        uint32_t node, children;
        int next_label;
    };

    [[noreturn]] void broken(const char* why) const {
        fail(STEER_ERR_FORMAT, "{}: its normalisation rules are damaged: {}", name_, why);
    }

    Unit at(uint32_t index) const {
        if (index >= states_.size()) broken("a unit points outside");
        return map_.unit(index);
    }

    void open(uint32_t node) {
        const Unit unit = at(node);
        const uint32_t children = node ^ unit.offset();
        if (unit.has_value()) check_replacement(at(children));
        states_[node] = State::Open;
        path_.push_back({node, children, 0});
    }

    void check_replacement(Unit value) const {
        if (!value.is_value() || value.value() >= map_.replacements_.size()) broken("a replacement lies outside");
        const std::string_view rest = std::string_view(map_.replacements_).substr(value.value(), kReplacementMax + 1);
        if (rest.find('\0') == rest.npos) broken("a replacement is too long");
        if (is_utf8_tail(rest[0])) broken("a replacement begins inside a character");
    }

    const CharsMap& map_;
    const std::string& name_;
    std::vector<State> states_;
    std::vector<Step> path_;
};

CharsMap::CharsMap(std::string_view blob, const std::string& name) {
    const auto broken = [&](const char* why) {
        fail(STEER_ERR_FORMAT, "{}: its normalisation rules are damaged: {}", name, why);
    };
    uint32_t size = 0;
    if (blob.size() > kBlobMax) broken("they are too large");
    if (blob.size() <= sizeof size) broken("they are too short");
    std::memcpy(&size, blob.data(), sizeof size);
    blob.remove_prefix(sizeof size);
    if (size == 0 || size % 4 != 0 || size >= blob.size()) broken("the size of the trie is wrong");
    trie_ = blob.substr(0, size);
    replacements_ = blob.substr(size);
    if (replacements_.back() != '\0' || !is_valid_utf8(replacements_)) broken("the replacements are no UTF-8");
    Walk(*this, name).run();
}

CharsMap::Match CharsMap::longest(std::string_view text) const {
    Match match;
    if (empty()) return match;
    uint32_t children = unit(0).offset();
    for (size_t at = 0; at < text.size(); ++at) {
        const auto byte = static_cast<uint8_t>(text[at]);
        const uint32_t node = children ^ byte;
        const Unit here = unit(node);
        if (!here.is_child(byte)) break;
        children = node ^ here.offset();
        if (here.has_value()) match = {at + 1, replacements_.data() + unit(children).value()};
    }
    return match;
}

} // namespace steer
