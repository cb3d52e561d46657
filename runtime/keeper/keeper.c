#include "keeper/keeper.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/private.h"
#include "observe/log.h"
#include "script/tenant_standing.h"

struct keeper_tenant *keeper_tenant_find(const struct keeper *k, struct slice name) {
  list_each(node, &k->tenants) {
    struct keeper_tenant *t = list_entry(node, struct keeper_tenant, link);
    if (slice_equal_text(name, t->name)) return t;
  }
  return NULL;
}

struct keeper_tenant *keeper_tenant_get(struct keeper *k, struct slice name) {
  struct keeper_tenant *t = keeper_tenant_find(k, name);
  if (t) return t;
  t = must_calloc(1, sizeof *t);
  t->name = strndup(name.data, name.len);
  must(t->name != NULL);
  list_init(&t->kept);
  arena_init(&t->canary_arena);
  arena_init(&t->service_arena);
  bytes_init(&t->refusal.problems);
  list_append(&k->tenants, &t->link);
  return t;
}

struct kept *keeper_kept_find(const struct keeper_tenant *t, uint64_t number) {
  list_each(node, &t->kept) {
    struct kept *kept = list_entry(node, struct kept, link);
    if (kept->number == number) return kept;
  }
  return NULL;
}

struct kept *keeper_kept_add(struct keeper_tenant *t, const struct kept *content) {
  struct kept *kept = must_alloc(sizeof *kept);
  *kept = *content;
  struct list *after = t->kept.prev;
  while (after != &t->kept && list_entry(after, struct kept, link)->number > kept->number)
    after = after->prev;
  list_prepend(after, &kept->link);
  return kept;
}

/* What ran when the current one took over. Where that is gone, the newest below it that ran:
 * numbers fall with every step, so that no two steps lead in a circle. */
uint64_t keeper_kept_before(const struct keeper_tenant *t) {
  uint64_t found = 0, current = t->roles[TENANT_CURRENT];
  const struct kept *now = keeper_kept_find(t, current);
  if (now && now->before < current && keeper_kept_find(t, now->before)) return now->before;
  list_each(node, &t->kept) {
    const struct kept *kept = list_entry(node, struct kept, link);
    if (kept->has_run && kept->number < current && kept->number > found) found = kept->number;
  }
  return found;
}

static void kept_free(struct kept *kept) {
  list_remove(&kept->link);
  bundle_unref(kept->bundle);
  free(kept);
}

static bool is_in_use(const struct keeper_tenant *t, uint64_t number) {
  bool used = number == keeper_kept_before(t);
  for (int i = 0; i < TENANT_ROLE_COUNT; i++)
    used = used || t->roles[i] == number;
  return used;
}

void keeper_kept_prune(struct keeper *k, struct keeper_tenant *t) {
  size_t count = 0;
  list_each(node, &t->kept) count++;
  list_each_safe(node, &t->kept) {
    struct kept *kept = list_entry(node, struct kept, link);
    if (count <= k->config->scripts_keep) return;
    if (is_in_use(t, kept->number)) continue;
    keeper_state_forget(k, t, kept->number);
    kept_free(kept);
    count--;
  }
}

static void tenant_free(struct keeper_tenant *t) {
  list_each_safe(node, &t->kept) kept_free(list_entry(node, struct kept, link));
  list_remove(&t->link);
  for (int role = 0; role < TENANT_ROLE_COUNT; role++)
    tenant_standing_unref(t->standings[role]);
  arena_fini(&t->canary_arena);
  arena_fini(&t->service_arena);
  bytes_fini(&t->refusal.problems);
  free(t->name);
  free(t);
}

struct job *keeper_job_new(struct keeper *k, enum job_kind kind, struct slice tenant) {
  struct job *job = must_calloc(1, sizeof *job);
  arena_init(&job->arena);
  config_problems_init(&job->problems);
  job->keeper = k;
  job->kind = kind;
  job->tenant = arena_slice(&job->arena, tenant);
  return job;
}

void keeper_job_free(struct job *job) {
  struct keeper *k = job->keeper;
  bool is_for_services = job->is_for_services;
  tenant_built_fini(&job->built);
  bundle_unref(job->bundle);
  bundle_unref(job->site);
  config_unref(job->config);
  config_problems_fini(&job->problems);
  arena_fini(&job->arena);
  free(job->folders);
  free(job->watched);
  free(job);
  if (is_for_services) keeper_services_done(k);
}

static void start_next(struct keeper *k);

static void on_work(uv_work_t *work) {
  struct job *job = work->data;
  keeper_job_run(job);
  uv_sem_post(&job->keeper->done);
}

