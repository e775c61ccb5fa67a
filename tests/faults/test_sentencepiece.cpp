// Memory that ends while a sentencepiece model is read or cuts a text: an error, and the same call again works.
#include "../text/small_sentencepiece.h"
#include "fault_plan.h"
#include "host.h"

#include <filesystem>

namespace {

void give_sentencepiece(const tiny::Folder& folder) {
    steer::test::SmallModel model = steer::test::small_unigram();
    model.pieces[1].text = "<|im_start|>";
    model.pieces[2].text = "<|im_end|>";
    model.pieces.push_back({"ba", 0, steer::test::UserDefined});
    model.chars_map = steer::test::chars_map("ab");
    std::filesystem::remove(folder.path() + "/tokenizer.json");
    folder.write("tokenizer.model", model.file());
}

template<class Call> bool refused(Call call) {
    steer_error err{};
    steer_status status;
    {
        const faults::During injecting(faults::allocations);
        status = call(&err);
    }
    const bool was_refused = status == STEER_ERR_MEMORY;
    if (was_refused) status = call(&err);
    INFO(err.message);
    REQUIRE(status == STEER_OK);
    return was_refused;
}

} // namespace

TEST_CASE("sentencepiece: every allocation may fail: once, or from then on") {
    const tiny::Folder folder;
    give_sentencepiece(folder);
    const std::string text = "abA ba<|im_start|> b";
    size_t refusals = 0;
    const auto live = [&] {
        steer_model_options options;
        steer_model_options_init(&options, sizeof options);
        options.residency = STEER_RESIDENCY_NONE;
        host::Model model;
        refusals += refused([&](steer_error* err) { return steer_model_load(folder.path().c_str(), &options, model.out(), err); });
        int32_t ids[64];
        size_t count = 0;
        refusals += refused([&](steer_error* err) {
            return steer_text_encode(model, text.data(), text.size(), STEER_TEXT_SPECIAL, ids, std::size(ids), &count, err);
        });
        return std::vector<int32_t>(ids, ids + count);
    };
    faults::allocations = {};
    const std::vector<int32_t> undisturbed = live();
    const size_t count = faults::allocations.count;
    CHECK(undisturbed == std::vector<int32_t>{7, 8, 5, 3, 8, 1, 3, 5});

    const bool and_later = GENERATE(false, true);
    for (const size_t at : faults::points(count, 400)) {
        faults::allocations = {false, 0, at, and_later};
        CAPTURE(at, and_later);
        REQUIRE(live() == undisturbed);
    }
    faults::allocations = {};
    CHECK(refusals > 100);
}
