/* The commonest event of a provider's stream: one that adds text and does nothing else. It is read
 * in one pass over its bytes, where reading member by member would pass over them once for each
 * level. Anything out of the ordinary (another field that says something, a key twice, an escaped
 * key, bad JSON) is no plain delta, and is left to the readers that know the whole format.
 * Chat: https://platform.openai.com/docs/api-reference/chat-streaming
 * Messages: https://docs.anthropic.com/en/docs/build-with-claude/streaming */
#pragma once
#include "base/json.h"
#include "model/dialect.h"

enum plain_kind { PLAIN_TEXT, PLAIN_REASONING };

struct plain_delta {
  struct slice text; /* valid JSON text between its quotes, never empty; escapes untouched */
  bool escaped;      /* it has some */
  enum plain_kind kind;
  uint64_t index; /* of the choice or block; 0 where none is named */
  /* chat: the member "usage": null, from the key's first quote; data NULL where there is none */
  struct slice unset_usage;
};

/* True, with *out filled, when data is a plain delta of that format. Only chat and messages have
 * any. */
bool plain_delta_read(enum dialect format, struct slice data, struct plain_delta *out);
