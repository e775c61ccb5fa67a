// Which of the calls that a program makes of the system is to fail. Counted only while a library call runs: see During.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace faults {

struct Plan {
    bool armed = false;
    size_t count = 0;           // so far
    size_t fail_at = SIZE_MAX;  // the call of this number
    bool and_later = false;     // and all after it
    bool fails_next() { return armed && (count++ == fail_at || (and_later && count > fail_at)); }
};

inline Plan allocations, files;
enum class FileFault { error, shortened, interrupted, full };
inline FileFault file_fault = FileFault::error;

// Faults happen while one of these lives.
class During {
  public:
    explicit During(Plan& plan) : plan_(plan) { plan_.armed = true; }
    ~During() { plan_.armed = false; }
    During(const During&) = delete;
    During& operator=(const During&) = delete;

  private:
    Plan& plan_;
};

// Numbers below count: all of them with STEER_FAULTS=all, else about `sample`, spread evenly, the first and the last among them.
inline std::vector<size_t> points(size_t count, size_t sample) {
    const char* asked = std::getenv("STEER_FAULTS");
    const bool all = asked != nullptr && std::string(asked) == "all";
    std::vector<size_t> chosen;
    const size_t wanted = all || count <= sample ? count : sample;
    for (size_t i = 0; i < wanted; i++) chosen.push_back(wanted == 1 ? 0 : i * (count - 1) / (wanted - 1));
    return chosen;
}

} // namespace faults
