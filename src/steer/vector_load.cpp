// Which format is it? Told by the first bytes alone; whatever its reader then says is the answer, no other one is
// tried.
#include "files/error.h"
#include "files/quote.h"
#include "steer/vector_io.h"

#include <utility>

namespace steer {
namespace {

constexpr uint64_t kFileMax = uint64_t{1} << 30;

[[noreturn]] void refuse_format(const std::string& name, std::string_view head) {
    const auto begins = [head](std::string_view text) { return head.substr(0, text.size()) == text; };
    if (begins("GGUF")) fail(STEER_ERR_UNSUPPORTED, "{}: a GGUF control vector; these cannot be read yet", name);
    if (begins("\x80"))
        fail(STEER_ERR_UNSUPPORTED,
             "{}: a bare pickle (torch.save before version 1.6?): load it in Python and save it "
             "again with torch.save",
             name);
    if (begins("\x93NUMPY"))
        fail(STEER_ERR_UNSUPPORTED, "{}: a numpy array; these cannot be read as vectors yet", name);
    if (begins("{")) fail(STEER_ERR_UNSUPPORTED, "{}: a JSON text; .svec files cannot be read yet", name);
    fail(STEER_ERR_FORMAT, "{}: neither a safetensors file nor one of torch.save", name);
}

VectorPtr load(ByteSource source, const VectorOptions& options) {
    const std::string name = source.name();
    if (source.size() > kFileMax)
        fail(STEER_ERR_FORMAT, "{}: {} bytes are too many for a vector, at most {}", name, source.size(), kFileMax);
    const std::string head = source.read(0, static_cast<size_t>(std::min<uint64_t>(16, source.size())));
    if (head.compare(0, 4, "PK\x03\x04") == 0) return load_torch_vector(TorchZip(std::move(source)), options);
    if (head.size() > 8 && head[8] == '{' && head.compare(0, 4, "GGUF") != 0)
        return load_native_vector(SafetensorsFile(std::move(source)), options);
    refuse_format(name, head);
}

} // namespace

std::string name_from_path(const std::string& path) {
    std::string name = path.substr(path.find_last_of('/') + 1); // npos + 1 is 0
    const size_t dot = name.rfind('.');
    if (dot != std::string::npos && dot > 0) name.erase(dot);
    return name;
}

VectorPtr load_vector(const std::string& path, const VectorOptions& options) {
    return load(ByteSource(File::open(path)), options);
}

VectorPtr load_vector_bytes(std::string_view bytes, const std::string& name, const VectorOptions& options) {
    return load(ByteSource(bytes, name), options);
}

} // namespace steer
