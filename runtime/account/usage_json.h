/* Usage as the wire formats write it, to and from the disjoint vector of model/usage.h.
 * Sources: OpenAI API reference (chat completion object, response object, embedding object),
 * Anthropic API reference (Messages: usage; streaming: message_start, message_delta), DeepSeek's
 * prompt_cache_hit_tokens. The same rules as lua/gateyes/usage.lua. */
#pragma once
#include "base/json.h"
#include "model/dialect.h"
#include "model/usage.h"

/* Counts above this are a fault of the provider and taken as not reported; sums of four stay far
 * from the end of 64 bits. */
#define USAGE_COUNT_MAX ((uint64_t)1 << 60)

/* Reads a usage object into *usage; fields that it does not state stay. False, and nothing changed,
 * when it states no count at all. */
bool usage_read(enum dialect format, struct slice object, struct usage *usage);
/* What a usage object of the chat API may say: the members to look for, so that a reader of a whole
 * answer finds them in its one pass. Addresses inside are its own: it is not copied. */
enum { USAGE_CHAT_FIELDS = 8, USAGE_DETAIL_FIELDS = 4 };
struct usage_chat {
  struct json_member top[USAGE_CHAT_FIELDS], in[USAGE_DETAIL_FIELDS], out[USAGE_DETAIL_FIELDS];
};
void usage_chat_init(struct usage_chat *chat);
/* As usage_read, from what was found. */
bool usage_chat_take(const struct usage_chat *chat, struct usage *usage);
/* "default", "flex", "priority", …: a JSON string. What is not known leaves it. */
void usage_read_service(struct slice value, struct usage *usage);
/* Of a whole answer or frame, wherever its format puts the word. */
void usage_find_service(struct slice object, struct usage *usage);
/* The usage object in that format, to be put behind "usage":. */
void usage_write(struct bytes *out, enum dialect format, const struct usage *usage);
