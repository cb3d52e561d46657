/* Owns worker threads, listening sockets and signals; the only file that creates threads. */
#include "server/server.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "keeper/keeper.h"
#include "load.h"
#include "observe/log.h"
#include "observe/metric.h"
#include "script/shadow_log.h"
#include "script/strategies.h"
#include "script/tenant_shelf.h"
#include "script/watchdog.h"
#include "server/addresses.h"
#include "server/bootstrap.h"
#include "server/certificate.h"
#include "server/directory.h"
#include "server/file.h"
#include "server/harden.h"
#include "server/identity.h"
#include "server/ledger.h"
#include "server/limits.h"
#include "server/reading.h"
#include "server/ready.h"
#include "server/services.h"
#include "store/bookkeeper.h"
#include "store/kv.h"
#include "store/responses.h"
#include "upstream/gate.h"
#include "upstream/health.h"
#include "webhook/webhook.h"
#include "worker.h"

enum { EXPIRE_INTERVAL_MS = 5000, WATCH_INTERVAL_MS = 1000 };

enum phase { PHASE_SERVING, PHASE_DRAINING, PHASE_CUT, PHASE_STOPPED };

/* Of each tenant: what its scripts keep between requests. */
static const struct kv_limits script_store = {
    .bytes = 16 << 20, .entries = 65536, .value_bytes = 64 << 10};

struct server {
  uv_loop_t loop;
  const char *path;
  struct config *config;
  struct server_addresses addresses;
  struct server_identity *identity;
  struct server_directory *directory;
  struct worker **workers;
  uv_thread_t *threads;
  unsigned worker_count, drained;
  struct worker_shared shared;
  struct responses *responses;
  struct server_ledger ledger;
  struct admin *admin;
  struct keeper *keeper;
  struct tenant_shelf *shelf;
  struct webhooks *webhooks;
  const struct policy_host **policy_hosts; /* one for each worker */
  bool is_running;                         /* the workers' threads are */
  struct mailbox mailbox;
  uv_signal_t hangup, terminate, interrupt;
  uv_fs_poll_t watch;
  uv_stat_t loaded; /* of the configuration's file, before it was read last */
  struct server_reading reading;
  struct server_certificate certificate;
  uv_timer_t hard_timer, expire_timer;
  enum phase phase;
};

struct gathering { /* one GET /admin/exchanges */
  void *token;
  unsigned missing;
  struct bytes json;
};

struct news { /* a worker's message to the server's loop */
  struct mailbox_message base;
  struct gathering *gathering;
  char *json;
  size_t json_bytes;
};

static void stop_workers(struct server *s);

static void post_news(struct server *s, void (*deliver)(struct mailbox_message *, void *),
                      struct news content) {
  struct news *n = must_alloc(sizeof *n);
  *n = content;
  list_init(&n->base.link);
  n->base.deliver = deliver;
  mailbox_post(&s->mailbox, &n->base);
}

static void deliver_drained(struct mailbox_message *base, void *owner) {
  struct server *s = owner;
  free(base);
  if (++s->drained == s->worker_count) stop_workers(s);
}

static void on_worker_drained(void *context) {
  post_news(context, deliver_drained, (struct news){0});
}

static void deliver_described(struct mailbox_message *base, void *owner) {
  (void)owner;
  struct news *n = (struct news *)base;
  struct gathering *g = n->gathering;
  if (n->json_bytes && g->json.len > 1) bytes_append_byte(&g->json, ',');
  bytes_append(&g->json, n->json, n->json_bytes);
  free(n->json);
  free(n);
  if (--g->missing > 0) return;
  bytes_append_text(&g->json, "]\n");
  admin_answer(g->token, 200, bytes_slice(&g->json));
  bytes_fini(&g->json);
  free(g);
}

static void on_worker_described(void *context, void *request, char *json, size_t json_bytes) {
  post_news(context, deliver_described,
            (struct news){.gathering = request, .json = json, .json_bytes = json_bytes});
}

static const struct worker_callbacks worker_callbacks = {on_worker_drained, on_worker_described};

static void describe_exchanges(void *context, void *token) {
  struct server *s = context;
  struct gathering *g = must_calloc(1, sizeof *g);
  g->token = token;
  g->missing = s->worker_count;
  bytes_append_byte(&g->json, '[');
  for (unsigned i = 0; i < s->worker_count; i++)
    worker_post_describe(s->workers[i], g);
}

