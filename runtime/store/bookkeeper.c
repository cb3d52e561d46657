#include "store/bookkeeper.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "store/record.h"
#include "store/text_queue.h"

enum {
  TEND_MS = 100,
  DRAIN_EVERY_MS = 1000,
  DRAIN_BYTES = 8 << 20,
  BATCHES_PER_TURN = 16,
  TEXTS_PER_TURN = 256,
  RETRY_FIRST_MS = 250,
  RETRY_MOST_MS = 10000,
  RETAIN_FIRST_MS = 5000, /* not while the start has other things to read */
  RETAIN_EVERY_MS = 60000,
  RETAIN_ROWS = 20000,
  NICENESS = 10 /* a tenth of a worker's share, where there is not enough for both */
};

struct bookkeeper {
  struct bookkeeper_settings settings;
  uv_timer_t timer;
  uv_thread_t thread; /* begins with the first piece of work, ends with the last */
  uv_sem_t asked;
  uv_async_t done;
  bool has_thread, is_working, is_closing;
  bool is_last; /* of the piece of work that runs: what is_closing was when it began */
  uint64_t retry_ms, wait_ms; /* the store was refused: when to try again */
  uint64_t drain_ms;          /* not before, unless much waits */
  uint64_t retain_ms;         /* when to look for what is too old */
  struct text_queue texts;
  uv_mutex_t lock; /* what is read of the journal, and how far it is stored */
  struct bytes frames;
  struct ledger_record *records;
  size_t record_room;
  _Atomic uint64_t stored, known, failures, rounds;
  _Atomic int result;
};

static uint64_t now_ms(void) {
  return clock_mono_ns() / 1000000u;
}

static void on_done(uv_async_t *done);

struct bookkeeper *bookkeeper_new(const struct bookkeeper_settings *settings) {
  struct bookkeeper *b = must_calloc(1, sizeof *b);
  b->settings = *settings;
  b->retain_ms = now_ms() + RETAIN_FIRST_MS;
  b->wait_ms = RETRY_FIRST_MS;
  text_queue_init(&b->texts, settings->text_bytes);
  must(uv_mutex_init(&b->lock) == 0 && uv_sem_init(&b->asked, 0) == 0);
  must(uv_timer_init(settings->loop, &b->timer) == 0);
  must(uv_async_init(settings->loop, &b->done, on_done) == 0);
  uv_unref((uv_handle_t *)&b->done);
  b->timer.data = b->done.data = b;
  return b;
}

static void say(struct bookkeeper *b, bool is_error, const char *sentence) {
  b->settings.say(b->settings.context, is_error, sentence);
}

/* Said once when it begins and once when it ends. */
static bool note_result(struct bookkeeper *b, enum store_result result) {
  bool was_fine = atomic_exchange(&b->result, (int)result) == STORE_FINE;
  if (result == STORE_FINE) {
    if (!was_fine) say(b, false, "the store takes records again");
    b->wait_ms = RETRY_FIRST_MS;
    return true;
  }
  atomic_fetch_add(&b->failures, 1);
  b->retry_ms = now_ms() + b->wait_ms;
  b->wait_ms = b->wait_ms * 2 < RETRY_MOST_MS ? b->wait_ms * 2 : RETRY_MOST_MS;
  if (!was_fine) return false;
  struct bytes sentence;
  bytes_init(&sentence);
  bytes_append_text(&sentence, "the store does not take records, they wait in the journal: ");
  b->settings.store->calls->last_error(b->settings.store, &sentence);
  if (result == STORE_CORRUPT)
    bytes_append_text(&sentence,
                      "; the file is left as it is: repair it (sqlite3 FILE .recover) or "
                      "move it away, a new one is begun without a restart");
  say(b, true, bytes_text(&sentence));
  bytes_fini(&sentence);
  return false;
}

static size_t decode_all(struct bookkeeper *b) {
  size_t count = 0, size = 0;
  for (struct slice rest = bytes_slice(&b->frames); rest.len; rest = slice_skip(rest, size)) {
    if (count == b->record_room) {
      b->record_room = b->record_room ? b->record_room * 2 : 256;
      b->records = must_realloc(b->records, b->record_room * sizeof *b->records);
    }
    /* Its checksum is right, so whoever wrote it meant something that this version cannot read. */
    if (record_read(rest, &b->records[count], &size))
      count++;
    else
      say(b, true, "the journal holds a record of no known form; it was left out");
  }
  return count;
}

