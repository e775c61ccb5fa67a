// A conversation as bytes, read through the C door as a host does.
#include "build_files.h"
#include "corpus.h"
#include "files/sha256.h"
#include "steer/steer.h"
#include "tiny_model.h"

#include <cstring>

using namespace steer;
using namespace build;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT;
constexpr size_t kHead = 64, kSum = 32; // of version 2: see src/run/session_state.cpp
constexpr int32_t kContext = 64;

void call(steer_status status, const steer_error& error) {
    if (status != STEER_OK) throw Error(error.status, error.message);
}

// One small model; its cache blocks are 2 KiB.
class Host {
  public:
    Host() {
        steer_error error;
        call(steer_model_load(folder_.path().c_str(), nullptr, &model_, &error), error);
    }
    ~Host() { steer_model_free(model_); }

    steer_session* session() const {
        steer_session_options options;
        steer_session_options_init(&options, sizeof options);
        options.context_max = kContext;
        steer_session* session = nullptr;
        steer_error error;
        call(steer_session_create(model_, &options, &session, &error), error);
        return session;
    }

  private:
    tiny::Folder folder_{[] {
        tiny::Options options;
        options.layers = 1, options.hidden = 4;
        return options;
    }()};
    steer_model* model_ = nullptr;
};

const Host& host() {
    static const Host one;
    return one;
}

struct Session {
    steer_session* handle = host().session();
    Session() = default;
    Session(const Session&) = delete;
    ~Session() { steer_session_free(handle); }

    void set_tokens(const std::vector<int32_t>& ids, const std::vector<uint8_t>& marks) {
        steer_error error;
        call(steer_session_set_tokens(handle, 0, ids.data(), marks.data(), ids.size(), nullptr, &error), error);
    }
    std::vector<int32_t> tokens() const {
        std::vector<int32_t> ids(kContext);
        size_t count = 0;
        steer_error error;
        call(steer_session_get_tokens(handle, ids.data(), nullptr, ids.size(), &count, &error), error);
        ids.resize(count);
        return ids;
    }
    std::string save(uint32_t flags) const {
        size_t size = 0;
        steer_error error;
        call(steer_session_state_save(handle, flags, nullptr, 0, &size, &error), error);
        std::string bytes(size, '\0');
        call(steer_session_state_save(handle, flags, bytes.data(), size, &size, &error), error);
        return bytes;
    }
    void step() { // what came into the cache may be no numbers
        steer_step out;
        steer_error error;
        const steer_status status = steer_session_step(handle, &out, sizeof out, &error);
        promise(status == STEER_OK || status == STEER_ERR_NUMERIC || status == STEER_ERR_STATE, error.message);
    }
    void load(std::string_view bytes) {
        steer_error error;
        call(steer_session_state_load(handle, bytes.empty() ? "" : bytes.data(), bytes.size(), &error), error);
    }
};

const std::vector<int32_t> kBefore = {1, 2, 3};

// Refused, the session is as it was.
void read(std::string_view bytes) {
    Session session;
    session.set_tokens(kBefore, {0, 0, 1});
    try {
        session.load(bytes);
    } catch (const Error&) {
        promise(session.tokens() == kBefore, "a state that was refused changed the session");
        throw;
    }
}

void check(std::string_view bytes) {
    Session first, second;
    first.load(bytes);
    const bool with_cache = (bytes[12] & STEER_STATE_CACHE) != 0;
    const std::string saved = first.save(STEER_STATE_CACHE);
    if (!with_cache) promise(saved == bytes, "a state loaded and saved is another one");
    second.load(saved);
    promise(second.save(STEER_STATE_CACHE) == saved, "a state saved, loaded and saved is another one");
    promise(second.tokens() == first.tokens(), "tokens changed by saving them");
    promise(first.tokens().size() <= kContext, "more tokens than the context");
    steer_session_info info;
    steer_error error;
    call(steer_session_get_info(first.handle, &info, sizeof info, &error), error);
    promise(info.computed_count <= info.token_count && (with_cache || info.computed_count == 0), "computed more than there is");
    first.step();
}

std::string good() {
    Session session;
    session.set_tokens({5, 6, 7, 260}, {0, 0, 1, 1});
    return session.save(0);
}

std::string good_with_cache() {
    Session session;
    session.set_tokens({5, 6, 7}, {0, 0, 1});
    session.step();
    session.step();
    return session.save(STEER_STATE_CACHE);
}

void seal(std::string& bytes) { // the sum over all before it
    if (bytes.size() < kSum) return;
    const Digest sum = sha256(bytes.data(), bytes.size() - kSum);
    std::memcpy(bytes.data() + bytes.size() - kSum, sum.data(), kSum);
}

void repair(std::string& bytes) {
    static const std::string model = good(), cached = good_with_cache();
    if (bytes.size() < kHead + kSum) bytes.resize(kHead + kSum, '\0');
    bytes.replace(0, 12, model, 0, 12);   // magic, version
    bytes.replace(16, 32, model, 16, 32); // the model's fingerprint
    if (bytes.size() > kHead + kSum + 2048) {
        bytes.replace(60, 4, cached, 60, 4); // the length of the backend's words
    } else {
        bytes.resize(kHead + kSum + (bytes.size() - kHead - kSum) / 5 * 5);
        bytes.replace(48, 4, u32((bytes.size() - kHead - kSum) / 5));
        bytes.replace(12, 4, u32(0));
        bytes.replace(56, 8, u64(0));
    }
    seal(bytes);
}

