#include "conversation.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace chat {

namespace {

using Json = nlohmann::ordered_json;
constexpr const char* format_name = "steer-chat";
constexpr int format_version = 1;
constexpr std::streamoff largest_file = 64 << 20;

[[noreturn]] void fail_io(const std::string& what, const std::string& path) {
    throw std::runtime_error(what + " " + path + ": " + std::strerror(errno));
}

class File {
  public:
    explicit File(int fd) : fd_(fd) {}
    ~File() {
        if (fd_ >= 0) close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int fd() const { return fd_; }

  private:
    int fd_;
};

void write_and_sync(int fd, const std::string& text, const std::string& path) {
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t written = write(fd, text.data() + done, text.size() - done);
        if (written < 0 && errno != EINTR) fail_io("cannot write", path);
        if (written > 0) done += static_cast<std::size_t>(written);
    }
    if (fsync(fd) != 0) fail_io("cannot write", path);
}

// Beside the target, then renamed over it: a reader sees the old chat or the new one, never half of one.
void write_atomically(const std::string& path, const std::string& text) {
    const std::string temporary = path + ".tmp" + std::to_string(getpid());
    const File file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file.fd() < 0) fail_io("cannot write", path);
    try {
        write_and_sync(file.fd(), text, path);
        if (rename(temporary.c_str(), path.c_str()) != 0) fail_io("cannot write", path);
    } catch (...) {
        unlink(temporary.c_str());
        throw;
    }
}

std::string read_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) fail_io("cannot read", path);
    in.seekg(0, std::ios::end);
    const std::streamoff size = in.tellg();
    if (size < 0) throw std::runtime_error("cannot read " + path + ": not a plain file");
    if (size > largest_file) throw std::runtime_error(path + " is larger than any saved chat (64 MB)");
    std::string text(static_cast<std::size_t>(size), '\0');
    in.seekg(0);
    if (!in.read(text.data(), size)) throw std::runtime_error("cannot read " + path);
    return text;
}

std::string string_field(const Json& object, const char* key, const std::string& where) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string())
        throw std::runtime_error(where + ": \"" + key + "\" is not a text");
    return found->get<std::string>();
}

std::vector<Message> messages_of(const Json& root, const std::string& path) {
    const auto list = root.find("messages");
    if (list == root.end() || !list->is_array()) throw std::runtime_error(path + ": \"messages\" is not a list");
    std::vector<Message> messages;
    for (const Json& item : *list) {
        const std::string where = path + ": message " + std::to_string(messages.size() + 1);
        if (!item.is_object()) throw std::runtime_error(where + " is not an object");
        Message message{string_field(item, "role", where), string_field(item, "content", where)};
        if (message.role != "system" && message.role != "user" && message.role != "assistant") {
            throw std::runtime_error(where + ": the role '" + message.role + "' is not system, user or assistant");
        }
        messages.push_back(std::move(message));
    }
    if (!messages.empty() && messages.back().role == "user") messages.pop_back(); // never answered
    return messages;
}

std::optional<SavedPersona> persona_of(const Json& root, const std::string& path) {
    const auto found = root.find("persona");
    if (found == root.end() || found->is_null()) return std::nullopt;
    const std::string where = path + ": persona";
    if (!found->is_object()) throw std::runtime_error(where + " is not an object");
    const auto strength = found->find("strength");
    if (strength == found->end() || !strength->is_number())
        throw std::runtime_error(where + ": \"strength\" is not a number");
    const auto layers = parse_layers(string_field(*found, "layers", where));
    if (!layers) throw std::runtime_error(where + ": \"layers\" is not a range such as 20-50");
    SavedPersona persona{string_field(*found, "vector", where), string_field(*found, "vector_fingerprint", where),
                         strength->get<float>(), *layers};
    if (!std::isfinite(persona.strength)) throw std::runtime_error(where + ": \"strength\" is out of range");
    return persona;
}

} // namespace

Conversation::Conversation(std::optional<std::string> system) {
    if (system) messages_.push_back({"system", std::move(*system)});
}

void Conversation::add_user(std::string text) { messages_.push_back({"user", std::move(text)}); }
void Conversation::add_reply(std::string text) { messages_.push_back({"assistant", std::move(text)}); }

void Conversation::drop_unanswered() {
    if (!messages_.empty() && messages_.back().role == "user") messages_.pop_back();
}

void Conversation::reset() {
    const bool has_system = !messages_.empty() && messages_.front().role == "system";
    messages_.resize(has_system ? 1 : 0);
}

std::size_t Conversation::turns() const {
    std::size_t count = 0;
    for (const Message& message : messages_) count += message.role == "assistant";
    return count;
}

void save_chat(const std::string& path, const SavedChat& chat) {
    Json root = {{"format", format_name}, {"version", format_version}};
    root["model"] = {{"path", chat.model}, {"fingerprint", chat.model_fingerprint}};
    if (chat.persona) {
        root["persona"] = {{"vector", chat.persona->vector},
                           {"vector_fingerprint", chat.persona->vector_fingerprint},
                           {"strength", chat.persona->strength},
                           {"layers", to_text(chat.persona->layers)}};
    }
    root["messages"] = Json::array();
    for (const Message& message : chat.messages) {
        root["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
    write_atomically(path, root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

SavedChat load_chat(const std::string& path) {
    const std::string text = read_text(path);
    Json root;
    try {
        root = Json::parse(text);
    } catch (const Json::exception& error) {
        throw std::runtime_error(path + ": not JSON: " + error.what());
    }
    if (!root.is_object() || root.value("format", Json()) != format_name) {
        throw std::runtime_error(path + " is not a saved chat: \"format\" is not \"" + format_name + "\"");
    }
    if (root.value("version", Json()) != format_version) {
        throw std::runtime_error(path + ": this chat reads version 1 only");
    }
    SavedChat chat;
    const auto model = root.find("model");
    if (model == root.end() || !model->is_object()) throw std::runtime_error(path + ": \"model\" is not an object");
    chat.model = string_field(*model, "path", path + ": model");
    chat.model_fingerprint = string_field(*model, "fingerprint", path + ": model");
    chat.persona = persona_of(root, path);
    chat.messages = messages_of(root, path);
    return chat;
}

} // namespace chat