static bool find_position(struct bookkeeper *b, struct segment *s) {
  if (!segment_is_inherited(s)) return true;
  struct store *store = b->settings.store;
  uint64_t position = segment_drained(s);
  enum store_result result = store->calls->segment_position(store, segment_name(s), &position);
  if (result != STORE_FINE && result != STORE_NOT_FOUND) return note_result(b, result);
  segment_set_drained(s, position);
  return true;
}

/* One read's worth of a segment into the store. False: the store refused. */
static bool drain_some(struct bookkeeper *b, struct segment *s, bool *moved) {
  uint64_t from = segment_drained(s), end = from;
  bytes_clear(&b->frames);
  if (!segment_read(b->settings.journals, s, from, &b->frames, &end) || end == from) return true;
  struct store_batch batch = {.count = decode_all(b), .segment = segment_name(s), .position = end};
  batch.records = b->records;
  batch.is_new = !segment_is_doubtful(s);
  uint64_t stored;
  enum store_result result = b->settings.store->calls->save(b->settings.store, &batch, &stored);
  if (!note_result(b, result)) {
    segment_doubt(s);
    return false;
  }
  atomic_fetch_add(&b->stored, stored);
  atomic_fetch_add(&b->known, batch.count - stored);
  segment_set_drained(s, end);
  *moved = true;
  return true;
}

static void delete_segment(struct bookkeeper *b, struct segment *s) {
  struct bytes name;
  bytes_init(&name);
  bytes_append_text(&name, segment_name(s));
  segment_delete(b->settings.journals, s);
  /* When this fails a row stays behind that names a file that is gone: harmless. */
  (void)b->settings.store->calls->segment_forget(b->settings.store, bytes_text(&name));
  bytes_fini(&name);
}

/* True when there is more to do at once. */
static bool drain(struct bookkeeper *b, unsigned batches) {
  if (now_ms() < b->retry_ms) return false;
  struct journals *journals = b->settings.journals;
  struct segment *s = journals_next(journals, NULL);
  while (s) {
    bool moved = true;
    if (!find_position(b, s)) return false;
    while (moved && !segment_is_done(s)) {
      if (batches-- == 0) return true;
      moved = false;
      if (!drain_some(b, s, &moved)) return false;
    }
    struct segment *next = journals_next(journals, s);
    if (segment_is_done(s)) delete_segment(b, s);
    s = next;
  }
  return false;
}

static enum store_result store_text(struct bookkeeper *b, const struct text_job *job) {
  struct store *store = b->settings.store;
  if (job->is_deletion) {
    enum store_result result = store->calls->text_delete(store, job->about.kind, job->about.id);
    return result == STORE_NOT_FOUND ? STORE_FINE : result;
  }
  struct bytes sealed;
  bytes_init(&sealed);
  text_seal(&b->settings.text_key, &job->about, job->plain, &sealed);
  struct stored_text text = job->about;
  text.sealed = bytes_slice(&sealed);
  enum store_result result = store->calls->text_put(store, &text);
  bytes_fini(&sealed);
  return result;
}

/* True when there may be more to do at once. */
static bool store_texts(struct bookkeeper *b) {
  struct text_job *job;
  for (unsigned i = 0; i < TEXTS_PER_TURN && now_ms() >= b->retry_ms; i++) {
    if (!(job = text_queue_take(&b->texts))) return false;
    if (!note_result(b, store_text(b, job))) {
      text_queue_give_back(&b->texts, job);
      return false;
    }
    text_job_free(job);
  }
  return now_ms() >= b->retry_ms;
}

static void retain(struct bookkeeper *b) {
  if (now_ms() < b->retain_ms || now_ms() < b->retry_ms) return;
  struct retention ages = b->settings.ages;
  ages.now_ms = clock_wall_ms();
  ages.rows = RETAIN_ROWS;
  bool more = false;
  enum store_result result = b->settings.store->calls->retain(b->settings.store, &ages, &more);
  atomic_fetch_add(&b->rounds, 1);
  b->retain_ms = now_ms() + (result == STORE_FINE && more ? TEND_MS : RETAIN_EVERY_MS);
}

