/* What is written down of a request: its log line, and its record in the ledger. */
#include "exchange/record.h"

#include "auth/service.h"
#include "base/clock.h"
#include "exchange/story.h"

enum { LOG_TEXT_BYTES = 2048 };

static const struct attempt_record *last_record(const struct exchange *x) {
  return x->record_count ? &x->records[x->record_count - 1] : NULL;
}

/* What stands before a member's value, put together by the compiler: a line has thirty of them. */
#define NAME(name) SLICE(",\"" name "\":")
#define INLINE static inline __attribute__((always_inline))

enum { NUMBER_BYTES = 24 };

/* Room for the name, whose length the compiler knows, and as much behind it. */
INLINE char *start_member(struct bytes *line, struct slice name, size_t more) {
  char *at = bytes_reserve(line, name.len + more);
  memcpy(at, name.data, name.len);
  return at + name.len;
}

INLINE void end_member(struct bytes *line, const char *at) {
  line->len = (size_t)(at - line->data);
}

INLINE void flag(struct bytes *line, struct slice name, bool value) {
  bytes_append_slice(line, name);
  bytes_append_slice(line, value ? SLICE("true") : SLICE("false"));
}

/* Of the gateway's own making: it needs no escapes. */
INLINE void word(struct bytes *line, struct slice name, struct slice value) {
  char *at = start_member(line, name, value.len + 2);
  *at++ = '"';
  memcpy(at, value.data, value.len);
  at += value.len;
  *at++ = '"';
  end_member(line, at);
}

/* Clients and providers choose some of these texts: none may make the line too long to be kept. */
INLINE void text(struct bytes *line, struct slice name, struct slice value) {
  if (!value.len) return;
  if (value.len > LOG_TEXT_BYTES) value.len = LOG_TEXT_BYTES;
  if (json_plain_end(value.data, value.data + value.len) == value.data + value.len) {
    word(line, name, value);
    return;
  }
  bytes_append_slice(line, name);
  json_quote(line, value);
}

/* Most are zero. */
INLINE char *put_number(char *at, uint64_t value) {
  if (value >= 10) return bytes_write_u64(at, value);
  *at = (char)('0' + value);
  return at + 1;
}

INLINE void number(struct bytes *line, struct slice name, uint64_t value) {
  end_member(line, put_number(start_member(line, name, NUMBER_BYTES), value));
}

INLINE void milliseconds(struct bytes *line, struct slice name, uint64_t from_ns, uint64_t to_ns) {
  if (!from_ns || to_ns < from_ns) return;
  uint64_t us = (to_ns - from_ns) / 1000u, part = us % 1000u;
  char *at = put_number(start_member(line, name, NUMBER_BYTES), us / 1000u);
  at[0] = '.';
  at[1] = (char)('0' + part / 100);
  at[2] = (char)('0' + part / 10 % 10);
  at[3] = (char)('0' + part % 10);
  end_member(line, at + 4);
}

static void write_attempt_list(const struct exchange *x, struct bytes *line) {
  bytes_append_byte(line, '[');
  for (size_t i = 0; i < x->record_count; i++) {
    const struct attempt_record *r = &x->records[i];
    bytes_append_text(line, i ? ",{\"provider\":" : "{\"provider\":");
    json_quote(line, r->target->provider->name);
    text(line, NAME("model"), r->target->model);
    number(line, NAME("status"), (uint64_t)r->status);
    if (r->failure != FAILURE_NONE)
      text(line, NAME("failure"), slice_of(failure_info(r->failure)->label));
    const char *message = r->sentence ? r->sentence : r->excerpt;
    if (message) text(line, NAME("message"), slice_of(message));
    milliseconds(line, NAME("connect_ms"), r->timing.started, r->timing.connected);
    milliseconds(line, NAME("head_ms"), r->timing.started, r->timing.head);
    milliseconds(line, NAME("duration_ms"), r->timing.started, r->timing.ended);
    bytes_append_byte(line, '}');
  }
  bytes_append_byte(line, ']');
}

