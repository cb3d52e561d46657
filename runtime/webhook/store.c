/* What the webhooks ask of the store: one turn at a time on the pool. A turn stores what changed,
 * finds deliveries that wait there, throws old ones out and looks for what there is to tell of keys
 * and spending. */
#include <stdlib.h>

#include "base/clock.h"
#include "observe/log.h"
#include "webhook/private.h"

enum {
  LIST_MS = 2000,
  SPEND_MS = 30000,
  TROUBLE_MS = 1000,
  LIST_ROWS = 1000,
  SWEEP_ROWS = 200,
  AUDIT_ROWS = 200,
  LOOK_BACK_MS = 3600 * 1000, /* keys: what happened while nobody ran is told, too */
  USUAL_DAYS = 7
};

struct save {
  struct delivery *delivery; /* stays, and is not changed, while is_saving */
  struct bytes body;
  enum store_result result;
};

struct webhook_job {
  struct webhooks *owner;
  struct arena arena;
  struct save *saves;
  size_t save_count;
  bool lists, asks_spend, looks_at_keys;
  struct entity *rows; /* that wait in the store */
  size_t row_count;
  struct slice *old; /* ids of rows to throw out */
  size_t old_count;
  char sweep[DELIVERY_ID_BYTES + 1];
  uint64_t audit_seen, audit_newest, audit_last;
  int64_t audit_from_ms, now_ms;
  size_t audit_rows;
  struct list keys, spends;
};

static const char *const state_names[] = {"waiting", "delivered", "dead"};

static enum store_result save_row(struct store *store, const struct delivery *d,
                                  const struct bytes *body) {
  struct entity_change change = {.entity = {.kind = ENTITY_DELIVERY,
                                            .id = slice_of(d->id),
                                            .tenant = d->tenant,
                                            .owner = d->webhook,
                                            .name = d->type,
                                            .state = slice_of(state_names[d->state]),
                                            .body = bytes_slice(body)},
                                 .expected_version = d->is_new ? ENTITY_NEW : ENTITY_ANY};
  return store->calls->write(store, &change, 1);
}

static void on_waiting(void *context, const struct entity *e) {
  struct webhook_job *j = context;
  struct entity *to = &j->rows[j->row_count++];
  to->id = arena_slice(&j->arena, e->id);
  to->tenant = arena_slice(&j->arena, e->tenant);
  to->owner = arena_slice(&j->arena, e->owner);
  to->name = arena_slice(&j->arena, e->name);
  to->body = arena_slice(&j->arena, e->body);
}

static void list_waiting(struct webhook_job *j) {
  struct store *store = j->owner->store;
  struct entity_query query = {
      .kind = ENTITY_DELIVERY, .state = SLICE("waiting"), .limit = LIST_ROWS};
  struct entity_sink sink = {on_waiting, j};
  j->rows = arena_alloc(&j->arena, LIST_ROWS * sizeof *j->rows);
  if (store->calls->list(store, &query, &sink) != STORE_FINE) j->row_count = 0;
}

static void on_swept(void *context, const struct entity *e) {
  struct webhook_job *j = context;
  bool is_old = j->now_ms - e->updated_ms > (int64_t)KEEP_DAYS * MS_PER_DAY;
  memcpy(j->sweep, e->id.data, e->id.len < sizeof j->sweep ? e->id.len : sizeof j->sweep - 1);
  if (is_old && !slice_equal_text(e->state, "waiting"))
    j->old[j->old_count++] = arena_slice(&j->arena, e->id);
}

/* A page in each turn, round and round. */
static void sweep(struct webhook_job *j) {
  struct store *store = j->owner->store;
  struct slice after = slice_of(arena_text(&j->arena, slice_of(j->sweep)));
  struct entity_query query = {.kind = ENTITY_DELIVERY, .after = after, .limit = SWEEP_ROWS};
  struct entity_sink sink = {on_swept, j};
  j->old = arena_alloc(&j->arena, SWEEP_ROWS * sizeof *j->old);
  memset(j->sweep, 0, sizeof j->sweep);
  if (store->calls->list(store, &query, &sink) != STORE_FINE) return;
  for (size_t i = 0; i < j->old_count; i++) {
    struct entity_change change = {.entity = {.kind = ENTITY_DELIVERY, .id = j->old[i]},
                                   .is_deletion = true,
                                   .expected_version = ENTITY_ANY};
    if (store->calls->write(store, &change, 1) != STORE_FINE) return;
  }
}

