/* What the keeper does away from the loop, and what comes of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "keeper/private.h"
#include "observe/log.h"
#include "observe/metric.h"

static struct slice tenant_folder(struct job *job) {
  struct slice root = job->config->tenants_path;
  while (root.len > 1 && root.data[root.len - 1] == '/')
    root.len--;
  struct slice parts[] = {root, SLICE("/"), job->tenant};
  return arena_join(&job->arena, parts, 3);
}

static bool read_percent(struct slice object, struct tenant_share *share,
                         struct config_problems *problems) {
  uint64_t percent = 0;
  struct slice value = json_find(object, "percent");
  if (value.data && (!json_to_u64(value, &percent) || percent > 100)) {
    config_problem(problems, "percent: expects a whole number from 0 to 100");
    return false;
  }
  share->percent = (uint32_t)percent;
  return true;
}

static bool read_keys(struct job *job, struct slice list) {
  size_t count = 0, room = 0;
  struct slice *keys;
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);)
    room++;
  keys = arena_alloc(&job->arena, (room + 1) * sizeof *keys);
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);) {
    struct bytes text;
    bytes_init(&text);
    if (json_string(w.value, &text)) keys[count++] = arena_slice(&job->arena, bytes_slice(&text));
    bytes_fini(&text);
  }
  job->share.keys = keys;
  job->share.key_count = count;
  if (count == room) return true;
  config_problem(&job->problems, "keys: expects a list of names of keys");
  return false;
}

/* {"percent":5,"keys":["ci"]} */
bool keeper_read_share(struct job *job, struct slice object) {
  struct slice keys = json_find(object, "keys");
  return read_percent(object, &job->share, &job->problems) && (!keys.data || read_keys(job, keys));
}

static bool read_push(struct job *job) {
  struct json_error error;
  if (!json_validate(job->body, 8, &error)) {
    config_problem(&job->problems, "invalid JSON: %s, at byte %zu", error.message, error.offset);
    return false;
  }
  struct slice files = json_find(job->body, "files"), canary = json_find(job->body, "canary");
  struct slice shadow = json_find(job->body, "shadow");
  if (!files.data) {
    config_problem(&job->problems, "files: is missing; send {\"files\":{\"path\":\"text\"}}");
    return false;
  }
  if (canary.data) {
    job->is_asked_role = true;
    job->role = TENANT_CANARY;
    if (!keeper_read_share(job, canary)) return false;
  } else if (json_type(shadow) == JSON_TRUE) {
    job->is_asked_role = true;
    job->role = TENANT_SHADOW;
  }
  job->bundle = bundle_new(tenant_folder(job), NULL);
  bool fine = bundle_add_json(job->bundle, files, &job->problems);
  bundle_seal(job->bundle);
  return fine;
}

static bool read_files(struct job *job) {
  if (job->kind == JOB_PUSH) return read_push(job);
  if (job->bundle) return true;
  if (job->kind == JOB_BARE) {
    job->bundle = bundle_new(tenant_folder(job), NULL);
    bundle_seal(job->bundle);
    return true;
  }
  job->bundle = bundle_read(tenant_folder(job), NULL, &job->problems);
  if (!job->bundle) return false;
  job->is_unchanged = !job->always && digest_equal(bundle_digest(job->bundle), job->known_digest);
  return true;
}

static bool build(struct job *job) {
  const struct keeper_start *start = &job->keeper->start;
  struct bundle *whole = bundle_over(job->bundle, job->site);
  int effect = !job->is_asked_role          ? BUILD_AS_TENANT_SAYS
               : job->role == TENANT_SHADOW ? BUILD_SHADOW
                                            : BUILD_EFFECTIVE;
  if (!job->has_current && !job->is_asked_role) effect = BUILD_EFFECTIVE;
  struct tenant_build build = {.tenant = job->tenant,
                               .number = job->number,
                               .bundle = whole,
                               .base = job->config,
                               .hosts = start->hosts,
                               .worker_count = start->worker_count,
                               .responses = start->responses,
                               .effect = effect,
                               .skips_specs = job->kind == JOB_KEPT || job->kind == JOB_BARE,
                               .services = job->services,
                               .service_count = job->service_count};
  bool fine = tenant_build(&build, &job->built, &job->problems);
  bundle_unref(whole);
  return fine;
}

