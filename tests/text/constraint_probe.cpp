// constraint_probe TOKENIZER_JSON: answers requests about constraints from standard input, for tests/python.
// A request is an operation byte, a 32-bit size and that many bytes; an answer is a status, a size and bytes.
//   c: a schema, empty for any JSON, for what follows       -> tokens that its shortest document surely fits into
//   a: bytes of a document, one by one                      -> {"accepted": bytes, "complete", "can_go_on"}
//   t: ids, each looked up in the mask before it is taken   -> {"accepted": tokens, "complete", "can_go_on"}
//   w: {"seed", "token_max", "short"}: a walk over random allowed tokens; short: how often only those of 1 or 2 bytes
//                                                           -> {"ids", "finish"} and, behind a line break, the bytes
//   x: {"tokens_left"}, a line break and bytes of a document: the mask behind them against every token, tried
//                                                           -> {"allowed", "missing": ids, "wrong": ids}
// constraint_probe TOKENIZER_JSON bench SCHEMA_FILE|json DOCUMENT_FILE...: microseconds per mask over the documents'
// tokens.
#include "../tree.h"
#include "files/error.h"
#include "files/json.h"
#include "text/constraint/constraint.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

using namespace steer;
using namespace steer::constraint;

namespace {

std::string read_file(const char* path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) fail(STEER_ERR_IO, "{}: cannot be opened", path);
    return {std::istreambuf_iterator<char>(in), {}};
}

bool has(const Bits& bits, int32_t id) { return bits[static_cast<size_t>(id) / 32] >> (id % 32) & 1; }

constexpr int64_t kPlenty = 1'000'000'000;

class Probe {
  public:
    explicit Probe(const char* path)
        : tokenizer_(load_bpe_tokenizer(read_file(path), path)),
          masks_(fresh_masks()),
          constraint_(Constraint::json(masks_)),
          short_(constraint_->mask_words()) {
        for (int32_t id = 0; id < tokenizer_->size(); id++)
            if (tokenizer_->token_bytes(id).size() <= 2) short_[static_cast<size_t>(id) / 32] |= 1u << id % 32;
    }

    const Tokenizer& tokenizer() const { return *tokenizer_; }
    std::shared_ptr<Masks> fresh_masks() const { return std::make_shared<Masks>(*tokenizer_, tokenizer_->size()); }

    std::string answer(char operation, const std::string& bytes) {
        switch (operation) {
        case 'c':
            return compile(bytes);
        case 'a':
            return accept(bytes);
        case 't':
            return take(bytes);
        case 'w':
            return walk(parse_json(bytes, "request"));
        case 'x':
            return compare(bytes);
        default:
            fail(STEER_ERR_ARG, "no such operation");
        }
    }

  private:
    std::string compile(const std::string& text) {
        constraint_ = text.empty() ? Constraint::json(masks_) : Constraint::json_schema(masks_, text);
        return std::to_string(constraint_->tokens_min());
    }

    static Tree state(const Document& document, size_t accepted) {
        return {{"accepted", accepted}, {"complete", document.complete()}, {"can_go_on", document.can_go_on()}};
    }

    std::string accept(const std::string& bytes) const {
        Document document(constraint_);
        size_t accepted = 0;
        while (accepted < bytes.size() && document.accept(std::string_view(bytes).substr(accepted, 1))) accepted++;
        return state(document, accepted).dump();
    }

    std::string take(const std::string& bytes) const {
        std::vector<int32_t> ids(bytes.size() / sizeof(int32_t));
        std::memcpy(ids.data(), bytes.data(), ids.size() * sizeof(int32_t));
        Document document(constraint_);
        Bits bits;
        size_t accepted = 0;
        for (const int32_t id : ids) {
            document.allow(kPlenty, bits);
            if (!has(bits, id)) break;
            if (!document.accept(tokenizer_->token_bytes(id)))
                fail(STEER_ERR_INTERNAL, "token {} is allowed and refused", id);
            accepted++;
        }
        return state(document, accepted).dump();
    }

    std::string walk(const Json& request) const {
        std::mt19937_64 random(request.find("seed")->get<uint64_t>());
        const auto token_max = request.find("token_max")->get<int64_t>();
        const double short_share = get_double_or(request, "short", "request", 0.0, 1.0, 0.0);
        const auto chance = [&](double share) { return static_cast<double>(random() >> 11) * 0x1p-53 < share; };
        Document document(constraint_);
        std::vector<int32_t> ids;
        std::string bytes, finish = "token_max";
        Bits bits;
        for (int64_t left = token_max; left > 0; left--) {
            if (document.complete() && (!document.can_go_on() || chance(0.3))) {
                finish = "complete";
                break;
            }
            document.allow(left, bits);
            const int32_t id = choose(bits, chance(short_share), random);
            if (id < 0) {
                finish = "dead_end";
                break;
            }
            if (!document.accept(tokenizer_->token_bytes(id)))
                fail(STEER_ERR_INTERNAL, "token {} is allowed and refused", id);
            ids.push_back(id);
            bytes += tokenizer_->token_bytes(id);
            if (document.tokens_to_end() > left - 1) fail(STEER_ERR_INTERNAL, "token {} leaves too little", id);
        }
        return Tree{{"ids", ids}, {"finish", finish}, {"complete", document.complete()}}.dump() + '\n' + bytes;
    }

