/* One thread: loop, pools, Lua, mailbox. Wires the modules of a request together. */
#include "worker.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "auth/directory_memory.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "exchange/exchange.h"
#include "exchange/policy_host.h"
#include "exchange/tokens.h"
#include "observe/metric.h"
#include "script/strategies.h"
#include "upstream/load_probe.h"

/* A client with a pool of connections that has just used one may be about to use it again; that its
 * request and our goodbye cross is unlikely for one that has been quiet for PART_QUIET_MS. */
enum { DRAIN_CHECK_MS = 20, PART_QUIET_MS = 1000, LOG_WAIT_MS = 5, SLICE_NS = 100000 };

struct worker {
  uv_loop_t loop;
  struct exchange_host host;
  struct http_server *http;
  struct mailbox mailbox;
  struct gather gather;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_timer_t drain_timer, ping_timer, retire_timer, log_timer;
  struct load_probes *probes; /* of the process, on its first worker; else NULL */
  uint64_t part_ms;           /* loop time when idle connections are closed */
  const struct worker_callbacks *callbacks;
  void *context;
  bool drained;
};

/* Woken requests run before the loop sleeps and right after it read: a wake costs no turn. */
static void on_check(uv_check_t *handle) {
  struct worker *w = handle->data;
  exchange_run_ready(&w->host);
}

static void on_log_timer(uv_timer_t *timer) {
  struct worker *w = timer->data;
  log_flush(w->host.log);
}

static void write_log(struct worker *w) {
  bool waits = gather_is_busy(&w->gather) && log_may_wait(w->host.log);
  if (!waits) {
    log_flush(w->host.log);
    uv_timer_stop(&w->log_timer);
  } else if (!uv_is_active((uv_handle_t *)&w->log_timer)) {
    uv_timer_start(&w->log_timer, on_log_timer, LOG_WAIT_MS, 0);
  }
}

/* The log is written after everything that somebody waits for. */
static void on_prepare(uv_prepare_t *handle) {
  struct worker *w = handle->data;
  exchange_run_ready(&w->host);
  upstream_flush(w->host.upstream);
  if (w->http) http_server_flush(w->http);
  gather_turn(&w->gather);
  write_log(w);
  clock_turn();
}

static void start_turns(struct worker *w) {
  must(uv_prepare_init(&w->loop, &w->prepare) == 0);
  must(uv_check_init(&w->loop, &w->check) == 0);
  w->prepare.data = w->check.data = w;
  uv_prepare_start(&w->prepare, on_prepare);
  uv_check_start(&w->check, on_check);
  uv_unref((uv_handle_t *)&w->prepare);
  uv_unref((uv_handle_t *)&w->check);
}

static void on_ping_timer(uv_timer_t *timer) {
  struct worker *w = timer->data;
  exchange_ping_all(&w->host);
}

/* A stream's silence is seen within a quarter of `ping`. */
static void set_ping(struct worker *w) {
  uint64_t every_ms = w->host.config->ping_ms / 4 + 1;
  if (w->host.config->ping_ms)
    uv_timer_start(&w->ping_timer, on_ping_timer, every_ms, every_ms);
  else
    uv_timer_stop(&w->ping_timer);
}

struct worker *worker_new(unsigned index, const struct worker_snapshot *snapshot,
                          const struct worker_shared *shared) {
  struct config *config = snapshot->config;
  struct worker *w = must_calloc(1, sizeof *w);
  must(uv_loop_init(&w->loop) == 0);
  w->callbacks = shared->callbacks;
  w->context = shared->context;
  exchange_host_init(&w->host, &w->loop, index);
  w->host.config = config_ref(config);
  w->host.generation = snapshot->generation;
  w->host.strategies = snapshot->strategies;
  w->host.directory = directory_ref(snapshot->directory);
  w->host.seen_secrets = directory_memory_new();
  w->host.sessions = sessions_new();
  w->host.judge = role_judge_new();
  w->host.tenants = tenant_set_new();
  w->host.shadows = shared->shadows;
  w->host.log = log_new(config);
  w->host.health = shared->health;
  w->host.bookkeeper = shared->bookkeeper;
  w->host.journal = shared->journals ? journals_writer(shared->journals, index) : NULL;
  w->host.limiter = shared->limiter;
  w->host.limits = limit_view_new(shared->limiter);
  w->host.upstream = upstream_new(&w->loop, config, shared->gates);
  if (index == 0) {
    w->probes = load_probes_new(&w->loop, w->host.upstream, w->host.health);
    load_probes_reload(w->probes, config);
  }
  exchange_policy_host_open(&w->host, shared->kv);
  tokens_open(&w->host);
  mailbox_init(&w->mailbox, &w->loop, w);
  must(uv_timer_init(&w->loop, &w->drain_timer) == 0);
  must(uv_timer_init(&w->loop, &w->ping_timer) == 0);
  must(uv_timer_init(&w->loop, &w->retire_timer) == 0);
  must(uv_timer_init(&w->loop, &w->host.background_timer) == 0);
  must(uv_timer_init(&w->loop, &w->log_timer) == 0);
  uv_unref((uv_handle_t *)&w->log_timer);
  w->drain_timer.data = w->ping_timer.data = w->retire_timer.data = w->log_timer.data = w;
  set_ping(w);
  start_turns(w);
  w->http = http_server_new(&w->loop, config, exchange_handler(), &w->host);
  upstream_gather(w->host.upstream, &w->gather);
  http_server_gather(w->http, &w->gather);
  return w;
}