static void readiness(void *context, struct bytes *problems) {
  struct server *s = context;
  if (s->phase != PHASE_SERVING) bytes_append_text(problems, "draining\n");
  server_ready(s->config, s->shared.health, &s->ledger, problems);
}

static void ask_scripts(void *context, const struct scripts_question *question, void *token) {
  struct server *s = context;
  keeper_ask(s->keeper, question, token);
}

static void give_backend(void *context, struct admin_backend *out) {
  struct server *s = context;
  *out = (struct admin_backend){.store = server_ledger_store(&s->ledger),
                                .directory = server_directory_get(s->directory),
                                .limiter = s->shared.limiter,
                                .shelf = s->shelf};
}

static void on_rows_changed(void *context, void *token) {
  struct server *s = context;
  server_services_look(s->directory, &s->keeper, admin_changed, token);
}

/* The answer to who wrote the file says whether it is in force. */
static void on_file_written(void *context, void *token) {
  struct server *s = context;
  server_reading_await(&s->reading, token);
}

static const struct admin_callbacks admin_callbacks = {
    describe_exchanges, readiness, ask_scripts, give_backend, on_rows_changed, on_file_written};

/* A worker that does not run yet has what it needs before its first request. */
static void on_scripts(void *context, const struct keeper_news *news) {
  struct server *s = context;
  for (unsigned i = 0; i < s->worker_count; i++) {
    struct tenant_scripts *scripts = news->scripts ? news->scripts[i] : NULL;
    if (s->is_running)
      worker_post_tenant(s->workers[i], news->tenant, news->role, scripts, news->share);
    else
      worker_set_tenant(s->workers[i], news->tenant, news->role, scripts, news->share);
  }
}

/* TCP: a socket for each worker, the kernel spreads connections. Unix: one socket that all accept
 * from. */
static bool listen_on(struct server *s, const struct address *address) {
  bool is_tls = s->config->tls.certificate != NULL && !address->is_unix;
  int first = server_addresses_open(&s->addresses, s->config, address);
  if (first < 0) return false;
  for (unsigned i = s->worker_count; i-- > 0;) {
    int fd = i ? server_addresses_again(s->config, address, first) : first;
    if (fd < 0) return false;
    worker_listen(s->workers[i], fd, is_tls);
  }
  return true;
}

static bool listen_all(struct server *s) {
  for (size_t i = 0; i < s->config->listen.count; i++)
    if (!listen_on(s, &s->config->listen.items[i])) return false;
  for (size_t i = 0; i < s->config->admin_listen.count; i++) {
    int fd = server_addresses_open(&s->addresses, s->config, &s->config->admin_listen.items[i]);
    if (fd < 0) return false;
    admin_listen(s->admin, fd);
  }
  return true;
}

static struct server_limits limits_of(const struct server *s, struct config *config) {
  return (struct server_limits){s->shared.limiter, server_ledger_store(&s->ledger), config};
}

static bool apply(struct server *s, struct config *next, struct config_problems *problems) {
  next->version = s->config->version + 1;
  struct generation **generations = must_calloc(s->worker_count, sizeof *generations);
  bool fine = true;
  for (unsigned i = 0; fine && i < s->worker_count; i++) {
    generations[i] = load_generation(next, s->responses, problems);
    fine = generations[i] != NULL;
  }
  struct strategies **strategies = must_calloc(s->worker_count, sizeof *strategies);
  fine = fine && load_strategies(next, s->policy_hosts, s->worker_count, strategies, problems);
  bool is_ready = fine;
  fine = fine && server_identity_reload(s->identity, next, problems);
  fine = fine &&
         server_directory_reload(s->directory, next, server_identity_sets(s->identity), problems);
  struct directory *directory = server_directory_get(s->directory);
  for (unsigned i = 0; i < s->worker_count; i++) {
    struct worker_snapshot snapshot = {next, directory, generations[i], strategies[i]};
    if (fine)
      worker_post_reload(s->workers[i], &snapshot);
    else
      generation_unref(generations[i]);
    if (!fine && is_ready) strategies_unref(strategies[i]);
  }
  free(generations);
  free(strategies);
  if (!fine) return false;
  gates_reload(s->shared.gates, next);
  struct server_limits limits = limits_of(s, next);
  server_limits_reload(&limits, &s->loop);
  health_reload(s->shared.health, next);
  server_ledger_reload(&s->ledger, next);
  admin_reload(s->admin, next);
  webhooks_reload(s->webhooks, next);
  config_unref(s->config);
  s->config = next;
  server_certificate_load(&s->certificate, next);
  keeper_reload(s->keeper, next);
  return true;
}

