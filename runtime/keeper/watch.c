/* Which folders have changed: inotify says when to look, and a slow poll looks where inotify does
 * not reach (network file systems, too many folders). */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "keeper/private.h"
#include "observe/log.h"
#include "observe/metric.h"

/* A folder that is put in the place of another is missing for a moment, and with it would be rules:
 * it is gone when it stays away for GONE_MS. */
enum { SETTLE_MS = 150, POLL_MS = 3000, GONE_MS = 5000, WATCHES_MAX = 10000 };

static void note_folder(void *context, const char *path) {
  struct job *job = context;
  if (job->watched_count == job->watched_room) {
    job->watched_room = job->watched_room ? job->watched_room * 2 : 16;
    job->watched = must_realloc(job->watched, job->watched_room * sizeof *job->watched);
  }
  job->watched[job->watched_count++] = arena_slice(&job->arena, slice_of(path));
}

static bool survey(struct job *job, struct slice folder, uint8_t out[SHA256_BYTES]) {
  struct bundle_survey survey = {.on_folder = note_folder, .context = job};
  bool fine = bundle_survey(folder, &survey);
  memcpy(out, survey.digest, SHA256_BYTES);
  return fine;
}

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool keeper_is_tenant_name(struct slice name) {
  if (name.len == 0 || name.len > 100 || name.data[0] == '.') return false;
  for (size_t i = 0; i < name.len; i++)
    if ((unsigned char)name.data[i] <= 0x20 || name.data[i] == 0x7f || name.data[i] == '/')
      return false;
  return true;
}

static void add_tenant(struct job *job, const char *root, const char *name) {
  const char *path = arena_printf(&job->arena, "%s/%s", root, name);
  if (name[0] == '.' || !is_folder(path)) return;
  if (!keeper_is_tenant_name(slice_of(name))) {
    job->odd_name = path;
    job->odd_count++;
    return;
  }
  if (job->folder_count == job->folder_room) {
    job->folder_room = job->folder_room ? job->folder_room * 2 : 16;
    job->folders = must_realloc(job->folders, job->folder_room * sizeof *job->folders);
  }
  struct surveyed *s = &job->folders[job->folder_count++];
  s->name = arena_slice(&job->arena, slice_of(name));
  survey(job, slice_of(path), s->digest);
}

static void survey_tenants(struct job *job) {
  const char *root = arena_text(&job->arena, job->config->tenants_path);
  DIR *dir = opendir(root);
  if (!dir) {
    config_problem(&job->problems, "%s: cannot be read: %s", root, strerror(errno));
    return;
  }
  note_folder(job, root);
  for (const struct dirent *e; (e = readdir(dir));)
    add_tenant(job, root, e->d_name);
  closedir(dir);
}

void keeper_survey_run(struct job *job) {
  const struct config *c = job->config;
  if (c->tenants_path.len) survey_tenants(job);
  if (c->site_path.len && !survey(job, c->site_path, job->layers_digest))
    config_problem(&job->problems, "%.*s: cannot be read", (int)c->site_path.len,
                   c->site_path.data);
  if (c->lua_path.len) survey(job, c->lua_path, job->lua_digest);
}

static void on_settled(uv_timer_t *timer) {
  keeper_look(timer->data);
}

static void on_watch(uv_fs_event_t *event, const char *name, int events, int status) {
  (void)name, (void)events, (void)status;
  struct watch *w = event->data;
  uv_timer_start(&w->keeper->settle_timer, on_settled, SETTLE_MS, 0);
}

static void on_watch_closed(uv_handle_t *handle) {
  struct watch *w = handle->data;
  struct keeper *k = w->keeper;
  free(w->path);
  free(w);
  k->open_handles--;
  keeper_handle_closed(k);
}

static void watch_close(struct watch *w) {
  list_remove(&w->link);
  uv_close((uv_handle_t *)&w->event, on_watch_closed);
}

static void watch_open(struct keeper *k, const char *path) {
  struct watch *w = must_calloc(1, sizeof *w);
  must(uv_fs_event_init(k->start.loop, &w->event) == 0);
  w->event.data = w;
  w->keeper = k;
  w->path = strdup(path);
  w->is_wanted = true;
  k->open_handles++;
  list_append(&k->watches, &w->link);
  if (uv_fs_event_start(&w->event, on_watch, path, 0) != 0) watch_close(w); /* the poll sees it */
}

static int by_path(const void *a, const void *b) {
  const struct slice *x = a, *y = b;
  return strcmp(x->data, y->data);
}

/* Both lists in one order: what is watched already stays, what is gone is closed. */
static void set_watches(struct keeper *k, struct job *job) {
  size_t at = 0, count = job->watched_count < WATCHES_MAX ? job->watched_count : WATCHES_MAX;
  struct arena arena;
  arena_init(&arena);
  if (count) qsort(job->watched, count, sizeof *job->watched, by_path);
  bool *is_watched = arena_alloc(&arena, count + 1);
  list_each_safe(node, &k->watches) {
    struct watch *w = list_entry(node, struct watch, link);
    struct slice path = slice_of(w->path);
    const struct slice *found =
        count ? bsearch(&path, job->watched, count, sizeof path, by_path) : NULL;
    if (found)
      is_watched[found - job->watched] = true;
    else
      watch_close(w);
  }
  for (at = 0; at < count; at++)
    if (!is_watched[at]) watch_open(k, job->watched[at].data);
  arena_fini(&arena);
}

