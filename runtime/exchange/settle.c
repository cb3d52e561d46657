/* What a request used and cost, once, whatever happened to it: log line, metrics, stored response.
 */
#include "account/image.h"
#include "account/price.h"
#include "base/clock.h"
#include "exchange/admit.h"
#include "exchange/background.h"
#include "exchange/content.h"
#include "exchange/guard.h"
#include "exchange/policy.h"
#include "exchange/record.h"
#include "exchange/shadow.h"
#include "exchange/tokens.h"
#include "store/journal.h"

uint64_t overhead_ns(const struct exchange *x) {
  uint64_t until = x->settled_ns ? x->settled_ns : clock_mono_ns();
  uint64_t since = x->body_done_ns ? x->body_done_ns : x->started_ns, total = until - since;
  uint64_t waited = x->upstream_ns;
  if (x->attempt) waited += until - attempt_timing(x->attempt).started;
  return total > waited ? total - waited : 0;
}

static const struct attempt_record *last_record(const struct exchange *x) {
  return x->record_count ? &x->records[x->record_count - 1] : NULL;
}

/* A provider worked for this request, or may have: then it is billed, whoever gave up on whom. A
 * provider that refused it or never had it whole did not. */
static bool reached_model(const struct exchange *x) {
  if (x->record_count == 0 || x->route.endpoint != ENDPOINT_GENERATE) return false;
  if (x->failure == FAILURE_NONE || x->has_content) return true;
  bool gave_up = x->failure == FAILURE_CLIENT_GONE || x->failure == FAILURE_TRANSLATION ||
                 x->failure == FAILURE_DRAINING || policies_denied(x);
  return gave_up && last_record(x)->timing.is_sent;
}

static bool is_reported(const struct exchange *x) {
  return x->meter.has_usage && x->meter.usage_is_final;
}

bool settle_awaits_count(struct exchange *x) {
  return !x->is_booked && !is_reported(x) && reached_model(x) &&
         tokens_await_prompt(x) == STEP_PARK;
}

static void take_usage(struct exchange *x) {
  uint64_t prompt = is_reported(x) ? 0 : tokens_prompt(x);
  x->usage_source = meter_settle(&x->meter, prompt, tokens_output(x), &x->usage);
  if (!x->finish.len) x->finish = slice_of(x->meter.finish);
  struct price_query query = {.usage = &x->usage, .at_ms = x->started_ms};
  struct bill bill;
  query.markup = price_markup(x->config, x->principal->tenant);
  const struct price *price = price_of(x->model, last_record(x)->target, x->started_ms);
  if (price->image) x->usage.images = image_count_of_request(bytes_slice(&x->body));
  x->cost_known = price_bill(price, &query, &bill) == PRICE_KNOWN;
  x->cost_nanousd = bill.cost_nanousd;
  x->price_version = bill.version;
}

static struct slice response_text(struct exchange *x) {
  if (x->failure != FAILURE_NONE) return (struct slice){"", 0};
  if (!x->is_stream) return x->answer.body;
  if (x->guard) return guard_response(x->guard);
  return x->is_native ? json_find(bytes_slice(&x->last_response), "response")
                      : translation_final_text(x->translation);
}

void settle_store(struct exchange *x) {
  if (x->is_kept) return;
  x->is_kept = true;
  if (x->route.dialect != DIALECT_RESPONSES || x->route.endpoint != ENDPOINT_GENERATE ||
      !x->is_stored || (x->failure != FAILURE_NONE && !x->background))
    return;
  struct slice text = response_text(x);
  if (x->background)
    background_settle(x, text);
  else if (text.len)
    script_stored_record(x->generation, x->owner,
                         x->is_native ? x->forward_body : bytes_slice(&x->body), text);
}

/* A reply can be complete as HTTP and fail all the same: a stream without its end mark, a body that
 * cannot be translated. */
static void blame_attempt(struct exchange *x) {
  struct attempt_record *last = x->record_count ? &x->records[x->record_count - 1] : NULL;
  if (last && last->failure == FAILURE_NONE) last->failure = x->failure;
  target_end(x, last ? last->failure : FAILURE_NONE);
}

/* What was refused since the ledger cannot be written must not fill the memory that is left for
 * requests that were paid. */
static void put_record(struct exchange *x) {
  if (!x->host->journal || !x->principal || x->route.endpoint != ENDPOINT_GENERATE ||
      x->failure == FAILURE_LEDGER_UNAVAILABLE)
    return;
  struct ledger_record record;
  record_fill(x, &record);
  x->ticket = journal_put(x->host->journal, &record);
}

static void book(struct exchange *x) {
  if (x->is_booked) return;
  x->is_booked = true;
  bool was_used = reached_model(x);
  if (was_used) take_usage(x);
  admit_settle(x, was_used);
  put_record(x);
}

static enum step_result take_record(struct exchange *x) {
  uint64_t ticket = x->ticket;
  if (!ticket) return STEP_NEXT;
  x->ticket = 0;
  enum failure_kind kind = journal_take(x->host->journal, ticket);
  if (kind == FAILURE_NONE) return STEP_NEXT;
  return exchange_fail(x, kind, "this request was answered but could not be recorded");
}

enum step_result settle_book(struct exchange *x) {
  book(x);
  x->attempts_text.len = x->trace_text.len = 0; /* the stream's end is still to come */
  return take_record(x);
}

/* Others are about to settle in this turn: one write for all of their records. */
static bool may_share(struct exchange *x) {
  return x->ticket && !list_empty(&x->host->ready);
}

enum step_result settle_step(struct exchange *x) {
  if (settle_awaits_count(x)) return STEP_PARK;
  if (!x->settled_ns) {
    x->settled_ns = clock_mono_ns();
    policies_cancel(x);
    blame_attempt(x);
    book(x);
    if (may_share(x)) {
      exchange_wake(x);
      return STEP_PARK;
    }
  }
  (void)take_record(x);
  settle_store(x);
  content_settle(x);
  struct bytes *line = log_buffer(x->host->log);
  record_write_line(x, line);
  log_line_end(x->host->log);
  metrics_settle(x, record_status(x));
  policies_finish(x, record_status(x));
  shadow_finish(x);
  return STEP_NEXT;
}