/* Takes next. */
static bool put_in_force(struct server *s, struct config *next, struct config_problems *problems) {
  bool fine = next && server_can_apply(s->config, next, problems) && apply(s, next, problems);
  metric_config_reload(fine, s->config->version);
  if (fine) {
    log_process(LOG_INFO, "configuration %llu is in force", (unsigned long long)s->config->version);
  } else {
    for (size_t i = 0; i < problems->count; i++)
      log_process(LOG_ERROR, "%s", problems->items[i]);
    log_process(LOG_ERROR, "configuration %llu stays in force: the new file was refused",
                (unsigned long long)s->config->version);
    config_unref(next);
  }
  return fine;
}

static bool on_read(void *context, struct config *config, struct config_problems *problems) {
  struct server *s = context;
  if (s->phase == PHASE_SERVING) return put_in_force(s, config, problems);
  config_unref(config);
  return false;
}

static void on_lua_changed(void *context) {
  struct server *s = context;
  if (s->phase == PHASE_SERVING) server_reading_start(&s->reading);
}

static void on_scripts_answer(void *context, void *token, int status, struct slice body) {
  (void)context;
  admin_answer(token, status, body);
}

static const struct keeper_callbacks keeper_callbacks = {on_scripts, on_lua_changed,
                                                         on_scripts_answer};

static bool start_keeper(struct server *s, struct config_problems *problems) {
  struct arena arena;
  arena_init(&arena);
  struct keeper_services services = server_services_of(server_directory_get(s->directory), &arena);
  struct keeper_start start = {.loop = &s->loop,
                               .config = s->config,
                               .hosts = s->policy_hosts,
                               .worker_count = s->worker_count,
                               .responses = s->responses,
                               .shadows = s->shared.shadows,
                               .shelf = s->shelf,
                               .services = &services,
                               .callbacks = &keeper_callbacks,
                               .context = s};
  s->keeper = keeper_new(&start, problems);
  arena_fini(&arena);
  return s->keeper != NULL;
}

static void on_hangup(uv_signal_t *signal, int number) {
  (void)number;
  struct server *s = signal->data;
  log_reopen();
  if (s->phase == PHASE_SERVING) server_reading_start(&s->reading);
}

static void on_file_change(uv_fs_poll_t *watch, int status, const uv_stat_t *before,
                           const uv_stat_t *after) {
  (void)before;
  struct server *s = watch->data;
  if (status == 0 && s->phase == PHASE_SERVING && !server_file_is(&s->loaded, after))
    server_reading_start(&s->reading);
}

static void stop_workers(struct server *s) {
  if (s->phase == PHASE_STOPPED) return;
  s->phase = PHASE_STOPPED;
  keeper_close(s->keeper, NULL);
  s->keeper = NULL;
  for (unsigned i = 0; i < s->worker_count; i++)
    worker_post_stop(s->workers[i]);
  for (unsigned i = 0; i < s->worker_count; i++) {
    uv_thread_join(&s->threads[i]);
    worker_free(s->workers[i]);
  }
  uv_handle_t *handles[] = {(uv_handle_t *)&s->hangup,     (uv_handle_t *)&s->terminate,
                            (uv_handle_t *)&s->interrupt,  (uv_handle_t *)&s->watch,
                            (uv_handle_t *)&s->hard_timer, (uv_handle_t *)&s->expire_timer};
  for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
    uv_close(handles[i], NULL);
  admin_close(s->admin);
  server_identity_close(s->identity);
  server_directory_close(s->directory);
  webhooks_close(s->webhooks);
  server_ledger_close(&s->ledger);
  mailbox_close(&s->mailbox, NULL);
}

static void on_hard_timer(uv_timer_t *timer) {
  struct server *s = timer->data;
  if (s->phase == PHASE_CUT) {
    stop_workers(s);
    return;
  }
  s->phase = PHASE_CUT;
  log_process(LOG_WARN, "drain.hard has passed: open requests are ended");
  for (unsigned i = 0; i < s->worker_count; i++)
    worker_post_cut(s->workers[i]);
  uv_timer_start(timer, on_hard_timer, 2000, 0);
}