static void drop_tenant(struct keeper *k, struct keeper_tenant *t) {
  struct slice name = slice_of(t->name);
  for (int role = 0; role < TENANT_ROLE_COUNT; role++)
    keeper_withdraw(k, t, role);
  t->has_folder = t->is_blocked = t->was_refused = false;
  t->refusal.number = t->gone_ms = 0;
  memset(t->folder_digest, 0, SHA256_BYTES);
  memset(t->survey_digest, 0, SHA256_BYTES);
  metric_set(metric_get(METRIC_SCRIPT_GENERATION, &name), 0);
  log_process(LOG_WARN, "tenant %s: its folder is gone, and its scripts with it", t->name);
  keeper_state_note(k, t);
  if (t->service_count) keeper_post_bare(k, t);
}

static void miss_tenant(struct keeper *k, struct keeper_tenant *t) {
  uint64_t now_ms = clock_mono_ns() / 1000000;
  if (!t->gone_ms) t->gone_ms = now_ms;
  if (now_ms - t->gone_ms >= GONE_MS || !t->roles[TENANT_CURRENT]) drop_tenant(k, t);
}

static void lay_anew(struct keeper *k, const struct keeper_tenant *t) {
  struct job *job = keeper_job_new(k, JOB_LAYERS, slice_of(t->name));
  job->source = KEPT_SITE;
  job->always = true;
  keeper_job_post(job);
}

static void note_tenant(struct keeper *k, const struct surveyed *s, bool always) {
  struct keeper_tenant *t = keeper_tenant_get(k, s->name);
  bool is_changed = memcmp(t->survey_digest, s->digest, SHA256_BYTES) != 0;
  t->is_seen = true;
  t->gone_ms = 0;
  memcpy(t->survey_digest, s->digest, SHA256_BYTES);
  if (!is_changed && !always) return;
  if (is_changed)
    keeper_job_post(keeper_job_new(k, JOB_FOLDER, s->name));
  else
    lay_anew(k, t);
}

static void complain(struct keeper *k, const struct job *job) {
  for (size_t i = 0; i < job->problems.count && !k->is_complaining; i++)
    log_process(LOG_ERROR, "tenants keep the scripts they have: %s", job->problems.items[i]);
  k->is_complaining = job->problems.count > 0;
}

static bool take_digest(uint8_t known[SHA256_BYTES], const uint8_t now[SHA256_BYTES]) {
  bool changed = memcmp(known, now, SHA256_BYTES) != 0;
  memcpy(known, now, SHA256_BYTES);
  return changed;
}

static bool reload_layers(struct keeper *k) {
  struct config_problems problems;
  config_problems_init(&problems);
  bool fine = keeper_layers_load(k, &problems);
  for (size_t i = 0; i < problems.count; i++)
    log_process(LOG_ERROR, "tenants keep the scripts they have: %s", problems.items[i]);
  config_problems_fini(&problems);
  return fine;
}

/* Its owner would take rules for granted that nobody reads. */
static void tell_odd(struct keeper *k, const struct job *job) {
  if (job->odd_count != k->odd_count && job->odd_count)
    log_process(LOG_WARN,
                "%s: its scripts are not read, since a tenant's name has at most 100 bytes and no "
                "spaces",
                job->odd_name);
  k->odd_count = job->odd_count;
}

void keeper_survey_end(struct job *job) {
  struct keeper *k = job->keeper;
  tell_odd(k, job);
  complain(k, job);
  set_watches(k, job);
  if (job->problems.count) return; /* nothing is known to be gone */
  bool site_changed = take_digest(k->layers_digest, job->layers_digest) && k->is_surveyed;
  bool lua_changed = take_digest(k->lua_digest, job->lua_digest) && k->is_surveyed;
  bool always = site_changed && reload_layers(k);
  list_each(node, &k->tenants) list_entry(node, struct keeper_tenant, link)->is_seen = false;
  for (size_t i = 0; i < job->folder_count; i++)
    note_tenant(k, &job->folders[i], always);
  list_each(node, &k->tenants) {
    struct keeper_tenant *t = list_entry(node, struct keeper_tenant, link);
    if (t->is_seen) continue;
    if (t->has_folder)
      miss_tenant(k, t);
    else if (t->is_bare && always)
      keeper_post_bare(k, t);
    else if (!keeper_restore(k, t) && always && t->roles[TENANT_CURRENT])
      lay_anew(k, t);
  }
  if (site_changed || lua_changed) k->start.callbacks->on_lua_changed(k->start.context);
}

static void on_poll(uv_timer_t *timer) {
  keeper_look(timer->data);
}

void keeper_watch_start(struct keeper *k) {
  must(uv_timer_init(k->start.loop, &k->settle_timer) == 0);
  must(uv_timer_init(k->start.loop, &k->poll_timer) == 0);
  k->settle_timer.data = k->poll_timer.data = k;
  k->open_handles = 2;
  uv_timer_start(&k->poll_timer, on_poll, POLL_MS, POLL_MS);
}

static void on_timer_closed(uv_handle_t *handle) {
  struct keeper *k = handle->data;
  k->open_handles--;
  keeper_handle_closed(k);
}

void keeper_watch_stop(struct keeper *k) {
  list_each_safe(node, &k->watches) watch_close(list_entry(node, struct watch, link));
  uv_close((uv_handle_t *)&k->settle_timer, on_timer_closed);
  uv_close((uv_handle_t *)&k->poll_timer, on_timer_closed);
}
