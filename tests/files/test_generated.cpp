// Every truncation and every flipped bit of small good files: refused in words or read as something that lies in the
// file.
#include "build_files.h"
#include "files/safetensors.h"
#include "files/torch_zip.h"

using namespace steer;

namespace {

template<class Read>
size_t count_refusals(const std::vector<std::string>& files, Read read) {
    size_t refused = 0;
    for (const std::string& bytes : files) {
        try {
            read(bytes);
        } catch (const Error& error) {
            ++refused;
            const bool the_files_fault = error.status() == STEER_ERR_FORMAT || error.status() == STEER_ERR_UNSUPPORTED;
            if (!the_files_fault) FAIL_CHECK(error.what());
        }
    }
    return refused;
}

std::vector<std::string> truncations(const std::string& good) {
    std::vector<std::string> out;
    for (size_t size = 0; size < good.size(); ++size) out.push_back(good.substr(0, size));
    return out;
}

std::vector<std::string> flips(const std::string& good, size_t begin, size_t end) {
    std::vector<std::string> out;
    for (size_t i = begin; i < end; ++i)
        for (int bit = 0; bit < 8; ++bit) {
            std::string bytes = good;
            bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
            out.push_back(std::move(bytes));
        }
    return out;
}

void read_safetensors(const std::string& bytes) {
    const SafetensorsFile file{ByteSource(bytes, "f")};
    for (const TensorInfo& tensor : file.tensors()) {
        REQUIRE(tensor.end <= bytes.size());
        if (dtype_is_float(tensor.dtype)) (void)file.read_floats(tensor);
    }
}

void read_torch(const std::string& bytes) {
    TorchZip file{ByteSource(bytes, "f")};
    for (const PickleTensor& tensor : file.tree().tensors) (void)file.read_floats(tensor);
}

} // namespace

TEST_CASE("truncated and flipped safetensors") {
    const std::string good =
        build::safetensors(R"({"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                           R"("y":{"dtype":"BF16","shape":[1,3],"data_offsets":[8,14]}})",
                           std::string(14, '\x3f'));
    read_safetensors(good);
    CHECK(count_refusals(truncations(good), read_safetensors) == good.size());
    const size_t header_end = good.size() - 14;
    CHECK(count_refusals(flips(good, 0, 8), read_safetensors) == 64);
    CHECK(count_refusals(flips(good, 8, header_end), read_safetensors) > (header_end - 8) * 4);
    CHECK(count_refusals(flips(good, header_end, good.size()), read_safetensors) == 0);
}

TEST_CASE("truncated and flipped torch archives and pickles") {
    using namespace build;
    const std::string data(8, '\x3c');
    const std::string body = "}(" + integer(1) + tensor(storage("0", "HalfStorage", 4), 0, {4}, {1}) + integer(2) +
                             tensor(storage("0", "HalfStorage", 4), 1, {2}, {2}) + "u";
    const Zip good = torch_file(body, {{"0", data}});
    // The bare storages are in the list of tensors, too: scalars at offset 0.
    read_torch(good.bytes);
    CHECK(count_refusals(truncations(good.bytes), read_torch) == good.bytes.size());
    const auto flipped = flips(good.bytes, 0, good.bytes.size());
    CHECK(count_refusals(flipped, read_torch) > flipped.size() / 2);
    // What the CRC protects never comes through changed.
    CHECK(count_refusals(flips(good.bytes, good.data[0], good.descriptor[0]), read_torch) == 8 * pickle(body).size());

    std::vector<std::string> pickles;
    for (const std::string& bytes : flips(pickle(body), 0, pickle(body).size()))
        pickles.push_back(zip({{"a/data.pkl", bytes}, {"a/data/0", data}}).bytes);
    CHECK(count_refusals(pickles, read_torch) > pickles.size() / 2);
}
