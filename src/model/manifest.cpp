#include "model/manifest.h"

#include "files/error.h"
#include "files/json.h"
#include "files/quote.h"
#include "steer/steer.h"

#include <algorithm>
#include <vector>

namespace steer {
namespace {

constexpr std::string_view kFormat = "libsteer model", kSumField = "\"manifest_sha256\": \"";
constexpr size_t kHexSize = 64, kPiece = 4u << 20;

Digest get_digest(const Json& object, const char* key, const std::string& name) {
    Digest digest{};
    if (!from_hex(get_string(object, key, name), digest))
        fail(STEER_ERR_FORMAT, "{}: {} must be 64 hexadecimal digits", name, quote(key));
    return digest;
}

// Of the text with zeros where the sum stands.
Digest own_sum(std::string text, size_t at) {
    std::fill_n(text.begin() + static_cast<ptrdiff_t>(at), kHexSize, '0');
    return sha256(text.data(), text.size());
}

size_t find_sum(std::string_view text, const std::string& name) {
    const size_t field = text.rfind(kSumField);
    if (field == text.npos || field + kSumField.size() + kHexSize > text.size())
        fail(STEER_ERR_FORMAT, "{}: \"manifest_sha256\" is missing", name);
    return field + kSumField.size();
}

} // namespace

Manifest parse_manifest(std::string_view text, const std::string& name) {
    const Json json = parse_json(text, name);
    if (get_string(json, "format", name) != kFormat) fail(STEER_ERR_FORMAT, "{}: \"format\" must be {}", name, quote(kFormat));
    if (const int64_t version = get_int(json, "version", name, 1, INT32_MAX); version != 1)
        fail(STEER_ERR_UNSUPPORTED, "{}: version {}, this library reads 1", name, version);
    Digest sum{};
    const size_t at = find_sum(text, name);
    if (!from_hex(std::string(text.substr(at, kHexSize)), sum) || sum != own_sum(std::string(text), at))
        fail(STEER_ERR_FORMAT, "{}: it was changed after the export: its own check sum differs", name);
    if (const int64_t version = get_int(json, "decoder_interface", name, 1, INT32_MAX); version != kDecoderInterface)
        fail(STEER_ERR_UNSUPPORTED, "{}: decoder interface {}, this library has {}: export the model again", name, version,
             kDecoderInterface);
    Manifest manifest;
    manifest.fingerprint = get_digest(json, "fingerprint", name);
    for (const auto& [file, entry] : get_object(json, "files", name).items()) {
        if (!is_bare_filename(file)) fail(STEER_ERR_FORMAT, "{}: {} is not the name of a file in the folder", name, quote(file));
        const auto size = static_cast<uint64_t>(get_int(entry, "size", name, 0, INT64_MAX));
        manifest.files[file] = {size, get_digest(entry, "sha256", name)};
    }
    return manifest;
}

std::string write_manifest(const Manifest& manifest) {
    Json json;
    json["format"] = kFormat;
    json["version"] = 1;
    json["made_by"] = fmt::format("libsteer {}.{}.{}", STEER_VERSION_MAJOR, STEER_VERSION_MINOR, STEER_VERSION_PATCH);
    json["decoder_interface"] = kDecoderInterface;
    json["fingerprint"] = to_hex(manifest.fingerprint);
    for (const auto& [name, entry] : manifest.files) {
        Json& file = json["files"][name];
        file["size"] = entry.size;
        file["sha256"] = to_hex(entry.sha256);
    }
    json["manifest_sha256"] = std::string(kHexSize, '0');
    std::string text = json.dump(2) + "\n";
    const size_t at = find_sum(text, kManifestFile);
    text.replace(at, kHexSize, to_hex(own_sum(text, at)));
    return text;
}

ManifestEntry hash_source(const ByteSource& source, const std::function<void(uint64_t done)>& told) {
    Sha256 hash;
    std::vector<char> piece(static_cast<size_t>(std::min<uint64_t>(kPiece, source.size())));
    for (uint64_t done = 0; done < source.size();) {
        const auto size = static_cast<size_t>(std::min<uint64_t>(piece.size(), source.size() - done));
        source.read_exact(done, piece.data(), size);
        hash.update(piece.data(), size);
        done += size;
        told(done);
    }
    return {source.size(), hash.finish()};
}

void check_entry(const ManifestEntry& expected, const ManifestEntry& found, const std::string& path) {
    if (found.size != expected.size)
        fail(STEER_ERR_FORMAT, "{}: {} bytes, {} says {}: the file was changed after the export", path, found.size, kManifestFile,
             expected.size);
    if (found.sha256 != expected.sha256)
        fail(STEER_ERR_FORMAT, "{}: its SHA-256 is not the one in {}: the file was changed after the export", path, kManifestFile);
}

} // namespace steer
