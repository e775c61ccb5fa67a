// What a reply must be: a grammar over bytes, and which tokens of a vocabulary may come next in it.
//
//     auto masks = std::make_shared<Masks>(tokenizer, size);       once per model
//     auto constraint = Constraint::json_schema(masks, text);      once per schema
//     Document document(constraint);                               once per reply; copied where it forks
//     document.allow(tokens_left, bits);                           for each token
//     document.accept(tokenizer.token_bytes(drawn));
#pragma once

#include "text/constraint/walks.h"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace steer::constraint {

// What all constraints of a model share: the vocabulary, and the masks of JSON's own rules.
class Masks {
  public:
    Masks(const Tokenizer& tokenizer, int32_t vocabulary_size); // ids from there on are not real

    const Vocabulary& vocabulary() const { return vocabulary_; }
    const Grammar& json() const { return json_; }

  private:
    friend class Constraint;

    std::mutex mutex_; // of all that is worked out on the way
    Vocabulary vocabulary_;
    Grammar json_;
    Walks json_walks_;
    NodeSets sets_;
    uint32_t sets_age_ = 0; // how often they were cleared
};

class Constraint {
  public:
    Constraint(std::shared_ptr<Masks> masks, Grammar grammar, std::string text);
    // Any JSON value; one that a schema allows (schema.h says which schemas are known).
    static std::shared_ptr<const Constraint> json(std::shared_ptr<Masks> masks);
    static std::shared_ptr<const Constraint> json_schema(std::shared_ptr<Masks> masks, std::string_view text);

    const std::string& text() const { return text_; } // of the schema; empty: any JSON
    const Grammar& grammar() const { return grammar_; }
    const TokenCosts& costs() const { return walks_.costs(); }
    uint32_t tokens_min() const; // surely enough for the shortest document
    size_t mask_words() const { return (static_cast<size_t>(masks_->vocabulary().size()) + 31) / 32; }

    // Adds the tokens that may follow where a document's level stands, and from which it can be ended within
    // tokens_left, the token itself counted.
    void add_tokens(const Level& top, std::string_view document, int64_t tokens_left, Bits& bits) const;

  private:
    const Walk& walk(const Level& level, uint32_t set) const;
    uint32_t without_taken(const Level& top, std::string_view document, uint32_t set) const;
    void add_name_tokens(const Level& top, std::string_view document, const Walk& walk, const Bounds& bounds,
                         Bits& bits) const;
    void renew_sets() const;

    std::shared_ptr<Masks> masks_;
    Grammar grammar_;
    std::string text_;
    uint32_t json_nodes_; // nodes below are JSON's own, the same in every grammar
    mutable Walks walks_;
    mutable uint32_t sets_age_ = 0;
};

using ConstraintPtr = std::shared_ptr<const Constraint>;

class Document {
  public:
    explicit Document(ConstraintPtr constraint);

    const Constraint& constraint() const { return *constraint_; }
    bool begun() const { return !text_.empty(); }
    bool complete() const { return !places_.ended.empty(); }
    bool can_go_on() const { return !places_.tops.empty(); }
    uint32_t tokens_to_end() const; // surely enough; 0: complete

    bool accept(std::string_view bytes); // false: it cannot go on so, and nothing was changed
    // A bit for each token that may come next, so that the document can still be ended within tokens_left.
    void allow(int64_t tokens_left, Bits& bits) const;

  private:
    ConstraintPtr constraint_;
    Places places_;
    std::string text_;
};

} // namespace steer::constraint
