/* The header alone, twice, and with its unstable part: it brings all that it uses. */
#include <steer/steer.h>
#include <steer/steer.h>

/* Layouts that are frozen are the same for every compiler and every binding. */
typedef char error_is_256_bytes[sizeof(steer_error) == 256 ? 1 : -1];
typedef char view_is_two_words[sizeof(steer_view) == 16 ? 1 : -1];
typedef char status_is_32_bits[sizeof(steer_status) == 4 ? 1 : -1];
typedef char message_is_three_views[sizeof(steer_chat_message) == 48 ? 1 : -1];

int only_header(void);
int only_header(void) { return STEER_OK; }
