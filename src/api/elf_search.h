// Where the loader would find a library that another one needs, without loading either.
#pragma once

#include <string>
#include <string_view>

namespace steer {

// By the search path written into the ELF file `library` (DT_RUNPATH, DT_RPATH, with $ORIGIN); empty: not found there.
std::string find_needed_library(const std::string& library, std::string_view name);

} // namespace steer
