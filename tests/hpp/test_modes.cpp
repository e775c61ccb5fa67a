#include "host.h"

const char* use_without_exceptions(const char* folder);
const char* use_results_by_choice(const char* folder);

TEST_CASE("all modes live in one program") {
    const char* wrong = use_without_exceptions(host::folder().path().c_str());
    CHECK(std::string(wrong == nullptr ? "" : wrong) == "");
    wrong = use_results_by_choice(host::folder().path().c_str());
    CHECK(std::string(wrong == nullptr ? "" : wrong) == "");
}
