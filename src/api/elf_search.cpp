#include "api/elf_search.h"

#include "files/checked.h"
#include "files/error.h"
#include "files/file.h"

#include <elf.h>

#include <cstring>
#include <vector>

namespace steer {
namespace {

constexpr size_t kEntriesMax = 4096;

template<class T> std::vector<T> read_table(const File& file, uint64_t offset, uint64_t count) {
    if (count > kEntriesMax || !inside(offset, count * sizeof(T), file.size()))
        fail(STEER_ERR_FORMAT, "{}: not a sound ELF file", file.path());
    std::vector<T> table(count);
    file.read_exact(offset, table.data(), count * sizeof(T));
    return table;
}

// An address that the program headers map, as a place in the file.
uint64_t file_offset(const File& file, const std::vector<Elf64_Phdr>& segments, uint64_t address) {
    for (const Elf64_Phdr& segment : segments)
        if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz)
            return segment.p_offset + (address - segment.p_vaddr);
    fail(STEER_ERR_FORMAT, "{}: not a sound ELF file", file.path());
}

std::string read_search_path(const File& file) {
    const auto head = read_table<Elf64_Ehdr>(file, 0, 1)[0];
    if (std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64)
        fail(STEER_ERR_FORMAT, "{}: not a 64-bit ELF file", file.path());
    const auto segments = read_table<Elf64_Phdr>(file, head.e_phoff, head.e_phnum);
    uint64_t texts = 0, texts_size = 0, path = UINT64_MAX;
    for (const Elf64_Phdr& segment : segments) {
        if (segment.p_type != PT_DYNAMIC) continue;
        for (const Elf64_Dyn& entry : read_table<Elf64_Dyn>(file, segment.p_offset, segment.p_filesz / sizeof(Elf64_Dyn))) {
            if (entry.d_tag == DT_NULL) break;
            if (entry.d_tag == DT_STRTAB) texts = entry.d_un.d_ptr;
            if (entry.d_tag == DT_STRSZ) texts_size = entry.d_un.d_val;
            if (entry.d_tag == DT_RUNPATH || (entry.d_tag == DT_RPATH && path == UINT64_MAX)) path = entry.d_un.d_val;
        }
    }
    if (path >= texts_size) return {};
    const auto text = read_table<char>(file, file_offset(file, segments, texts) + path,
                                       std::min<uint64_t>(texts_size - path, kEntriesMax));
    return {text.data(), strnlen(text.data(), text.size())};
}

} // namespace

std::string find_needed_library(const std::string& library, std::string_view name) {
    const std::string path = read_search_path(File::open(library));
    const size_t slash = library.rfind('/');
    const std::string origin = slash == library.npos ? "." : library.substr(0, slash);
    for (size_t begin = 0; begin <= path.size();) {
        const size_t end = std::min(path.find(':', begin), path.size());
        std::string folder = path.substr(begin, end - begin);
        for (const char* word : {"${ORIGIN}", "$ORIGIN"})
            if (const size_t at = folder.find(word); at != folder.npos) folder.replace(at, std::strlen(word), origin);
        if (const std::string file = fmt::format("{}/{}", folder, name); !folder.empty() && file_exists(file)) return file;
        begin = end + 1;
    }
    return {};
}

} // namespace steer
