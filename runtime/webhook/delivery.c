/* One piece of news on its way to one webhook. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/glob.h"
#include "base/json.h"
#include "observe/log.h"
#include "observe/metric.h"
#include "webhook/private.h"

enum { SENDING_MAX = 16, ANSWER_BYTES = 64 << 10, WAIT_MS_MAX = 3600 * 1000 };

static struct list *bucket_of(struct webhooks *w, struct slice id) {
  return &w->buckets[slice_hash(id) % DELIVERY_BUCKETS];
}

struct delivery *delivery_new(struct webhooks *w, const char *id) {
  struct delivery *d = must_calloc(1, sizeof *d);
  d->owner = w;
  arena_init(&d->arena);
  snprintf(d->id, sizeof d->id, "%s", id);
  list_init(&d->link);
  list_init(&d->bucket);
  list_append(&w->deliveries, &d->link);
  list_append(bucket_of(w, slice_of(d->id)), &d->bucket);
  w->count++;
  return d;
}

struct delivery *delivery_find(struct webhooks *w, struct slice id) {
  list_each(node, bucket_of(w, id)) {
    struct delivery *d = list_entry(node, struct delivery, bucket);
    if (slice_equal_text(id, d->id)) return d;
  }
  return NULL;
}

void delivery_free(struct delivery *d) {
  must(!d->fetch);
  list_remove(&d->link);
  list_remove(&d->bucket);
  d->owner->count--;
  arena_fini(&d->arena);
  config_unref(d->config);
  free(d);
}

void delivery_write(const struct delivery *d, struct bytes *body) {
  bytes_printf(body, "{\"attempts\":%u,\"next_ms\":%lld,\"status\":%d,\"error\":", d->attempts,
               (long long)d->next_ms, d->status);
  json_quote(body, slice_of(d->error));
  bytes_append_text(body, ",\"event\":");
  bytes_append_slice(body, d->event);
  bytes_append_byte(body, '}');
}

void delivery_load(struct webhooks *w, const struct entity *row) {
  uint64_t attempts = 0, next_ms = 0;
  struct slice event = json_find(row->body, "event");
  if (row->id.len != DELIVERY_ID_BYTES || !event.data || delivery_find(w, row->id)) return;
  if (w->count >= DELIVERIES_MAX) return; /* it stays in the store until there is room */
  char id[DELIVERY_ID_BYTES + 1] = {0};
  memcpy(id, row->id.data, row->id.len);
  struct delivery *d = delivery_new(w, id);
  d->webhook = arena_slice(&d->arena, row->owner);
  d->tenant = arena_slice(&d->arena, row->tenant);
  d->type = arena_slice(&d->arena, row->name);
  d->event = arena_slice(&d->arena, event);
  (void)json_to_u64(json_find(row->body, "attempts"), &attempts);
  (void)json_to_u64(json_find(row->body, "next_ms"), &next_ms);
  d->attempts = (uint32_t)attempts;
  d->next_ms = (int64_t)next_ms;
}

static void count(const struct delivery *d, const char *result) {
  struct slice labels[] = {d->webhook, slice_of(result)};
  metric_add(metric_get(METRIC_WEBHOOKS, labels), 1);
}

static void hash_parts(const struct slice *parts, size_t part_count, char *out) {
  uint8_t digest[SHA256_BYTES];
  struct bytes text;
  bytes_init(&text);
  for (size_t i = 0; i < part_count; i++) {
    bytes_printf(&text, "%zu:", parts[i].len);
    bytes_append_slice(&text, parts[i]);
  }
  digest_sha256(bytes_slice(&text), digest);
  digest_hex(digest, 16, out);
  bytes_fini(&text);
}

static void write_event(const struct webhook_event *e, const char *id, int64_t now_ms,
                        struct bytes *out) {
  char time[25];
  clock_format(now_ms, time);
  bytes_printf(out, "{\"id\":\"%s\",\"type\":\"%s\",\"created_at\":\"%s\",\"tenant\":", id, e->type,
               time);
  if (e->tenant.len)
    json_quote(out, e->tenant);
  else
    bytes_append_text(out, "null");
  bytes_append_text(out, ",\"data\":");
  bytes_append_slice(out, e->data);
  bytes_append_byte(out, '}');
}

static bool wants(const struct webhook *hook, const struct webhook_event *e) {
  struct globs globs = {hook->events, hook->event_count};
  if (hook->tenant.len && !slice_equal(hook->tenant, e->tenant)) return false;
  return globs_match(globs, slice_of(e->type));
}

static void make(struct webhooks *w, const struct webhook *hook, const struct webhook_event *e,
                 struct slice event, struct slice event_id) {
  const struct slice parts[] = {hook->name, event_id};
  char id[DELIVERY_ID_BYTES + 1] = "dlv_";
  hash_parts(parts, 2, id + 4);
  if (delivery_find(w, slice_of(id))) return;
  struct delivery *d = delivery_new(w, id);
  d->webhook = arena_slice(&d->arena, hook->name);
  d->tenant = arena_slice(&d->arena, e->tenant);
  d->type = arena_slice(&d->arena, slice_of(e->type));
  d->event = arena_slice(&d->arena, event);
  d->is_new = d->needs_save = true;
  if (w->count <= DELIVERIES_MAX) return;
  log_process(LOG_ERROR, "webhook %s: %d deliveries wait already; %s is dropped",
              arena_text(&d->arena, hook->name), DELIVERIES_MAX, e->type);
  count(d, "dropped");
  delivery_free(d);
}

