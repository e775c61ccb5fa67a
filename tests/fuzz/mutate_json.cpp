#include "mutate_json.h"

#include "generate.h"

#include <utility>



namespace fuzz {
namespace {

size_t below(Random& random, size_t count) { return random() % count; }

Tree& child(Tree& node, size_t i) {
    if (node.is_array()) return node[i];
    return (node.get_ref<Tree::object_t&>().begin() + static_cast<std::ptrdiff_t>(i))->second;
}

// Where the walk ends, and what it ended in.
struct Place {
    Tree* parent = nullptr;
    Tree* node;
    size_t index = 0;
};

Place walk(Tree& root, Random& random) {
    Place place{nullptr, &root};
    while (place.node->is_structured() && !place.node->empty() && below(random, 4) != 0) {
        Tree* const parent = place.node;
        const size_t index = below(random, parent->size());
        place = {parent, &child(*parent, index), index};
    }
    return place;
}

void erase(Tree& parent, size_t index) {
    if (parent.is_array()) return parent.erase(index);
    Tree::object_t kept;
    size_t i = 0;
    for (const auto& entry : parent.get_ref<const Tree::object_t&>())
        if (i++ != index) kept.push_back(entry);
    parent.get_ref<Tree::object_t&>() = std::move(kept);
}

void rename(Tree& parent, size_t index, std::string key) { // may make a key twice, which is wanted
    Tree::object_t renamed;
    size_t i = 0;
    for (const auto& [name, value] : parent.get_ref<const Tree::object_t&>()) {
        renamed.push_back({i == index ? key : name, value});
        i++;
    }
    parent.get_ref<Tree::object_t&>() = std::move(renamed);
}

void change_number(Tree& node, Random& random) {
    if (node.is_number_float()) node = node.get<double>() * (below(random, 2) ? 1e10 : -0.5);
    else node = static_cast<int64_t>(node.get<uint64_t>() + below(random, 5) - 2); // wraps around
}

void change(Tree& root, Random& random, const MutateText& mutate) {
    const Place place = walk(root, random);
    switch (below(random, 8)) {
    case 0:
        *place.node = hostile::odd_values()[below(random, hostile::odd_values().size())];
        return;
    case 1:
        if (place.parent != nullptr) erase(*place.parent, place.index);
        return;
    case 2: { // something from elsewhere
        const Tree copy = *walk(root, random).node;
        *place.node = copy;
        return;
    }
    case 3:
        if (place.parent != nullptr && place.parent->is_array()) place.parent->push_back(Tree(*place.node));
        return;
    case 4:
        if (place.parent != nullptr && place.parent->is_object()) {
            auto& entries = place.parent->get_ref<Tree::object_t&>();
            const std::string key = (entries.begin() + static_cast<std::ptrdiff_t>(place.index))->first;
            rename(*place.parent, place.index, mutate(key, key.size() + 4));
        }
        return;
    default:
        if (place.node->is_string()) *place.node = mutate(place.node->get<std::string>(), place.node->get_ref<std::string&>().size() + 16);
        else if (place.node->is_number()) change_number(*place.node, random);
    }
}

} // namespace

bool mutate_json(std::string& text, Random& random, const MutateText& mutate) {
    Tree root = Tree::parse(text, nullptr, false);
    if (root.is_discarded()) return false;
    for (size_t n = 1 + below(random, 3); n > 0; --n) change(root, random, mutate);
    text = root.dump(-1, ' ', false, Tree::error_handler_t::replace);
    return true;
}

} // namespace fuzz
