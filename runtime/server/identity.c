#include "server/identity.h"

#include <stdio.h>
#include <stdlib.h>

#include "observe/log.h"
#include "upstream/fetch.h"

enum { LOOK_MS = 200, FETCH_MS = 10000, SET_BYTES = 1 << 20 };

struct source { /* of one identity provider's keys */
  struct server_identity *owner;
  size_t index;
  struct fetch *fetch; /* NULL: none is under way */
  uint64_t asked_ms;   /* loop time of the last fetch; 0: never */
  bool has_failed;
};

struct server_identity {
  struct server_identity_start start;
  struct config *config;
  struct upstream *upstream; /* NULL: nothing had to be fetched yet */
  struct source *sources;
  struct key_sets sets;
  uv_timer_t timer;
  int open; /* handles */
};

static const char *read_file(const char *path, struct bytes *out) {
  FILE *file = fopen(path, "re");
  if (!file) return "it cannot be read";
  size_t got = fread(bytes_reserve(out, SET_BYTES), 1, SET_BYTES, file);
  bool is_whole = feof(file) && !ferror(file);
  fclose(file);
  out->len += got;
  return is_whole ? NULL : "it cannot be read, or is larger than 1 MiB";
}

/* NULL and a problem, or NULL for one that is to be fetched. */
static struct jwk_set *read_fixed(const struct config *config, const struct identity_provider *id,
                                  struct config_problems *problems) {
  struct bytes text, error;
  bytes_init(&text);
  bytes_init(&error);
  const char *why = NULL;
  struct jwk_set *set = NULL;
  if (id->jwks_file)
    why = read_file(id->jwks_file, &text);
  else
    bytes_append_slice(&text, id->jwks);
  if (why) bytes_append_text(&error, why);
  if (!why && text.len) set = jwk_set_read(bytes_slice(&text), &error);
  if (error.len)
    config_problem(problems, "%s: auth.oidc.%.*s: its key set: %s", config->file, (int)id->name.len,
                   id->name.data, bytes_text(&error));
  bytes_fini(&text);
  bytes_fini(&error);
  return set;
}

static struct jwk_set *fetched_before(const struct server_identity *s, struct slice url) {
  for (size_t i = 0; s->config && url.len && i < s->config->identity_count; i++)
    if (slice_equal(s->config->identities[i].jwks_url, url) && s->sets.items[i])
      return jwk_set_ref(s->sets.items[i]);
  return NULL;
}

static struct key_sets read_sets(const struct server_identity *s, const struct config *config,
                                 struct config_problems *problems) {
  struct key_sets sets = {must_calloc(config->identity_count + 1, sizeof *sets.items),
                          config->identity_count};
  for (size_t i = 0; i < sets.count; i++) {
    const struct identity_provider *id = &config->identities[i];
    sets.items[i] =
        id->jwks_url.len ? fetched_before(s, id->jwks_url) : read_fixed(config, id, problems);
  }
  return sets;
}

static void sets_free(struct key_sets *sets) {
  for (size_t i = 0; i < sets->count; i++)
    jwk_set_unref(sets->items[i]);
  free(sets->items);
}

static void say_failure(struct source *from, const char *why) {
  const struct identity_provider *id = &from->owner->config->identities[from->index];
  if (!from->has_failed)
    log_process(LOG_WARN, "auth.oidc.%.*s: its keys cannot be fetched: %s", (int)id->name.len,
                id->name.data, why);
  from->has_failed = true;
}

static void on_fetched(const struct fetch_answer *answer, void *user) {
  struct source *from = user;
  struct server_identity *s = from->owner;
  struct bytes error;
  bytes_init(&error);
  from->fetch = NULL;
  struct jwk_set *set = NULL;
  if (answer->failure != FAILURE_NONE)
    bytes_append_text(&error, answer->sentence);
  else if (answer->status != 200)
    bytes_printf(&error, "status %d", answer->status);
  else
    set = jwk_set_read(answer->body, &error);
  if (set) {
    from->has_failed = false;
    jwk_set_unref(s->sets.items[from->index]);
    s->sets.items[from->index] = set;
    s->start.on_keys(s->start.context);
  } else {
    say_failure(from, bytes_text(&error));
  }
  bytes_fini(&error);
}

