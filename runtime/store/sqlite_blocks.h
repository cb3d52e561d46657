/* Requests that have their group and a few other figures in common stand together in a row of
 * request_blocks, up to a second and BLOCK_ROWS of them, with their sums. What is their own is a
 * JSON array in its column `rows`, the oldest first, which SQL can read, too:
 *   [sequence - first, id, then BLOCK_FIELDS without the empty ones at the end]
 * Of attempts the usual single one is only its times: [head_ms, duration_ms]. A trace of 1 is the
 * block's own, in its column `trace`: that of its first request.
 * The block's own sequence is that of its newest request, or a little more. */
#pragma once
#include "base/arena.h"
#include "store/sqlite_private.h"

/* NUMBER(column, member) and JSON(column, member), from the third element on: those that are rarely
 * there come last. Part of the file's format. */
#define BLOCK_FIELDS(NUMBER, JSON)                                                                 \
  NUMBER(duration_us, duration_us)                                                                 \
  NUMBER(overhead_us, overhead_us)                                                                 \
  NUMBER(input_tokens, usage.input)                                                                \
  NUMBER(output_tokens, usage.output)                                                              \
  NUMBER(cost_nanousd, cost_nanousd)                                                               \
  JSON(attempts, attempts)                                                                         \
  NUMBER(first_token_us, first_token_us)                                                           \
  JSON(trace, trace)                                                                               \
  JSON(tags, tags)                                                                                 \
  NUMBER(cache_read_tokens, usage.cache_read)                                                      \
  NUMBER(reasoning_tokens, usage.reasoning)                                                        \
  NUMBER(cache_write_5m_tokens, usage.cache_write_5m)                                              \
  NUMBER(cache_write_1h_tokens, usage.cache_write_1h)                                              \
  NUMBER(audio_input_tokens, usage.audio_input)                                                    \
  NUMBER(audio_output_tokens, usage.audio_output)                                                  \
  NUMBER(images, usage.images)

/* What all of a block share beside their group. */
#define BLOCK_COMMON(NUMBER)                                                                       \
  NUMBER(status, status)                                                                           \
  NUMBER(stream, is_stream)                                                                        \
  NUMBER(usage_source, usage_source)                                                               \
  NUMBER(cost_known, cost_known)                                                                   \
  NUMBER(attempt_count, attempt_count)                                                             \
  NUMBER(generation, generation)                                                                   \
  NUMBER(config_version, config_version)

enum { BLOCK_ROWS = 128, BLOCK_MS = 1000, BLOCK_BYTES = 32 << 10 };
_Static_assert((int)BLOCK_MS < (int)SEQUENCE_LATE_MS, "a block ends soon after it began");

struct block; /* of a group, while a batch is stored */

struct block_record {
  const struct ledger_record *record; /* there until blocks_end */
  int64_t sequence;
};

/* Records come in the order of their sequences. False in *is_taken: it fits into no block, and has
 * to be a row of request_rows. */
enum store_result blocks_add(struct sqlite *s, struct block **blocks, int64_t group,
                             const struct block_record *add, bool *is_taken);
/* Writes what is left. */
enum store_result blocks_end(struct sqlite *s, struct block *blocks, int64_t group);
void blocks_free(struct block *blocks);

/* A block that was read. */
struct block_rows {
  struct bytes rows, texts; /* what the records point into, */
  struct arena arena;       /* with this */
  struct ledger_record *records;
  int64_t *sequences;
  size_t count;
};

/* Reads the block of that sequence. Close with block_rows_free. */
enum store_result block_read(struct sqlite *s, sqlite3 *db, int64_t sequence,
                             struct block_rows **out);
void block_rows_free(struct block_rows *b);
/* The ids of a block's rows. */
void block_ids(struct slice rows, void (*on_id)(void *context, struct slice id), void *context);
