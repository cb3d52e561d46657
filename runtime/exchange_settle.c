/* What a request used and cost, once, whatever happened to it: log line, metrics, stored response.
 */
#include "account/price.h"
#include "base/clock.h"
#include "exchange_background.h"

enum { LOG_TEXT_BYTES = 2048 };

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

/* A provider was asked and may have worked for us. */
/* A provider worked for this request, or may have: then it is billed, whoever gave up on whom. A
 * provider that refused it or never had it whole did not. */
static bool reached_model(const struct exchange *x) {
  if (x->record_count == 0 || x->route.endpoint != ENDPOINT_GENERATE) return false;
  if (x->failure == FAILURE_NONE || x->has_content) return true;
  bool gave_up = x->failure == FAILURE_CLIENT_GONE || x->failure == FAILURE_TRANSLATION ||
                 x->failure == FAILURE_DRAINING;
  return gave_up && last_record(x)->timing.sent > 0;
}

static void take_usage(struct exchange *x) {
  if (!reached_model(x)) return;
  struct estimate prompt = {0};
  if (!x->meter.has_usage || !x->meter.usage_is_final)
    estimate_json(&prompt, bytes_slice(&x->body), true);
  x->usage_source = meter_settle(&x->meter, estimate_tokens(&prompt), 0, &x->usage);
  if (!x->finish.len) x->finish = slice_of(x->meter.finish);
  struct price_query query = {.usage = &x->usage, .at_ms = x->started_ms};
  struct bill bill;
  query.markup = price_markup(x->config, x->principal->tenant);
  x->cost_known = price_bill(price_at(x->model, x->started_ms), &query, &bill) == PRICE_KNOWN;
  x->cost_nanousd = bill.cost_nanousd;
  x->price_version = bill.version;
}

