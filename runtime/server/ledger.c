#include "server/ledger.h"

#include <string.h>

#include "load.h"
#include "observe/log.h"
#include "observe/metric.h"
#include "server/seed.h"

enum { REPLAY_MS = 5000, SHOW_MS = 500 };

bool server_ledger_open(struct server_ledger *l, const struct config *config, uv_loop_t *loop,
                        struct config_problems *problems) {
  *l = (struct server_ledger){0};
  if (!load_bookkeeper(config, loop, &l->bookkeeper, &l->journals, problems)) return false;
  if (!l->bookkeeper) return true;
  must(uv_timer_init(loop, &l->timer) == 0);
  l->timer.data = l;
  bookkeeper_replay(l->bookkeeper, REPLAY_MS);
  struct bookkeeper_stats books;
  bookkeeper_stats(l->bookkeeper, &books);
  if (books.stored_records)
    log_process(LOG_INFO, "%llu requests of an earlier process were brought into the store",
                (unsigned long long)books.stored_records);
  return true;
}

void server_ledger_archive(struct server_ledger *l, const struct config *config,
                           struct responses *responses) {
  if (!l->bookkeeper || !config->content.has_key || config->responses.entries == 0) return;
  struct response_archive_settings settings = {
      .bookkeeper = l->bookkeeper,
      .responses = responses,
      .ttl_ms = config->responses.ttl_s * 1000ull,
      .left_out = config->content.no_responses,
      .left_out_count = config->content.no_response_count,
  };
  l->archive = response_archive_new(&settings);
  if (response_archive_loaded(l->archive))
    log_process(LOG_INFO, "%zu stored responses were read from the store",
                response_archive_loaded(l->archive));
}

static void on_new_limit(void *context, struct limit_seeding *seeding,
                         const struct limit_definition *definition) {
  struct server_ledger *l = context;
  struct seed_settings settings = {.bookkeeper = l->bookkeeper,
                                   .requests_ms = atomic_load(&l->requests_ms)};
  enum store_result result = server_seed_limit(&settings, seeding, definition);
  if (result != STORE_FINE)
    log_process(LOG_ERROR, "the limit %.*s counts from now on, since the store is %s",
                (int)definition->id.len, definition->id.data, store_trouble(result));
}

void server_ledger_seed(struct server_ledger *l, const struct config *config,
                        struct limiter *limiter, const struct limit_rows *rows) {
  if (!l->bookkeeper) return;
  atomic_store(&l->requests_ms, load_retention(config).requests_ms);
  limiter_on_new(limiter, on_new_limit, l);
  if (rows->count == 0) return;
  struct seed_settings settings = {.limiter = limiter,
                                   .bookkeeper = l->bookkeeper,
                                   .definitions = rows->items,
                                   .count = rows->count,
                                   .requests_ms = load_retention(config).requests_ms};
  enum store_result result = server_seed_limits(&settings);
  if (result != STORE_FINE)
    log_process(LOG_ERROR, "limits and budgets begin at zero, since the store is %s",
                store_trouble(result));
}

static void grow(enum metric family, uint64_t before, uint64_t now) {
  if (now > before) metric_add(metric_get(family, NULL), now - before);
}

static void show(struct server_ledger *l) {
  struct journal_stats journal;
  struct bookkeeper_stats books;
  bookkeeper_journal_stats(l->bookkeeper, &journal);
  bookkeeper_stats(l->bookkeeper, &books);
  grow(METRIC_LEDGER_RECORDS, l->journal.records, journal.records);
  grow(METRIC_LEDGER_BYTES, l->journal.bytes, journal.bytes);
  grow(METRIC_LEDGER_SPILLED, l->journal.spilled_records, journal.spilled_records);
  grow(METRIC_LEDGER_LOST, l->journal.lost_records, journal.lost_records);
  grow(METRIC_LEDGER_DAMAGED, l->journal.damaged_bytes, journal.damaged_bytes);
  grow(METRIC_STORE_RECORDS, l->books.stored_records, books.stored_records);
  grow(METRIC_STORE_FAILURES, l->books.failures, books.failures);
  grow(METRIC_STORE_TEXTS_LOST, l->books.texts_lost, books.texts_lost);
  metric_set(metric_get(METRIC_LEDGER_WAITING, NULL), journal.undrained_bytes);
  metric_set(metric_get(METRIC_LEDGER_MEMORY, NULL), journal.spilled_bytes);
  metric_set(metric_get(METRIC_LEDGER_USABLE, NULL), journal.is_usable);
  metric_set(metric_get(METRIC_STORE_UP, NULL), books.result == STORE_FINE);
  l->journal = journal;
  l->books = books;
}

static void on_timer(uv_timer_t *timer) {
  show(timer->data);
}

void server_ledger_start(struct server_ledger *l) {
  if (!l->bookkeeper) return;
  show(l);
  bookkeeper_start(l->bookkeeper);
  uv_timer_start(&l->timer, on_timer, SHOW_MS, SHOW_MS);
}

static bool same_texts(const struct config *before, const struct config *next) {
  size_t count = next->content.no_response_count;
  if (before->content.no_response_count != count) return false;
  for (size_t i = 0; i < count; i++)
    if (!slice_equal(before->content.no_responses[i], next->content.no_responses[i])) return false;
  return true;
}

void server_ledger_compare(const struct config *before, const struct config *next,
                           struct config_problems *problems) {
  bool same = slice_equal(before->store, next->store) &&
              slice_equal(before->ledger.folder, next->ledger.folder) &&
              slice_equal(before->ledger.on_error, next->ledger.on_error) &&
              before->ledger.memory_bytes == next->ledger.memory_bytes &&
              before->ledger.segment_bytes == next->ledger.segment_bytes &&
              before->ledger.disk_bytes == next->ledger.disk_bytes &&
              before->ledger.fsync_ms == next->ledger.fsync_ms &&
              before->content.has_key == next->content.has_key &&
              memcmp(before->content.key, next->content.key, sizeof next->content.key) == 0 &&
              same_texts(before, next);
  if (!same)
    config_problem(problems,
                   "%s: store, ledger, content.key or content.no_responses: they changed; that "
                   "takes a restart",
                   next->file);
}

void server_ledger_reload(struct server_ledger *l, const struct config *config) {
  struct retention ages = load_retention(config);
  atomic_store(&l->requests_ms, ages.requests_ms);
  if (l->bookkeeper) bookkeeper_set_ages(l->bookkeeper, &ages);
}

void server_ledger_close(struct server_ledger *l) {
  if (!l->bookkeeper) return;
  uv_close((uv_handle_t *)&l->timer, NULL);
  response_archive_free(l->archive);
  bookkeeper_close(l->bookkeeper);
  l->bookkeeper = NULL;
  l->journals = NULL;
}

bool server_ledger_is_usable(const struct server_ledger *l) {
  return !l->bookkeeper || l->journal.is_usable;
}

struct store *server_ledger_store(const struct server_ledger *l) {
  return l->bookkeeper ? bookkeeper_store(l->bookkeeper) : NULL;
}
