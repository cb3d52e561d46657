/* Every string of a request, reply or event that carries text of people or models, whatever the
 * dialect. Only what is known to be no text is left out (identifiers, names of models,
 * enumerations, media): a field nobody has heard of is text. One pass, linear, nesting bounded. */
#pragma once
#include "base/json.h"
#include "detect/offsets.h"

enum text_role {
  TEXT_OTHER, /* metadata, fields that are not known, names of participants, addresses */
  TEXT_SYSTEM,
  TEXT_USER,
  TEXT_ASSISTANT, /* reasoning and refusals too */
  TEXT_TOOL_ARGUMENTS,
  TEXT_TOOL_RESULT,
  TEXT_TOOL_SCHEMA, /* tools, functions, formats of answers */
  TEXT_FILE,
  TEXT_UNSCANNED, /* media: picture, sound, binary file, file by reference; no text to look at */
  TEXT_ROLES
};

const char *text_role_name(enum text_role role); /* "system", "tool_arguments", … */

struct json_text {
  enum text_role role;
  struct slice token; /* as it stands in the body: a string with its quotes, or a number */
  struct slice key;   /* raw key it belongs to, without quotes; empty in arrays */
  uint32_t turn;      /* which element of the list of messages, from 0; JSON_TEXT_NO_TURN: none */
  bool is_key;        /* the token is a key itself, where keys are free (tool arguments) */
  const char *media;  /* of TEXT_UNSCANNED: "image", "audio", "file" */
};

enum { JSON_TEXT_NO_TURN = 0xffffffff, JSON_TEXTS_DEPTH = 128 };

enum json_texts_of { JSON_TEXTS_REQUEST, JSON_TEXTS_REPLY };

/* Calls on_text for each, in the order of the body. False: the body is no valid JSON, or nested
 * deeper than JSON_TEXTS_DEPTH; some texts may have been reported. */
bool json_texts(struct slice body, enum json_texts_of what,
                void (*on_text)(void *context, const struct json_text *text), void *context);

/* The text of a token and the way back to the bytes of the token. */
struct json_view {
  struct bytes text;
  struct offsets offsets;
};

void json_view_init(struct json_view *view);
void json_view_fini(struct json_view *view);
void json_view_read(struct json_view *view, struct slice token); /* replaces what was there */
/* Bytes of the token, counted from its first (the quote), behind length > 0 bytes of the text. */
struct slice json_view_raw(const struct json_view *view, struct slice token, size_t offset,
                           size_t length);
