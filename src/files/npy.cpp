// The header is a dict literal with exactly three keys in any order:
// {'descr': '<f4', 'fortran_order': False, 'shape': (28, 3584), }
#include "files/npy.h"

#include "files/checked.h"
#include "files/error.h"
#include "files/quote.h"

#include <charconv>

namespace steer {
namespace {

constexpr uint64_t kHeaderMax = 65536;
constexpr size_t kDimsMax = 8;

struct Header {
    Dtype dtype{};
    bool first_fastest = false;
    std::vector<int64_t> shape;
};

class HeaderReader {
  public:
    HeaderReader(std::string_view text, const std::string& file) : rest_(text), file_(file) {}

    Header read() {
        Header header;
        bool descr = false, order = false, shape = false;
        expect('{');
        while (!accept('}')) {
            const std::string_view key = quoted();
            expect(':');
            bool& seen = key == "descr" ? descr : key == "fortran_order" ? order : key == "shape" ? shape : refuse();
            if (std::exchange(seen, true)) refuse();
            if (&seen == &descr)
                header.dtype = dtype();
            else if (&seen == &order)
                header.first_fastest = boolean();
            else
                header.shape = sizes();
            if (!accept(',') && !at('}')) refuse();
        }
        skip_blanks();
        if (!rest_.empty() || !descr || !order || !shape) refuse();
        return header;
    }

  private:
    [[noreturn]] bool& refuse() const { fail(STEER_ERR_FORMAT, "{}: the header is not that of a numpy array", file_); }

    void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size())); }
    bool at(char c) {
        skip_blanks();
        return !rest_.empty() && rest_[0] == c;
    }
    bool accept(char c) {
        if (!at(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void expect(char c) {
        if (!accept(c)) refuse();
    }

    std::string_view quoted() {
        expect('\'');
        const size_t end = rest_.find('\'');
        if (end == rest_.npos) refuse();
        const std::string_view text = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        return text;
    }

    Dtype dtype() {
        if (!at('\'')) fail(STEER_ERR_UNSUPPORTED, "{}: a numpy array of records; plain numbers are read", file_);
        const std::string_view text = quoted();
        if (text == "<f2") return Dtype::f16;
        if (text == "<f4") return Dtype::f32;
        if (text == "<f8") return Dtype::f64;
        fail(STEER_ERR_UNSUPPORTED, "{}: a numpy array of type {}; <f2, <f4 and <f8 are read", file_, quote(text));
    }

    bool boolean() {
        skip_blanks();
        for (const std::string_view word : {"True", "False"})
            if (rest_.substr(0, word.size()) == word) return rest_.remove_prefix(word.size()), word == "True";
        refuse();
    }

    std::vector<int64_t> sizes() {
        std::vector<int64_t> out;
        expect('(');
        while (!accept(')')) {
            int64_t size = 0;
            skip_blanks();
            const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
            if (error != std::errc() || size < 0 || out.size() == kDimsMax) refuse();
            rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
            out.push_back(size);
            if (!accept(',') && !at(')')) refuse();
        }
        return out;
    }

    std::string_view rest_;
    const std::string& file_;
};

// From "first index fastest" to "last index fastest".
std::vector<float> transposed(const std::vector<float>& values, const std::vector<int64_t>& shape) {
    if (shape.size() < 2) return values;
    std::vector<float> out;
    out.reserve(values.size());
    std::vector<size_t> strides(shape.size(), 1), index(shape.size(), 0);
    for (size_t d = 1; d < shape.size(); ++d) strides[d] = strides[d - 1] * static_cast<size_t>(shape[d - 1]);
    while (out.size() < values.size()) {
        size_t at = 0;
        for (size_t d = 0; d < shape.size(); ++d) at += index[d] * strides[d];
        out.push_back(values[at]);
        for (size_t d = shape.size(); d-- > 0;) {
            if (++index[d] < static_cast<size_t>(shape[d])) break;
            index[d] = 0;
        }
    }
    return out;
}

} // namespace

NumpyArray read_npy(const ByteSource& source) {
    const std::string& file = source.name();
    const std::string head = source.read(0, 12 <= source.size() ? 12 : static_cast<size_t>(source.size()));
    if (head.size() < 12 || head.compare(0, 6, "\x93NUMPY") != 0)
        fail(STEER_ERR_FORMAT, "{}: too short for a numpy array", file);
    const auto byte = [&](size_t i) { return uint64_t{static_cast<uint8_t>(head[i])}; };
    if (byte(6) < 1 || byte(6) > 3)
        fail(STEER_ERR_UNSUPPORTED, "{}: a numpy array of version {}, 1 to 3 are read", file, byte(6));
    const uint64_t begin = byte(6) == 1 ? 10 : 12;
    const uint64_t size = byte(8) | byte(9) << 8 | (begin == 12 ? byte(10) << 16 | byte(11) << 24 : 0);
    if (size > kHeaderMax || !inside(begin, size, source.size()))
        fail(STEER_ERR_FORMAT, "{}: a numpy header of {} bytes in a file of {}", file, size, source.size());
    const std::string text = source.read(begin, static_cast<size_t>(size));
    const Header header = HeaderReader(text, file).read();

    uint64_t bytes = dtype_size(header.dtype);
    bool fits = true;
    for (const int64_t dim : header.shape) fits = fits && checked_mul(bytes, static_cast<uint64_t>(dim), bytes);
    if (!fits || bytes != source.size() - begin - size)
        fail(STEER_ERR_FORMAT, "{}: {} of shape [{}] do not make the {} bytes behind the header", file,
             dtype_name(header.dtype), fmt::join(header.shape, ", "), source.size() - begin - size);
    const std::string stored = source.read(begin + size, static_cast<size_t>(bytes));
    NumpyArray array{header.shape, {}};
    const size_t step = dtype_size(header.dtype);
    array.values.reserve(stored.size() / step);
    for (size_t at = 0; at < stored.size(); at += step)
        array.values.push_back(to_float32(stored.data() + at, header.dtype));
    if (header.first_fastest) array.values = transposed(array.values, array.shape);
    return array;
}

} // namespace steer
