/* The worker's end of the journal. */
#include <errno.h>
#include <string.h>

#include "store/journal_private.h"
#include "store/record.h"

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

static bool write_frame(struct journal *j) {
  if (j->current && segment_write(j->current, bytes_slice(&j->frame))) return true;
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

static enum spill_result spill_frame(struct journal *j) {
  enum spill_result result = SPILL_MENDED;
  uv_mutex_lock(&j->lock);
  if (atomic_load(&j->is_broken)) {
    bool fits = atomic_load(&j->held_bytes) + j->frame.len <= j->set->settings.spill_bytes;
    result = fits ? SPILLED : SPILL_FULL;
    if (fits) {
      bytes_append_slice(&j->spill, bytes_slice(&j->frame));
      add(&j->held_bytes, j->frame.len);
    }
  }
  uv_mutex_unlock(&j->lock);
  return result;
}

static enum failure_kind lose(struct journal *j, const struct ledger_record *record) {
  add(&j->lost_records, 1);
  struct bytes text;
  bytes_init(&text);
  record_write_json(record, &text);
  journals_say(j->set, true, "a ledger record found no room on disk or in memory: %s",
               bytes_text(&text));
  bytes_fini(&text);
  return FAILURE_LEDGER_UNAVAILABLE;
}

enum failure_kind journal_append(struct journal *j, const struct ledger_record *record) {
  take_next(j);
  bytes_clear(&j->frame);
  record_encode(record, &j->frame);
  add(&j->records, 1);
  add(&j->bytes, j->frame.len);
  for (;;) {
    if (!atomic_load_explicit(&j->is_broken, memory_order_acquire) && write_frame(j))
      return FAILURE_NONE;
    enum spill_result result = spill_frame(j);
    if (result == SPILL_FULL) return lose(j, record);
    if (result == SPILLED) {
      add(&j->spilled_records, 1);
      return FAILURE_NONE;
    }
    take_next(j); /* the keeper has just mended it */
  }
}

/* Half of the queue is for requests that were let in before. */
bool journal_usable(const struct journal *j) {
  if (atomic_load_explicit(&j->set->is_full, memory_order_relaxed)) return false;
  if (!atomic_load_explicit(&j->is_broken, memory_order_relaxed)) return true;
  return j->set->settings.spills && atomic_load_explicit(&j->held_bytes, memory_order_relaxed) <
                                        j->set->settings.spill_bytes / 2;
}