void keeper_job_run(struct job *job) {
  if (job->kind == JOB_SURVEY) {
    keeper_survey_run(job);
    return;
  }
  job->fine = read_files(job) && (job->is_unchanged || build(job));
  bool is_new = job->kind != JOB_KEPT && job->kind != JOB_BARE;
  if (job->fine && !job->is_unchanged && is_new) keeper_state_keep(job);
}

/* A tenant's first generation has nothing to be compared with. */
static void choose_role(struct job *job, const struct keeper_tenant *t) {
  const struct tenant_settings *settings = job->built.config->tenant;
  if (job->is_asked_role) return;
  job->role = TENANT_CURRENT;
  if (t->roles[TENANT_CURRENT] == 0) return;
  if (settings->has_canary) {
    job->role = TENANT_CANARY;
    job->share = (struct tenant_share){settings->canary_percent, settings->canary_keys,
                                       settings->canary_key_count};
  } else if (settings->is_shadow) {
    job->role = TENANT_SHADOW;
  }
}

/* A version is tried before it is staged, but scripts may change behind it. */
static void say_services(const struct job *job) {
  for (size_t i = 0; job->built.count && i < job->service_count; i++) {
    struct slice problem, rest, list = job->services[i];
    if (tenant_scripts_chain(job->built.scripts[0], list, &problem)) continue;
    struct slice first = slice_cut(problem, '\n', &rest);
    log_process(LOG_ERROR,
                "tenant %.*s: over generation %llu its services with the policies %.*s are closed: "
                "%.*s",
                (int)job->tenant.len, job->tenant.data, (unsigned long long)job->number,
                list.len > 200 ? 200 : (int)list.len, list.data, (int)first.len, first.data);
  }
}

static void count_swap(const struct job *job, const char *result) {
  struct slice labels[] = {job->tenant, slice_of(result)};
  metric_add(metric_get(METRIC_SCRIPT_SWAPS, labels), 1);
}

/* What somebody waits for is ready with the last of these. */
static void restore_beside(struct job *job, struct keeper_tenant *t, enum tenant_role role,
                           uint64_t number) {
  const struct kept *kept = keeper_kept_find(t, number);
  if (!kept) return;
  struct job *beside = keeper_role_job(job->keeper, t, role);
  if (job->is_for_services) keeper_services_mark(beside);
  keeper_activate(job->keeper, t, kept, beside);
}

static void take_over(struct job *job, struct keeper_tenant *t) {
  static const char *const roles[] = {"runs", "runs as a canary", "decides without effect"};
  bool is_rebuild = job->kind == JOB_KEPT && t->roles[job->role] == job->number;
  choose_role(job, t);
  if (job->kind != JOB_KEPT) {
    t->last_number = job->number;
    keeper_kept_add(t, &(struct kept){.number = job->number,
                                      .created_ms = clock_wall_ms(),
                                      .source = job->source,
                                      .bundle = bundle_ref(job->bundle)});
    t->refusal.number = 0;
  }
  t->was_refused = false;
  uint64_t before[TENANT_ROLE_COUNT];
  memcpy(before, t->roles, sizeof before);
  keeper_publish(job, t);
  for (int role = TENANT_CANARY; job->is_rebuild && role < TENANT_ROLE_COUNT; role++)
    restore_beside(job, t, role, before[role]);
  if (job->kind != JOB_KEPT) memset(t->wanted, 0, sizeof t->wanted);
  if (!is_rebuild) count_swap(job, "ok");
  log_process(LOG_INFO, "tenant %s: generation %llu %s", t->name, (unsigned long long)job->number,
              roles[job->role]);
  keeper_kept_prune(job->keeper, t);
}

