// A small model's folder. Made in a file of its own: sources of libsteer have the same names as the C++ headers.
#pragma once

#include <memory>
#include <string>

namespace host {

constexpr int kImEnd = 261, kVocabulary = 270; // as in tests/run/tiny_model.h

class Folder {
  public:
    Folder();
    ~Folder();
    const std::string& path() const;
    void write(const std::string& name, const std::string& bytes) const;

  private:
    struct Tiny;
    std::unique_ptr<Tiny> tiny_;
};

} // namespace host