/* A transaction costs as much as some hundred records: a steady flow is stored once a second, the
 * first record after a pause at once. */
static void drain_due(struct bookkeeper *b) {
  struct journal_stats journal;
  journals_stats(b->settings.journals, &journal);
  uint64_t many = journal.limit_bytes / 4 < DRAIN_BYTES ? journal.limit_bytes / 4 : DRAIN_BYTES;
  if (now_ms() < b->drain_ms && journal.undrained_bytes < many) return;
  uint64_t before = atomic_load(&b->stored);
  drain(b, BATCHES_PER_TURN);
  if (atomic_load(&b->stored) != before) b->drain_ms = now_ms() + DRAIN_EVERY_MS;
}

static void work(struct bookkeeper *b) {
  if (b->is_last) {
    uv_mutex_lock(&b->lock);
    journals_seal(b->settings.journals);
    b->retry_ms = 0;
    while (drain(b, BATCHES_PER_TURN)) {
    }
    uv_mutex_unlock(&b->lock);
    while (store_texts(b)) {
    }
    return;
  }
  uv_mutex_lock(&b->lock);
  journals_tend(b->settings.journals);
  drain_due(b);
  uv_mutex_unlock(&b->lock);
  (void)store_texts(b);
  retain(b);
}

/* On Linux the priority of 0 is that of the calling thread. Callers wait for workers, nobody for
 * this: without giving way, a batch of records makes the requests of some milliseconds late. */
static void give_way(void) {
  (void)setpriority(PRIO_PROCESS, 0, NICENESS);
}

static void run(void *context) {
  struct bookkeeper *b = context;
  prctl(PR_SET_NAME, "ledger"); /* as `top -H` shows it */
  give_way();
  for (bool is_over = false; !is_over;) {
    uv_sem_wait(&b->asked);
    is_over = b->is_last;
    work(b);
    must(uv_async_send(&b->done) == 0);
  }
}

static void start_work(struct bookkeeper *b) {
  b->is_working = true;
  b->is_last = b->is_closing;
  uv_ref((uv_handle_t *)&b->done);
  if (!b->has_thread) must(uv_thread_create(&b->thread, run, b) == 0);
  b->has_thread = true;
  uv_sem_post(&b->asked);
}

static void on_done_closed(uv_handle_t *handle) {
  struct bookkeeper *b = handle->data;
  journals_close(b->settings.journals);
  store_free(b->settings.store);
  text_queue_fini(&b->texts);
  uv_mutex_destroy(&b->lock);
  uv_sem_destroy(&b->asked);
  bytes_fini(&b->frames);
  free(b->records);
  free(b);
}

static void on_timer_closed(uv_handle_t *handle) {
  struct bookkeeper *b = handle->data;
  uv_close((uv_handle_t *)&b->done, on_done_closed);
}

static void on_done(uv_async_t *done) {
  struct bookkeeper *b = done->data;
  b->is_working = false;
  uv_unref((uv_handle_t *)done);
  if (b->is_last) {
    uv_thread_join(&b->thread);
    uv_close((uv_handle_t *)&b->timer, on_timer_closed);
  } else if (b->is_closing) {
    start_work(b);
  }
}

static void on_timer(uv_timer_t *timer) {
  struct bookkeeper *b = timer->data;
  if (!b->is_working) start_work(b);
}

void bookkeeper_start(struct bookkeeper *b) {
  uv_timer_start(&b->timer, on_timer, TEND_MS, TEND_MS);
}

void bookkeeper_set_ages(struct bookkeeper *b, const struct retention *ages) {
  b->settings.ages = *ages;
}

void bookkeeper_close(struct bookkeeper *b) {
  uv_timer_stop(&b->timer);
  b->is_closing = true;
  if (!b->is_working) start_work(b);
}

void bookkeeper_replay(struct bookkeeper *b, uint64_t limit_ms) {
  uint64_t end_ms = now_ms() + limit_ms;
  enum store_result result = b->settings.store->calls->check(b->settings.store);
  if (!note_result(b, result)) return;
  while (drain(b, 1) && now_ms() < end_ms) {
  }
}

