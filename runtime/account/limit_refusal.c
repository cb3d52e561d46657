/* A refusal as one sentence for the client. */
#include "account/limit.h"
#include "base/clock.h"

/* Money without the zeros behind it. */
static void write_amount(struct bytes *out, enum limit_kind kind, uint64_t amount) {
  if (kind != LIMIT_MONEY) {
    bytes_append_u64(out, amount);
    return;
  }
  bytes_append_fixed(out, amount, 9);
  while (out->data[out->len - 1] == '0')
    out->len--;
  if (out->data[out->len - 1] == '.') out->len--;
}

static const char *noun_of(enum limit_kind kind) {
  static const char *const nouns[LIMIT_KINDS] = {"requests", "input tokens",       "output tokens",
                                                 "tokens",   "requests at a time", "money"};
  return nouns[kind];
}

static void write_quantity(struct bytes *out, enum limit_kind kind, uint64_t amount,
                           struct slice currency) {
  write_amount(out, kind, amount);
  bytes_append_byte(out, ' ');
  if (kind == LIMIT_MONEY)
    bytes_append_slice(out, currency);
  else
    bytes_append_text(out, noun_of(kind));
}

static void write_window(struct bytes *out, const struct limit_refusal *r) {
  static const struct {
    const char *name;
    uint64_t seconds;
  } units[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
  if (r->what == LIMIT_CONCURRENT) return;
  if (r->window.unit != LIMIT_ROLLING) {
    bytes_printf(out, " per calendar %s", limit_unit_name(r->window.unit));
    return;
  }
  uint64_t seconds = r->window.rolling_ns / 1000000000u;
  size_t u = 0;
  while (seconds % units[u].seconds)
    u++;
  bytes_printf(out, " per %llu%s", (unsigned long long)(seconds / units[u].seconds), units[u].name);
}

static void write_limit(struct bytes *out, const struct limit_refusal *r, struct slice currency) {
  bytes_printf(out, "limit %s of ", r->id);
  write_quantity(out, r->what, r->amount, currency);
  write_window(out, r);
  if (r->burst) {
    bytes_append_text(out, " and ");
    write_amount(out, r->what, r->burst);
    bytes_append_text(out, " at once");
  }
  if (r->scope[0]) bytes_printf(out, " for %s", r->scope);
}

static void write_full(struct bytes *out, const struct limit_refusal *r, struct slice currency) {
  bytes_append_text(out, "the ");
  write_limit(out, r, currency);
  bytes_append_text(out, " is reached: ");
  if (r->what != LIMIT_CONCURRENT) {
    write_amount(out, r->what, r->used);
    bytes_append_text(out, " used, ");
  }
  write_amount(out, r->what, r->reserved);
  bytes_append_text(out, " held by requests that run");
  if (r->wanted > 1) {
    bytes_append_text(out, ", at most ");
    write_amount(out, r->what, r->wanted);
    bytes_append_text(out, " wanted by this one");
  }
  if (!r->retry_after_ms) {
    bytes_append_text(out, "; try again when one of them has ended");
    return;
  }
  char date[25];
  clock_format(r->reset_wall_ms, date);
  bytes_printf(out, "; try again after %s", date);
}

void limit_refusal_write(const struct limit_refusal *r, struct slice currency, struct bytes *out) {
  switch (r->kind) {
  case LIMIT_REFUSED_RATE:
  case LIMIT_REFUSED_BUDGET: write_full(out, r, currency); return;
  case LIMIT_REFUSED_BLOCKED:
    bytes_append_text(out, "the ");
    write_limit(out, r, currency);
    bytes_append_text(out, " allows nothing; ask the operator of this gateway");
    return;
  case LIMIT_REFUSED_TOO_LARGE:
    bytes_append_text(out, "this request may need ");
    write_quantity(out, r->what, r->wanted, currency);
    bytes_append_text(out, ", more than the ");
    write_limit(out, r, currency);
    bytes_append_text(out, " ever admits at once; shorten the prompt or lower max_tokens");
    return;
  case LIMIT_REFUSED_UNPRICED:
    bytes_append_text(out, "the ");
    write_limit(out, r, currency);
    bytes_append_text(out, " covers this model, whose price is not known here; use another model, "
                           "or ask the operator of this gateway for its price");
    return;
  case LIMIT_REFUSED_FULL:
    bytes_append_text(out, "the ");
    write_limit(out, r, currency);
    bytes_append_text(out, " is counted for too many different names at once; try again later");
    return;
  }
}
