#include "exchange/content.h"

#include "store/bookkeeper.h"

enum { REPLY_BYTES_MAX = 4 << 20 }; /* of a stream; what follows is not kept */

static bool is_kept(const struct exchange *x) {
  const struct config *c = x->config;
  if (c->content.tenant_count == 0 || !x->host->bookkeeper || !x->principal ||
      x->route.endpoint != ENDPOINT_GENERATE)
    return false;
  for (size_t i = 0; i < c->content.tenant_count; i++)
    if (slice_equal(c->content.tenants[i], x->principal->tenant)) return true;
  return false;
}

void content_append(struct exchange *x, struct slice part) {
  if (!is_kept(x) || x->transcript.len + part.len > REPLY_BYTES_MAX) return;
  bytes_append_slice(&x->transcript, part);
}

void content_settle(struct exchange *x) {
  if (!is_kept(x)) return;
  struct stored_text about = {.kind = TEXT_PROMPT,
                              .id = slice_of(x->id),
                              .tenant = x->principal->tenant,
                              .time_ms = x->started_ms};
  bookkeeper_keep_text(x->host->bookkeeper, &about, bytes_slice(&x->body));
  struct slice reply = x->opened ? bytes_slice(&x->transcript) : x->answer.body;
  about.kind = TEXT_REPLY;
  if (reply.len) bookkeeper_keep_text(x->host->bookkeeper, &about, reply);
}