void deliveries_make(struct webhooks *w, const struct webhook_event *e, int64_t now_ms) {
  const struct slice parts[] = {slice_of(e->type), e->tenant, e->subject};
  char id[DELIVERY_ID_BYTES + 1] = "evt_";
  struct bytes event;
  bytes_init(&event);
  hash_parts(parts, 3, id + 4);
  write_event(e, id, now_ms, &event);
  for (size_t i = 0; i < w->config->webhook_count; i++)
    if (wants(&w->config->webhooks[i], e))
      make(w, &w->config->webhooks[i], e, bytes_slice(&event), slice_of(id));
  bytes_fini(&event);
}

static const struct webhook *webhook_find(const struct config *config, struct slice name) {
  for (size_t i = 0; i < config->webhook_count; i++)
    if (slice_equal(config->webhooks[i].name, name)) return &config->webhooks[i];
  return NULL;
}

static void die(struct delivery *d) {
  d->state = DELIVERY_DEAD;
  d->needs_save = true;
  count(d, "dead");
  log_process(LOG_ERROR, "webhook %.*s: delivery %s (%.*s) is dead after %u attempts: %s",
              (int)d->webhook.len, d->webhook.data, d->id, (int)d->type.len, d->type.data,
              d->attempts, d->error);
}

static void wait_again(struct delivery *d, const struct webhook *hook) {
  uint64_t wait_ms = hook->retry_ms;
  for (uint32_t i = 1; i < d->attempts && wait_ms < WAIT_MS_MAX; i++)
    wait_ms *= 2;
  d->next_ms = clock_wall_ms() + (int64_t)(wait_ms < WAIT_MS_MAX ? wait_ms : WAIT_MS_MAX);
  d->needs_save = true;
  count(d, "retried");
}

static void on_answer(const struct fetch_answer *answer, void *user) {
  struct delivery *d = user;
  const struct webhook *hook = webhook_find(d->config, d->webhook);
  bool is_refused = answer->failure == FAILURE_UPSTREAM_ADDRESS || answer->status == 410;
  d->fetch = NULL;
  d->owner->sending--;
  d->attempts++;
  d->status = answer->failure ? 0 : answer->status;
  if (!answer->failure && answer->status >= 200 && answer->status < 300) {
    d->state = DELIVERY_DELIVERED;
    d->error[0] = 0;
    d->needs_save = true;
    count(d, "delivered");
  } else {
    snprintf(d->error, sizeof d->error, "%s",
             answer->failure ? answer->sentence : "the receiver did not answer 2xx");
    if (is_refused || d->attempts >= hook->attempts)
      die(d);
    else
      wait_again(d, hook);
  }
  config_unref(d->config);
  d->config = NULL;
}

/* HMAC-SHA-256 over the seconds, a point and the body: a receiver that compares the seconds with
 * its clock takes no old news twice. */
static void sign(const struct webhook *hook, const char *seconds, struct slice body, char *out) {
  uint8_t digest[SHA256_BYTES];
  struct bytes text;
  bytes_init(&text);
  bytes_printf(&text, "%s.", seconds);
  bytes_append_slice(&text, body);
  digest_hmac(hook->secret, bytes_slice(&text), digest);
  digest_hex(digest, SHA256_BYTES, out);
  bytes_fini(&text);
}

static void post(struct delivery *d, const struct webhook *hook, int64_t now_ms) {
  char seconds[24], signature[3 + 2 * SHA256_BYTES + 1] = "v1=";
  snprintf(seconds, sizeof seconds, "%lld", (long long)(now_ms / 1000));
  sign(hook, seconds, d->event, signature + 3);
  struct header headers[] = {{SLICE("content-type"), SLICE("application/json")},
                             {SLICE("user-agent"), SLICE("gateyes-webhook")},
                             {SLICE("x-gateyes-event"), d->type},
                             {SLICE("x-gateyes-delivery"), slice_of(d->id)},
                             {SLICE("x-gateyes-timestamp"), slice_of(seconds)},
                             {SLICE("x-gateyes-signature"), slice_of(signature)}};
  struct fetch_request request = {.method = SLICE("POST"),
                                  .url = hook->url,
                                  .headers = {headers, sizeof headers / sizeof *headers},
                                  .body = d->event,
                                  .timeout_ms = hook->timeout_ms,
                                  .answer_bytes = ANSWER_BYTES,
                                  .addresses = d->owner->config->webhook_addresses,
                                  .is_repeatable = true};
  d->config = config_ref(d->owner->config);
  d->owner->sending++;
  d->fetch = fetch_start(d->owner->upstream, &request, on_answer, d);
}

void deliveries_send(struct webhooks *w, int64_t now_ms) {
  list_each_safe(node, &w->deliveries) {
    struct delivery *d = list_entry(node, struct delivery, link);
    bool is_due = d->state == DELIVERY_WAITING && !d->needs_save && !d->is_saving && !d->fetch &&
                  d->next_ms <= now_ms;
    if (!is_due) continue;
    if (w->sending >= SENDING_MAX) return;
    const struct webhook *hook = webhook_find(w->config, d->webhook);
    if (hook) {
      post(d, hook, now_ms);
      continue;
    }
    snprintf(d->error, sizeof d->error, "the configuration has no webhook of this name any more");
    die(d);
  }
}
