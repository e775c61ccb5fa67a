// Warnings, ours and the library's: to standard error, or kept for the screen while one is drawn.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace chat {

void log_start();                            // hears the library's warnings from now on
void log_warning(const std::string& text);   // [any]
void log_keep(std::function<void()> on_new); // [any thread calls on_new]; empty: print again
std::vector<std::string> log_take();         // what was kept

} // namespace chat