static void on_work_end(uv_work_t *work, int status) {
  (void)status;
  struct job *job = work->data;
  struct keeper *k = job->keeper;
  k->running = NULL;
  uv_sem_wait(&k->done);
  if (k->is_closing)
    keeper_answer_closing(job);
  else
    keeper_job_end(job);
  keeper_job_free(job);
  if (k->is_closing)
    keeper_handle_closed(k);
  else
    start_next(k);
}

/* What runs may have changed since the job was posted. */
static bool find_running(struct job *job, const struct keeper_tenant *t) {
  const struct kept *kept = keeper_kept_find(t, t->roles[TENANT_CURRENT]);
  if (!kept) return false;
  job->bundle = bundle_ref(kept->bundle);
  job->number = kept->number;
  job->source = kept->source;
  return true;
}

/* What was pushed or rolled back to stays: the folder holds other files than those that run. Else
 * the folder is read, as new layers may mend what was wrong with it. */
static void choose_files(struct job *job, const struct keeper_tenant *t) {
  const struct kept *now = keeper_kept_find(t, t->roles[TENANT_CURRENT]);
  bool is_folders = t->has_folder && (!now || t->was_refused ||
                                      digest_equal(bundle_digest(now->bundle), t->folder_digest));
  if (!now || is_folders)
    job->kind = JOB_FOLDER;
  else
    job->bundle = bundle_ref(now->bundle);
}

static struct job *take_next(struct keeper *k) {
  list_each_safe(node, &k->jobs) {
    struct job *job = list_entry(node, struct job, link);
    list_remove(&job->link);
    if (!job->is_rebuild || find_running(job, keeper_tenant_get(k, job->tenant))) return job;
    keeper_job_free(job);
  }
  return NULL;
}

static void start_next(struct keeper *k) {
  struct job *job = k->running ? NULL : take_next(k);
  if (!job) return;
  const struct keeper_tenant *t = job->tenant.len ? keeper_tenant_get(k, job->tenant) : NULL;
  k->running = job;
  job->config = config_ref(k->config);
  job->site = k->site ? bundle_ref(k->site) : NULL;
  if (t) {
    job->services = arena_slices(&job->arena, t->services, t->service_count);
    job->service_count = t->service_count;
  }
  if (job->kind == JOB_SURVEY) k->is_survey_queued = false;
  if (job->kind == JOB_LAYERS) choose_files(job, t);
  if (job->kind != JOB_SURVEY && job->kind != JOB_KEPT && job->kind != JOB_BARE) {
    job->number = t->last_number + 1;
    memcpy(job->known_digest, t->folder_digest, SHA256_BYTES);
    job->always = job->always || !t->has_folder;
    job->has_current = t->roles[TENANT_CURRENT] != 0;
  }
  job->work.data = job;
  if (k->is_surveyed) {
    must(uv_queue_work(k->start.loop, &job->work, on_work, on_work_end) == 0);
  } else { /* before anything is served */
    on_work(&job->work);
    on_work_end(&job->work, 0);
  }
}

void keeper_job_post(struct job *job) {
  struct keeper *k = job->keeper;
  list_append(&k->jobs, &job->link);
  start_next(k);
}

void keeper_activate(struct keeper *k, struct keeper_tenant *t, const struct kept *kept,
                     struct job *job) {
  (void)k, (void)t;
  job->bundle = bundle_ref(kept->bundle);
  job->number = kept->number;
  job->source = kept->source;
  keeper_job_post(job);
}

bool keeper_layers_load(struct keeper *k, struct config_problems *problems) {
  struct bundle *base = bundle_new_base(k->config->lua_path, problems), *site = base;
  if (base && k->config->site_path.len) {
    site = bundle_read(k->config->site_path, base, problems);
    bundle_unref(base);
  }
  if (!site) return false;
  bundle_unref(k->site);
  k->site = site;
  tenant_shelf_set_base(k->start.shelf, k->config, site);
  return true;
}

struct tenant_share keeper_share_copy(const struct tenant_share *share, struct arena *arena) {
  const struct slice *keys = arena_slices(arena, share->keys, share->key_count);
  return (struct tenant_share){share->percent, keys, share->key_count};
}

struct job *keeper_role_job(struct keeper *k, const struct keeper_tenant *t,
                            enum tenant_role role) {
  struct job *job = keeper_job_new(k, JOB_KEPT, slice_of(t->name));
  job->role = role;
  job->is_asked_role = true;
  job->share = keeper_share_copy(&t->share, &job->arena);
  return job;
}

