#include <stdlib.h>

#include "script/body_edit.h"
#include "script/policy_private.h"

enum { SPARE_NODES = 1024, SPARE_TEXTS = 256 }; /* more is freed */

static struct slice current(const struct policy_run *run) {
  return run->owns_body ? bytes_slice(&run->body) : run->request.body;
}

size_t policy_body_bytes(const struct policy_run *run) {
  return current(run).len;
}

void policy_scans_drop(struct policy_run *run) {
  for (size_t i = 0; i < run->scans.count; i++)
    detect_findings_fini(&run->scans.texts[i]);
  free(run->scans.texts);
  free(run->scans.is_known);
  detect_rules_unref(run->scans.rules);
  run->scans = (struct scans){0};
}

static struct policy_pool *pool_of(const struct policy_run *run) {
  return run->chain->settings.host->pool;
}

static bool is_index_of(const struct json_index *index, struct slice body) {
  return index && index->text.data == body.data && index->text.len == body.len;
}

static bool is_unused(const struct body_reading *r) {
  return !r->index.nodes && !r->texts.items;
}

static void take_memory(struct policy_run *run) {
  struct policy_pool *pool = pool_of(run);
  if (!pool || !is_unused(&run->reading)) return;
  run->reading = pool->reading;
  pool->reading = (struct body_reading){0};
}

static void give_memory(struct policy_run *run) {
  struct policy_pool *pool = pool_of(run);
  struct body_reading *r = &run->reading;
  bool is_small = r->index.room <= SPARE_NODES && r->texts.room <= SPARE_TEXTS;
  run->has_index = run->has_texts = false;
  if (pool && is_small && is_unused(&pool->reading))
    pool->reading = *r;
  else
    policy_reading_fini(r);
  *r = (struct body_reading){0};
}

void policy_reading_fini(struct body_reading *r) {
  json_index_fini(&r->index);
  body_texts_fini(&r->texts);
}

const struct json_index *policy_index(struct policy_run *run) {
  if (run->has_index) return &run->reading.index;
  if (is_index_of(run->request.index, current(run))) return run->request.index;
  take_memory(run);
  json_index_read(&run->reading.index, current(run));
  run->has_index = true;
  return &run->reading.index;
}

struct body_texts *policy_texts(struct policy_run *run) {
  if (run->has_texts) return &run->reading.texts;
  take_memory(run);
  body_texts_read(&run->reading.texts, run->request.dialect, policy_index(run));
  run->has_texts = true;
  return &run->reading.texts;
}

static void drop_edits(struct policy_run *run) {
  for (size_t i = 0; i < run->reading.texts.count; i++) {
    if (!run->replaced[i]) continue;
    bytes_fini(run->replaced[i]);
    free(run->replaced[i]);
  }
  free(run->replaced);
  run->replaced = NULL;
}

static void drop_texts(struct policy_run *run) {
  policy_scans_drop(run);
  if (run->replaced) drop_edits(run);
  give_memory(run);
  run->has_pending = false;
}

void policy_reading_end(struct policy_run *run) {
  if (!run->replaced) give_memory(run);
}

bool policy_text_is_sent(const struct policy_run *run, size_t index) {
  return !run->replaced || !run->replaced[index];
}

void policy_text(struct policy_run *run, size_t index, struct bytes *out) {
  struct body_texts *texts = policy_texts(run);
  must(index < texts->count);
  if (!policy_text_is_sent(run, index))
    bytes_append_slice(out, bytes_slice(run->replaced[index]));
  else
    json_unescape(texts->items[index].raw, out);
}

struct bytes *policy_text_edit(struct policy_run *run, size_t index) {
  must(index < policy_texts(run)->count);
  if (!run->replaced) run->replaced = must_calloc(run->reading.texts.count, sizeof(struct bytes *));
  if (!run->replaced[index]) {
    run->replaced[index] = must_alloc(sizeof(struct bytes));
    bytes_init(run->replaced[index]);
  }
  policy_scans_drop(run);
  bytes_clear(run->replaced[index]);
  run->has_pending = true;
  return run->replaced[index];
}

static void replace_body(struct policy_run *run, struct bytes *fresh) {
  drop_texts(run);
  bytes_fini(&run->body);
  run->body = *fresh;
  bytes_init(fresh);
  run->owns_body = true;
}

struct slice policy_body(struct policy_run *run) {
  if (run->has_pending) {
    struct bytes fresh;
    bytes_init(&fresh);
    body_edit_texts(current(run), &run->reading.texts, run->replaced, &fresh);
    replace_body(run, &fresh);
  }
  return current(run);
}

void policy_body_take(struct policy_run *run, struct bytes *body) {
  replace_body(run, body);
  run->version++;
}

void policy_body_fini(struct policy_run *run) {
  drop_texts(run);
  bytes_fini(&run->body);
}