void worker_set_strategies(struct worker *w, struct strategies *strategies) {
  w->host.strategies = strategies;
}

void worker_listen(struct worker *w, int fd, bool is_tls) {
  http_server_listen(w->http, fd, is_tls);
}

/* A turn of the loop is short, and callers wait for it: from Linux 6.12 on, a thread that says so
 * need not wait until another one on its core, which stores a batch of records, say, has used up
 * its milliseconds. Older kernels change nothing. */
static void ask_for_short_slices(void) {
  struct { /* sched_setattr(2), which Debian 12's C library does not declare */
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
  } wanted = {.size = sizeof wanted,
              .policy = SCHED_OTHER,
              .nice = getpriority(PRIO_PROCESS, 0),
              .runtime_ns = SLICE_NS};
  (void)syscall(SYS_sched_setattr, 0, &wanted, 0);
}

void worker_run(void *worker) {
  struct worker *w = worker;
  prctl(PR_SET_NAME, "worker"); /* as `top -H` shows it */
  ask_for_short_slices();
  metric_thread_begin();
  uv_run(&w->loop, UV_RUN_DEFAULT);
}

void worker_free(struct worker *w) {
  must(uv_loop_close(&w->loop) == 0);
  sessions_free(w->host.sessions);
  directory_memory_free(w->host.seen_secrets);
  role_judge_free(w->host.judge);
  directory_unref(w->host.directory);
  generation_unref(w->host.generation);
  strategies_unref(w->host.strategies);
  tenant_set_free(w->host.tenants);
  exchange_policy_host_close(&w->host);
  tokens_close(&w->host);
  limit_view_free(w->host.limits);
  config_unref(w->host.config);
  log_free(w->host.log);
  bytes_fini(&w->host.scratch);
  json_index_fini(&w->host.body_index);
  exchange_host_fini(&w->host);
  free(w);
}

struct message {
  struct mailbox_message base;
  struct worker_snapshot snapshot;
  void *request;
};

static void post(struct worker *w, void (*deliver)(struct mailbox_message *, void *),
                 struct message content) {
  struct message *m = must_alloc(sizeof *m);
  *m = content;
  list_init(&m->base.link);
  m->base.deliver = deliver;
  mailbox_post(&w->mailbox, &m->base);
}

static void deliver_reload(struct mailbox_message *base, void *owner) {
  struct message *m = (struct message *)base;
  struct worker *w = owner;
  struct exchange_host *host = &w->host;
  sessions_clear(host->sessions);
  directory_unref(host->directory);
  generation_unref(host->generation);
  struct config *before = host->config;
  host->config = m->snapshot.config;
  host->generation = m->snapshot.generation;
  strategies_unref(host->strategies);
  host->strategies = m->snapshot.strategies;
  host->directory = m->snapshot.directory;
  http_server_reload(w->http, host->config);
  upstream_reload(host->upstream, host->config);
  if (w->probes) load_probes_reload(w->probes, host->config);
  log_reload(host->log, host->config);
  set_ping(w);
  config_unref(before); /* last: the modules above borrowed it until now */
  free(m);
}

void worker_post_reload(struct worker *w, const struct worker_snapshot *snapshot) {
  config_ref(snapshot->config);
  directory_ref(snapshot->directory);
  post(w, deliver_reload, (struct message){.snapshot = *snapshot});
}

static void deliver_directory(struct mailbox_message *base, void *owner) {
  struct message *m = (struct message *)base;
  struct worker *w = owner;
  sessions_clear(w->host.sessions);
  directory_unref(w->host.directory);
  w->host.directory = m->snapshot.directory;
  free(m);
}

void worker_post_directory(struct worker *w, struct directory *directory) {
  struct worker_snapshot snapshot = {.directory = directory_ref(directory)};
  post(w, deliver_directory, (struct message){.snapshot = snapshot});
}

void worker_set_tenant(struct worker *w, struct slice tenant, enum tenant_role role,
                       struct tenant_scripts *scripts, const struct tenant_share *share) {
  tenant_set_put(w->host.tenants, tenant, role, scripts, share);
}

const struct policy_host *worker_policy_host(const struct worker *w) {
  return w->host.policy_host;
}

struct tenant_message {
  struct mailbox_message base;
  struct arena arena; /* of the texts */
  struct slice tenant;
  enum tenant_role role;
  struct tenant_scripts *scripts;
  struct tenant_share share;
};

