/* What operators ask, and what they are told. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "keeper/private.h"
#include "script/shadow_log.h"
#include "script/tenant_standing.h"

static const char *const role_names[] = {"running", "canary", "shadow"};
static const char *const source_names[] = {"folder", "push", "site"};

static void answer(struct keeper *k, void *token, int status, struct bytes *body) {
  bytes_append_byte(body, '\n');
  k->start.callbacks->on_answer(k->start.context, token, status, bytes_slice(body));
  bytes_fini(body);
}

static void answer_error(struct keeper *k, void *token, int status, const char *message) {
  struct bytes body;
  bytes_init(&body);
  bytes_printf(&body, "{\"error\":{\"code\":\"%s\",\"message\":",
               status == 400   ? "bad_request"
               : status == 404 ? "not_found"
               : status == 503 ? "unavailable"
                               : "scripts_refused");
  json_quote(&body, slice_of(message));
  bytes_append_text(&body, ",\"field\":null}}");
  answer(k, token, status, &body);
}

void keeper_answer_closing(const struct job *job) {
  if (job->token) answer_error(job->keeper, job->token, 503, "the gateway is stopping");
}

static void append_lines(struct bytes *out, struct slice lines) {
  bytes_append_byte(out, '[');
  while (lines.len) {
    json_quote(out, slice_cut(lines, '\n', &lines));
    if (lines.len) bytes_append_byte(out, ',');
  }
  bytes_append_byte(out, ']');
}

static void describe_kept(const struct keeper_tenant *t, const struct kept *kept,
                          struct bytes *out) {
  char digest[2 * SHA256_BYTES + 1];
  size_t files;
  bundle_files(kept->bundle, &files);
  digest_hex(bundle_digest(kept->bundle), SHA256_BYTES, digest);
  bytes_printf(out,
               "{\"generation\":%llu,\"created_ms\":%lld,\"source\":\"%s\",\"files\":%zu,"
               "\"sha256\":\"%s\",\"role\":",
               (unsigned long long)kept->number, (long long)kept->created_ms,
               source_names[kept->source], files, digest);
  const char *role = NULL;
  for (int i = TENANT_ROLE_COUNT - 1; i >= 0; i--)
    if (t->roles[i] == kept->number) role = role_names[i];
  bytes_printf(out, role ? "\"%s\"}" : "null}", role);
}

static void describe_canary(const struct keeper_tenant *t, struct bytes *out) {
  if (!t->roles[TENANT_CANARY]) return;
  bytes_printf(out, ",\"canary_percent\":%u,\"canary_keys\":[", t->share.percent);
  for (size_t i = 0; i < t->share.key_count; i++) {
    if (i) bytes_append_byte(out, ',');
    json_quote(out, t->share.keys[i]);
  }
  bytes_append_byte(out, ']');
}

static void describe_disabled(const struct keeper_tenant *t, struct bytes *out) {
  struct bytes reason;
  bytes_init(&reason);
  unsigned workers = tenant_standing_disabled(t->standings[TENANT_CURRENT], &reason);
  bytes_append_text(out, ",\"disabled\":");
  if (workers) {
    bytes_printf(out, "{\"workers\":%u,\"reason\":", workers);
    json_quote(out, bytes_slice(&reason));
    bytes_append_byte(out, '}');
  } else {
    bytes_append_text(out, "null");
  }
  bytes_fini(&reason);
}

static void describe(const struct keeper *k, const struct keeper_tenant *t, struct bytes *out) {
  bytes_append_text(out, "{\"tenant\":");
  json_quote(out, slice_of(t->name));
  bytes_append_text(out, ",\"state\":");
  keeper_describe_state(k, t, out);
  for (int i = 0; i < TENANT_ROLE_COUNT; i++)
    if (t->roles[i])
      bytes_printf(out, ",\"%s\":%llu", role_names[i], (unsigned long long)t->roles[i]);
    else
      bytes_printf(out, ",\"%s\":null", role_names[i]);
  describe_canary(t, out);
  uint64_t before = keeper_kept_before(t);
  bytes_append_text(out, ",\"before\":");
  bytes_printf(out, before ? "%llu" : "null", (unsigned long long)before);
  bytes_printf(out, ",\"is_blocked\":%s,\"refused\":", t->is_blocked ? "true" : "false");
  if (t->refusal.number) {
    bytes_printf(out, "{\"generation\":%llu,\"at_ms\":%lld,\"problems\":",
                 (unsigned long long)t->refusal.number, (long long)t->refusal.at_ms);
    append_lines(out, bytes_slice(&t->refusal.problems));
    bytes_append_byte(out, '}');
  } else {
    bytes_append_text(out, "null");
  }
  describe_disabled(t, out);
  bytes_append_text(out, ",\"generations\":[");
  for (struct list *node = t->kept.prev; node != &t->kept; node = node->prev) {
    if (node != t->kept.prev) bytes_append_byte(out, ',');
    describe_kept(t, list_entry(node, struct kept, link), out);
  }
  bytes_append_text(out, "]}");
}

void keeper_answer_tenant(struct keeper *k, const struct keeper_tenant *t, void *token) {
  struct bytes body;
  bytes_init(&body);
  describe(k, t, &body);
  answer(k, token, 200, &body);
}

void keeper_answer_problems(struct keeper *k, const struct job *job) {
  struct bytes body;
  bytes_init(&body);
  bytes_printf(&body,
               "{\"error\":{\"code\":\"scripts_refused\",\"message\":\"generation %llu was refused;"
               " nothing has changed\",\"field\":null,\"problems\":[",
               (unsigned long long)job->number);
  for (size_t i = 0; i < job->problems.count; i++) {
    if (i) bytes_append_byte(&body, ',');
    json_quote(&body, slice_of(job->problems.items[i]));
  }
  bytes_append_text(&body, "]}}");
  answer(k, job->token, 422, &body);
}

static int by_name(const void *a, const void *b) {
  const struct keeper_tenant *const *x = a, *const *y = b;
  return strcmp((*x)->name, (*y)->name);
}

static void list_all(struct keeper *k, void *token) {
  struct bytes body;
  size_t count = 0;
  list_each(node, &k->tenants) count++;
  const struct keeper_tenant **all = must_calloc(count + 1, sizeof *all), **next = all;
  list_each(node, &k->tenants) *next++ = list_entry(node, struct keeper_tenant, link);
  if (count) qsort(all, count, sizeof *all, by_name);
  bytes_init(&body);
  bytes_append_text(&body, "{\"tenants\":[");
  for (size_t i = 0; i < count; i++) {
    if (i) bytes_append_byte(&body, ',');
    describe(k, all[i], &body);
  }
  bytes_append_text(&body, "]}");
  free(all);
  answer(k, token, 200, &body);
}

static void append_kept(const struct keeper_tenant *t, struct bytes *out) {
  const char *between = "";
  for (struct list *node = t->kept.prev; node != &t->kept; node = node->prev) {
    bytes_printf(out, "%s%llu", between,
                 (unsigned long long)list_entry(node, struct kept, link)->number);
    between = ", ";
  }
  if (!*between) bytes_append_text(out, "none");
}

static void answer_not_kept(struct keeper *k, const struct keeper_tenant *t, uint64_t number,
                            void *token) {
  struct bytes text;
  bytes_init(&text);
  bytes_printf(&text,
               "generation %llu of %s is not kept; those that are: ", (unsigned long long)number,
               t->name);
  append_kept(t, &text);
  answer_error(k, token, 404, bytes_text(&text));
  bytes_fini(&text);
}

static void show(struct keeper *k, const struct keeper_tenant *t, const struct scripts_question *q,
                 void *token) {
  if (!q->number) {
    keeper_answer_tenant(k, t, token);
    return;
  }
  const struct kept *kept = keeper_kept_find(t, q->number);
  if (!kept) {
    answer_not_kept(k, t, q->number, token);
    return;
  }
  struct bytes body;
  bytes_init(&body);
  bytes_printf(&body, "{\"generation\":%llu,\"files\":", (unsigned long long)kept->number);
  bundle_write_json(kept->bundle, &body);
  bytes_append_byte(&body, '}');
  answer(k, token, 200, &body);
}

static void push(struct keeper *k, const struct scripts_question *q, void *token) {
  if (!k->config->tenants_path.len) {
    answer_error(k, token, 409, "tenants is not set in the configuration; name a folder there");
    return;
  }
  struct job *job = keeper_job_new(k, JOB_PUSH, q->tenant);
  job->source = KEPT_PUSH;
  job->body = arena_slice(&job->arena, q->body);
  job->token = token;
  keeper_job_post(job);
}

/* The number that was asked for, or what the action means without one; 0: nothing. */
static uint64_t number_of(const struct keeper_tenant *t, const struct scripts_question *q) {
  if (q->number) return q->number;
  if (q->action == SCRIPTS_ROLLBACK) return keeper_kept_before(t);
  if (q->action != SCRIPTS_PROMOTE) return 0;
  return t->roles[TENANT_CANARY] ? t->roles[TENANT_CANARY] : t->roles[TENANT_SHADOW];
}

