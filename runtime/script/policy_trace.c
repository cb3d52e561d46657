#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "script/policy_private.h"

/* A loop of notes must not fill the memory, and a denial must be seen whatever came before. */
void policy_trace(struct policy_run *run, const char *what, struct slice why) {
  bool counts = strcmp(what, "deny") == 0 || strcmp(what, "error") == 0;
  if (run->trace_count >= POLICY_TRACES_MAX && !counts) return;
  if (run->trace_count == POLICY_TRACES_MAX + POLICY_TRACES_MAX / 4) return;
  if (run->trace_count == run->trace_room) {
    run->trace_room = run->trace_room ? 2 * run->trace_room : 4;
    run->traces = must_realloc(run->traces, run->trace_room * sizeof *run->traces);
  }
  if (why.len > POLICY_WHY_BYTES) {
    why.len = POLICY_WHY_BYTES;
    while (why.len > 0 && ((unsigned char)why.data[why.len] & 0xc0) == 0x80)
      why.len--; /* between two characters */
  }
  uint64_t us = run->started_ns ? (clock_mono_ns() - run->started_ns) / 1000 : 0;
  run->traces[run->trace_count++] = (struct policy_trace){
      .policy = policy_now(run)->name,
      .what = slice_of(what),
      .why = why.len ? arena_slice(&run->arena, why) : SLICE(""),
      .hook = run->hook,
      .us = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX,
  };
}

/* A guard passes each window of a long stream: said once, it leaves room for what matters. */
void policy_trace_pass(struct policy_run *run) {
  for (size_t i = 0; i < run->trace_count; i++) {
    const struct policy_trace *t = &run->traces[i];
    if (t->hook == run->hook && slice_equal(t->policy, policy_now(run)->name)) return;
  }
  policy_trace(run, "pass", SLICE(""));
}

size_t policy_trace_count(const struct policy_run *run) {
  return run->trace_count;
}

const struct policy_trace *policy_trace_get(const struct policy_run *run, size_t index) {
  must(index < run->trace_count);
  return &run->traces[index];
}

/* A header's bytes are printable ASCII: others would read differently from client to client. */
static void append_clean(struct bytes *out, struct slice text) {
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    bytes_append_byte(out, c >= 0x20 && c < 0x7f && c != ',' && c != ';' ? c : '_');
  }
}

void policy_trace_header(const struct policy_run *run, struct bytes *out) {
  enum { MOST_BYTES = 2048, LEFT_BYTES = 2 * POLICY_WHY_BYTES + 64 };
  size_t start = out->len;
  for (size_t i = 0; i < run->trace_count; i++) {
    const struct policy_trace *t = &run->traces[i];
    if (out->len - start > MOST_BYTES - LEFT_BYTES) {
      bytes_append_text(out, ", ...");
      return;
    }
    if (out->len > start) bytes_append_text(out, ", ");
    append_clean(out, t->policy.len > POLICY_WHY_BYTES
                          ? (struct slice){t->policy.data, POLICY_WHY_BYTES}
                          : t->policy);
    bytes_printf(out, " %s %.*s", policy_hook_name(t->hook), (int)t->what.len, t->what.data);
    if (t->why.len) {
      bytes_append_byte(out, ' ');
      append_clean(out, t->why);
    }
    bytes_printf(out, ";us=%u", t->us);
  }
}

void policy_trace_json(const struct policy_run *run, struct bytes *out) {
  bytes_append_byte(out, '[');
  for (size_t i = 0; i < run->trace_count; i++) {
    const struct policy_trace *t = &run->traces[i];
    bytes_append_text(out, i ? ",{\"policy\":" : "{\"policy\":");
    json_quote(out, t->policy);
    bytes_append_text(out, ",\"hook\":\"");
    bytes_append_text(out, policy_hook_name(t->hook));
    bytes_append_text(out, "\",\"what\":\"");
    bytes_append_slice(out, t->what); /* one of our own words */
    bytes_append_byte(out, '"');
    if (t->why.len) {
      bytes_append_text(out, ",\"why\":");
      json_quote(out, t->why);
    }
    bytes_append_text(out, ",\"us\":");
    bytes_append_u64(out, t->us);
    bytes_append_byte(out, '}');
  }
  bytes_append_byte(out, ']');
}