bool keeper_restore_role(struct keeper *k, struct keeper_tenant *t, enum tenant_role role,
                         uint64_t number) {
  const struct kept *kept = keeper_kept_find(t, number);
  if (kept) keeper_activate(k, t, kept, keeper_role_job(k, t, role));
  return kept != NULL;
}

bool keeper_restore(struct keeper *k, struct keeper_tenant *t) {
  uint64_t wanted[TENANT_ROLE_COUNT];
  memcpy(wanted, t->wanted, sizeof wanted);
  memset(t->wanted, 0, sizeof t->wanted);
  bool has_current = keeper_restore_role(k, t, TENANT_CURRENT, wanted[TENANT_CURRENT]);
  for (int role = TENANT_CANARY; has_current && role < TENANT_ROLE_COUNT; role++)
    keeper_restore_role(k, t, role, wanted[role]);
  return has_current;
}

void keeper_rebuild_all(struct keeper *k) {
  list_each(node, &k->tenants) {
    struct keeper_tenant *t = list_entry(node, struct keeper_tenant, link);
    if (t->wanted[TENANT_CURRENT]) continue;
    struct job *job = keeper_role_job(k, t, TENANT_CURRENT);
    job->is_rebuild = true;
    keeper_job_post(job);
    if (!t->is_blocked) continue;
    struct job *folder = keeper_job_new(k, JOB_FOLDER, slice_of(t->name));
    folder->always = true;
    keeper_job_post(folder);
  }
  keeper_post_all_bare(k);
}

struct keeper *keeper_new(const struct keeper_start *start, struct config_problems *problems) {
  struct keeper *k = must_calloc(1, sizeof *k);
  k->start = *start;
  k->config = config_ref(start->config);
  list_init(&k->tenants);
  list_init(&k->jobs);
  list_init(&k->watches);
  if (!keeper_layers_load(k, problems)) {
    config_unref(k->config);
    free(k);
    return NULL;
  }
  must(uv_sem_init(&k->done, 0) == 0);
  keeper_watch_start(k);
  keeper_state_load(k);
  keeper_services_take(k, start->services);
  keeper_job_post(keeper_job_new(k, JOB_SURVEY, (struct slice){"", 0}));
  keeper_post_all_bare(k);
  k->is_surveyed = true;
  return k;
}

static void load_moved_layers(struct keeper *k) {
  struct config_problems problems;
  config_problems_init(&problems);
  if (!keeper_layers_load(k, &problems))
    for (size_t i = 0; i < problems.count; i++)
      log_process(LOG_ERROR, "tenants keep the scripts they have: %s", problems.items[i]);
  config_problems_fini(&problems);
}

/* Files below the tenants' that changed in their place are left to the look at the end: what runs
 * is rebuilt under its number, and a number stands for one content. */
void keeper_reload(struct keeper *k, struct config *config) {
  bool have_moved = !slice_equal(k->config->lua_path, config->lua_path) ||
                    !slice_equal(k->config->site_path, config->site_path);
  config_unref(k->config);
  k->config = config_ref(config);
  if (have_moved)
    load_moved_layers(k);
  else
    tenant_shelf_set_base(k->start.shelf, k->config, k->site);
  keeper_rebuild_all(k);
  keeper_look(k);
}

void keeper_look(struct keeper *k) {
  if (k->is_survey_queued || k->is_closing) return;
  k->is_survey_queued = true;
  keeper_job_post(keeper_job_new(k, JOB_SURVEY, (struct slice){"", 0}));
}

static void finish_close(struct keeper *k) {
  void (*on_closed)(void *) = k->on_closed;
  void *context = k->start.context;
  list_each_safe(node, &k->tenants) tenant_free(list_entry(node, struct keeper_tenant, link));
  bundle_unref(k->site);
  config_unref(k->config);
  uv_sem_destroy(&k->done);
  free(k);
  if (on_closed) on_closed(context);
}

void keeper_handle_closed(struct keeper *k) {
  if (k->is_closing && k->open_handles == 0 && !k->running) finish_close(k);
}

void keeper_close(struct keeper *k, void (*on_closed)(void *context)) {
  k->is_closing = true;
  k->on_closed = on_closed;
  list_each_safe(node, &k->jobs) {
    struct job *job = list_entry(node, struct job, link);
    list_remove(&job->link);
    keeper_answer_closing(job);
    keeper_job_free(job);
  }
  if (k->running) { /* it uses what the caller is about to free */
    uv_sem_wait(&k->done);
    uv_sem_post(&k->done);
  }
  keeper_watch_stop(k);
}
