#include "server/directory.h"

#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "observe/log.h"
#include "server/secret.h"

enum { LOOK_MS = 250 }; /* another process may have written */

struct waiter {
  struct waiter *next;
  void (*on_done)(void *context, bool fine);
  void *context;
};

struct server_directory {
  struct server_directory_start start;
  uint8_t secret[SHA256_BYTES];
  struct config *config;
  struct roles *roles;
  struct rows *rows; /* NULL: never read */
  struct key_sets sets;
  struct directory *directory;
  uint8_t survey[SHA256_BYTES];
  uv_timer_t timer;
  uv_work_t work;
  uv_sem_t done;
  struct look *running;
  struct waiter *waiting, *asked; /* for the look that runs, for the next */
  enum store_result result;       /* of the last look */
  bool has_new_keys;              /* the directory is built again, whatever the store says */
  bool is_closing, is_closed;
};

struct look { /* one turn on the pool: what it was given, and what it found */
  struct server_directory *owner;
  struct config *config;
  struct roles *roles;
  struct rows *rows;
  struct key_sets sets;
  bool is_forced;
  uint8_t survey[SHA256_BYTES];
  struct directory *directory; /* NULL: nothing has changed */
  struct config_problems problems;
  enum store_result result;
};

static void say_all(const struct config_problems *problems) {
  for (size_t i = 0; i < problems->count; i++)
    log_process(LOG_WARN, "%s", problems->items[i]);
}

static struct key_sets sets_copy(const struct key_sets *from) {
  struct key_sets sets = {must_calloc(from->count + 1, sizeof *sets.items), from->count};
  for (size_t i = 0; i < from->count; i++)
    if (from->items[i]) sets.items[i] = jwk_set_ref(from->items[i]);
  return sets;
}

static void sets_free(struct key_sets *sets) {
  for (size_t i = 0; i < sets->count; i++)
    jwk_set_unref(sets->items[i]);
  free(sets->items);
}

/* A tenant whose roles are wrong loses those that are; the others hold. */
static void read_roles(struct look *l) {
  uint8_t survey[SHA256_BYTES];
  load_roles_survey(l->config, survey);
  if (l->roles && memcmp(survey, l->survey, sizeof survey) == 0) return;
  struct config_problems own;
  config_problems_init(&own);
  struct roles *roles = load_roles(l->config, &own, &l->problems);
  for (size_t i = 0; i < own.count; i++)
    config_problem(&l->problems, "the roles stay as they were: %s", own.items[i]);
  config_problems_fini(&own);
  memcpy(l->survey, survey, sizeof survey);
  if (!roles) return;
  roles_unref(l->roles);
  l->roles = roles;
}

static void read_rows(struct look *l) {
  struct store *store = l->owner->start.store;
  uint64_t version = 0;
  struct rows *rows = NULL;
  l->result = STORE_FINE;
  if (!store) return;
  l->result = store->calls->entities_version(store, &version);
  if (l->result == STORE_FINE && l->rows && version == l->rows->version) return;
  if (l->result == STORE_FINE) l->result = rows_read(store, &rows);
  if (!rows) return;
  rows_unref(l->rows);
  l->rows = rows;
}

static void run(struct look *l) {
  const struct roles *roles = l->roles;
  const struct rows *rows = l->rows;
  read_roles(l);
  read_rows(l);
  struct slice secret = {(const char *)l->owner->secret, sizeof l->owner->secret};
  bool is_partial = l->owner->start.store && !l->rows;
  struct directory_source source = {l->config, l->roles, l->rows, secret, l->sets, is_partial};
  if (l->roles != roles || l->rows != rows || l->is_forced) l->directory = directory_new(&source);
}

static struct look *look_new(struct server_directory *s, struct config *config) {
  struct look *l = must_calloc(1, sizeof *l);
  l->owner = s;
  l->config = config_ref(config);
  l->roles = s->roles ? roles_ref(s->roles) : NULL;
  l->rows = s->rows ? rows_ref(s->rows) : NULL;
  l->sets = sets_copy(&s->sets);
  l->is_forced = s->has_new_keys || !s->directory;
  s->has_new_keys = false;
  memcpy(l->survey, s->survey, sizeof l->survey);
  config_problems_init(&l->problems);
  return l;
}

static void look_free(struct look *l) {
  config_unref(l->config);
  roles_unref(l->roles);
  rows_unref(l->rows);
  sets_free(&l->sets);
  directory_unref(l->directory);
  config_problems_fini(&l->problems);
  free(l);
}

static void say_result(struct server_directory *s, enum store_result result) {
  if (result != STORE_FINE && s->result == STORE_FINE)
    log_process(LOG_ERROR, "keys go on from memory, since the store is %s", store_trouble(result));
  if (result == STORE_FINE && s->result != STORE_FINE)
    log_process(LOG_INFO, "keys are read from the store again");
  s->result = result;
}

