/* The vocabulary of the dialects, for the walk over their texts. */
#pragma once
#include "detect/json_texts.h"

/* What a key says about its value. */
struct key_meaning {
  enum text_role role;
  enum {
    KEY_UNKNOWN, /* the value is text of whatever is around it */
    KEY_ROLE,    /* the value is text of this role */
    KEY_FREE,    /* of this role, and what is inside has no known vocabulary */
    KEY_NAME,    /* an identifier, or a word of a fixed list: no text if it looks like one */
    KEY_MEDIA,   /* the value is or contains media, called `media` */
    KEY_PLACE,   /* an address that may hold media */
    KEY_NUMBERS, /* numbers that nobody writes: vectors, probabilities */
  } means;
  const char *media;
};

struct key_meaning json_key_meaning(struct slice key);
/* By the member "role" or "type" of an object; TEXT_ROLES: it says nothing. */
enum text_role json_role_meaning(struct slice role);
enum text_role json_type_meaning(struct slice type, const char **media);
