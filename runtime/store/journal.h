/* The ledger's first home: every settled request is written to a segment file by the worker before
 * the last byte goes to the client; those that settle in one turn of its loop share one `write`.
 * What has been written survives the death of the process at any moment (kill -9, a crash, out of
 * memory); a power cut may take what was written since the last fsync, which the keeper does every
 * fsync_ms.
 *
 * `struct journal` is one worker's end and belongs to its thread. `struct journals` is all of them
 * and the folder: it belongs to the keeper, whose calls touch the disk and may wait for it, so they
 * run on a thread of the pool, one at a time.
 *
 * When the disk refuses (full, read-only, broken), records go to a queue in memory, capped, from
 * where the keeper writes them out once the disk takes them again. What does not fit is lost, and
 * said: counted, and the whole record logged. */
#pragma once
#include <stdatomic.h>

#include "base/list.h"
#include "model/failure.h"
#include "model/ledger.h"

struct journal;
struct journals;

struct journal_settings {
  const char *folder;   /* made if it is missing */
  unsigned writers;     /* workers */
  size_t segment_bytes; /* a new segment is begun after that many */
  size_t spill_bytes;   /* cap of the queue in memory, of each worker */
  size_t disk_bytes;    /* undrained bytes on disk at which the journal counts as full */
  uint32_t fsync_ms;    /* 0: never */
  bool spills;          /* a broken disk does not refuse paid work while the queue has room */
  /* One sentence for the process log, from any thread. */
  void (*say)(void *context, bool is_error, const char *sentence);
  void *context;
};

/* Sums over all workers since the start; any thread. */
struct journal_stats {
  uint64_t records, bytes;            /* handed over */
  uint64_t spilled_bytes;             /* in memory now */
  uint64_t spilled_records;           /* that went through memory */
  uint64_t lost_records;              /* that found no room anywhere */
  uint64_t undrained_bytes, segments; /* on disk now */
  uint64_t limit_bytes;               /* of undrained_bytes: ledger.disk */
  uint64_t damaged_bytes;             /* found in segments, no whole record */
  bool is_usable;
};

/* The worker's. Never waits for more than one write to a file. Records that are put one after the
 * other share the write of the first journal_take: whoever put one takes its result, once, before
 * the client can see its reply as complete. Fails only when the record is lost: then the client
 * must not see that. */
uint64_t journal_put(struct journal *j, const struct ledger_record *record); /* ticket, never 0 */
enum failure_kind journal_take(struct journal *j, uint64_t ticket) MUST_CHECK;
enum failure_kind journal_append(struct journal *j,
                                 const struct ledger_record *record) MUST_CHECK; /* both */
/* False: paid work is to be refused before a provider is asked. One atomic read. */
bool journal_usable(const struct journal *j);

/* The keeper's. NULL when the folder cannot be used, with one sentence in error. Segments that
 * earlier processes left there are taken over, those of processes that still run are left alone. */
struct journals *journals_open(const struct journal_settings *settings, struct bytes *error);
struct journal *journals_writer(struct journals *set, unsigned writer);
/* Mends, rotates, syncs: call it a few times a second. */
void journals_tend(struct journals *set);
void journals_stats(const struct journals *set, struct journal_stats *stats);
/* After the workers have ended, before the last draining: nothing is appended any more, and what
 * waits in memory is written out as far as the disk takes it. */
void journals_seal(struct journals *set);
void journals_close(struct journals *set); /* files that were not deleted stay for the next start */

/* Draining: the keeper reads records in their order, stores them, and then says so. */
struct segment;

/* The next segment that has something to read or to delete, NULL when there is none. */
struct segment *journals_next(struct journals *set, struct segment *after);
const char *segment_name(const struct segment *s);
/* Left by an earlier process: the store knows where to go on. Until segment_set_drained. */
bool segment_is_inherited(const struct segment *s);
void segment_set_drained(struct segment *s, uint64_t bytes);
/* What stands in it may be stored already: an earlier process left it, or the store was heard to
 * refuse some of it, which it may have kept all the same. */
bool segment_is_doubtful(const struct segment *s);
void segment_doubt(struct segment *s);
uint64_t segment_drained(const struct segment *s);
/* Reads frames (record.h) that stand at `from` and after it, whole ones only, about two megabytes
 * at a time; *end is where the next read goes on. Bytes that are no frame are left out, counted and
 * said. False: the file cannot be read. */
bool segment_read(struct journals *set, struct segment *s, uint64_t from, struct bytes *frames,
                  uint64_t *end);
/* Drained to its end and nobody will write to it: it can go. */
bool segment_is_done(const struct segment *s);
/* Deletes the file (or puts it aside when it was damaged) and frees s. */
void segment_delete(struct journals *set, struct segment *s);
