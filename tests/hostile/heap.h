// What a call takes from the heap: operator new and delete are counted in this program. The C libraries that the readers
// use (utf8proc) take nothing where we call them.
#pragma once

#include <cstdint>

namespace hostile {

uint64_t heap_now();

class HeapPeak { // from here on, above what is taken now; one at a time
  public:
    HeapPeak();
    uint64_t bytes() const;

  private:
    uint64_t begin_;
};

} // namespace hostile
