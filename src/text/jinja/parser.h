// Tokens to trees, with jinja2's grammar and precedence.
#pragma once

#include "text/jinja/ast.h"

#include <memory>
#include <string>
#include <string_view>

namespace steer::jinja {

// STEER_ERR_FORMAT: no Jinja. STEER_ERR_UNSUPPORTED: Jinja outside of what chat templates use; names construct and
// line.
std::shared_ptr<const Program> parse(std::string_view source, const std::string& name);

} // namespace steer::jinja
