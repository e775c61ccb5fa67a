#include "text/sentencepiece_model.h"

#include "files/error.h"
#include "files/protobuf.h"
#include "files/quote.h"
#include "files/utf8.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace steer {
namespace {

constexpr size_t kPieceCountMax = size_t{1} << 21; // the largest known vocabularies have about 900,000
constexpr size_t kTextMax = size_t{16} << 20;      // bytes of all pieces; those vocabularies have about 8 million

// Field numbers of sentencepiece_model.proto.
enum ModelField : uint32_t { ModelPieces = 1, ModelTrainer = 2, ModelNormalizer = 3, ModelDenormalizer = 5 };
enum PieceField : uint32_t { PieceText = 1, PieceScore = 2, PieceType = 3 };
enum TrainerField : uint32_t { TrainerModelType = 3, TrainerSpaceIsSuffix = 24, TrainerByteFallback = 35 };
enum NormalizerField : uint32_t { PrecompiledCharsMap = 2, AddDummyPrefix = 3, RemoveExtraWhitespaces = 4, EscapeWhitespaces = 5 };

class Reader {
  public:
    explicit Reader(const std::string& name) : name_(name), as_model_(name + " (read as a sentencepiece model)") {}

    SentencePieceModel read(std::string_view file) {
        ProtobufReader reader(file, as_model_);
        for (ProtobufField field; reader.next(field);) {
            switch (field.number) {
            case ModelPieces: read_piece(message(field)); break;
            case ModelTrainer: read_trainer(message(field)); break;
            case ModelNormalizer: read_normalizer(message(field)); break;
            case ModelDenormalizer: check_denormalizer(message(field)); break;
            default: break; // samples for a self-test, extensions
            }
        }
        if (model_.pieces.empty()) fail(STEER_ERR_FORMAT, "{}: it has no pieces", as_model_);
        check_texts(); // now that the kind is known: a model of words is refused for that, not for its long pieces
        check_unknown();
        return std::move(model_);
    }

  private:
    void expect(const ProtobufField& field, ProtobufField::Kind kind) const {
        if (field.kind != kind)
            fail(STEER_ERR_FORMAT, "{}: field {} is of kind {}, not {}", as_model_, field.number, +field.kind, +kind);
    }
    std::string_view message(const ProtobufField& field) const { return expect(field, ProtobufField::Bytes), field.bytes; }
    bool boolean(const ProtobufField& field) const { return expect(field, ProtobufField::Varint), field.value != 0; }

    void read_piece(std::string_view bytes) {
        const size_t id = model_.pieces.size();
        if (id == kPieceCountMax) fail(STEER_ERR_FORMAT, "{}: more than {} pieces", as_model_, kPieceCountMax);
        SentencePiece piece;
        ProtobufReader reader(bytes, as_model_);
        for (ProtobufField field; reader.next(field);) {
            if (field.number == PieceText) piece.text = message(field);
            if (field.number == PieceScore) expect(field, ProtobufField::Fixed32), piece.score = field.as_float();
            if (field.number != PieceType) continue;
            expect(field, ProtobufField::Varint);
            if (field.value < SentencePiece::Normal || field.value > SentencePiece::Byte)
                fail(STEER_ERR_FORMAT, "{}: piece {} is of type {}", as_model_, id, field.value);
            piece.type = static_cast<SentencePiece::Type>(field.value);
        }
        model_.pieces.push_back(piece);
    }

    void check_piece(const SentencePiece& piece, size_t id) const {
        const std::string_view text = piece.text;
        if (text.empty()) fail(STEER_ERR_FORMAT, "{}: piece {} is empty", as_model_, id);
        if (text.size() > kPieceSizeMax)
            fail(STEER_ERR_UNSUPPORTED, "{}: piece {} has {} bytes, allowed are {}", as_model_, id, text.size(), kPieceSizeMax);
        if (!is_valid_utf8(text)) fail(STEER_ERR_FORMAT, "{}: piece {} is no UTF-8", as_model_, id);
        if (!std::isfinite(piece.score)) fail(STEER_ERR_FORMAT, "{}: the score of piece {} is not finite", as_model_, id);
        if (piece.type == SentencePiece::Byte && byte_of_piece(text) < 0)
            fail(STEER_ERR_FORMAT, "{}: piece {} is to spell a byte and is called {}", as_model_, id, quote(text));
    }

