/* Responses kept for GET /v1/responses/{id}, previous_response_id and item_reference.
 *
 * One object for the whole process, usable from any thread: the lock is held for pointer work only,
 * texts are copied and freed outside it. Everything is keyed by (owner, id), where the owner is the
 * text that the caller derives from tenant and key: with another owner an id is simply not found.
 * Bounded in entries, bytes and age; the least recently used entry makes room. */
#pragma once
#include "base/bytes.h"

struct responses;

struct responses_limits {
  size_t max_entries, max_bytes; /* both above 0; a record larger than max_bytes is not kept */
  uint64_t ttl_ms;               /* 0: no limit of age */
};

/* Where an item's JSON text lies inside the text that holds it. */
struct response_item {
  struct slice id;
  size_t offset, len;
};

/* What is stored: every slice is copied. Positions must lie inside their text. */
struct response_record {
  struct slice owner, id;
  struct slice response;             /* JSON text of the response object */
  struct slice items;                /* JSON array of the input items, earlier turns included */
  const struct response_item *input; /* where the items that have an id lie in `items` */
  size_t input_count;
  const struct response_item *output; /* and in `response` */
  size_t output_count;
  uint64_t age_ms; /* 0 for a new one; a record that was read from the store has lived before */
};

/* Told of what is kept and deleted (not of what is evicted), on the thread that does it. */
struct responses_sink {
  void (*on_put)(void *context, const struct response_record *record);
  void (*on_delete)(void *context, struct slice owner, struct slice id);
  void *context;
};

/* Counted texts of one record; stays valid after the record was replaced, deleted or evicted. */
struct response_texts;

struct responses *responses_new(const struct responses_limits *limits);
/* Before other threads use it. */
void responses_set_sink(struct responses *r, const struct responses_sink *sink);
void responses_free(struct responses *r); /* texts still held by callers live on */

/* Stores the record, replacing one of the same owner and id. False when it is larger than
 * max_bytes; then an older record of that id is gone too. */
bool responses_put(struct responses *r, const struct response_record *record);
/* NULL when this owner has no such id. The caller drops the reference with response_texts_unref. */
struct response_texts *responses_find(struct responses *r, struct slice owner, struct slice id);
/* As responses_find, by the id of an item of any stored record; *item is the item's JSON text,
 * valid as long as the reference. */
struct response_texts *responses_find_item(struct responses *r, struct slice owner,
                                           struct slice item_id, struct slice *item);
bool responses_delete(struct responses *r, struct slice owner, struct slice id);

size_t responses_count(struct responses *r);
size_t responses_bytes(struct responses *r);

struct slice response_texts_response(const struct response_texts *t);
struct slice response_texts_items(const struct response_texts *t);
void response_texts_unref(struct response_texts *t);
