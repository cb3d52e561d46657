/* The worker's end of the journal. */
#include <errno.h>
#include <string.h>

#include "store/journal_private.h"
#include "store/record.h"

enum { WAITING_BYTES_MAX = 256 << 10 };

static void add(_Atomic uint64_t *counter, uint64_t amount) {
  atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

/* A segment that the keeper has made ready takes the place of the current one. */
static void take_next(struct journal *j) {
  if (!atomic_load_explicit(&j->next, memory_order_relaxed)) return;
  struct segment *next = atomic_exchange(&j->next, NULL);
  if (j->current) atomic_store(&j->current->is_sealed, true);
  j->current = next;
}

static bool write_frames(struct journal *j, struct bytes *frames) {
  if (j->current && segment_write(j->current, frames)) return true;
  int error = j->current ? errno : ENOENT;
  if (!atomic_exchange(&j->is_broken, true))
    journals_say(j->set, true,
                 "the ledger's journal %s cannot be written: %s; records wait in memory, %s",
                 j->set->folder, strerror(error),
                 j->set->settings.spills ? "up to ledger.memory"
                                         : "and paid requests are refused until it can");
  return false;
}

enum spill_result { SPILLED, SPILL_MENDED, SPILL_FULL };

static enum spill_result spill_frame(struct journal *j, struct slice frame) {
  enum spill_result result = SPILL_MENDED;
  uv_mutex_lock(&j->lock);
  if (atomic_load(&j->is_broken)) {
    bool fits = atomic_load(&j->held_bytes) + frame.len <= j->set->settings.spill_bytes;
    result = fits ? SPILLED : SPILL_FULL;
    if (fits) {
      bytes_append_slice(&j->spill, frame);
      add(&j->held_bytes, frame.len);
    }
  }
  uv_mutex_unlock(&j->lock);
  return result;
}

static void lose(struct journal *j, const struct ledger_record *record, uint64_t ticket) {
  add(&j->lost_records, 1);
  bytes_append(&j->lost, &ticket, sizeof ticket);
  struct bytes text;
  bytes_init(&text);
  record_write_json(record, &text);
  journals_say(j->set, true, "a ledger record found no room on disk or in memory: %s",
               bytes_text(&text));
  bytes_fini(&text);
}

/* False: it is neither on disk nor in memory. */
static bool keep(struct journal *j, struct slice frame) {
  struct bytes alone = {(char *)frame.data, frame.len, frame.len};
  for (;;) {
    if (!atomic_load_explicit(&j->is_broken, memory_order_acquire) && write_frames(j, &alone))
      return true;
    enum spill_result result = spill_frame(j, frame);
    if (result == SPILL_FULL) return false;
    if (result == SPILLED) {
      add(&j->spilled_records, 1);
      return true;
    }
    take_next(j); /* the keeper has just mended it */
  }
}

/* Disk or memory may have room for some of them. */
static void keep_each(struct journal *j) {
  size_t size;
  uint64_t ticket = j->written;
  for (struct slice rest = bytes_slice(&j->frames); rest.len; rest = slice_skip(rest, size)) {
    struct ledger_record record;
    must(record_decode(rest, &record, &size) == RECORD_WHOLE);
    ticket++;
    if (!keep(j, (struct slice){rest.data, size})) lose(j, &record, ticket);
  }
}

static void write_all(struct journal *j) {
  if (j->written == j->put) return;
  take_next(j);
  bool is_broken = atomic_load_explicit(&j->is_broken, memory_order_acquire);
  if (is_broken || !write_frames(j, &j->frames)) keep_each(j);
  bytes_clear(&j->frames);
  j->written = j->put;
}

uint64_t journal_put(struct journal *j, const struct ledger_record *record) {
  size_t before = j->frames.len;
  record_encode(record, &j->frames);
  add(&j->records, 1);
  add(&j->bytes, j->frames.len - before);
  j->put++;
  if (j->frames.len > WAITING_BYTES_MAX) write_all(j);
  return j->put;
}

enum failure_kind journal_take(struct journal *j, uint64_t ticket) {
  must(ticket > 0 && ticket <= j->put);
  write_all(j);
  for (size_t at = 0; at < j->lost.len; at += sizeof ticket) {
    if (memcmp(j->lost.data + at, &ticket, sizeof ticket) != 0) continue;
    j->lost.len -= sizeof ticket; /* the last takes its place */
    memmove(j->lost.data + at, j->lost.data + j->lost.len, sizeof ticket);
    return FAILURE_LEDGER_UNAVAILABLE;
  }
  return FAILURE_NONE;
}

enum failure_kind journal_append(struct journal *j, const struct ledger_record *record) {
  return journal_take(j, journal_put(j, record));
}

/* Half of the queue is for requests that were let in before. */
bool journal_usable(const struct journal *j) {
  if (atomic_load_explicit(&j->set->is_full, memory_order_relaxed)) return false;
  if (!atomic_load_explicit(&j->is_broken, memory_order_relaxed)) return true;
  return j->set->settings.spills && atomic_load_explicit(&j->held_bytes, memory_order_relaxed) <
                                        j->set->settings.spill_bytes / 2;
}
