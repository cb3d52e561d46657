/* One request's way, put together from its record: steps, targets with reasons, policies. */
#include "admin/api.h"
#include "model/ledger.h"

static const char *const steps[] = {
#define STEP(name, text) text,
#include "model/steps.def"
#undef STEP
};

enum {
  STEPS = sizeof steps / sizeof *steps,
  SETTLE = STEPS - 2 /* it and what follows always run */
};

static void write_step(struct bytes *out, size_t index, const char *result) {
  bytes_printf(out, "%s{\"step\":\"%s\",\"result\":\"%s\"}", index ? "," : "", steps[index],
               result);
}

/* Records of earlier versions do not say where a request failed. */
static void write_steps(const struct ledger_record *r, struct slice last, struct bytes *out) {
  size_t end = 0;
  while (end < STEPS && !slice_equal_text(last, steps[end]))
    end++;
  bytes_append_text(out, ",\"steps\":");
  if (end == STEPS && r->failure.len) {
    bytes_append_text(out, "null");
    return;
  }
  bytes_append_byte(out, '[');
  for (size_t i = 0; i < STEPS; i++)
    write_step(out, i,
               i == end                ? r->failure.len ? "failed" : "answered"
               : i > end && i < SETTLE ? "not_reached"
                                       : "passed");
  bytes_append_byte(out, ']');
}

struct candidates {
  struct bytes *out;
  const char *between;
};

static void write_candidate(struct candidates *c, struct slice target, const char *result) {
  bytes_append_text(c->out, c->between);
  bytes_append_text(c->out, "{\"target\":");
  bytes_append_slice(c->out, target);
  bytes_printf(c->out, ",\"result\":\"%s\",\"reason\":", result);
  c->between = ",";
}

static const char *sentence_of(struct slice word) {
  static const struct {
    const char *word, *sentence;
  } reasons[] = {
#define LEFT_OUT(name, word, sentence) {word, sentence},
#include "model/left_out.def"
#undef LEFT_OUT
  };
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (slice_equal_text(word, reasons[i].word)) return reasons[i].sentence;
  return "another version of the gateway knows";
}

/* "provider/model", as JSON. */
static struct slice target_of(struct call *c, struct slice attempt) {
  struct slice parts[] = {call_text(c, attempt, "provider"), SLICE("/"),
                          call_text(c, attempt, "model")};
  struct bytes text;
  bytes_init(&text);
  json_quote(&text, arena_join(&c->arena, parts, 3));
  struct slice copy = arena_slice(&c->arena, bytes_slice(&text));
  bytes_fini(&text);
  return copy;
}

static void write_tried(struct call *c, struct candidates *all, struct slice attempt) {
  struct slice failure = json_find(attempt, "failure"), message = json_find(attempt, "message");
  struct slice reason = message.data ? message : failure;
  write_candidate(all, target_of(c, attempt), failure.data ? "failed" : "answered");
  bytes_append_slice(all->out, reason.data ? reason : SLICE("null"));
  bytes_append_byte(all->out, '}');
}

static void write_candidates(struct call *c, const struct ledger_record *r, struct slice story,
                             struct bytes *out) {
  struct candidates all = {out, ""};
  struct slice left_out = json_find(story, "left_out"), unused = json_find(story, "unused");
  bytes_append_text(out, ",\"candidates\":[");
  if (left_out.data)
    for (struct json_walk w = json_walk_of(left_out); json_walk_next(&w);) {
      write_candidate(&all, json_find(w.value, "target"), "left_out");
      json_quote(out, slice_of(sentence_of(json_string_raw(json_find(w.value, "why")))));
      bytes_append_byte(out, '}');
    }
  if (r->attempts.len)
    for (struct json_walk w = json_walk_of(r->attempts); json_walk_next(&w);)
      write_tried(c, &all, w.value);
  if (unused.data)
    for (struct json_walk w = json_walk_of(unused); json_walk_next(&w);) {
      write_candidate(&all, w.value, "not_asked");
      json_quote(out, r->attempt_count ? SLICE("it was not needed, or no retry was left")
                                       : SLICE("the request ended before a target was asked"));
      bytes_append_byte(out, '}');
    }
  bytes_append_byte(out, ']');
}

static void write_list(struct bytes *out, const char *name, struct slice list) {
  bytes_printf(out, ",\"%s\":", name);
  bytes_append_slice(out, list.data && json_type(list) == JSON_ARRAY ? list : SLICE("[]"));
}

/* A list is what policies did, and all there is to tell; an object tells more. */
void trace_write(struct call *c, const struct ledger_record *r, struct bytes *out) {
  bool is_whole = r->trace.len && json_validate(r->trace, JSON_DEPTH_DEFAULT, NULL);
  bool is_object = is_whole && json_type(r->trace) == JSON_OBJECT;
  struct slice story = is_object ? r->trace : SLICE("{}"), nothing = {NULL, 0};
  write_steps(r, json_string_raw(json_find(story, "step")), out);
  write_candidates(c, r, story, out);
  write_list(out, "strategy_trace", json_find(story, "strategy"));
  write_list(out, "trace",
             is_object  ? json_find(story, "policies")
             : is_whole ? r->trace
                        : nothing);
}
