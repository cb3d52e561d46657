/* Content of requests, which is kept only where somebody asked for it, and then sealed: AES-256-GCM
 * (NIST SP 800-38D) with a key that is not in the database. */
#pragma once
#include "base/bytes.h"

enum text_kind { TEXT_RESPONSE, TEXT_PROMPT, TEXT_REPLY };

struct stored_text {
  enum text_kind kind;
  struct slice id, tenant;
  int64_t time_ms;
  struct slice sealed;
};

struct text_sink {
  bool (*on_text)(void *context, const struct stored_text *text); /* false: enough */
  void *context;
};

enum { TEXT_KEY_BYTES = 32 };

struct text_key {
  uint8_t bytes[TEXT_KEY_BYTES];
};

/* 64 hexadecimal digits. */
bool text_key_of(struct slice hex, struct text_key *key);
/* Appends version, nonce, ciphertext and tag. `about` (kind, tenant, id) is bound to it: a text
 * that somebody moved to another row does not open. */
void text_seal(const struct text_key *key, const struct stored_text *about, struct slice plain,
               struct bytes *out);
/* Appends the plain text; false when the key is another one or anything was changed. */
bool text_open(const struct text_key *key, const struct stored_text *text, struct bytes *out);