    // -1: there is none.
    int32_t choose(Bits bits, bool only_short, std::mt19937_64& random) const {
        Bits some = bits;
        for (size_t i = 0; i < bits.size(); i++) some[i] &= short_[i];
        const auto count = [](const Bits& all) {
            size_t sum = 0;
            for (const uint32_t word : all) sum += static_cast<size_t>(std::popcount(word));
            return sum;
        };
        if (only_short && count(some) > 0) bits.swap(some);
        if (count(bits) == 0) return -1;
        size_t left = random() % count(bits), at = 0;
        for (; left >= static_cast<size_t>(std::popcount(bits[at])); at++)
            left -= static_cast<size_t>(std::popcount(bits[at]));
        uint32_t word = bits[at];
        for (; left > 0; left--) word &= word - 1;
        return static_cast<int32_t>(at * 32) + std::countr_zero(word);
    }

    std::string compare(const std::string& request) const {
        const size_t line = request.find('\n');
        const int64_t left = parse_json(request.substr(0, line), "request").find("tokens_left")->get<int64_t>();
        Document document(constraint_);
        if (!document.accept(std::string_view(request).substr(line + 1)))
            fail(STEER_ERR_ARG, "the document is refused");
        Bits bits;
        document.allow(left, bits);
        std::vector<int32_t> missing, wrong;
        size_t allowed = 0;
        for (int32_t id = 0; id < tokenizer_->size(); id++) {
            Document next = document;
            const bool may = !tokenizer_->is_control(id) && !tokenizer_->token_bytes(id).empty() &&
                             next.accept(tokenizer_->token_bytes(id)) && next.tokens_to_end() <= left - 1;
            allowed += has(bits, id);
            if (may && !has(bits, id)) missing.push_back(id);
            if (!may && has(bits, id)) wrong.push_back(id);
        }
        return Tree{{"allowed", allowed}, {"missing", missing}, {"wrong", wrong}}.dump();
    }

    std::unique_ptr<Tokenizer> tokenizer_;
    std::shared_ptr<Masks> masks_;
    ConstraintPtr constraint_;
    Bits short_; // tokens of one or two bytes
};

void put(int32_t status, const std::string& bytes) {
    auto size = static_cast<uint32_t>(bytes.size());
    std::fwrite(&status, sizeof status, 1, stdout);
    std::fwrite(&size, sizeof size, 1, stdout);
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    std::fflush(stdout);
}

double microseconds_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

void print(const char* words, std::vector<double>& times) {
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) {
        return times[static_cast<size_t>(share * static_cast<double>(times.size() - 1))];
    };
    std::printf("%-22s %6zu masks   median %8.1f us   p90 %8.1f us   p99 %8.1f us   max %8.1f us\n", words,
                times.size(), at(0.5), at(0.9), at(0.99), times.back());
}

// The documents as the model would write them: by their own tokens.
int bench(const Probe& probe, const std::string& schema, const std::vector<std::string>& documents) {
    auto begin = std::chrono::steady_clock::now();
    const auto masks = probe.fresh_masks();
    std::printf("vocabulary %d tokens, %u nodes: %.1f ms\n", masks->vocabulary().size(),
                masks->vocabulary().node_count(), microseconds_since(begin) / 1000);
    begin = std::chrono::steady_clock::now();
    const ConstraintPtr constraint = schema.empty() ? Constraint::json(masks) : Constraint::json_schema(masks, schema);
    std::printf("schema %zu bytes, %zu states: %.2f ms\n", schema.size(), constraint->grammar().nodes().size(),
                microseconds_since(begin) / 1000);
    Bits bits;
    for (int pass = 0; pass < 3; pass++) {
        std::vector<double> times, taking;
        for (const std::string& text : documents) {
            std::vector<int32_t> ids;
            probe.tokenizer().encode(text, false, ids);
            Document document(constraint);
            for (size_t i = 0; i < ids.size(); i++) {
                begin = std::chrono::steady_clock::now();
                document.allow(static_cast<int64_t>(ids.size() - i) + 400, bits);
                times.push_back(microseconds_since(begin));
                const std::string_view bytes = probe.tokenizer().token_bytes(ids[i]);
                if (!has(bits, ids[i])) fail(STEER_ERR_ARG, "token {} of a document ({}) is not allowed", i, bytes);
                begin = std::chrono::steady_clock::now();
                document.accept(bytes);
                taking.push_back(microseconds_since(begin));
            }
            if (!document.complete()) fail(STEER_ERR_ARG, "a document is not complete");
        }
        print(pass == 0 ? "mask, cold" : "mask, warm", times);
        if (pass > 0) print("taking a token", taking);
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2)
        return std::fputs("usage: constraint_probe TOKENIZER_JSON [bench SCHEMA|json DOCUMENT...]\n", stderr), 2;
    try {
        Probe probe(argv[1]);
        if (argc > 4 && std::string_view(argv[2]) == "bench") {
            std::vector<std::string> documents;
            for (int i = 4; i < argc; i++) documents.push_back(read_file(argv[i]));
            return bench(probe, std::string_view(argv[3]) == "json" ? "" : read_file(argv[3]), documents);
        }
        put(STEER_OK, std::to_string(probe.tokenizer().size()));
        char operation;
        uint32_t size;
        while (std::fread(&operation, 1, 1, stdin) == 1 && std::fread(&size, sizeof size, 1, stdin) == 1) {
            std::string bytes(size, '\0');
            if (std::fread(bytes.data(), 1, size, stdin) != size) return 1;
            try {
                put(STEER_OK, probe.answer(operation, bytes));
            } catch (const Error& error) {
                put(error.status(), error.what());
            }
        }
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        put(error.status(), error.what());
        return 1;
    }
}
