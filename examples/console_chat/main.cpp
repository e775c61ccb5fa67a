// steer_chat: talk to a persona that is pushed into a running model. Written on the public C header alone.
#include <cstdio>
#include <exception>

#include "app.h"
#include "chat_host.h"
#include "log.h"
#include "once.h"
#include "options.h"

namespace {

int run(int argc, char** argv) {
    const chat::Options options = chat::read_options(argc, argv);
    if (options.help) {
        std::fputs(options.help_text.c_str(), stdout);
        return 0;
    }
    chat::check_library_version();
    chat::log_start();
    chat::Signals signals;
    signals.second_ends(true); // while the model loads
    chat::ChatHost host(options, signals);
    if (options.once) return chat::run_once(host, signals);
    signals.second_ends(false);
    return chat::App(host, signals).run();
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const chat::UsageError& error) {
        std::fprintf(stderr, "steer_chat: %s\n", error.what());
        return 2;
    } catch (const chat::EngineError& error) {
        if (error.status == STEER_ERR_CANCELLED) return 130;
        std::fprintf(stderr, "steer_chat: %s\n", error.what());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "steer_chat: %s\n", error.what());
    }
    return 1;
}
