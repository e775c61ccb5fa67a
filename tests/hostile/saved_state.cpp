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
constexpr size_t kHead = 64, kSum = 32; // of version 2, without a cache: see src/run/session_state.cpp
constexpr int32_t kContext = 64;

void call(steer_status status, const steer_error& error) {
    if (status != STEER_OK) throw Error(error.status, error.message);
}

// One model of no weights, and a session that already holds a few tokens.
class Host {
  public:
    Host() {
        steer_model_options options;
        steer_model_options_init(&options, sizeof options);
        options.residency = STEER_RESIDENCY_NONE;
        steer_error error;
        call(steer_model_load(folder_.path().c_str(), &options, &model_, &error), error);
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
    tiny::Folder folder_;
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
    std::string save() const {
        size_t size = 0;
        steer_error error;
        call(steer_session_state_save(handle, 0, nullptr, 0, &size, &error), error);
        std::string bytes(size, '\0');
        call(steer_session_state_save(handle, 0, bytes.data(), size, &size, &error), error);
        return bytes;
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
    const std::string saved = first.save();
    promise(saved == bytes, "a state loaded and saved is another one");
    second.load(saved);
    promise(second.tokens() == first.tokens(), "tokens changed by saving them");
    promise(first.tokens().size() <= kContext, "more tokens than the context");
}

std::string good() {
    Session session;
    session.set_tokens({5, 6, 7, 260}, {0, 0, 1, 1});
    return session.save();
}

void seal(std::string& bytes) { // the sum over all before it
    if (bytes.size() < kSum) return;
    const Digest sum = sha256(bytes.data(), bytes.size() - kSum);
    std::memcpy(bytes.data() + bytes.size() - kSum, sum.data(), kSum);
}

void repair(std::string& bytes) {
    const std::string model = good();
    if (bytes.size() < kHead + kSum) bytes.resize(kHead + kSum, '\0');
    bytes.replace(0, 48, model, 0, 48); // magic, version, flags, fingerprint
    bytes.resize(kHead + kSum + (bytes.size() - kHead - kSum) / 5 * 5);
    bytes.replace(48, 4, u32((bytes.size() - kHead - kSum) / 5));
    seal(bytes);
}

std::vector<Bad> bad() {
    const std::string state = good(), magic = state.substr(0, 8);
    const auto sealed = [&](size_t at, const std::string& what) {
        std::string bytes = put(state, at, what);
        seal(bytes);
        return bytes;
    };
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
        {"65 tokens for a context of 64", many, STEER_ERR_CONTEXT_FULL, "65 tokens, the context of this session is 64"},
    };
}

std::vector<Seed> seeds() {
    Session empty;
    const std::string one = good();
    return {{"four tokens", one, {{8, 4}, {12, 4}, {48, 4}, {52, 4}, {56, 4}, {60, 4}, {64, 4}, {68, 4}}}, {"none", empty.save(), {}}};
}

} // namespace

Reader saved_state_reader() {
    Reader reader{"saved_state", read, check, bad, 20, seeds,
            {kFormat, STEER_ERR_UNSUPPORTED, STEER_ERR_MISMATCH, STEER_ERR_CONTEXT_FULL}, "saved state: "};
    reader.repair = repair;
    return reader;
}

} // namespace hostile