static void on_retire_timer(uv_timer_t *timer) {
  struct worker *w = timer->data;
  if (!exchange_cut_retired(&w->host, clock_mono_ns())) uv_timer_stop(timer);
}

/* Requests that outlive their scripts by drain.hard are ended, a quarter of that later at most. */
static void watch_retired(struct worker *w) {
  uint64_t every_ms = w->host.config->drain_hard_ms / 4 + 1;
  bool is_watched = uv_is_active((uv_handle_t *)&w->retire_timer);
  if (is_watched && uv_timer_get_repeat(&w->retire_timer) <= every_ms) return;
  uv_timer_start(&w->retire_timer, on_retire_timer, every_ms, every_ms);
}

static void deliver_tenant(struct mailbox_message *base, void *owner) {
  struct tenant_message *m = (struct tenant_message *)base;
  struct worker *w = owner;
  tenant_set_put(w->host.tenants, m->tenant, m->role, m->scripts, &m->share);
  watch_retired(w);
  arena_fini(&m->arena);
  free(m);
}

void worker_post_tenant(struct worker *w, struct slice tenant, enum tenant_role role,
                        struct tenant_scripts *scripts, const struct tenant_share *share) {
  struct tenant_message *m = must_calloc(1, sizeof *m);
  arena_init(&m->arena);
  m->tenant = arena_slice(&m->arena, tenant);
  m->role = role;
  m->scripts = scripts;
  if (share) {
    struct slice *keys = arena_alloc(&m->arena, (share->key_count + 1) * sizeof *keys);
    for (size_t i = 0; i < share->key_count; i++)
      keys[i] = arena_slice(&m->arena, share->keys[i]);
    m->share = (struct tenant_share){share->percent, keys, share->key_count};
  }
  list_init(&m->base.link);
  m->base.deliver = deliver_tenant;
  mailbox_post(&w->mailbox, &m->base);
}

static void on_drain_timer(uv_timer_t *timer) {
  struct worker *w = timer->data;
  uint64_t now = uv_now(&w->loop);
  http_server_part(w->http, now >= w->part_ms ? UINT64_MAX : now - PART_QUIET_MS);
  if (w->drained || w->host.open > 0 || http_server_connections(w->http) > 0) return;
  w->drained = true;
  uv_timer_stop(timer);
  w->callbacks->on_drained(w->context);
}

static void deliver_drain(struct mailbox_message *base, void *owner) {
  struct worker *w = owner;
  free(base);
  w->host.draining = true;
  http_server_drain(w->http);
  w->part_ms = uv_now(&w->loop) + w->host.config->drain_grace_ms;
  uv_timer_start(&w->drain_timer, on_drain_timer, 0, DRAIN_CHECK_MS);
}

void worker_post_drain(struct worker *w) {
  post(w, deliver_drain, (struct message){0});
}

static void deliver_cut(struct mailbox_message *base, void *owner) {
  struct worker *w = owner;
  free(base);
  exchange_cut_all(&w->host);
}

void worker_post_cut(struct worker *w) {
  post(w, deliver_cut, (struct message){0});
}

static void on_upstream_closed(void *context) {
  struct worker *w = context;
  mailbox_close(&w->mailbox, NULL);
  uv_close((uv_handle_t *)&w->drain_timer, NULL);
  uv_close((uv_handle_t *)&w->ping_timer, NULL);
  uv_close((uv_handle_t *)&w->log_timer, NULL);
  uv_close((uv_handle_t *)&w->retire_timer, NULL);
  uv_close((uv_handle_t *)&w->host.background_timer, NULL);
  uv_close((uv_handle_t *)&w->prepare, NULL);
  uv_close((uv_handle_t *)&w->check, NULL);
}

static void on_http_closed(void *host) {
  struct worker *w = list_entry(host, struct worker, host);
  w->http = NULL;
  exchange_cut_all(&w->host); /* what runs in the background has no connection that would end it */
  exchange_run_ready(&w->host);
  if (w->probes) load_probes_close(w->probes);
  upstream_close(w->host.upstream, on_upstream_closed, w);
}

static void deliver_stop(struct mailbox_message *base, void *owner) {
  struct worker *w = owner;
  free(base);
  uv_timer_stop(&w->drain_timer);
  http_server_close(w->http, on_http_closed);
}

void worker_post_stop(struct worker *w) {
  post(w, deliver_stop, (struct message){0});
}

static void deliver_describe(struct mailbox_message *base, void *owner) {
  struct message *m = (struct message *)base;
  struct worker *w = owner;
  struct bytes json;
  bytes_init(&json);
  exchange_describe_all(&w->host, &json);
  size_t json_bytes;
  char *text = bytes_take(&json, &json_bytes);
  w->callbacks->on_described(w->context, m->request, text, json_bytes);
  free(m);
}

void worker_post_describe(struct worker *w, void *request) {
  post(w, deliver_describe, (struct message){.request = request});
}
