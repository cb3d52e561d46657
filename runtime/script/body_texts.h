/* Where the words are in a client's body: every string that a person, a model or a tool wrote, in
 * the order of the body, whatever the dialect; of tools' arguments also keys and numbers of four
 * characters or more, of metadata such numbers. What no rule below knows is found too, as
 * TEXT_OTHER, so that a field which a provider adds tomorrow is not overlooked; ids, and keys and
 * words of the protocol that do not look like one, are TEXT_IDENTIFIER, as is what says little of
 * media. Left out are the model at the top, words of the protocol as protocols have them (40
 * lower-case letters, eight of them digits), short plain keys, numbers elsewhere, signatures, and
 * encoded media, which are counted. Sources:
 * the API references of OpenAI (chat, completions, responses, embeddings) and Anthropic
 * (messages). */
#pragma once
#include "base/json_index.h"
#include "model/dialect.h"

enum text_where {
  TEXT_SYSTEM,
  TEXT_USER,
  TEXT_ASSISTANT,
  TEXT_REASONING,
  TEXT_TOOL_ARGUMENTS,
  TEXT_TOOL_RESULT,
  TEXT_TOOL_SCHEMA, /* descriptions, enumerations, defaults: also of a response format */
  TEXT_FILE,
  TEXT_METADATA,
  TEXT_IDENTIFIER,
  TEXT_OTHER,
  TEXT_WHERE_COUNT
};

const char *text_where_name(enum text_where where); /* "system", "user", "tool_result", … */

struct body_text {
  enum text_where where;
  uint32_t turn;    /* 1 for the first message or item; 0: outside of them */
  bool is_number;   /* raw has no quotes around it; an edit makes a string of it */
  struct slice raw; /* inside the body, between the quotes, escapes as they are */
};

struct body_texts {
  struct body_text *items;
  size_t count, room;
  uint32_t attachments; /* images, audio, encoded files: nothing looked inside */
  uint32_t last_user;   /* turn of the last user's message; 0: none has one */
};

/* index: of a body that is one valid JSON object and outlives the texts. Linear in its length. */
void body_texts_init(struct body_texts *texts, enum dialect dialect,
                     const struct json_index *index);
/* The same for texts that had another body before, or are all zero: their memory serves again. */
void body_texts_read(struct body_texts *texts, enum dialect dialect,
                     const struct json_index *index);
void body_texts_fini(struct body_texts *texts);
