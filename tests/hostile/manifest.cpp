#include "model/manifest.h"

#include "edit.h"
#include "files/sha256.h"

#include <algorithm>

using namespace steer;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;
const std::string kSum = "\"manifest_sha256\": \"";

void read(std::string_view bytes) { (void)parse_manifest(bytes, kName); }

void check(std::string_view bytes) {
    const Manifest manifest = parse_manifest(bytes, kName);
    for (const auto& [name, entry] : manifest.files) promise(is_bare_filename(name), "a file outside of the folder");
    const Manifest again = parse_manifest(write_manifest(manifest), kName);
    promise(again.fingerprint == manifest.fingerprint && again.files.size() == manifest.files.size(), "changed by writing it");
    for (const auto& [name, entry] : manifest.files) {
        const ManifestEntry& other = again.files.at(name);
        promise(other.size == entry.size && other.sha256 == entry.sha256, "an entry changed by writing it");
    }
}

std::string good() {
    Manifest manifest;
    manifest.fingerprint[3] = 7;
    manifest.files["config.json"] = {661, sha256("a", 1)};
    manifest.files["model.safetensors"] = {1 << 20, sha256("b", 1)};
    return write_manifest(manifest);
}

// The sum over the text with zeros in its place, as the head of model/manifest.h has it.
void repair(std::string& bytes) {
    const size_t field = bytes.rfind(kSum);
    if (field == bytes.npos || field + kSum.size() + 64 > bytes.size()) return;
    const auto sum = bytes.begin() + static_cast<std::ptrdiff_t>(field + kSum.size());
    std::fill_n(sum, 64, '0');
    const std::string hex = to_hex(sha256(bytes.data(), bytes.size()));
    std::copy(hex.begin(), hex.end(), sum);
}

std::vector<Bad> bad_fields() {
    std::vector<Bad> all;
    const auto add = [&](const char* name, const std::function<void(Tree&)>& change, steer_status status, const char* words) {
        Tree json = Tree::parse(good());
        change(json);
        std::string text = json.dump(2) + "\n";
        repair(text);
        all.push_back({name, text, status, words});
    };
    const auto set = [](const std::string& key, const Tree& value) { return [=](Tree& j) { j[key] = value; }; };
    const auto entry = [](const std::string& key, const Tree& value) {
        return [=](Tree& j) { j["files"]["config.json"][key] = value; };
    };
    const auto file = [](const std::string& name) {
        return [=](Tree& j) { j["files"][name] = j["files"]["config.json"]; };
    };
    add("another format", set("format", "tar"), kFormat, "\"format\" must be");
    add("format a number", set("format", 1), kFormat, "\"format\" must be a string");
    add("version 2", set("version", 2), kUnsupported, "version 2");
    add("version 0", set("version", 0), kFormat, "\"version\" is 0");
    add("version 2^64-1", set("version", UINT64_MAX), kFormat, "\"version\"");
    add("a later decoder", set("decoder_interface", 2), kUnsupported, "decoder interface 2");
    add("no fingerprint", [](Tree& j) { j.erase("fingerprint"); }, kFormat, "\"fingerprint\" is missing");
    add("a short fingerprint", set("fingerprint", "abcd"), kFormat, "'fingerprint' must be 64");
    add("no files", [](Tree& j) { j.erase("files"); }, kFormat, "\"files\" is missing");
    add("files a list", set("files", Tree::array()), kFormat, "\"files\" must be an object");
    add("an entry that is a number", [](Tree& j) { j["files"]["config.json"] = 661; }, kFormat, "an object with \"size\"");
    add("a size below 0", entry("size", -1), kFormat, "\"size\" is -1");
    add("a size of 2^64-1", entry("size", UINT64_MAX), kFormat, "\"size\" is 18446744073709551615");
    add("a size in words", entry("size", "661"), kFormat, "\"size\" must be a whole number");
    add("a sum of 63 digits", entry("sha256", std::string(63, '0')), kFormat, "'sha256' must be 64");
    add("a sum of other letters", entry("sha256", std::string(64, 'g')), kFormat, "'sha256' must be 64");
    add("path upwards", file("../config.json"), kFormat, "not the name of a file in the folder");
    add("absolute path", file("/etc/passwd"), kFormat, "not the name of a file in the folder");
    add("a name with a terminal's escape", file("\x1b[31m"), kFormat, "\\x1b[31m");
    add("no sum", [](Tree& j) { j.erase("manifest_sha256"); }, kFormat, "\"manifest_sha256\" is missing");
    add("a sum cut short", set("manifest_sha256", "00"), kFormat, "manifest_sha256");
    return all;
}

std::vector<Bad> bad() {
    std::vector<Bad> all = bad_fields();
    for (Bad& one : no_json(kName)) {
        if (one.words == "JSON object") one.words = "an object with \"format\"";
        all.push_back(one);
    }
    std::string changed = good();
    changed[changed.find("661")] = '5';
    all.push_back({"changed afterwards", changed, kFormat, "its own check sum differs"});
    return all;
}

std::vector<Seed> seeds() { return {{"two files", good(), {}}}; }

} // namespace

Reader manifest_reader() {
    Reader reader{"manifest", read, check, bad, 30, seeds, {kFormat, kUnsupported}, kName + ": "};
    reader.repair = repair;
    reader.json = true;
    reader.heap_factor = 16;
    return reader;
}

} // namespace hostile
