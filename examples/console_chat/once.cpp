#include "once.h"

#include <cstdio>
#include <unistd.h>

#include "conversation.h"
#include "gauge_board.h"
#include "json_lines.h"
#include "reply.h"
#include "terminal.h"
#include "width.h"

namespace chat {

int run_once(ChatHost& host, Signals& signals) {
    const bool json = host.options().json;
    Conversation conversation(host.options().system);
    conversation.add_user(valid_text(*host.options().once));

    signals.second_ends(true);
    GaugeBoard board(host.persona());
    const std::vector<LayerGauge> gauges =
        host.persona() != nullptr ? host.persona()->gauges() : std::vector<LayerGauge>{};
    ReplyMaker maker(host.model(), host.session(), host.persona());
    maker.stopped = [&] { return signals.interrupted(); };
    maker.on_token = [&](const ReplyToken& token) {
        board.see(token);
        if (json && token.id >= 0) write_all(STDOUT_FILENO, token_line(token, gauges));
        if (!json) write_all(STDOUT_FILENO, printable(token.text));
    };
    const ReplyResult result = maker.run(conversation.messages());
    if (json) {
        write_all(STDOUT_FILENO, done_line(result));
    } else {
        write_all(STDOUT_FILENO, "\n");
        for (const std::string& line : board.summary()) std::fprintf(stderr, "%s\n", line.c_str());
    }
    if (result.finish == STEER_FINISH_CANCELLED) return 130;
    return result.tokens > 0 ? 0 : 1;
}

} // namespace chat