static void on_terminate(uv_signal_t *signal, int number) {
  struct server *s = signal->data;
  if (s->phase != PHASE_SERVING) { /* asked twice: now */
    stop_workers(s);
    return;
  }
  s->phase = PHASE_DRAINING;
  log_process(LOG_INFO, "signal %d: draining; open requests have %u s", number,
              s->config->drain_hard_ms / 1000);
  for (unsigned i = 0; i < s->worker_count; i++)
    worker_post_drain(s->workers[i]);
  uv_timer_start(&s->hard_timer, on_hard_timer, s->config->drain_hard_ms, 0);
}

static void start_signal(struct server *s, uv_signal_t *signal, uv_signal_cb callback, int number) {
  must(uv_signal_init(&s->loop, signal) == 0);
  signal->data = s;
  uv_signal_start(signal, callback, number);
}

static void start_handles(struct server *s) {
  mailbox_init(&s->mailbox, &s->loop, s);
  start_signal(s, &s->hangup, on_hangup, SIGHUP);
  start_signal(s, &s->terminate, on_terminate, SIGTERM);
  start_signal(s, &s->interrupt, on_terminate, SIGINT);
  must(uv_timer_init(&s->loop, &s->hard_timer) == 0);
  must(uv_timer_init(&s->loop, &s->expire_timer) == 0);
  must(uv_fs_poll_init(&s->loop, &s->watch) == 0);
  s->hard_timer.data = s->watch.data = s->expire_timer.data = s;
  s->reading = (struct server_reading){.loop = &s->loop,
                                       .path = s->path,
                                       .loaded = &s->loaded,
                                       .on_read = on_read,
                                       .on_awaited = admin_reloaded,
                                       .context = s};
  server_reading_init(&s->reading);
  uv_fs_poll_start(&s->watch, on_file_change, s->path, WATCH_INTERVAL_MS);
  s->admin = admin_new(&s->loop, s->config, &admin_callbacks, s);
}

/* Requests that never ended are a bug each, and what they held is given back. */
static void on_expire_timer(uv_timer_t *timer) {
  struct server *s = timer->data;
  server_certificate_look(&s->certificate);
  size_t expired = limiter_expire(s->shared.limiter);
  if (expired) log_process(LOG_WARN, "%zu requests held their reservations for too long", expired);
}

static void on_directory(void *context, struct directory *directory) {
  struct server *s = context;
  for (unsigned i = 0; s->is_running && i < s->worker_count; i++)
    worker_post_directory(s->workers[i], directory);
  if (s->keeper) server_services_tell(s->keeper, directory);
}

static void on_keys(void *context) {
  struct server *s = context;
  server_directory_set_keys(s->directory, server_identity_sets(s->identity));
}

static bool start_directory(struct server *s, struct config_problems *problems) {
  struct server_identity_start identity = {&s->loop, s->config, s->shared.gates, on_keys, s};
  s->identity = server_identity_new(&identity, problems);
  if (!s->identity) return false;
  struct bookkeeper *books = s->ledger.bookkeeper;
  struct server_directory_start start = {.loop = &s->loop,
                                         .config = s->config,
                                         .sets = server_identity_sets(s->identity),
                                         .store = books ? bookkeeper_store(books) : NULL,
                                         .on_directory = on_directory,
                                         .context = s};
  s->directory = server_directory_new(&start, problems);
  return s->directory != NULL;
}

static bool start_strategies(struct server *s, struct config_problems *problems) {
  struct strategies **all = must_calloc(s->worker_count, sizeof *all);
  s->policy_hosts = must_calloc(s->worker_count, sizeof *s->policy_hosts);
  for (unsigned i = 0; i < s->worker_count; i++)
    s->policy_hosts[i] = worker_policy_host(s->workers[i]);
  bool fine = load_strategies(s->config, s->policy_hosts, s->worker_count, all, problems);
  for (unsigned i = 0; fine && i < s->worker_count; i++)
    worker_set_strategies(s->workers[i], all[i]);
  free(all);
  return fine;
}