/* Without an earlier generation the tenant's rules are unknown, and its requests are refused. */
static void block(struct job *job, struct keeper_tenant *t) {
  struct keeper *k = job->keeper;
  size_t count = k->start.worker_count;
  struct tenant_scripts **refusals = must_calloc(count + 1, sizeof *refusals);
  for (size_t i = 0; i < count; i++)
    refusals[i] = tenant_scripts_new_refusal(
        job->tenant, SLICE("the tenant's scripts could not be loaded; its operator finds the "
                           "reason with gateyes scripts list"));
  struct keeper_news news = {job->tenant, TENANT_CURRENT, refusals, NULL};
  k->start.callbacks->on_news(k->start.context, &news);
  free(refusals);
  t->is_blocked = true;
  t->is_bare = false;
}

static void refuse(struct job *job, struct keeper_tenant *t) {
  bool is_new = job->kind != JOB_KEPT;
  unsigned long long running = t->roles[TENANT_CURRENT], number = job->number;
  bytes_clear(&t->refusal.problems);
  for (size_t i = 0; i < job->problems.count; i++) {
    const char *problem = job->problems.items[i];
    bytes_append_text(&t->refusal.problems, problem);
    bytes_append_byte(&t->refusal.problems, '\n');
    if (running == number)
      log_process(LOG_ERROR,
                  "tenant %s: generation %llu runs on as it was; over what is new it is refused "
                  "because %s",
                  t->name, running, problem);
    else if (running)
      log_process(LOG_ERROR,
                  "tenant %s: running generation %llu, generation %llu refused because %s", t->name,
                  running, number, problem);
    else
      log_process(LOG_ERROR, "tenant %s: no generation runs, generation %llu refused because %s",
                  t->name, number, problem);
  }
  t->refusal.number = job->number;
  t->refusal.at_ms = clock_wall_ms();
  if (is_new) t->last_number = job->number;
  if (job->kind == JOB_FOLDER) t->was_refused = job->bundle != NULL;
  count_swap(job, "refused");
  if (!running && job->kind != JOB_PUSH && !keeper_restore(job->keeper, t)) block(job, t);
}

static void note_folder(struct job *job, struct keeper_tenant *t) {
  if (job->kind != JOB_FOLDER || !job->bundle) return;
  t->has_folder = true;
  memcpy(t->folder_digest, bundle_digest(job->bundle), SHA256_BYTES);
}

/* Scripts may have come since it was asked for. */
static void end_bare(struct job *job, struct keeper_tenant *t) {
  bool is_free = !t->roles[TENANT_CURRENT] && !t->is_blocked;
  for (size_t i = 0; i < job->problems.count; i++)
    log_process(LOG_ERROR, "tenant %s: policies of its services cannot run: %s", t->name,
                job->problems.items[i]);
  if (job->fine && is_free) keeper_publish(job, t);
}

void keeper_job_end(struct job *job) {
  struct keeper *k = job->keeper;
  if (job->kind == JOB_SURVEY) {
    keeper_survey_end(job);
    return;
  }
  struct keeper_tenant *t = keeper_tenant_get(k, job->tenant);
  if (job->fine && !job->is_unchanged) say_services(job);
  if (job->kind == JOB_BARE) {
    end_bare(job, t);
    return;
  }
  note_folder(job, t);
  if (job->is_unchanged) {
    if (!t->was_refused) t->refusal.number = 0; /* what could not be read is gone again */
    keeper_restore(k, t);
    return;
  }
  if (job->fine)
    take_over(job, t);
  else
    refuse(job, t);
  keeper_state_note(k, t);
  if (!job->token) return;
  if (job->fine)
    keeper_answer_tenant(k, t, job->token);
  else
    keeper_answer_problems(k, job);
}
