// steer_manifest.json: what an exported model folder consists of, so that a changed byte anywhere is found.
//     {"format": "libsteer model", "version": 1, "made_by": "libsteer 0.1.0", "decoder_interface": 1,
//      "fingerprint": hex, "files": {"config.json": {"size": 661, "sha256": hex}, ...}, "manifest_sha256": hex}
// manifest_sha256 is over the manifest's own text with zeros in its place.
#pragma once

#include "files/file.h"
#include "files/sha256.h"

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace steer {

constexpr const char* kManifestFile = "steer_manifest.json";
constexpr int32_t kDecoderInterface = 1; // of the methods and attributes in torch/decoder.py

struct ManifestEntry {
    uint64_t size = 0;
    Digest sha256{};
};

struct Manifest {
    Digest fingerprint{};
    std::map<std::string, ManifestEntry> files; // bare names in the folder
};

Manifest parse_manifest(std::string_view text, const std::string& name); // STEER_ERR_FORMAT, STEER_ERR_UNSUPPORTED
std::string write_manifest(const Manifest& manifest);

// told: bytes hashed so far; throws to stop.
ManifestEntry hash_source(const ByteSource& source, const std::function<void(uint64_t done)>& told);
// STEER_ERR_FORMAT where they differ. path names the file.
void check_entry(const ManifestEntry& expected, const ManifestEntry& found, const std::string& path);

} // namespace steer