static bool start_workers(struct server *s, struct config_problems *problems) {
  s->webhooks = webhooks_new(&s->loop, s->config, server_ledger_store(&s->ledger));
  s->shared = (struct worker_shared){.callbacks = &worker_callbacks,
                                     .context = s,
                                     .gates = gates_new(),
                                     .health = health_new(),
                                     .journals = s->ledger.journals,
                                     .bookkeeper = s->ledger.bookkeeper,
                                     .kv = kv_new(&script_store),
                                     .shadows = shadow_log_new(),
                                     .limiter = server_limits_new(s->webhooks)};
  gates_reload(s->shared.gates, s->config);
  struct server_limits limits = limits_of(s, s->config);
  server_limits_start(&limits, &s->ledger);
  uv_timer_start(&s->expire_timer, on_expire_timer, EXPIRE_INTERVAL_MS, EXPIRE_INTERVAL_MS);
  health_reload(s->shared.health, s->config);
  webhooks_start(s->webhooks, s->shared.gates, s->shared.health);
  if (!server_bootstrap(s->config, server_ledger_store(&s->ledger), problems) ||
      !start_directory(s, problems))
    return false;
  s->worker_count = s->config->workers;
  s->workers = must_calloc(s->worker_count, sizeof *s->workers);
  s->threads = must_calloc(s->worker_count, sizeof *s->threads);
  for (unsigned i = 0; i < s->worker_count; i++) {
    struct generation *generation = load_generation(s->config, s->responses, problems);
    if (!generation) return false;
    struct worker_snapshot snapshot = {s->config, server_directory_get(s->directory), generation,
                                       NULL};
    s->workers[i] = worker_new(i, &snapshot, &s->shared);
  }
  return start_strategies(s, problems);
}

/* What is configured but does nothing yet is said, not left to be found out. */
static void announce_unused(const struct config *c) {
  if (c->shared.len)
    log_process(LOG_WARN, "shared is set, but this version counts in each process for itself");
}

static void announce(const struct server *s) {
  announce_unused(s->config);
  for (size_t i = 0; i < s->config->listen.count; i++)
    log_process(LOG_INFO, "listening on %s", s->config->listen.items[i].text.data);
  for (size_t i = 0; i < s->config->admin_listen.count; i++)
    log_process(LOG_INFO, "admin on %s", s->config->admin_listen.items[i].text.data);
}

/* Each worker may have one of the pool's threads count a long text: the store has others. */
static void size_pool(unsigned workers) {
  char threads[16];
  snprintf(threads, sizeof threads, "%u", workers + 4);
  must(setenv("UV_THREADPOOL_SIZE", threads, false) == 0); /* the operator's own stands */
}

static int serve(struct server *s, struct config_problems *problems) {
  must(uv_loop_init(&s->loop) == 0);
  size_pool(s->config->workers);
  metric_set(metric_get(METRIC_CONFIG_VERSION, NULL), s->config->version);
  s->responses = load_responses(s->config);
  s->shelf = tenant_shelf_new();
  if (!server_ledger_open(&s->ledger, s->config, &s->loop, problems)) return 1;
  server_ledger_archive(&s->ledger, s->config, s->responses);
  start_handles(s);
  if (!start_workers(s, problems) || !start_keeper(s, problems) || !listen_all(s))
    return 1; /* the process ends: nothing has been served */
  for (unsigned i = 0; i < s->worker_count; i++)
    must(uv_thread_create(&s->threads[i], worker_run, s->workers[i]) == 0);
  s->is_running = true;
  server_ledger_start(&s->ledger);
  announce(s);
  server_certificate_load(&s->certificate, s->config);
  uv_run(&s->loop, UV_RUN_DEFAULT);
  must(uv_loop_close(&s->loop) == 0);
  server_reading_fini(&s->reading);
  server_addresses_fini(&s->addresses);
  free(s->workers);
  free(s->threads);
  free(s->policy_hosts);
  kv_free(s->shared.kv);
  shadow_log_free(s->shared.shadows);
  gates_free(s->shared.gates);
  health_free(s->shared.health);
  limiter_free(s->shared.limiter);
  responses_free(s->responses);
  tenant_shelf_free(s->shelf);
  config_unref(s->config);
  log_process(LOG_INFO, "stopped");
  return 0;
}

static uv_thread_t watchdog;

void server_watch_begin(void) {
  must(uv_thread_create(&watchdog, watchdog_run, NULL) == 0);
}

void server_watch_end(void) {
  watchdog_stop();
  uv_thread_join(&watchdog);
}

int server_main(int argc, char **argv) {
  struct server s = {.path = load_path_argument(argc, argv)};
  if (!s.path) return 2;
  harden();
  server_watch_begin();
  struct config_problems problems;
  config_problems_init(&problems);
  s.config = load_config(s.path, &problems);
  int status = 1;
  if (s.config) {
    s.config->version = 1;
    if (s.config->core_dumps) harden_allow_dumps();
    status = serve(&s, &problems);
  }
  server_watch_end();
  load_print_problems(&problems);
  config_problems_fini(&problems);
  return status;
}