static void answer_nothing(struct keeper *k, const struct keeper_tenant *t,
                           enum scripts_action action, void *token) {
  struct bytes text;
  unsigned long long current = t->roles[TENANT_CURRENT];
  bytes_init(&text);
  if (action == SCRIPTS_PROMOTE)
    bytes_append_text(&text, "there is no canary and no shadow to promote; name a generation of: ");
  else if (action != SCRIPTS_ROLLBACK)
    bytes_append_text(&text, "generation: is missing; name one of: ");
  else if (current)
    bytes_printf(&text,
                 "nothing that ran before generation %llu is kept, so there is nothing to roll "
                 "back to; kept are: ",
                 current);
  else
    bytes_append_text(&text, "nothing runs, so there is nothing to roll back; name one of: ");
  append_kept(t, &text);
  answer_error(k, token, action == SCRIPTS_ROLLBACK || action == SCRIPTS_PROMOTE ? 409 : 400,
               bytes_text(&text));
  bytes_fini(&text);
}

static void activate(struct keeper *k, struct keeper_tenant *t, const struct scripts_question *q,
                     void *token) {
  static const enum tenant_role roles[] = {[SCRIPTS_ROLLBACK] = TENANT_CURRENT,
                                           [SCRIPTS_PROMOTE] = TENANT_CURRENT,
                                           [SCRIPTS_CANARY] = TENANT_CANARY,
                                           [SCRIPTS_SHADOW] = TENANT_SHADOW};
  struct job *job = keeper_job_new(k, JOB_KEPT, q->tenant);
  uint64_t number = number_of(t, q);
  job->role = roles[q->action];
  job->is_asked_role = true;
  job->token = token;
  struct slice body = arena_slice(&job->arena, q->body);
  bool fine = q->action != SCRIPTS_CANARY || keeper_read_share(job, body);
  if (fine && q->action == SCRIPTS_CANARY && !job->share.percent && !job->share.key_count) {
    config_problem(&job->problems, "a canary serves a part of the requests: give percent, above 0, "
                                   "or keys");
    fine = false;
  }
  const struct kept *kept = keeper_kept_find(t, number);
  if (!fine) {
    answer_error(k, token, 400, job->problems.items[0]);
  } else if (!number) {
    answer_nothing(k, t, q->action, token);
  } else if (!kept) {
    answer_not_kept(k, t, number, token);
  } else {
    keeper_activate(k, t, kept, job);
    return;
  }
  keeper_job_free(job);
}

