#include "script/shadow_log.h"

#include <stdlib.h>
#include <uv.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/list.h"

enum { DECISION_BYTES = 1000 };

struct entry {
  struct list link; /* newest first */
  struct bytes json;
};

struct tenant_log {
  struct list link;
  struct bytes tenant;
  uint64_t generation, requests, different;
  struct list entries;
  size_t count;
};

struct shadow_log {
  uv_mutex_t lock; /* texts are made before it is taken */
  struct list tenants;
};

struct shadow_log *shadow_log_new(void) {
  struct shadow_log *log = must_calloc(1, sizeof *log);
  must(uv_mutex_init(&log->lock) == 0);
  list_init(&log->tenants);
  return log;
}

static void entry_free(struct entry *e) {
  list_remove(&e->link);
  bytes_fini(&e->json);
  free(e);
}

static void clear(struct tenant_log *t) {
  list_each_safe(node, &t->entries) entry_free(list_entry(node, struct entry, link));
  t->count = 0;
  t->requests = t->different = 0;
}

void shadow_log_free(struct shadow_log *log) {
  list_each_safe(node, &log->tenants) {
    struct tenant_log *t = list_entry(node, struct tenant_log, link);
    clear(t);
    list_remove(&t->link);
    bytes_fini(&t->tenant);
    free(t);
  }
  uv_mutex_destroy(&log->lock);
  free(log);
}

static void append_list(struct bytes *out, const char *title, const struct slice *items,
                        size_t count) {
  for (size_t i = 0; i < count; i++) {
    bytes_append_text(out, i ? "," : title);
    bytes_append_slice(out, items[i]);
  }
}

static void append_requirements(struct bytes *out, const struct policy_requirements *r) {
  if (r->residency.len)
    bytes_printf(out, ", residency %.*s", (int)r->residency.len, r->residency.data);
  append_list(out, ", capabilities ", r->capabilities, r->capability_count);
  if (r->only_providers) append_list(out, ", providers ", r->providers, r->provider_count);
  if (r->context_tokens) bytes_printf(out, ", context %llu", (unsigned long long)r->context_tokens);
  if (r->is_impossible) bytes_append_text(out, ", requirements that exclude each other");
}

/* Never the body itself: it is the client's. */
static void append_digest(struct bytes *out, const char *title, struct slice text) {
  uint8_t digest[SHA256_BYTES];
  char hex[2 * SHA256_BYTES + 1];
  digest_sha256(text, digest);
  digest_hex(digest, SHA256_BYTES, hex);
  bytes_printf(out, "%s %.12s", title, hex);
}

void shadow_describe(const struct verdict *v, struct bytes *out) {
  if (!v || v->kind == VERDICT_PASS)
    bytes_append_text(out, "pass");
  else if (v->kind == VERDICT_DENY)
    bytes_printf(out, "deny %d %.*s", v->status, (int)v->code.len, v->code.data);
  else
    append_digest(out, "answer", v->body.len ? v->body : v->text);
  if (!v || v->kind != VERDICT_PASS) return;
  append_requirements(out, &v->requirements);
  if (v->model.len) bytes_printf(out, ", model %.*s", (int)v->model.len, v->model.data);
  if (v->is_edited) append_digest(out, ", body", v->edited_body);
  for (size_t i = 0; i < v->tag_count; i++)
    bytes_printf(out, ", tag %.*s=%.*s", (int)v->tags[i].name.len, v->tags[i].name.data,
                 (int)v->tags[i].value.len, v->tags[i].value.data);
}

static void append_member(struct bytes *out, const char *name, struct slice text) {
  if (text.len > DECISION_BYTES) text.len = DECISION_BYTES;
  json_append_text(out, name, text);
}

static struct entry *entry_new(struct slice request_id, const struct shadow_difference *d) {
  struct entry *e = must_calloc(1, sizeof *e);
  list_init(&e->link);
  bytes_append_text(&e->json, "{\"request_id\":");
  json_quote(&e->json, request_id);
  append_member(&e->json, "hook", slice_of(d->hook));
  append_member(&e->json, "running", d->running);
  append_member(&e->json, "shadow", d->shadow);
  if (d->why.len) append_member(&e->json, "why", d->why);
  bytes_append_byte(&e->json, '}');
  return e;
}

static struct tenant_log *find(struct shadow_log *log, struct slice tenant) {
  list_each(node, &log->tenants) {
    struct tenant_log *t = list_entry(node, struct tenant_log, link);
    if (slice_equal(bytes_slice(&t->tenant), tenant)) return t;
  }
  return NULL;
}

static struct tenant_log *get(struct shadow_log *log, struct slice tenant) {
  struct tenant_log *t = find(log, tenant);
  if (t) return t;
  t = must_calloc(1, sizeof *t);
  bytes_append_slice(&t->tenant, tenant);
  list_init(&t->entries);
  list_append(&log->tenants, &t->link);
  return t;
}

void shadow_log_note(struct shadow_log *log, const struct shadow_note *note) {
  struct list fresh;
  list_init(&fresh);
  for (size_t i = 0; i < note->count; i++)
    list_append(&fresh, &entry_new(note->request_id, &note->items[i])->link);
  uv_mutex_lock(&log->lock);
  struct tenant_log *t = get(log, note->tenant);
  if (t->generation != note->generation) clear(t);
  t->generation = note->generation;
  t->requests++;
  t->different += note->count > 0;
  for (struct list *node = fresh.prev; node != &fresh; node = fresh.prev) {
    list_remove(node);
    list_prepend(&t->entries, node);
    t->count++;
  }
  while (t->count > SHADOW_DIFFERENCES_MAX) {
    entry_free(list_entry(t->entries.prev, struct entry, link));
    t->count--;
  }
  uv_mutex_unlock(&log->lock);
}

void shadow_log_write(struct shadow_log *log, struct slice tenant, struct bytes *out) {
  static const struct tenant_log nothing;
  uv_mutex_lock(&log->lock);
  const struct tenant_log *found = find(log, tenant), *t = found ? found : &nothing;
  bytes_printf(out, "{\"generation\":%llu,\"requests\":%llu,\"different\":%llu,\"differences\":[",
               (unsigned long long)t->generation, (unsigned long long)t->requests,
               (unsigned long long)t->different);
  if (found) list_each(node, &t->entries) {
      if (node != t->entries.next) bytes_append_byte(out, ',');
      bytes_append_slice(out, bytes_slice(&list_entry(node, struct entry, link)->json));
    }
  bytes_append_text(out, "]}");
  uv_mutex_unlock(&log->lock);
}
