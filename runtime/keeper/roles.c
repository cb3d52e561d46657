/* What a tenant runs, and the sentence that says so. */
#include "base/json.h"
#include "keeper/private.h"
#include "observe/metric.h"
#include "script/tenant_standing.h"

static void note_share(struct keeper_tenant *t, const struct tenant_share *share) {
  struct arena fresh; /* share may lie in the old one */
  arena_init(&fresh);
  t->share = keeper_share_copy(share, &fresh);
  arena_fini(&t->canary_arena);
  t->canary_arena = fresh;
}

static void note_standing(struct keeper_tenant *t, enum tenant_role role,
                          struct tenant_standing *standing) {
  if (standing) tenant_standing_ref(standing);
  tenant_standing_unref(t->standings[role]);
  t->standings[role] = standing;
}

/* A roll back is no step forward: what it leaves is not what ran before. */
static void note_run(struct kept *kept, uint64_t current) {
  if (!kept) return;
  if (!kept->has_run && current < kept->number) kept->before = current;
  kept->has_run = true;
}

void keeper_publish(struct job *job, struct keeper_tenant *t) {
  struct keeper *k = job->keeper;
  struct slice name = slice_of(t->name);
  if (job->role == TENANT_CANARY) note_share(t, &job->share);
  struct keeper_news news = {name, job->role, job->built.scripts, &t->share};
  if (job->role == TENANT_CURRENT && job->built.count)
    tenant_shelf_put(k->start.shelf, name, job->built.config,
                     tenant_scripts_bundle(job->built.scripts[0]));
  k->start.callbacks->on_news(k->start.context, &news);
  job->built.count = 0; /* they have been taken */
  note_standing(t, job->role, job->built.standing);
  if (job->role == TENANT_CURRENT) {
    note_run(keeper_kept_find(t, job->number), t->roles[TENANT_CURRENT]);
    metric_set(metric_get(METRIC_SCRIPT_GENERATION, &name), job->number);
    metric_set(metric_get(METRIC_SCRIPTS_DISABLED, &name), 0);
    t->is_blocked = false;
    t->is_bare = job->kind == JOB_BARE;
    for (int role = TENANT_CANARY; role < TENANT_ROLE_COUNT; role++) {
      t->roles[role] = 0;
      note_standing(t, role, NULL);
    }
  }
  t->roles[job->role] = job->number;
}

void keeper_withdraw(struct keeper *k, struct keeper_tenant *t, enum tenant_role role) {
  struct keeper_news news = {slice_of(t->name), role, NULL, NULL};
  t->roles[role] = t->wanted[role] = 0;
  note_standing(t, role, NULL);
  if (role == TENANT_CURRENT) {
    tenant_shelf_put(k->start.shelf, slice_of(t->name), NULL, NULL);
    t->is_bare = false;
  }
  k->start.callbacks->on_news(k->start.context, &news);
}

static void append_disabled(const struct keeper *k, const struct keeper_tenant *t,
                            struct bytes *out) {
  struct bytes reason;
  bytes_init(&reason);
  unsigned workers = tenant_standing_disabled(t->standings[TENANT_CURRENT], &reason);
  if (workers)
    bytes_printf(out, ", disabled in %u of %zu workers since %s", workers, k->start.worker_count,
                 bytes_text(&reason));
  bytes_fini(&reason);
}

static void append_others(const struct keeper_tenant *t, struct bytes *out) {
  if (t->roles[TENANT_SHADOW])
    bytes_printf(out, ", generation %llu as a shadow", (unsigned long long)t->roles[TENANT_SHADOW]);
  if (!t->roles[TENANT_CANARY]) return;
  bytes_printf(out, ", generation %llu as a canary for ",
               (unsigned long long)t->roles[TENANT_CANARY]);
  if (t->share.percent) bytes_printf(out, "%u %% of the requests", t->share.percent);
  const char *before = t->share.percent ? " and those of " : "those of ";
  for (size_t i = 0; i < t->share.key_count; i++)
    bytes_printf(out, "%s%.*s", i ? ", " : before, (int)t->share.keys[i].len,
                 t->share.keys[i].data);
}

static void append_refusal(const struct keeper_tenant *t, struct slice why, struct bytes *out) {
  if (t->refusal.number == t->roles[TENANT_CURRENT])
    bytes_append_text(out, " as it was, over what is new it is");
  else
    bytes_printf(out, ", generation %llu", (unsigned long long)t->refusal.number);
  bytes_printf(out, " refused because %.*s", (int)why.len, why.data);
}

void keeper_describe_state(const struct keeper *k, const struct keeper_tenant *t,
                           struct bytes *out) {
  struct bytes text;
  struct slice rest, first = slice_cut(bytes_slice(&t->refusal.problems), '\n', &rest);
  bytes_init(&text);
  if (t->roles[TENANT_CURRENT])
    bytes_printf(&text, "running generation %llu", (unsigned long long)t->roles[TENANT_CURRENT]);
  else
    bytes_append_text(&text, t->is_blocked ? "requests are refused" : "no scripts");
  append_disabled(k, t, &text);
  append_others(t, &text);
  if (t->refusal.number) append_refusal(t, first, &text);
  json_quote(out, bytes_slice(&text));
  bytes_fini(&text);
}
