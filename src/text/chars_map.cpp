#include "text/chars_map.h"

#include "files/error.h"
#include "files/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace steer {
namespace {

constexpr size_t kBlobMax = size_t{8} << 20; // NFKC with case folding takes 300 KB
constexpr size_t kReplacementMax = 512;           // NFKC's longest has 33 bytes
constexpr uint8_t kMatchesMax = 32;               // rules that begin like one another: the library has room for no more

class Unit {
  public:
    explicit Unit(uint32_t bits) : bits_(bits) {}

    bool is_value() const { return (bits_ >> 31) != 0; }
    uint32_t value() const { return bits_ & 0x7fffffffu; }
    uint8_t label() const { return static_cast<uint8_t>(bits_); }
    bool has_value() const { return (bits_ >> 8 & 1) != 0; }
    uint32_t offset() const { return (bits_ >> 10) << (bits_ >> 6 & 8); }

  private:
    uint32_t bits_;
};

class Walk {
  public:
    Walk(std::string_view trie, std::string_view replacements, const std::string& name)
        : trie_(trie), replacements_(replacements), name_(name), states_(trie.size() / 4) {}

    // Depth first over all nodes, each once: branches may share their ends. Counts the rules on the longest way down.
    void run() {
        open(0);
        while (!path_.empty()) {
            Step& step = path_.back();
            if (step.next_label > 255) {
                close();
                continue;
            }
            const auto label = static_cast<uint8_t>(step.next_label++);
            const uint32_t child = step.children ^ label;
            const Unit unit = at(child);
            if (unit.is_value() || unit.label() != label) continue;
            if (states_[child].seen) join(child);
            else open(child);
        }
    }

  private:
    struct Step {
        uint32_t node, children;
        int next_label;
    };
    struct State {
        bool seen = false, done = false;
        uint8_t matches = 0; // on the longest way down from here, with this one's own
    };

    [[noreturn]] void broken(const char* why) const {
        fail(STEER_ERR_FORMAT, "{}: its normalisation rules are damaged: {}", name_, why);
    }

    Unit at(uint32_t index) const {
        if (index >= states_.size()) broken("a unit points outside");
        uint32_t bits;
        std::memcpy(&bits, trie_.data() + size_t{index} * 4, sizeof bits);
        return Unit(bits);
    }

    void open(uint32_t node) {
        const Unit unit = at(node);
        const uint32_t children = node ^ unit.offset();
        State& state = states_[node];
        state.seen = true;
        // The root's own is never looked for.
        if (unit.has_value() && node != 0) check_replacement(at(children)), state.matches = 1;
        path_.push_back({node, children, 0});
    }

    void close() {
        const uint32_t node = path_.back().node;
        states_[node].done = true;
        path_.pop_back();
        if (!path_.empty()) join(node);
    }

    // The node at the end of the path has this child.
    void join(uint32_t child) {
        if (!states_[child].done) broken("a rule has no end");
        const uint32_t node = path_.back().node;
        const int own = node != 0 && at(node).has_value(), all = own + states_[child].matches;
        if (all > kMatchesMax) broken("too many rules begin alike");
        states_[node].matches = std::max(states_[node].matches, static_cast<uint8_t>(all));
    }

    void check_replacement(Unit value) const {
        if (!value.is_value() || value.value() >= replacements_.size()) broken("a replacement lies outside");
        const std::string_view rest = replacements_.substr(value.value(), kReplacementMax + 1);
        if (rest.find('\0') == rest.npos) broken("a replacement is too long");
        if (is_utf8_tail(rest[0])) broken("a replacement begins inside a character");
    }

    std::string_view trie_, replacements_;
    const std::string& name_;
    std::vector<State> states_;
    std::vector<Step> path_;
};

} // namespace

void check_chars_map(std::string_view blob, const std::string& name) {
    const auto broken = [&](const char* why) {
        fail(STEER_ERR_FORMAT, "{}: its normalisation rules are damaged: {}", name, why);
    };
    uint32_t size = 0;
    if (blob.size() > kBlobMax) broken("they are too large");
    if (blob.size() <= sizeof size) broken("they are too short");
    std::memcpy(&size, blob.data(), sizeof size);
    blob.remove_prefix(sizeof size);
    if (size == 0 || size % 4 != 0 || size >= blob.size()) broken("the size of the trie is wrong");
    const std::string_view replacements = blob.substr(size);
    if (replacements.back() != '\0' || !is_valid_utf8(replacements)) broken("the replacements are no UTF-8");
    Walk(blob.substr(0, size), replacements, name).run();
}

} // namespace steer