static void write_attempts(const struct exchange *x, struct bytes *line) {
  bytes_append_text(line, ",\"attempts\":");
  if (x->attempts_text.len)
    bytes_append_slice(line, x->attempts_text);
  else
    write_attempt_list(x, line);
}

static void write_usage(const struct exchange *x, struct bytes *line) {
  static const struct slice sources[] = {SLICE("none"), SLICE("provider"), SLICE("estimated")};
  const struct usage *u = &x->usage;
  word(line, NAME("usage_source"), sources[x->usage_source]);
  if (x->usage_source == USAGE_NONE) return;
  if (x->usage_source == USAGE_ESTIMATED)
    text(line, NAME("tokenizer"), x->tokenizer ? tokenizer_name(x->tokenizer) : SLICE("none"));
  number(line, NAME("input_tokens"), u->input);
  number(line, NAME("cache_read_tokens"), u->cache_read);
  number(line, NAME("cache_write_5m_tokens"), u->cache_write_5m);
  number(line, NAME("cache_write_1h_tokens"), u->cache_write_1h);
  number(line, NAME("output_tokens"), u->output);
  number(line, NAME("reasoning_tokens"), u->reasoning);
  number(line, NAME("audio_input_tokens"), u->audio_input);
  number(line, NAME("audio_output_tokens"), u->audio_output);
  word(line, NAME("service_tier"), slice_of(service_tier_name(u->service)));
  if (x->cost_known)
    number(line, NAME("cost_nanousd"), x->cost_nanousd);
  else
    word(line, NAME("cost"), SLICE("unknown"));
  text(line, NAME("currency"), x->config->currency);
  text(line, NAME("price_version"), x->price_version);
}

int record_status(const struct exchange *x) {
  if (x->failure == FAILURE_CLIENT_GONE) return 499;
  if (x->opened) return 200;
  return x->failure != FAILURE_NONE ? x->detail.status : x->answer.status;
}

void record_write_line(const struct exchange *x, struct bytes *line) {
  char time[25];
  clock_format(x->started_ms, time);
  bytes_append_text(line, "{\"time\":\"");
  bytes_append(line, time, sizeof time - 1);
  bytes_append_text(line, "\",\"level\":\"info\",\"event\":\"request\"");
  word(line, NAME("request_id"), slice_of(x->id));
  text(line, NAME("method"), x->method);
  text(line, NAME("path"), x->path);
  text(line, NAME("peer"), x->peer);
  number(line, NAME("status"), (uint64_t)record_status(x));
  if (x->principal) {
    text(line, NAME("key"), x->principal->name);
    text(line, NAME("tenant"), x->principal->tenant);
    text(line, NAME("project"), x->principal->project);
    text(line, NAME("user"), x->principal->user);
  }
  if (x->version) {
    text(line, NAME("service"), x->service->name);
    number(line, NAME("service_version"), x->version->number);
  }
  if (x->route.path.len) word(line, NAME("dialect"), slice_of(dialect_name(x->route.dialect)));
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
  text(line, NAME("clamped"), x->clamped);
  text(line, NAME("upstream_request_id"), x->upstream_request_id);
  if (x->failure != FAILURE_NONE) {
    text(line, NAME("failure"), slice_of(failure_info(x->failure)->label));
    text(line, NAME("error"), x->detail.message);
  }
  number(line, NAME("config_version"), x->config->version);
  if (x->scripts && tenant_scripts_number(x->scripts))
    number(line, NAME("generation"), tenant_scripts_number(x->scripts));
  if (x->strategy && policy_trace_count(x->strategy)) {
    bytes_append_text(line, ",\"strategy_trace\":");
    policy_trace_json(x->strategy, line);
  }
  if (x->run && policy_trace_count(x->run)) {
    bytes_append_text(line, ",\"trace\":");
    if (x->trace_text.len)
      bytes_append_slice(line, x->trace_text);
    else
      policy_trace_json(x->run, line);
  }
  bytes_append_text(line, "}\n");
}

