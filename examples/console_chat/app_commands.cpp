#include "app.h"
#include "numbers.h"
#include "parse_values.h"
#include "width.h"

namespace chat {

void App::say(const std::string& text, Tone tone) { screen_->say({text}, tone); }

void App::run_command(const Command& command) {
    const bool needs_rest = command.kind == CommandKind::reset || command.kind == CommandKind::load;
    if (needs_rest && replying_) {
        reply_.stop();
        after_reply_.push_back(command);
        return;
    }
    try {
        switch (command.kind) {
        case CommandKind::strength:
            set_strength(command);
            break;
        case CommandKind::gauge:
            set_gauge(command);
            break;
        case CommandKind::layers:
            set_layers(command);
            break;
        case CommandKind::reset:
            conversation_.reset();
            say("a new conversation");
            break;
        case CommandKind::save:
            save(command);
            break;
        case CommandKind::load:
            load(command);
            break;
        case CommandKind::help:
            screen_->say(help_lines(), Tone::note);
            break;
        case CommandKind::quit:
            quit();
            break;
        case CommandKind::unknown:
            say("/" + printable(command.name) + " is no command; /help lists them", Tone::error);
        }
    } catch (const std::exception& error) {
        say(error.what(), Tone::error);
    }
}

void App::set_strength(const Command& command) {
    Persona* persona = host_.persona();
    if (persona == nullptr) throw UsageError("no persona is loaded: start with --vector FILE");
    if (command.words.empty()) {
        say("strength " + number_text(persona->strength()) + " " + unit_name(persona->unit()));
        return;
    }
    if (command.words.size() > 2) throw UsageError("/strength X [TOKENS]");
    const float strength = parse_number(command.words[0], "/strength");
    const int ramp = command.words.size() == 2 ? parse_whole(command.words[1], "/strength X TOKENS", 0) : 0;
    const float before = persona->strength();
    persona->set_strength(host_.session(), strength, ramp);
    say("strength " + number_text(before) + " → " + number_text(strength) +
        (ramp > 0 ? " over " + std::to_string(ramp) + " tokens" : std::string()));
}

void App::set_gauge(const Command& command) {
    if (host_.persona() == nullptr) throw UsageError("no persona is loaded, so there is no gauge");
    if (command.rest == "raw" || command.rest == "own") {
        board_.show_raw(command.rest == "raw");
        say(std::string("the bars show the ") + (board_.shows_raw() ? "raw" : "own") + " reading");
        return;
    }
    if (!command.rest.empty()) throw UsageError("/gauge, /gauge own or /gauge raw");
    screen_->say(board_.table(), Tone::note);
}

void App::set_layers(const Command& command) {
    if (!command.rest.empty()) {
        if (host_.persona() == nullptr) throw UsageError("no persona is loaded: start with --vector FILE");
        host_.persona()->set_layers(host_.session(), parse_layer_range(command.rest, "/layers"));
        say("pushed in layers " + to_text(host_.persona()->layers()));
        return;
    }
    screen_->say(host_.layer_lines(), Tone::note);
}

void App::save(const Command& command) {
    if (command.rest.empty()) throw UsageError("/save FILE");
    SavedChat chat{host_.model_path(), hex(model_info(host_.model()).fingerprint), std::nullopt,
                   conversation_.messages()};
    if (const Persona* persona = host_.persona()) {
        chat.persona = {persona->path(), hex(persona->info().fingerprint), persona->strength(), persona->layers()};
    }
    if (replying_ && !reply_text_.empty()) chat.messages.push_back({"assistant", reply_text_}); // as far as it has come
    save_chat(command.rest, chat);
    say("saved " + std::to_string(chat.messages.size()) + " messages to " + printable(command.rest));
}

void App::load(const Command& command) {
    if (command.rest.empty()) throw UsageError("/load FILE");
    restore(load_chat(command.rest), printable(command.rest));
}

void App::restore(const SavedChat& chat, const std::string& path) {
    Persona* persona = host_.persona();
    if (chat.model_fingerprint != hex(model_info(host_.model()).fingerprint)) {
        say(path + " was saved with another model: " + printable(chat.model), Tone::warning);
    }
    if (chat.persona && persona != nullptr) {
        if (chat.persona->vector_fingerprint == hex(persona->info().fingerprint)) {
            persona->set_layers(host_.session(), chat.persona->layers);
            persona->set_strength(host_.session(), chat.persona->strength, 0);
        } else {
            say(path + " was saved with another vector: " + printable(chat.persona->vector) +
                    "; strength and layers stay",
                Tone::warning);
        }
    }
    conversation_.replace(chat.messages);
    say("loaded " + std::to_string(chat.messages.size()) + " messages" +
        (persona != nullptr ? ", strength " + number_text(persona->strength()) : std::string()));
}

} // namespace chat