static void on_audit(void *context, uint64_t number, const struct audit_entry *e) {
  struct webhook_job *j = context;
  j->audit_rows++;
  j->audit_last = number;
  if (number > j->audit_newest) j->audit_newest = number;
  if (number <= j->audit_seen || !slice_starts(e->action, SLICE("key."))) return;
  if (!slice_equal_text(e->outcome, "done")) return;
  struct key_news *n = must_calloc(1, sizeof *n);
  arena_init(&n->arena);
  n->number = number;
  n->tenant = arena_slice(&n->arena, e->tenant);
  n->action = arena_slice(&n->arena, e->action);
  n->target = arena_slice(&n->arena, e->target);
  n->actor = arena_slice(&n->arena, e->actor);
  list_init(&n->link);
  list_prepend(&j->keys, &n->link);
}

static void look_at_keys(struct webhook_job *j) {
  struct store *store = j->owner->store;
  struct audit_query query = {.from_ms = j->audit_from_ms, .limit = AUDIT_ROWS};
  struct audit_sink sink = {on_audit, j};
  do {
    j->audit_rows = 0;
    if (store->calls->audit_list(store, &query, &sink) != STORE_FINE) {
      j->audit_newest = j->audit_seen; /* all of it again, next time */
      return;
    }
    query.before = j->audit_last;
  } while (j->audit_rows == AUDIT_ROWS && j->audit_last > j->audit_seen);
}

static struct spend_news *spend_of(struct webhook_job *j, struct slice tenant) {
  list_each(node, &j->spends) {
    struct spend_news *n = list_entry(node, struct spend_news, link);
    if (slice_equal(n->tenant, tenant)) return n;
  }
  return NULL;
}

static void on_today(void *context, const struct usage_row *row) {
  struct webhook_job *j = context;
  struct spend_news *n = must_calloc(1, sizeof *n);
  if (row->used.cost_nanousd == 0) {
    free(n);
    return;
  }
  arena_init(&n->arena);
  n->tenant = arena_slice(&n->arena, row->value);
  n->day = j->now_ms / MS_PER_DAY;
  n->today_nanousd = row->used.cost_nanousd;
  list_init(&n->link);
  list_append(&j->spends, &n->link);
}

static void on_before(void *context, const struct usage_row *row) {
  struct spend_news *n = spend_of(context, row->value);
  if (n) n->before_nanousd = row->used.cost_nanousd;
}

static void ask_spend(struct webhook_job *j) {
  struct store *store = j->owner->store;
  int64_t today = j->now_ms / MS_PER_DAY;
  struct usage_query query = {.from_day = today, .to_day = today + 1, .by = USAGE_BY_TENANT};
  struct usage_sink sink = {on_today, j};
  query.limit = LIST_ROWS; /* the most expensive: also bounds the search for each of them */
  if (store->calls->usage(store, &query, &sink) != STORE_FINE) return;
  query.from_day = today - USUAL_DAYS;
  query.to_day = today;
  query.limit = 0;
  sink.on_row = on_before;
  (void)store->calls->usage(store, &query, &sink);
}

static void on_work(uv_work_t *work) {
  struct webhooks *w = work->data;
  struct webhook_job *j = w->job;
  for (size_t i = 0; i < j->save_count; i++)
    j->saves[i].result = save_row(w->store, j->saves[i].delivery, &j->saves[i].body);
  if (j->lists) {
    list_waiting(j);
    sweep(j);
  }
  if (j->looks_at_keys) look_at_keys(j);
  if (j->asks_spend) ask_spend(j);
  uv_sem_post(&w->done);
}

/* A conflict of a new one: it was told before. */
static void apply_save(struct webhooks *w, struct save *s) {
  struct delivery *d = s->delivery;
  bool is_known = d->is_new && s->result == STORE_CONFLICT;
  d->is_saving = false;
  if (s->result == STORE_FINE) {
    d->is_new = false;
  } else if (!is_known) {
    d->needs_save = true;
    w->store_after_ms = uv_now(w->loop) + TROUBLE_MS;
  }
  if (is_known || (s->result == STORE_FINE && d->state != DELIVERY_WAITING)) delivery_free(d);
}

