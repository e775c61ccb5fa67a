// --once: one message, one reply, nothing else.
#pragma once

#include "chat_host.h"
#include "signals.h"

namespace chat {

int run_once(ChatHost& host, Signals& signals); // the exit status

} // namespace chat
