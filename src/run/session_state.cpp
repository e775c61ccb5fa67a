// A conversation as bytes: who made it (the model's fingerprint), the tokens and their marks, where the reply begins, and
// with the cache what steering each position was computed under and the blocks. Little endian, version 2:
//     "STEERSES", version u32, flags u32 (1: with cache, 2: and the twin's), fingerprint [32], token count u32, reply begin u32,
//     computed count u32 (0 without cache), format size u32, tokens i32[count], marks u8[count],
//     cache format (the backend's words), for each computed position: steering key u64, lowest site i32; with conditions
//     (flag 4) u32 and as many bytes of what they said (saved_conditions.h); the blocks; the twin's; SHA-256 over all before [32].
#include "files/error.h"
#include "files/quote.h"
#include "files/sha256.h"
#include "run/saved_conditions.h"
#include "run/session.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

namespace steer {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "STEERSES";
constexpr uint32_t kVersion = 2, kWithCache = 1, kWithTwin = 2, kWithConditions = 4;
constexpr size_t kHead = 8 + 4 + 4 + 32 + 4 * 4, kPerToken = 4 + 1, kPerComputed = 8 + 4, kTail = 32;

class Writer { // into memory whose size was computed before
  public:
    explicit Writer(char* out) : at_(out) {}
    void bytes(const void* data, size_t size) {
        if (size > 0) std::memcpy(at_, data, size);
        at_ += size;
    }
    template<class T> void put(const T& value) { bytes(&value, sizeof value); }
    char* skip(size_t size) { return std::exchange(at_, at_ + size); }

  private:
    char* at_;
};

class Reader { // of bytes whose size was checked before
  public:
    explicit Reader(std::string_view in) : in_(in) {}
    std::string_view bytes(size_t size) {
        const std::string_view taken = in_.substr(0, size);
        in_.remove_prefix(size);
        return taken;
    }
    template<class T> T take() {
        T value;
        std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
        return value;
    }

  private:
    std::string_view in_;
};

[[noreturn]] void refuse(const char* why) { fail(STEER_ERR_FORMAT, "saved state: {}", why); }

struct Header {
    uint32_t flags = 0;
    Digest made_by{};
    uint32_t count = 0, reply_begin = 0, computed = 0, format_size = 0;

    size_t tables() const { return (flags & kWithTwin) != 0 ? 2 : 1; } // of blocks
};

Header read_header(std::string_view bytes) {
    if (bytes.size() < kHead + kTail) refuse("too short");
    if (!bytes.starts_with(kMagic)) refuse("these bytes are not one");
    Reader in(bytes.substr(kMagic.size()));
    if (const auto version = in.take<uint32_t>(); version != kVersion)
        fail(STEER_ERR_UNSUPPORTED, "saved state: version {}, this library reads {}", version, kVersion);
    Header header;
    header.flags = in.take<uint32_t>();
    if ((header.flags & ~(kWithCache | kWithTwin | kWithConditions)) != 0)
        fail(STEER_ERR_UNSUPPORTED, "saved state: made with features this library has not");
    header.made_by = in.take<Digest>();
    header.count = in.take<uint32_t>(), header.reply_begin = in.take<uint32_t>();
    header.computed = in.take<uint32_t>(), header.format_size = in.take<uint32_t>();
    if (header.reply_begin > header.count) refuse("the reply begins behind its end");
    if (header.computed > 0 && header.computed >= header.count) refuse("more is computed than all but the last token");
    if ((header.flags & kWithCache) == 0 && (header.computed > 0 || header.format_size > 0 || header.tables() > 1))
        refuse("it has a cache and says that it has none");
    return header;
}

size_t block_count(size_t positions) { return (positions + kBlockSize - 1) / kBlockSize; }

// Everything but the blocks.
uint64_t fixed_size(const Header& header) {
    return kHead + uint64_t{header.count} * kPerToken + header.format_size + uint64_t{header.computed} * kPerComputed + kTail;
}

size_t conditions_size(const std::string& conditions) {
    return conditions.empty() ? 0 : sizeof(uint32_t) + conditions.size();
}

// What the conditions said, of a state whose other sizes were checked: its bytes with their length before them, or nothing.
std::string_view conditions_part(std::string_view bytes, const Header& header) {
    if ((header.flags & kWithConditions) == 0) return {};
    Reader in(bytes.substr(fixed_size(header) - kTail));
    const uint64_t left = bytes.size() - fixed_size(header);
    if (left < sizeof(uint32_t)) refuse("too short for its conditions");
    const auto size = in.take<uint32_t>();
    if (size > left - sizeof(uint32_t)) refuse("too short for its conditions");
    return bytes.substr(fixed_size(header) - kTail, sizeof size + size);
}

} // namespace

