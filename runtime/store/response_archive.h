/* Stored responses that outlive the process: each one that is kept in memory goes to the store too,
 * sealed, a little later; a fresh process reads them back. A response that is replaced or deleted
 * is so in both. Without a key for content there is no archive. */
#pragma once
#include "store/bookkeeper.h"
#include "store/responses.h"

struct response_archive;

struct response_archive_settings {
  struct bookkeeper *bookkeeper; /* borrowed, until response_archive_free */
  struct responses *responses;   /* borrowed, as long */
  uint64_t ttl_ms;
  const struct slice *left_out; /* tenants whose responses stay in memory; copied */
  size_t left_out_count;
};

/* Reads what the store has and begins to listen. Waits; before anyone is served. */
struct response_archive *response_archive_new(const struct response_archive_settings *settings);
size_t response_archive_loaded(const struct response_archive *a);
void response_archive_free(struct response_archive *a); /* after the workers have ended */

/* The record as one text, and back; slices and items of *record point into text and items. False:
 * no such text. */
void response_record_encode(const struct response_record *record, struct bytes *out);
bool response_record_decode(struct slice text, struct response_record *record, struct bytes *items);