    void read_trainer(std::string_view bytes) {
        ProtobufReader reader(bytes, as_model_);
        for (ProtobufField field; reader.next(field);) {
            if (field.number == TrainerByteFallback) model_.byte_fallback = boolean(field);
            if (field.number == TrainerSpaceIsSuffix && boolean(field))
                fail(STEER_ERR_UNSUPPORTED, "{}: treat_whitespace_as_suffix is not supported", name_);
            if (field.number != TrainerModelType) continue;
            expect(field, ProtobufField::Varint);
            if (field.value != SentencePieceModel::Unigram && field.value != SentencePieceModel::Bpe)
                fail(STEER_ERR_UNSUPPORTED, "{}: model_type {} is not supported; 1 (unigram) and 2 (BPE) are", name_,
                     field.value);
            model_.kind = static_cast<SentencePieceModel::Kind>(field.value);
        }
    }

    void read_normalizer(std::string_view bytes) {
        ProtobufReader reader(bytes, as_model_);
        for (ProtobufField field; reader.next(field);) {
            switch (field.number) {
            case PrecompiledCharsMap: model_.chars_map = message(field); break;
            case AddDummyPrefix: model_.add_dummy_prefix = boolean(field); break;
            case RemoveExtraWhitespaces: model_.remove_extra_whitespaces = boolean(field); break;
            case EscapeWhitespaces: model_.escape_whitespaces = boolean(field); break;
            default: break; // its name, the source of its rules
            }
        }
    }

    // Its rules would change the text after it was put together, so that no token spelled its bytes any more.
    void check_denormalizer(std::string_view bytes) const {
        ProtobufReader reader(bytes, as_model_);
        for (ProtobufField field; reader.next(field);)
            if (field.number == PrecompiledCharsMap && !message(field).empty())
                fail(STEER_ERR_UNSUPPORTED, "{}: denormalizer_spec is not supported", name_);
    }

    void check_unknown() const {
        const auto count = std::count_if(model_.pieces.begin(), model_.pieces.end(),
                                         [](const SentencePiece& piece) { return piece.type == SentencePiece::Unknown; });
        if (count != 1) fail(STEER_ERR_FORMAT, "{}: {} pieces are of type unknown, there must be 1", as_model_, count);
    }

    void check_texts() const {
        size_t size = 0;
        std::unordered_set<std::string_view> texts, others;
        for (size_t id = 0; id < model_.pieces.size(); ++id) {
            const SentencePiece& piece = model_.pieces[id];
            check_piece(piece, id);
            size += piece.text.size();
            if (size > kTextMax) fail(STEER_ERR_FORMAT, "{}: its pieces have more than {} bytes", as_model_, kTextMax);
            if (!(piece.is_text() ? texts : others).insert(piece.text).second)
                fail(STEER_ERR_FORMAT, "{}: the piece {} is there twice", as_model_, quote(piece.text));
            if (piece.type == SentencePiece::Unused && model_.kind == SentencePieceModel::Bpe)
                fail(STEER_ERR_UNSUPPORTED, "{}: unused pieces are not supported in a BPE model; {} is one", name_,
                     quote(piece.text));
        }
    }

    const std::string& name_;
    const std::string as_model_;
    SentencePieceModel model_;
};

} // namespace

SentencePieceModel read_sentencepiece_model(std::string_view file, const std::string& name) {
    return Reader(name).read(file);
}

std::vector<PieceTrie::Entry> SentencePieceModel::texts(std::initializer_list<SentencePiece::Type> types) const {
    std::vector<PieceTrie::Entry> found;
    for (size_t id = 0; id < pieces.size(); ++id)
        if (std::find(types.begin(), types.end(), pieces[id].type) != types.end())
            found.emplace_back(pieces[id].text, static_cast<int32_t>(id));
    return found;
}

int byte_of_piece(std::string_view text) {
    const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
    if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
    const int high = digit(text[3]), low = digit(text[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

} // namespace steer
