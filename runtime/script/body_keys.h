/* What keys of requests mean for the texts below them, in all dialects. */
#pragma once
#include "base/bytes.h"

enum body_key {
  BODY_KEY_PROTOCOL = 1 << 0, /* a word of the protocol, which no person wrote */
  BODY_KEY_SEAL = 1 << 1,     /* one that may be long: a signature */
  BODY_KEY_MEDIA = 1 << 2,
  BODY_KEY_SOURCE = 1 << 3, /* of media, or of a file's text */
  BODY_KEY_ARGUMENTS = 1 << 4,
  BODY_KEY_RESULT = 1 << 5,
  BODY_KEY_REASONING = 1 << 6,
  BODY_KEY_INPUT = 1 << 7, /* the turns of some dialects; the arguments of a call of a tool */
  BODY_KEY_MESSAGES = 1 << 8,
  BODY_KEY_PROMPT = 1 << 9,
  BODY_KEY_SUFFIX = 1 << 10,
  BODY_KEY_SYSTEM = 1 << 11,
  BODY_KEY_SCHEMA = 1 << 12,
  BODY_KEY_METADATA = 1 << 13,
  BODY_KEY_PREDICTION = 1 << 14,
  BODY_KEY_ID = 1 << 15
};

/* A set of these, by the raw key of a member, whose escapes are resolved. */
uint32_t body_key_meaning(struct slice raw);
