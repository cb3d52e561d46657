/* The audit log. */
#include "admin/api.h"
#include "base/clock.h"

enum { PAGE_ROWS = 100, PAGE_ROWS_MAX = 1000 };

struct audit_page {
  struct call *call;
  uint64_t limit, count, last;
};

static void append_text(struct bytes *out, const char *name, struct slice text) {
  bytes_printf(out, ",\"%s\":", name);
  json_quote(out, text);
}

static void append_json(struct bytes *out, const char *name, struct slice json) {
  bytes_printf(out, ",\"%s\":", name);
  if (json.len && json_validate(json, JSON_DEPTH_DEFAULT, NULL))
    bytes_append_slice(out, json);
  else
    bytes_append_text(out, "null");
}

static void on_audit(void *context, uint64_t number, const struct audit_entry *e) {
  struct audit_page *p = context;
  struct bytes *out = &p->call->out;
  if (p->count++ == p->limit) return;
  p->last = number;
  if (p->count > 1) bytes_append_byte(out, ',');
  bytes_printf(out, "{\"object\":\"audit\",\"number\":%llu", (unsigned long long)number);
  call_time(p->call, "time", e->time_ms);
  append_text(out, "tenant", e->tenant);
  append_text(out, "actor", e->actor);
  append_text(out, "action", e->action);
  append_text(out, "target", e->target);
  append_text(out, "outcome", e->outcome);
  append_json(out, "before", e->before);
  append_json(out, "after", e->after);
  append_text(out, "peer", e->peer);
  bytes_append_byte(out, '}');
}

void audit_rows(struct call *c) {
  struct audit_page page = {.call = c};
  struct audit_query query = {.actor = call_param(c, "actor"),
                              .action = call_param(c, "action"),
                              .target = call_param(c, "target")};
  if (!call_param_u64(c, "limit", PAGE_ROWS, PAGE_ROWS_MAX, &page.limit) ||
      !call_param_u64(c, "cursor", 0, INT64_MAX, &query.before) ||
      !call_param_time(c, "from", 0, &query.from_ms) ||
      !call_param_time(c, "to", 0, &query.to_ms) ||
      !call_scope(c, call_param(c, "tenant"), &query.tenant) || !call_reaches_tenant(c))
    return;
  query.limit = (uint32_t)page.limit + 1;
  struct audit_sink sink = {on_audit, &page};
  bytes_append_text(&c->out, "{\"object\":\"list\",\"data\":[");
  enum store_result result = c->backend.store->calls->audit_list(c->backend.store, &query, &sink);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return;
  }
  call_end_list(c, page.count > page.limit, page.last);
}

void audit_check(struct call *c) {
  static const struct resource everything = {0};
  struct audit_report r;
  char head[2 * SHA256_BYTES + 1];
  if (!call_may(c, &everything)) {
    call_deny(c);
    return;
  }
  enum store_result result = c->backend.store->calls->audit_verify(c->backend.store, &r);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return;
  }
  digest_hex(r.head, SHA256_BYTES, head);
  bytes_printf(&c->out,
               "{\"object\":\"audit_report\",\"ok\":%s,\"rows\":%llu,\"first\":%llu,\"last\":%llu,"
               "\"broken_at\":%llu,\"head\":\"%s\"}\n",
               r.broken_at ? "false" : "true", (unsigned long long)r.rows,
               (unsigned long long)r.first, (unsigned long long)r.last,
               (unsigned long long)r.broken_at, head);
}
