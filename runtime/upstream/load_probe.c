#include "upstream/load_probe.h"

#include <stdlib.h>

#include "base/clock.h"
#include "observe/log.h"
#include "upstream/fetch.h"
#include "upstream/health.h"

enum { ANSWER_BYTES = 4 << 20, TIMEOUT_MS = 2000, MISSES_MAX = 2 };

struct probe {
  struct load_probes *owner;
  const struct provider *provider; /* of the owner's configuration */
  struct provider_load *load;
  struct fetch *fetch; /* NULL: none is under way */
  unsigned misses;     /* time-outs in a row */
  uv_timer_t timer;
};

struct load_probes {
  uv_loop_t *loop;
  struct upstream *upstream;
  struct health *health;
  struct config *config; /* NULL at first */
  struct set {
    size_t count, open; /* open: timers not yet closed */
    struct probe items[];
  } * set;
};

static void on_timer_closed(uv_handle_t *handle) {
  struct set *set = handle->data;
  if (--set->open == 0) free(set);
}

static void set_close(struct set *set) {
  if (!set) return;
  for (size_t i = 0; i < set->count; i++) {
    struct probe *p = &set->items[i];
    if (p->fetch) fetch_cancel(p->fetch);
    p->timer.data = set;
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
  }
}

static void set_state(struct probe *p, bool is_down, const char *why) {
  if (!load_set_down(p->load, is_down)) return;
  struct slice name = p->provider->name;
  if (is_down)
    log_process(LOG_WARN, "provider %.*s is out of rotation: its load address %s", (int)name.len,
                name.data, why);
  else
    log_process(LOG_INFO, "provider %.*s is in rotation again", (int)name.len, name.data);
}

/* A busy engine may be late once; one that cannot be reached is not there. */
static void on_failure(struct probe *p, const struct fetch_answer *answer) {
  bool is_late = answer->failure == FAILURE_UPSTREAM_TOTAL_TIMEOUT ||
                 answer->failure == FAILURE_UPSTREAM_HEAD_TIMEOUT ||
                 answer->failure == FAILURE_UPSTREAM_IDLE_TIMEOUT;
  p->misses++;
  if (!is_late || p->misses >= MISSES_MAX) set_state(p, true, answer->sentence);
}

static void on_answer(const struct fetch_answer *answer, void *user) {
  struct probe *p = user;
  p->fetch = NULL;
  if (answer->failure != FAILURE_NONE) {
    on_failure(p, answer);
    return;
  }
  p->misses = 0;
  set_state(p, answer->status == 503, "answers 503");
  if (answer->status != 200) return;
  struct engine_load load = load_read(answer->body);
  load_note(p->load, &load, clock_mono_ns() / 1000000u);
}

static void on_timer(uv_timer_t *timer) {
  struct probe *p = timer->data;
  const struct provider *provider = p->provider;
  if (p->fetch) return;
  uint32_t every_ms = provider->load_every_ms;
  struct fetch_request request = {.method = SLICE("GET"),
                                  .url = provider->load_url,
                                  .timeout_ms = every_ms > TIMEOUT_MS ? TIMEOUT_MS : every_ms,
                                  .answer_bytes = ANSWER_BYTES,
                                  .tls = &provider->tls,
                                  .proxy = provider->proxy};
  p->fetch = fetch_start(p->owner->upstream, &request, on_answer, p);
}

static size_t count_wanted(const struct config *config) {
  size_t count = 0;
  for (size_t i = 0; i < config->provider_count; i++)
    count += config->providers[i].load_url.len > 0;
  return count;
}

static struct set *set_new(struct load_probes *owner, const struct config *config) {
  size_t count = count_wanted(config);
  if (!count) return NULL;
  struct set *set = must_calloc(1, sizeof *set + count * sizeof *set->items);
  for (size_t i = 0; i < config->provider_count; i++) {
    const struct provider *provider = &config->providers[i];
    if (!provider->load_url.len) continue;
    struct probe *p = &set->items[set->count++];
    p->owner = owner;
    p->provider = provider;
    p->load = health_load_get(owner->health, provider->name);
    p->timer.data = p;
    must(uv_timer_init(owner->loop, &p->timer) == 0);
    uv_timer_start(&p->timer, on_timer, 0, provider->load_every_ms);
    uv_unref((uv_handle_t *)&p->timer);
  }
  set->open = set->count;
  return set;
}

struct load_probes *load_probes_new(uv_loop_t *loop, struct upstream *upstream,
                                    struct health *health) {
  struct load_probes *p = must_calloc(1, sizeof *p);
  *p = (struct load_probes){.loop = loop, .upstream = upstream, .health = health};
  return p;
}

static bool is_probed(const struct config *config, struct slice name) {
  for (size_t i = 0; i < config->provider_count; i++)
    if (slice_equal(config->providers[i].name, name)) return config->providers[i].load_url.len > 0;
  return false;
}

void load_probes_reload(struct load_probes *p, struct config *config) {
  struct config *before = p->config;
  for (size_t i = 0; before && i < before->provider_count; i++)
    if (!is_probed(config, before->providers[i].name))
      (void)load_set_down(health_load_get(p->health, before->providers[i].name), false);
  set_close(p->set);
  p->config = config_ref(config);
  p->set = set_new(p, config);
  config_unref(before);
}

void load_probes_close(struct load_probes *p) {
  set_close(p->set);
  config_unref(p->config);
  free(p);
}
