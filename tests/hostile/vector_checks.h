// What must hold of a vector, whatever its bytes were: for each reader of vectors.
#pragma once

#include <string_view>

namespace hostile {

void read_vector(std::string_view bytes);
void check_vector(std::string_view bytes);

} // namespace hostile