std::vector<Bad> bad() {
    const std::string state = good(), magic = state.substr(0, 8);
    const auto sealed = [&](size_t at, const std::string& what) {
        std::string bytes = put(state, at, what);
        seal(bytes);
        return bytes;
    };
    const auto resealed = [](std::string bytes) {
        seal(bytes);
        return bytes;
    };
    const std::string cached = good_with_cache();
    const auto cache = [&](size_t at, const std::string& what) { return resealed(put(cached, at, what)); };
    std::string longer = state.substr(0, kHead), many = state.substr(0, 48) + u32(65) + u32(65) + u32(0) + u32(0);
    for (int i = 0; i < 65; ++i) many += u32(7);
    many += std::string(65 + kSum, '\0');
    seal(many);
    longer += std::string(5 + kSum, '\0');
    seal(longer);
    const size_t marks = kHead + 4 * 4;
    return {
        {"nothing", "", kFormat, "too short"},
        {"the magic alone", magic, kFormat, "too short"},
        {"one byte missing", state.substr(0, state.size() - 1), kFormat, "its size"},
        {"one byte more", state + "x", kFormat, "its size"},
        {"another magic", put(state, 0, "STEERVEC"), kFormat, "these bytes are not one"},
        {"zeros", std::string(200, '\0'), kFormat, "these bytes are not one"},
        {"version 0", sealed(8, u32(0)), STEER_ERR_UNSUPPORTED, "version 0"},
        {"version 2^32-1", sealed(8, u32(0xffffffff)), STEER_ERR_UNSUPPORTED, "version 4294967295"},
        {"all flags", sealed(12, u32(0xffffffff)), STEER_ERR_UNSUPPORTED, "features"},
        {"another model", sealed(16, std::string(32, '\7')), STEER_ERR_MISMATCH, "made by model"},
        {"no tokens and their bytes", sealed(48, u32(0)), kFormat, "the reply begins behind"},
        {"2^32-1 tokens", sealed(48, u32(0xffffffff)), kFormat, "its size"},
        {"a count whose bytes wrap", sealed(48, u32(0x33333337)), kFormat, "its size"},
        {"a token count that is not said", longer, kFormat, "its size"},
        {"the reply begins behind the end", sealed(52, u32(5)), kFormat, "the reply begins behind"},
        {"the reply begins at 2^32-1", sealed(52, u32(0xffffffff)), kFormat, "the reply begins behind"},
        {"a token below 0", sealed(kHead, u32(0xffffffff)), kFormat, "outside the vocabulary"},
        {"a token of the vocabulary's size", sealed(kHead, u32(tiny::kVocabulary)), kFormat, "outside the vocabulary"},
        {"a mark of 2", sealed(marks, "\2"), kFormat, "mark"},
        {"a sum of zeros", put(state, state.size() - kSum, std::string(kSum, '\0')), kFormat, "check sum"},
        {"a token changed", put(state, kHead, "\1"), kFormat, "check sum"},
        {"computed, and no cache", sealed(56, u32(2)), kFormat, "says that it has none"},
        {"more computed than tokens", sealed(56, u32(4)), kFormat, "more is computed"},
        {"a format of 2^32-1 bytes", sealed(60, u32(0xffffffff)), kFormat, "says that it has none"},
        {"a cache and none said", cache(12, u32(0)), kFormat, "it has a cache and says that it has none"},
        {"all tokens computed", cache(56, u32(5)), kFormat, "more is computed than"},
        {"2^32-1 computed", cache(56, u32(0xffffffff)), kFormat, "more is computed than"},
        {"words of 2^32-1 bytes", cache(60, u32(0xffffffff)), kFormat, "its size"},
        {"a cache of another backend", cache(kHead + 4 * 5, "x"), STEER_ERR_MISMATCH, "its cache is"},
        {"half a block", resealed(cached.substr(0, cached.size() - 1024)), STEER_ERR_MISMATCH, "its cache is"},
        {"a block too many", resealed(cached + std::string(2048, '\0')), STEER_ERR_MISMATCH, "its cache is"},
        {"65 tokens for a context of 64", many, STEER_ERR_CONTEXT_FULL, "65 tokens, the context of this session is 64"},
    };
}

std::vector<Seed> seeds() {
    Session empty;
    const std::string one = good();
    return {{"four tokens", one, {{8, 4}, {12, 4}, {48, 4}, {52, 4}, {56, 4}, {60, 4}, {64, 4}, {68, 4}}}, {"none", empty.save(0), {}},
            {"with a cache", good_with_cache(), {{12, 4}, {48, 4}, {52, 4}, {56, 4}, {60, 4}, {kHead + 4 * 5, 4}}, kHead + 64}};
}

} // namespace

Reader saved_state_reader() {
    Reader reader{"saved_state", read, check, bad, 28, seeds,
            {kFormat, STEER_ERR_UNSUPPORTED, STEER_ERR_MISMATCH, STEER_ERR_CONTEXT_FULL}, "saved state: "};
    reader.repair = repair;
    return reader;
}

} // namespace hostile