/* l's findings become ours. False: nothing is new. */
static bool take(struct server_directory *s, struct look *l) {
  say_all(&l->problems);
  say_result(s, l->result);
  memcpy(s->survey, l->survey, sizeof s->survey);
  if (!l->directory) return false;
  say_all(directory_problems(l->directory));
  struct roles *roles = s->roles;
  struct rows *rows = s->rows;
  struct directory *directory = s->directory;
  s->roles = l->roles;
  s->rows = l->rows;
  s->directory = l->directory;
  l->roles = roles;
  l->rows = rows;
  l->directory = directory;
  return true;
}

static void tell(struct waiter *list, bool fine) {
  while (list) {
    struct waiter *w = list;
    list = w->next;
    if (w->on_done) w->on_done(w->context, fine);
    free(w);
  }
}

static void start_look(struct server_directory *s);

static void on_work(uv_work_t *work) {
  struct server_directory *s = work->data;
  run(s->running);
  uv_sem_post(&s->done);
}

static void finish_close(struct server_directory *s) {
  if (!s->is_closed || s->running) return;
  directory_unref(s->directory);
  roles_unref(s->roles);
  rows_unref(s->rows);
  sets_free(&s->sets);
  config_unref(s->config);
  uv_sem_destroy(&s->done);
  free(s);
}

static void on_work_end(uv_work_t *work, int status) {
  (void)status;
  struct server_directory *s = work->data;
  struct look *l = s->running;
  struct waiter *waiting = s->waiting;
  uv_sem_wait(&s->done);
  s->running = NULL;
  s->waiting = NULL;
  bool is_stale = l->config != s->config; /* a reload has overtaken it */
  bool fine = l->result == STORE_FINE;
  if (!s->is_closing && !is_stale && take(s, l))
    s->start.on_directory(s->start.context, s->directory);
  look_free(l);
  if (is_stale && !s->is_closing) { /* once more, for those who wait */
    struct waiter **end = &waiting;
    while (*end)
      end = &(*end)->next;
    *end = s->asked;
    s->asked = waiting;
    start_look(s);
    return;
  }
  tell(waiting, fine);
  if (s->is_closing)
    finish_close(s);
  else if (s->asked)
    start_look(s);
}

static void start_look(struct server_directory *s) {
  if (s->running || s->is_closing) return;
  s->waiting = s->asked;
  s->asked = NULL;
  s->running = look_new(s, s->config);
  s->work.data = s;
  must(uv_queue_work(s->start.loop, &s->work, on_work, on_work_end) == 0);
}

static void on_timer(uv_timer_t *timer) {
  start_look(timer->data);
}

struct server_directory *server_directory_new(const struct server_directory_start *start,
                                              struct config_problems *problems) {
  struct server_directory *s = must_calloc(1, sizeof *s);
  s->start = *start;
  if (!server_secret_read(start->config, s->secret, problems)) {
    free(s);
    return NULL;
  }
  s->config = config_ref(start->config);
  s->sets = sets_copy(start->sets);
  must(uv_sem_init(&s->done, 0) == 0);
  struct look *l = look_new(s, s->config);
  run(l);
  (void)take(s, l);
  look_free(l);
  must(uv_timer_init(start->loop, &s->timer) == 0);
  s->timer.data = s;
  uv_timer_start(&s->timer, on_timer, LOOK_MS, LOOK_MS);
  return s;
}

struct directory *server_directory_get(const struct server_directory *s) {
  return s->directory;
}

void server_directory_set_keys(struct server_directory *s, const struct key_sets *sets) {
  sets_free(&s->sets);
  s->sets = sets_copy(sets);
  s->has_new_keys = true;
  server_directory_look(s, NULL, NULL);
}

bool server_directory_reload(struct server_directory *s, struct config *config,
                             const struct key_sets *sets, struct config_problems *problems) {
  struct config_problems tenants;
  config_problems_init(&tenants);
  struct roles *roles = load_roles(config, problems, &tenants);
  say_all(&tenants);
  config_problems_fini(&tenants);
  if (!roles) return false;
  roles_unref(s->roles);
  s->roles = roles;
  load_roles_survey(config, s->survey);
  directory_unref(s->directory);
  sets_free(&s->sets);
  s->sets = sets_copy(sets);
  struct slice secret = {(const char *)s->secret, sizeof s->secret};
  bool is_partial = s->start.store && !s->rows;
  struct directory_source source = {config, roles, s->rows, secret, s->sets, is_partial};
  s->directory = directory_new(&source);
  say_all(directory_problems(s->directory));
  config_unref(s->config);
  s->config = config_ref(config);
  return true;
}

void server_directory_look(struct server_directory *s, void (*on_done)(void *context, bool fine),
                           void *context) {
  struct waiter *w = must_alloc(sizeof *w);
  *w = (struct waiter){s->asked, on_done, context};
  s->asked = w;
  start_look(s);
}

static void on_timer_closed(uv_handle_t *handle) {
  struct server_directory *s = handle->data;
  s->is_closed = true;
  finish_close(s);
}

void server_directory_close(struct server_directory *s) {
  s->is_closing = true;
  if (s->running) { /* it uses what the caller is about to free */
    uv_sem_wait(&s->done);
    uv_sem_post(&s->done);
  }
  tell(s->asked, false);
  s->asked = NULL;
  uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}