void Session::save_state(bool with_cache, const std::function<char*(size_t)>& place) const {
    const Lock lock(*this);
    Header header{0, model_->fingerprint(), static_cast<uint32_t>(list_.size()), static_cast<uint32_t>(reply_begin_), 0, 0};
    const std::string conditions = save_conditions(list_.conditions, controls_.view());
    if (!conditions.empty()) header.flags |= kWithConditions;
    const auto write = [&](size_t block_bytes, std::string_view format, const auto& write_blocks) {
        const size_t blocks = block_count(header.computed);
        const size_t size = fixed_size(header) + conditions_size(conditions) + header.tables() * blocks * block_bytes;
        char* const begin = place(size);
        if (begin == nullptr) return;
        Writer out(begin);
        out.bytes(kMagic.data(), kMagic.size());
        out.put(kVersion);
        out.put(header.flags);
        out.put(header.made_by);
        for (const uint32_t number : {header.count, header.reply_begin, header.computed, header.format_size}) out.put(number);
        out.bytes(list_.ids.data(), list_.ids.size() * sizeof(int32_t));
        out.bytes(list_.marks.data(), list_.marks.size());
        out.bytes(format.data(), format.size());
        for (size_t i = 0; i < header.computed; i++) {
            out.put(list_.computed[i].key);
            out.put(list_.computed[i].lowest_site);
        }
        if (!conditions.empty()) {
            out.put(static_cast<uint32_t>(conditions.size()));
            out.bytes(conditions.data(), conditions.size());
        }
        write_blocks(blocks_.blocks().first(blocks), out);
        if (header.tables() > 1) write_blocks(twin_blocks_.blocks().first(blocks), out);
        out.put(sha256(begin, size - kTail));
    };
    const bool cache_there = blocks_.pool() && blocks_.pool() == model_->pool() && list_.computed_count() > 0;
    if (!with_cache || !cache_there) return write(0, {}, [](auto, Writer&) {});
    model_->with_cache([&](Backend& backend, const std::shared_ptr<CachePool>& pool) {
        if (blocks_.pool() != pool) return write(0, {}, [](auto, Writer&) {}); // dropped in between
        const std::string format = backend.cache_format();
        header.flags |= twin_ ? kWithCache | kWithTwin : kWithCache;
        header.computed = static_cast<uint32_t>(list_.computed_count());
        header.format_size = static_cast<uint32_t>(format.size());
        write(pool->block_bytes(), format, [&](std::span<const BlockId> blocks, Writer& out) {
            for (size_t i = 0; i < blocks.size(); i++) {
                const auto left = static_cast<int32_t>(header.computed - i * kBlockSize);
                backend.read_block(blocks[i], std::min(left, kBlockSize), out.skip(pool->block_bytes()));
            }
        });
    });
}