static void start_fetch(struct source *from) {
  struct server_identity *s = from->owner;
  const struct identity_provider *id = &s->config->identities[from->index];
  struct header accept = {SLICE("accept"), SLICE("application/json")};
  struct fetch_request request = {.url = id->jwks_url,
                                  .headers = {&accept, 1},
                                  .timeout_ms = FETCH_MS,
                                  .answer_bytes = SET_BYTES,
                                  .tls = id->tls.ca_file ? &id->tls : NULL};
  if (!s->upstream) s->upstream = upstream_new(s->start.loop, s->config, s->start.gates);
  from->asked_ms = uv_now(s->start.loop) + 1;
  from->fetch = fetch_start(s->upstream, &request, on_fetched, from);
}

static bool is_due(const struct source *from) {
  const struct server_identity *s = from->owner;
  const struct identity_provider *id = &s->config->identities[from->index];
  struct jwk_set *set = s->sets.items[from->index];
  if (!id->jwks_url.len || from->fetch) return false;
  if (!from->asked_ms) return true;
  uint64_t age_ms = uv_now(s->start.loop) + 1 - from->asked_ms;
  if (age_ms < id->refetch_s * 1000ull) return false;
  return !set || from->has_failed || age_ms >= id->refresh_s * 1000ull || jwk_set_is_wanted(set);
}

static void on_timer(uv_timer_t *timer) {
  struct server_identity *s = timer->data;
  for (size_t i = 0; i < s->sets.count; i++)
    if (is_due(&s->sources[i])) start_fetch(&s->sources[i]);
}

static void take(struct server_identity *s, struct config *config, struct key_sets sets) {
  s->config = config_ref(config);
  s->sets = sets;
  s->sources = must_calloc(sets.count + 1, sizeof *s->sources);
  for (size_t i = 0; i < sets.count; i++)
    s->sources[i] = (struct source){.owner = s, .index = i};
}

static void cancel(struct server_identity *s) {
  for (size_t i = 0; i < s->sets.count; i++)
    if (s->sources[i].fetch) fetch_cancel(s->sources[i].fetch);
}

struct server_identity *server_identity_new(const struct server_identity_start *start,
                                            struct config_problems *problems) {
  struct server_identity *s = must_calloc(1, sizeof *s);
  size_t before = problems->count;
  s->start = *start;
  struct key_sets sets = read_sets(s, start->config, problems);
  if (problems->count > before) {
    sets_free(&sets);
    free(s);
    return NULL;
  }
  take(s, start->config, sets);
  must(uv_timer_init(start->loop, &s->timer) == 0);
  s->timer.data = s;
  uv_timer_start(&s->timer, on_timer, 0, LOOK_MS);
  return s;
}

const struct key_sets *server_identity_sets(const struct server_identity *s) {
  return &s->sets;
}

bool server_identity_reload(struct server_identity *s, struct config *config,
                            struct config_problems *problems) {
  size_t before = problems->count;
  struct key_sets sets = read_sets(s, config, problems);
  if (problems->count > before) {
    sets_free(&sets);
    return false;
  }
  struct config *old = s->config;
  cancel(s);
  sets_free(&s->sets);
  free(s->sources);
  take(s, config, sets);
  if (s->upstream) upstream_reload(s->upstream, config);
  config_unref(old);
  return true;
}

static void let_go(struct server_identity *s) {
  if (--s->open) return;
  sets_free(&s->sets);
  free(s->sources);
  config_unref(s->config);
  free(s);
}

static void on_upstream_closed(void *context) {
  let_go(context);
}

static void on_timer_closed(uv_handle_t *handle) {
  let_go(handle->data);
}

void server_identity_close(struct server_identity *s) {
  cancel(s);
  s->open = s->upstream ? 2 : 1;
  if (s->upstream) upstream_close(s->upstream, on_upstream_closed, s);
  uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}
