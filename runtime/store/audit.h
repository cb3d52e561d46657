/* Who did what: one row for every admin write and every denied admin call. Each row carries the
 * SHA-256 of itself and of the row before, so that a row changed or removed later breaks the chain.
 * The chain proves nothing against somebody who writes all of it anew: keep the head that a
 * verification prints somewhere else. */
#pragma once
#include "base/digest.h"

struct audit_entry {
  int64_t time_ms;
  struct slice tenant;
  struct slice actor;         /* "key:…", "user:…", "command" */
  struct slice action;        /* "key.create" */
  struct slice target;        /* "keys/…" */
  struct slice outcome;       /* "done", "denied" */
  struct slice before, after; /* JSON, or empty; pass them through audit_mask first */
  struct slice peer, request_id;
};

/* Appends JSON text with the values of members that look like secrets (key, secret, token,
 * password, credential, authorization, hash) cut to their last four characters, and every string
 * that begins like a key of ours. Not JSON: appends null. */
void audit_mask(struct slice json, struct bytes *out);
/* The digest of one row. */
void audit_hash(const struct audit_entry *entry, uint64_t number,
                const uint8_t previous[SHA256_BYTES], uint8_t out[SHA256_BYTES]);

/* {"object":"audit","number":7,…}: as the admin API and the commands show it. */
void audit_write_entry(const struct audit_entry *entry, uint64_t number, struct bytes *out);

struct audit_query {
  struct slice tenant, actor, action, target; /* empty: any */
  int64_t from_ms, to_ms;                     /* to_ms 0: no end */
  uint64_t before;                            /* number of the last row of the page; 0: newest */
  uint32_t limit;
};

struct audit_sink {
  void (*on_row)(void *context, uint64_t number, const struct audit_entry *entry);
  void *context;
};

struct audit_report {
  uint64_t rows, first, last; /* numbers; first is above 1 when retention removed older ones */
  uint64_t broken_at;         /* 0: the chain holds */
  uint8_t head[SHA256_BYTES];
};
/* {"object":"audit_report","ok":true,…} */
void audit_write_report(const struct audit_report *report, struct bytes *out);
