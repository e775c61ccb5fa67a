// As torch.save lays it out: stored records, each beginning at a multiple of 64 bytes, pickle protocol 2.
#include "files/torch_zip_write.h"

#include "files/torch_zip.h"

#include <bit>

namespace steer {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they are");

template<class T>
void put(std::string& out, T number) {
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
}
void put16(std::string& out, size_t number) { put(out, static_cast<uint16_t>(number)); }
void put32(std::string& out, size_t number) { put(out, static_cast<uint32_t>(number)); }

// -- the pickle: opcodes as in pickle.cpp

void put_text(std::string& out, std::string_view text) {
    out += 'X';
    put32(out, text.size());
    out += text;
}

void put_number(std::string& out, int32_t number) {
    out += 'J';
    put(out, number);
}

// _rebuild_tensor_v2(storage, offset 0, (size,), (1,), requires_grad False, hooks OrderedDict())
void put_tensor(std::string& out, const std::string& record, size_t size) {
    const auto count = static_cast<int32_t>(size);
    out += "ctorch._utils\n_rebuild_tensor_v2\n((";
    put_text(out, "storage");
    out += "ctorch\nHalfStorage\n";
    put_text(out, record);
    put_text(out, "cpu");
    put_number(out, count);
    out += "tQ";
    put_number(out, 0);
    put_number(out, count);
    out += "\x85";
    put_number(out, 1);
    out += "\x85\x89";
    out += "ccollections\nOrderedDict\n)RtR";
}

std::string make_pickle(const std::map<int32_t, std::vector<uint16_t>>& rows) {
    std::string out = "\x80\x02}(";
    size_t number = 0;
    for (const auto& [layer, values] : rows) {
        put_number(out, layer);
        put_tensor(out, std::to_string(number++), values.size());
    }
    return out + "u.";
}

// -- the archive

class ZipWriter {
  public:
    void add(const std::string& name, std::string_view bytes) {
        const uint32_t crc = crc32(bytes.data(), bytes.size());
        const size_t header = out_.size(), begin = header + 30 + name.size() + 4;
        const size_t padding = (64 - begin % 64) % 64; // in an extra field, as torch pads
        const auto put_sums = [&](std::string& to) { put(to, crc), put32(to, bytes.size()), put32(to, bytes.size()); };
        out_ += "PK\x03\x04";
        put16(out_, 20), put16(out_, 0), put16(out_, 0), put32(out_, 0);
        put_sums(out_);
        put16(out_, name.size()), put16(out_, 4 + padding);
        out_ += name + "FB";
        put16(out_, padding);
        out_.append(padding, 'Z');
        out_ += bytes;
        directory_ += "PK\x01\x02";
        put16(directory_, 20), put16(directory_, 20), put16(directory_, 0), put16(directory_, 0), put32(directory_, 0);
        put_sums(directory_);
        put16(directory_, name.size()), put16(directory_, 0), put16(directory_, 0), put16(directory_, 0),
            put16(directory_, 0);
        put32(directory_, 0), put32(directory_, header);
        directory_ += name;
        ++count_;
    }

    std::string finish() {
        const size_t begin = out_.size();
        out_ += directory_;
        out_ += "PK\x05\x06";
        put16(out_, 0), put16(out_, 0), put16(out_, count_), put16(out_, count_), put32(out_, directory_.size()),
            put32(out_, begin);
        put16(out_, 0);
        return std::move(out_);
    }

  private:
    std::string out_, directory_;
    size_t count_ = 0;
};

} // namespace

std::string write_torch_halves(const std::map<int32_t, std::vector<uint16_t>>& rows) {
    ZipWriter zip;
    zip.add("archive/data.pkl", make_pickle(rows));
    zip.add("archive/byteorder", "little");
    size_t number = 0;
    for (const auto& [layer, values] : rows)
        zip.add("archive/data/" + std::to_string(number++),
                {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(uint16_t)});
    zip.add("archive/version", "3\n");
    return zip.finish();
}

} // namespace steer
