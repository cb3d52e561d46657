/* Brings the journal into the store, sealed texts too, and throws out what is too old. Lives on the
 * keeper's loop; all that touches a disk runs on a thread of its own, which gives way to all
 * others, so that a database that is slow, locked, full, broken or away delays rows and nothing
 * else. */
#pragma once
#include <uv.h>

#include "store/journal.h"
#include "store/store.h"

struct bookkeeper;

struct bookkeeper_settings {
  uv_loop_t *loop;
  struct store *store;       /* taken */
  struct journals *journals; /* taken */
  struct retention ages;     /* now_ms and rows are set here */
  struct text_key text_key;
  bool has_text_key; /* without one no text is ever stored */
  size_t text_bytes; /* texts that may wait in memory */
  void (*say)(void *context, bool is_error, const char *sentence); /* any thread */
  void *context;
};

struct bookkeeper_stats {                 /* since the start; any thread */
  uint64_t stored_records, known_records; /* known: were stored already */
  uint64_t failures;                      /* attempts that the store refused */
  uint64_t texts_waiting_bytes, texts_lost;
  uint64_t retained_rounds;
  enum store_result result; /* of the last attempt */
};

struct bookkeeper *bookkeeper_new(const struct bookkeeper_settings *settings);
/* Before anyone is served: stores what earlier processes left, for at most limit_ms. What remains
 * (or all of it, when the store is away) follows later. Waits: call it before the loop runs. */
void bookkeeper_replay(struct bookkeeper *b, uint64_t limit_ms);
/* What subjects have used since a window began, for the limits of a fresh process: from the store,
 * then each billed record that is not in it yet as a row of its own. With a result other than
 * STORE_FINE only the latter came. Any thread, one at a time; waits, and records wait with it. */
enum store_result bookkeeper_used_by(struct bookkeeper *b, const struct used_by_query *query,
                                     const struct used_by_sink *sink);
void bookkeeper_start(struct bookkeeper *b);
void bookkeeper_set_ages(struct bookkeeper *b, const struct retention *ages); /* on the loop */
/* After the workers have ended: stores what is left, once, and frees everything. */
void bookkeeper_close(struct bookkeeper *b);

struct store *bookkeeper_store(struct bookkeeper *b); /* borrowed: for calls from pool threads */
void bookkeeper_stats(struct bookkeeper *b, struct bookkeeper_stats *stats);
void bookkeeper_journal_stats(struct bookkeeper *b, struct journal_stats *stats);

/* Any thread; plain is copied now, sealed and stored a little later. What finds no room is dropped
 * and counted: a text is worth less than an answer. Nothing happens without a key. */
void bookkeeper_keep_text(struct bookkeeper *b, const struct stored_text *about,
                          struct slice plain);
void bookkeeper_drop_text(struct bookkeeper *b, enum text_kind kind, struct slice id);
/* Every stored text of that kind, opened, oldest first, until on_text says enough. Those that the
 * key does not open are left out and counted in one sentence. Waits. */
enum store_result bookkeeper_read_texts(struct bookkeeper *b, enum text_kind kind, int64_t since_ms,
                                        const struct text_sink *sink);