static void give_record(const struct used_by_query *query, const struct used_by_sink *sink,
                        const struct ledger_record *record) {
  bool is_meant = record->usage_source != USAGE_NONE &&
                  (int64_t)record->time_ms >= query->from_ms &&
                  usage_filter_matches(&query->filter, record);
  if (!is_meant) return;
  struct used_by_row row = {.end_ms = (int64_t)record->time_ms};
  used_by_values(query, record, row.values);
  used_add(&row.used, record);
  sink->on_row(sink->context, &row);
}

static void give_undrained(struct bookkeeper *b, struct segment *s,
                           const struct used_by_query *query, const struct used_by_sink *sink) {
  uint64_t from = segment_drained(s), end = from;
  for (;; from = end) {
    bytes_clear(&b->frames);
    if (!segment_read(b->settings.journals, s, from, &b->frames, &end) || end == from) return;
    size_t count = decode_all(b);
    for (size_t i = 0; i < count; i++)
      give_record(query, sink, &b->records[i]);
  }
}

enum store_result bookkeeper_used_by(struct bookkeeper *b, const struct used_by_query *query,
                                     const struct used_by_sink *sink) {
  struct store *store = b->settings.store;
  uv_mutex_lock(&b->lock);
  enum store_result result = store->calls->used_by(store, query, sink);
  for (struct segment *s = journals_next(b->settings.journals, NULL); s;
       s = journals_next(b->settings.journals, s))
    if (find_position(b, s) || result != STORE_FINE) give_undrained(b, s, query, sink);
  uv_mutex_unlock(&b->lock);
  return result;
}

struct store *bookkeeper_store(struct bookkeeper *b) {
  return b->settings.store;
}

void bookkeeper_stats(struct bookkeeper *b, struct bookkeeper_stats *stats) {
  *stats = (struct bookkeeper_stats){.stored_records = atomic_load(&b->stored),
                                     .known_records = atomic_load(&b->known),
                                     .failures = atomic_load(&b->failures),
                                     .retained_rounds = atomic_load(&b->rounds),
                                     .result = (enum store_result)atomic_load(&b->result)};
  text_queue_stats(&b->texts, &stats->texts_waiting_bytes, &stats->texts_lost);
}

void bookkeeper_journal_stats(struct bookkeeper *b, struct journal_stats *stats) {
  journals_stats(b->settings.journals, stats);
}

void bookkeeper_keep_text(struct bookkeeper *b, const struct stored_text *about,
                          struct slice plain) {
  if (b->settings.has_text_key) text_queue_put(&b->texts, about, plain);
}

void bookkeeper_drop_text(struct bookkeeper *b, enum text_kind kind, struct slice id) {
  if (b->settings.has_text_key) text_queue_delete(&b->texts, kind, id);
}

struct reading {
  struct bookkeeper *bookkeeper;
  const struct text_sink *sink;
  struct bytes plain;
  unsigned unopened;
};

static bool on_sealed(void *context, const struct stored_text *text) {
  struct reading *r = context;
  bytes_clear(&r->plain);
  if (!text_open(&r->bookkeeper->settings.text_key, text, &r->plain)) {
    r->unopened++;
    return true;
  }
  struct stored_text opened = *text;
  opened.sealed = bytes_slice(&r->plain);
  return r->sink->on_text(r->sink->context, &opened);
}

enum store_result bookkeeper_read_texts(struct bookkeeper *b, enum text_kind kind, int64_t since_ms,
                                        const struct text_sink *sink) {
  struct reading reading = {b, sink, {0}, 0};
  struct text_sink opener = {on_sealed, &reading};
  struct store *store = b->settings.store;
  enum store_result result = store->calls->text_list(store, kind, since_ms, &opener);
  if (reading.unopened) {
    bytes_clear(&reading.plain);
    bytes_printf(&reading.plain, "%u stored texts do not open with content.key and were left out",
                 reading.unopened);
    say(b, true, bytes_text(&reading.plain));
  }
  bytes_fini(&reading.plain);
  return result;
}