static void tell_all(struct webhooks *w, struct webhook_job *j) {
  list_each_safe(node, &j->keys) {
    struct key_news *n = list_entry(node, struct key_news, link);
    if (!w->is_closing) news_of_key(w, n);
    arena_fini(&n->arena);
    free(n);
  }
  list_each_safe(node, &j->spends) {
    struct spend_news *n = list_entry(node, struct spend_news, link);
    if (!w->is_closing) news_of_spend(w, n);
    arena_fini(&n->arena);
    free(n);
  }
}

static void finish(struct webhooks *w) {
  struct webhook_job *j = w->job;
  uv_sem_wait(&w->done);
  w->job = NULL;
  for (size_t i = 0; i < j->save_count; i++) {
    apply_save(w, &j->saves[i]);
    bytes_fini(&j->saves[i].body);
  }
  for (size_t i = 0; i < j->row_count && !w->is_closing; i++)
    delivery_load(w, &j->rows[i]);
  if (j->looks_at_keys && j->audit_newest > w->audit_seen) w->audit_seen = j->audit_newest;
  if (j->lists) memcpy(w->sweep, j->sweep, sizeof w->sweep);
  tell_all(w, j);
  arena_fini(&j->arena);
  free(j);
}

static void on_work_end(uv_work_t *work, int status) {
  (void)status;
  struct webhooks *w = work->data;
  if (w->job) finish(w);
  if (w->is_closing) webhooks_closed(w);
}

static void take_saves(struct webhooks *w, struct webhook_job *j) {
  if (uv_now(w->loop) < w->store_after_ms || !w->count) return;
  j->saves = arena_alloc(&j->arena, w->count * sizeof *j->saves);
  list_each(node, &w->deliveries) {
    struct delivery *d = list_entry(node, struct delivery, link);
    if (!d->needs_save) continue;
    struct save *s = &j->saves[j->save_count++];
    s->delivery = d;
    bytes_init(&s->body);
    delivery_write(d, &s->body);
    d->needs_save = false;
    d->is_saving = true;
  }
}

void webhook_job_start(struct webhooks *w) {
  uint64_t now = uv_now(w->loop);
  if (w->job) return;
  struct webhook_job *j = must_calloc(1, sizeof *j);
  arena_init(&j->arena);
  list_init(&j->keys);
  list_init(&j->spends);
  j->owner = w;
  j->now_ms = clock_wall_ms();
  j->audit_from_ms = w->started_ms - LOOK_BACK_MS;
  j->audit_seen = j->audit_newest = w->audit_seen;
  memcpy(j->sweep, w->sweep, sizeof j->sweep);
  take_saves(w, j);
  j->lists = j->looks_at_keys = now >= w->list_after_ms;
  j->asks_spend = now >= w->spend_after_ms && w->config->spend_alert.percent;
  if (!j->save_count && !j->lists && !j->asks_spend) {
    arena_fini(&j->arena);
    free(j);
    return;
  }
  if (j->lists) w->list_after_ms = now + LIST_MS;
  if (j->asks_spend) w->spend_after_ms = now + SPEND_MS;
  w->job = j;
  must(uv_queue_work(w->loop, &w->work, on_work, on_work_end) == 0);
}

bool webhook_job_finish(struct webhooks *w) {
  if (!w->job) return false;
  finish(w);
  return true;
}

void webhook_save_rest(struct webhooks *w) {
  list_each(node, &w->deliveries) {
    struct delivery *d = list_entry(node, struct delivery, link);
    struct bytes body;
    if (!d->needs_save) continue;
    bytes_init(&body);
    delivery_write(d, &body);
    enum store_result result = save_row(w->store, d, &body);
    bytes_fini(&body);
    if (result == STORE_FINE || result == STORE_CONFLICT) continue;
    log_process(LOG_ERROR, "webhook %.*s: delivery %s was not stored, since the store is %s",
                (int)d->webhook.len, d->webhook.data, d->id, store_result_name(result));
    return;
  }
}