void Session::load_state(std::string_view bytes) {
    const Lock lock(*this);
    const Header header = read_header(bytes);
    if (bytes.size() < fixed_size(header)) refuse("its size is not what its counts say");
    const std::string_view said = conditions_part(bytes, header);
    const uint64_t block_bytes = bytes.size() - fixed_size(header) - said.size();
    const size_t blocks = block_count(header.computed) * header.tables();
    if ((blocks == 0 ? block_bytes != 0 : block_bytes % blocks != 0))
        refuse("its size is not what its counts say");
    Digest sum;
    std::memcpy(sum.data(), bytes.data() + bytes.size() - kTail, kTail);
    if (sum != sha256(bytes.data(), bytes.size() - kTail)) refuse("damaged: the check sum differs");
    if (header.made_by != model_->fingerprint())
        fail(STEER_ERR_MISMATCH, "saved state: made by model {}, this one is {}", to_hex(header.made_by),
             to_hex(model_->fingerprint()));
    if (header.count > static_cast<uint32_t>(context_max_))
        fail(STEER_ERR_CONTEXT_FULL, "saved state: {} tokens, the context of this session is {}", header.count, context_max_);

    Reader in(bytes.substr(kHead));
    TokenList list;
    list.ids.resize(header.count);
    for (int32_t& id : list.ids) {
        id = in.take<int32_t>();
        if (id < 0 || id >= model_->config().vocab_size) refuse("a token is outside the vocabulary");
    }
    for (size_t i = 0; i < header.count; i++)
        if (list.marks.emplace_back(in.take<uint8_t>()) > 1) refuse("a mark is neither 0 nor 1");
    const std::string_view format = in.bytes(header.format_size);
    for (size_t i = 0; i < header.computed; i++) {
        const auto key = in.take<uint64_t>();
        list.computed.push_back({key, in.take<int32_t>()});
    }
    in.bytes(said.size());
    ConditionHistory conditions;
    if (!load_conditions(said.empty() ? said : said.substr(sizeof(uint32_t)), header.count, header.computed, controls_.view(),
                         conditions))
        refuse("what its conditions said is damaged");
    GenerationPtr settings = generation();
    ReplyText text(settings->stop_texts);
    for (size_t i = header.reply_begin; i < header.count; i++) text.push(model_->tokenizer(), list.ids[i]); // held again
    ReplyConstraint constraint(settings->constraint);
    constraint.replay(model_->tokenizer(), std::span(list.ids).subspan(header.reply_begin), settings->stop_tokens);

    BlockTable table, twin_table;
    if (blocks > 0 && twin_ && header.tables() == 1) { // saved by a session without a twin: both are computed together
        list.drop_computed(0);
    } else if (blocks > 0) {
        model_->with_cache([&](Backend& backend, const std::shared_ptr<CachePool>& pool) {
            if (backend.cache_format() != format || pool->block_bytes() != block_bytes / blocks)
                fail(STEER_ERR_MISMATCH, "saved state: its cache is {}, this model's is {}: load the model with the same dtype, "
                                         "or save without STEER_STATE_CACHE", quote(format), backend.cache_format());
            const auto read = [&](BlockTable& blocks_read) {
                blocks_read = BlockTable(pool);
                blocks_read.make_writable(0, static_cast<int32_t>(header.computed));
                for (const BlockId block : blocks_read.blocks()) backend.write_block(block, in.bytes(pool->block_bytes()).data());
            };
            read(table);
            if (twin_) read(twin_table);
        });
        list.conditions = std::move(conditions);
    } else { // what is computed already of the same tokens stays
        TokenList kept = list_;
        kept.replace(0, list.ids, list.marks.data());
        kept.conditions.take_rules(conditions, kept.computed_count());
        list = std::move(kept);
        table = blocks_, twin_table = twin_blocks_;
        table.truncate(list.computed_count());
        twin_table.truncate(list.computed_count());
    }
    const std::lock_guard list_lock(list_mutex_);
    list_ = std::move(list);
    blocks_ = std::move(table);
    twin_blocks_ = std::move(twin_table);
    begin_turn(static_cast<int32_t>(header.reply_begin), static_cast<int32_t>(header.count - header.reply_begin),
               std::move(settings), std::move(text), std::move(constraint));
    publish();
}

} // namespace steer
