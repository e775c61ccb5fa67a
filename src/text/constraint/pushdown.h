// What a byte does to the places where a document may stand. A grammar is not always decided at once (two alternatives
// may begin alike), so there may be several; each has the chain of rules that it is in. Chains are shared and never
// change.
#pragma once

#include "text/constraint/grammar.h"

#include <memory>
#include <string_view>
#include <vector>

namespace steer::constraint {

struct TextRange {
    uint32_t begin = 0, end = 0;
    bool operator==(const TextRange&) const = default;
};
using Names = std::shared_ptr<const std::vector<TextRange>>; // where the names of an object stand in the document

struct Level;
using LevelPtr = std::shared_ptr<const Level>;

struct Level {
    NodeId node = 0;    // of a level that has others above it: where it goes on when they have ended
    uint32_t count = 0; // of what the rule counts; of a name: where in the document it begins
    Limits limits;
    uint32_t depth = 0; // containers that are open, this rule's own included
    Names names;        // of an object's free names, so far
    LevelPtr below;

    bool operator==(const Level& other) const;
};

// More alternatives than this at a time are not followed: what is dropped could not be told from what is kept so far,
// and all that is kept can be finished.
constexpr size_t kPlacesMax = 1024;

class Places {
  public:
    explicit Places(const Grammar& grammar) : grammar_(&grammar) {}

    std::vector<Level> tops;     // each at a node that reads a byte
    std::vector<uint32_t> ended; // a level with none below has ended: its count then

    // Where a level stands when all that needs no byte has happened. text: the document so far, which tells whether a
    // name was there before. Absent: a part of a document is looked at alone; then a free name may begin or end there,
    // not both.
    void start(const Level& level, const std::string_view* text);
    // Where `from` is after one more byte, which `text` already has.
    void advance(const Places& from, uint8_t byte, const std::string_view* text);
    bool dead() const { return tops.empty() && ended.empty(); }

  private:
    static bool add(const Level& level, std::vector<Level>& to); // false: it is there, or there are too many
    void clear();
    void enter(const Level& level, const std::string_view* text);
    void call(const Level& level, const Call& call, const std::string_view* text);
    void leave(const Level& level, const std::string_view* text);

    const Grammar* grammar_;
    std::vector<Level> callers_; // where calls were made since the last byte: once, whatever ways lead there
};

// The name that a level is in, without its opening quote.
inline std::string_view name_so_far(const Level& level, std::string_view text) { return text.substr(level.count + 1); }

// An object's level has this name already.
bool has_name(const Grammar& grammar, const Level& object, std::string_view name, std::string_view text);

} // namespace steer::constraint