static void drop(struct keeper *k, struct keeper_tenant *t, void *token) {
  for (int role = TENANT_CANARY; role < TENANT_ROLE_COUNT; role++)
    keeper_withdraw(k, t, role);
  keeper_state_note(k, t);
  keeper_answer_tenant(k, t, token);
}

static void differences(struct keeper *k, const struct keeper_tenant *t, void *token) {
  struct bytes body;
  bytes_init(&body);
  shadow_log_write(k->start.shadows, slice_of(t->name), &body);
  answer(k, token, 200, &body);
}

void keeper_ask(struct keeper *k, const struct scripts_question *q, void *token) {
  struct keeper_tenant *t = keeper_tenant_find(k, q->tenant);
  if (q->action == SCRIPTS_LIST) {
    list_all(k, token);
  } else if (q->action == SCRIPTS_PUSH && keeper_is_tenant_name(q->tenant)) {
    push(k, q, token);
  } else if (!t) {
    answer_error(k, token, 404, "no such tenant has scripts");
  } else if (q->action == SCRIPTS_DIFFERENCES) {
    differences(k, t, token);
  } else if (q->action == SCRIPTS_SHOW) {
    show(k, t, q, token);
  } else if (q->action == SCRIPTS_DROP) {
    drop(k, t, token);
  } else {
    activate(k, t, q, token);
  }
}
