/* The audit log. */
#include "admin/api.h"
#include "base/clock.h"

enum { PAGE_ROWS = 100, PAGE_ROWS_MAX = 1000 };

struct audit_page {
  struct call *call;
  uint64_t limit, count, last;
};

static void on_audit(void *context, uint64_t number, const struct audit_entry *e) {
  struct audit_page *p = context;
  struct bytes *out = &p->call->out;
  if (p->count++ == p->limit) return;
  p->last = number;
  if (p->count > 1) bytes_append_byte(out, ',');
  audit_write_entry(e, number, out);
}

void audit_rows(struct call *c) {
  struct audit_page page = {.call = c};
  struct audit_query query = {.actor = call_param(c, "actor"),
                              .action = call_param(c, "action"),
                              .target = call_param(c, "target")};
  if (!call_param_u64(c, "limit", PAGE_ROWS, PAGE_ROWS_MAX, &page.limit) ||
      !call_param_u64(c, "cursor", 0, INT64_MAX, &query.before) ||
      !call_param_span(c, "from", "to", &query.from_ms, &query.to_ms) ||
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
  if (!call_may(c, &everything)) {
    call_deny(c);
    return;
  }
  enum store_result result = c->backend.store->calls->audit_verify(c->backend.store, &r);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return;
  }
  audit_write_report(&r, &c->out);
}