static struct slice written(struct exchange *x, const struct bytes *text) {
  return arena_slice(&x->arena, bytes_slice(text));
}

static struct slice attempts_of(struct exchange *x) {
  struct bytes *scratch = &x->host->scratch;
  bytes_clear(scratch);
  write_attempt_list(x, scratch);
  return x->attempts_text = written(x, scratch);
}

static void fill_trace(struct exchange *x, struct ledger_record *r) {
  if (x->run) {
    struct bytes *text = &x->host->scratch;
    bytes_clear(text);
    policy_trace_json(x->run, text);
    x->trace_text = written(x, text);
  }
  r->trace = story_write(x, x->trace_text);
}

static void tag(struct bytes *text, struct slice name, struct slice value) {
  bytes_append_byte(text, text->len ? ',' : '{');
  json_quote(text, name);
  bytes_append_byte(text, ':');
  json_quote(text, value);
}

/* What policies said, and what answered: policies cannot say the latter. */
static void fill_tags(struct exchange *x, struct ledger_record *r) {
  struct bytes text;
  bytes_init(&text);
  if (x->version) {
    tag(&text, SLICE("service"), x->service->name);
    tag(&text, SLICE("service_version"), x->version->number_text);
  }
  const struct verdict *verdict = x->run ? policy_verdict(x->run) : NULL;
  for (size_t i = 0; verdict && i < verdict->tag_count; i++) {
    struct slice name = verdict->tags[i].name;
    bool is_ours = x->version && (slice_equal(name, SLICE("service")) ||
                                  slice_equal(name, SLICE("service_version")));
    if (!is_ours) tag(&text, name, verdict->tags[i].value);
  }
  if (verdict || text.len) {
    bytes_append_text(&text, text.len ? "}" : "{}");
    r->tags = written(x, &text);
  }
  bytes_fini(&text);
}

static void fill_target(struct exchange *x, struct ledger_record *r) {
  const struct attempt_record *last = last_record(x);
  if (!last) return;
  r->provider = last->target->provider->name;
  r->upstream_model = last->target->model;
  r->residency = last->target->provider->residency;
  r->attempts = attempts_of(x);
  r->attempt_count = (uint32_t)x->record_count;
}

static void fill_times(const struct exchange *x, struct ledger_record *r) {
  uint64_t now = x->settled_ns ? x->settled_ns : clock_mono_ns();
  r->time_ms = (uint64_t)x->started_ms;
  r->duration_us = (now - x->started_ns) / 1000u;
  r->overhead_us = overhead_ns(x) / 1000u;
  if (x->first_content_ns) r->first_token_us = (x->first_content_ns - x->started_ns) / 1000u;
}

void record_fill(struct exchange *x, struct ledger_record *r) {
  const struct principal *p = x->principal;
  *r = (struct ledger_record){.request_id = slice_of(x->id),
                              .tenant = p->tenant,
                              .project = p->project,
                              .user = p->user,
                              .key_id = p->key,
                              .customer = x->customer,
                              .requested_model = x->public_model,
                              .dialect = slice_of(dialect_name(x->route.dialect)),
                              .status = (uint32_t)record_status(x),
                              .finish_reason = x->finish,
                              .is_stream = x->is_stream,
                              .usage_source = x->usage_source,
                              .usage = x->usage,
                              .cost_nanousd = x->cost_nanousd,
                              .cost_known = x->cost_known,
                              .currency = x->config->currency,
                              .price_version = x->price_version,
                              .config_version = x->config->version};
  if (x->usage_source != USAGE_NONE)
    r->service_tier = slice_of(service_tier_name(x->usage.service));
  if (x->model) r->model = x->model->name;
  if (x->scripts) r->generation = tenant_scripts_number(x->scripts);
  if (x->failure != FAILURE_NONE) r->failure = slice_of(failure_info(x->failure)->label);
  fill_target(x, r);
  fill_trace(x, r);
  if (x->run || x->version) fill_tags(x, r);
  fill_times(x, r);
}
