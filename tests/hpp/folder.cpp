#include "folder.h"

#include "tiny_model.h"

namespace host {

static_assert(kImEnd == tiny::kImEnd && kVocabulary == tiny::kVocabulary);

struct Folder::Tiny : tiny::Folder {};

Folder::Folder() : tiny_(std::make_unique<Tiny>()) {}
Folder::~Folder() = default;
const std::string& Folder::path() const { return tiny_->path(); }
void Folder::write(const std::string& name, const std::string& bytes) const { tiny_->write(name, bytes); }

} // namespace host
