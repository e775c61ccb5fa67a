// The lines of --json.
#pragma once

#include <string>

#include "persona.h"
#include "reply.h"

namespace chat {

std::string token_line(const ReplyToken& token, const std::vector<LayerGauge>& gauges);
std::string done_line(const ReplyResult& result);

} // namespace chat
