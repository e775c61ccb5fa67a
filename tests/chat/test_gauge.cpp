#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

#include "gauge_line.h"
#include "json_lines.h"
#include "width.h"

#include <nlohmann/json.hpp>

using namespace chat;

namespace {

int count(const std::string& text, const std::string& piece) {
    int found = 0;
    for (std::size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + piece.size())) ++found;
    return found;
}

} // namespace

TEST_CASE("the bar has 20 cells at every share, and more share never means less bar") {
    int before = -1;
    for (int i = 0; i <= 1000; ++i) {
        const std::string bar = gauge_bar(static_cast<float>(i) / 1000);
        CHECK(text_width(bar) == 20);
        const int empty = count(bar, "░"), full = count(bar, "█");
        const bool partial = empty + full < 20;
        CHECK(empty + full + (partial ? 1 : 0) == 20);
        CHECK(full >= before);
        before = full;
    }
    CHECK(count(gauge_bar(0), "░") == 20);
    CHECK(count(gauge_bar(1), "█") == 20);
    CHECK(count(gauge_bar(0.5f), "█") == 10);
}

TEST_CASE("values are signed with four digits") {
    CHECK(signed_value(0.34118f) == "+0.3412");
    CHECK(signed_value(-0.05f) == "-0.0500");
    CHECK(signed_value(std::nanf("")).find("--") != std::string::npos);
}

TEST_CASE("pink above zero, blue below") {
    const std::string above = gauge_line({"g", 0.1f, 0.5f, ""}, 80, true);
    const std::string below = gauge_line({"g", -0.1f, 0.5f, ""}, 80, true);
    CHECK(above.find("\x1b[95m") != std::string::npos);
    CHECK(above.find("\x1b[94m") == std::string::npos);
    CHECK(below.find("\x1b[94m") != std::string::npos);
    CHECK(below.find("\x1b[95m") == std::string::npos);
    CHECK(gauge_line({"g", 0.1f, 0.5f, "n"}, 80, false).find('\x1b') == std::string::npos);
}

TEST_CASE("a gauge line is never wider than the window") {
    for (int columns = 5; columns < 100; ++columns) {
        CHECK(text_width(gauge_line({"ギャル L48", 0.1f, 0.5f, "raw +0.1234  strength 8"}, columns, false)) <= columns);
    }
}

TEST_CASE("statistics put neutral and persona text well inside the bar") {
    const GaugeRange range(-0.02f, 0.22f);
    CHECK(range.share(-0.02f) == Approx(0.25).margin(0.01));
    CHECK(range.share(0.22f) == Approx(0.75).margin(0.01));
    CHECK(range.share(0.10f) == Approx(0.5).margin(0.01));
}

TEST_CASE("no sequence of values leaves the bar stuck at an end") {
    for (const GaugeRange& start : {GaugeRange(), GaugeRange(-0.02f, 0.22f)}) {
        for (float offset : {-0.6f, 0.0f, 0.5f}) {
            GaugeRange range = start;
            float least = 1, most = 0;
            for (int i = 0; i < 400; ++i) {
                const float value = offset + 0.05f * std::sin(static_cast<float>(i));
                range.see(value);
                const float share = range.share(value);
                CHECK(share > 0.0f);
                CHECK(share < 1.0f);
                if (i >= 200) {
                    least = std::min(least, share);
                    most = std::max(most, share);
                }
            }
            CHECK(most - least > 1.0f / gauge_cells); // it moves by more than a cell
        }
    }
}

TEST_CASE("a value outside widens the range at once, and it comes back") {
    GaugeRange range(0.0f, 0.1f);
    const float high = range.high();
    range.see(0.9f);
    CHECK(range.high() > 0.9f);
    for (int i = 0; i < 300; ++i) range.see(0.05f);
    CHECK(range.high() == Approx(high).epsilon(0.05));
}

TEST_CASE("values that are not numbers change nothing") {
    GaugeRange range(0.0f, 0.1f);
    const float low = range.low(), high = range.high();
    range.see(std::nanf(""));
    range.see(std::numeric_limits<float>::infinity());
    CHECK(range.low() == low);
    CHECK(range.high() == high);
    CHECK(GaugeRange(std::nanf(""), 0.1f).share(0.1f) == 0.0f); // falls back to a range that grows
}

TEST_CASE("JSON lines hold what they should, unknown values are null") {
    ReplyToken token{42, "\"あ\n", -1.25f, 8.1f, {{0.1f, std::nanf("")}}};
    const std::string line = token_line(token, {{48, 1, 2}});
    CHECK(line.back() == '\n');
    CHECK(line.find('\n') == line.size() - 1);
    const auto object = nlohmann::json::parse(line);
    CHECK(object == nlohmann::json::parse(R"({"type":"token","id":42,"text":"\"あ\n","logprob":-1.25,"strength":8.1,
                                             "gauges":{"48":{"raw":0.1,"own":null}}})"));
    ReplyResult result;
    result.text = "x";
    result.finish = STEER_FINISH_TOKEN_MAX;
    result.tokens = 3;
    CHECK(nlohmann::json::parse(done_line(result))["finish_reason"] == "length");
}
