// A conversation as bytes: who made it (the model's fingerprint), the tokens and their marks, where the reply begins.
// Little endian, version 1: "STEERSES", version u32, flags u32 (0), fingerprint [32], token count u32, reply begin u32,
// tokens i32[count], marks u8[count], SHA-256 over all before [32].
#include "files/error.h"
#include "files/sha256.h"
#include "run/session.h"

#include <bit>
#include <cstring>
#include <string_view>

namespace steer {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "STEERSES";
constexpr uint32_t kVersion = 1;
constexpr size_t kHead = 8 + 4 + 4 + 32 + 4 + 4, kPerToken = 4 + 1, kTail = 32;

template<class T> void put(std::string& out, const T& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template<class T> T take(std::string_view& in) { // the caller has checked the size
    T value;
    std::memcpy(&value, in.data(), sizeof value);
    in.remove_prefix(sizeof value);
    return value;
}

} // namespace

std::string Session::save_state() const {
    const Lock lock(*this);
    std::string out;
    out.reserve(kHead + list_.ids.size() * kPerToken + kTail);
    out += kMagic;
    put(out, kVersion);
    put(out, uint32_t{0});
    put(out, model_->fingerprint());
    put(out, static_cast<uint32_t>(list_.size()));
    put(out, static_cast<uint32_t>(reply_begin_));
    out.append(reinterpret_cast<const char*>(list_.ids.data()), list_.ids.size() * sizeof(int32_t));
    out.append(reinterpret_cast<const char*>(list_.marks.data()), list_.marks.size());
    put(out, sha256(out.data(), out.size()));
    return out;
}

void Session::load_state(std::string_view bytes) {
    const Lock lock(*this);
    const auto refuse = [](const char* why) { fail(STEER_ERR_FORMAT, "saved state: {}", why); };
    if (bytes.size() < kHead + kTail) refuse("too short");
    if (!bytes.starts_with(kMagic)) refuse("these bytes are not one");
    std::string_view in = bytes.substr(kMagic.size());
    if (const auto version = take<uint32_t>(in); version != kVersion)
        fail(STEER_ERR_UNSUPPORTED, "saved state: version {}, this library reads {}", version, kVersion);
    if (take<uint32_t>(in) != 0) fail(STEER_ERR_UNSUPPORTED, "saved state: made with features this library has not");
    const auto made_by = take<Digest>(in);
    const auto count = take<uint32_t>(in), reply_begin = take<uint32_t>(in);
    if (bytes.size() - kHead - kTail != uint64_t{count} * kPerToken) refuse("its size is not what its token count says");
    Digest sum;
    std::memcpy(sum.data(), bytes.data() + bytes.size() - kTail, kTail);
    if (sum != sha256(bytes.data(), bytes.size() - kTail)) refuse("damaged: the check sum differs");
    if (made_by != model_->fingerprint())
        fail(STEER_ERR_MISMATCH, "saved state: made by model {}, this one is {}", to_hex(made_by),
             to_hex(model_->fingerprint()));
    if (count > static_cast<uint32_t>(context_max_))
        fail(STEER_ERR_CONTEXT_FULL, "saved state: {} tokens, the context of this session is {}", count, context_max_);
    if (reply_begin > count) refuse("the reply begins behind its end");

    std::vector<int32_t> ids(count);
    std::memcpy(ids.data(), in.data(), count * sizeof(int32_t));
    for (const int32_t id : ids)
        if (id < 0 || id >= model_->config().vocab_size) refuse("a token is outside the vocabulary");
    const auto* marks = reinterpret_cast<const uint8_t*>(in.data() + count * sizeof(int32_t));

    const std::lock_guard list_lock(list_mutex_);
    list_.replace(0, ids, marks);
    blocks_.truncate(list_.computed_count());
    begin_turn(static_cast<int32_t>(reply_begin), static_cast<int32_t>(count - reply_begin));
    for (size_t i = reply_begin; i < count; i++) text_.push(model_->tokenizer(), ids[i]); // what is held is held again
    publish();
}

} // namespace steer