static struct slice response_text(struct exchange *x) {
  if (x->failure != FAILURE_NONE) return (struct slice){"", 0};
  if (!x->is_stream) return x->answer.body;
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

/* What stands before a member's value, put together by the compiler: a line has thirty of them. */
#define NAME(name) SLICE(",\"" name "\":")

static void flag(struct bytes *line, struct slice name, bool value) {
  bytes_append_slice(line, name);
  bytes_append_text(line, value ? "true" : "false");
}

/* Clients and providers choose some of these texts: none may make the line too long to be kept. */
static void text(struct bytes *line, struct slice name, struct slice value) {
  if (!value.len) return;
  if (value.len > LOG_TEXT_BYTES) value.len = LOG_TEXT_BYTES;
  bytes_append_slice(line, name);
  json_quote(line, value);
}

static void number(struct bytes *line, struct slice name, uint64_t value) {
  bytes_append_slice(line, name);
  bytes_append_u64(line, value);
}

static void milliseconds(struct bytes *line, struct slice name, uint64_t from_ns, uint64_t to_ns) {
  if (!from_ns || to_ns < from_ns) return;
  bytes_append_slice(line, name);
  bytes_append_fixed(line, (to_ns - from_ns) / 1000u, 3);
}

static void write_attempts(const struct exchange *x, struct bytes *line) {
  bytes_append_text(line, ",\"attempts\":[");
  for (size_t i = 0; i < x->record_count; i++) {
    const struct attempt_record *r = &x->records[i];
    bytes_append_text(line, i ? ",{\"provider\":" : "{\"provider\":");
    json_quote(line, r->target->provider->name);
    text(line, NAME("model"), r->target->model);
    number(line, NAME("status"), (uint64_t)r->status);
    if (r->failure != FAILURE_NONE)
      text(line, NAME("failure"), slice_of(failure_info(r->failure)->label));
    if (r->sentence) text(line, NAME("message"), slice_of(r->sentence));
    milliseconds(line, NAME("connect_ms"), r->timing.started, r->timing.connected);
    milliseconds(line, NAME("head_ms"), r->timing.started, r->timing.head);
    milliseconds(line, NAME("duration_ms"), r->timing.started, r->timing.ended);
    bytes_append_byte(line, '}');
  }
  bytes_append_byte(line, ']');
}

static void write_usage(const struct exchange *x, struct bytes *line) {
  static const char *const sources[] = {"none", "provider", "estimated"};
  const struct usage *u = &x->usage;
  text(line, NAME("usage_source"), slice_of(sources[x->usage_source]));
  if (x->usage_source == USAGE_NONE) return;
  number(line, NAME("input_tokens"), u->input);
  number(line, NAME("cache_read_tokens"), u->cache_read);
  number(line, NAME("cache_write_5m_tokens"), u->cache_write_5m);
  number(line, NAME("cache_write_1h_tokens"), u->cache_write_1h);
  number(line, NAME("output_tokens"), u->output);
  number(line, NAME("reasoning_tokens"), u->reasoning);
  number(line, NAME("audio_input_tokens"), u->audio_input);
  number(line, NAME("audio_output_tokens"), u->audio_output);
  if (x->cost_known)
    number(line, NAME("cost_nanousd"), x->cost_nanousd);
  else
    text(line, NAME("cost"), SLICE("unknown"));
  text(line, NAME("currency"), x->config->currency);
  text(line, NAME("price_version"), x->price_version);
}

static int status_of(const struct exchange *x) {
  if (x->failure == FAILURE_CLIENT_GONE) return 499;
  if (x->opened) return 200;
  return x->failure != FAILURE_NONE ? x->detail.status : x->answer.status;
}

static void write_line(const struct exchange *x, struct bytes *line) {
  char time[25];
  clock_format(x->started_ms, time);
  bytes_append_text(line, "{\"time\":\"");
  bytes_append(line, time, sizeof time - 1);
  bytes_append_text(line, "\",\"level\":\"info\",\"event\":\"request\"");
  text(line, NAME("request_id"), slice_of(x->id));
  text(line, NAME("method"), x->method);
  text(line, NAME("path"), x->path);
  text(line, NAME("peer"), x->peer);
  number(line, NAME("status"), (uint64_t)status_of(x));
  if (x->principal) {
    text(line, NAME("key"), x->principal->name);
    text(line, NAME("tenant"), x->principal->tenant);
    text(line, NAME("project"), x->principal->project);
    text(line, NAME("user"), x->principal->user);
  }
  if (x->route.path.len) text(line, NAME("dialect"), slice_of(dialect_name(x->route.dialect)));
  text(line, NAME("requested_model"), x->public_model);
  if (x->model) text(line, NAME("model"), x->model->name);
  const struct attempt_record *last = last_record(x);
  if (last) {
    text(line, NAME("provider"), last->target->provider->name);
    text(line, NAME("upstream_model"), last->target->model);
    text(line, NAME("residency"), last->target->provider->residency);
    flag(line, NAME("stream"), x->is_stream);
    flag(line, NAME("native"), x->is_native);
  }
  milliseconds(line, NAME("duration_ms"), x->started_ns, x->settled_ns);
  milliseconds(line, NAME("time_to_first_token_ms"), x->first_content_ns ? x->started_ns : 0,
               x->first_content_ns);
  milliseconds(line, NAME("overhead_ms"), 1, overhead_ns(x) + 1);
  number(line, NAME("request_bytes"), x->body.len);
  if (last) write_attempts(x, line);
  if (x->record_count) write_usage(x, line);
  text(line, NAME("finish_reason"), x->finish);
  text(line, NAME("dropped"), x->dropped);
  text(line, NAME("upstream_request_id"), x->upstream_request_id);
  if (x->failure != FAILURE_NONE) {
    text(line, NAME("failure"), slice_of(failure_info(x->failure)->label));
    text(line, NAME("error"), x->detail.message);
  }
  number(line, NAME("config_version"), x->config->version);
  bytes_append_text(line, "}\n");
}

/* A reply can be complete as HTTP and fail all the same: a stream without its end mark, a body that
 * cannot be translated. */
static void blame_attempt(struct exchange *x) {
  struct attempt_record *last = x->record_count ? &x->records[x->record_count - 1] : NULL;
  if (last && last->failure == FAILURE_NONE) last->failure = x->failure;
  target_end(x, last ? last->failure : FAILURE_NONE);
}

enum step_result settle_step(struct exchange *x) {
  x->settled_ns = clock_mono_ns();
  blame_attempt(x);
  take_usage(x);
  settle_store(x);
  struct bytes *line = log_buffer(x->host->log);
  write_line(x, line);
  log_line_end(x->host->log);
  metrics_settle(x, status_of(x));
  return STEP_NEXT;
}
