#include <stdlib.h>

#include "base/clock.h"
#include "detect/detect.h"
#include "script/policy_private.h"
#include "script/state.h"

enum { HELD_STREAM_BYTES = 1 << 20 }; /* of stream = "hold" */

enum policy_progress policy_on_delta(struct policy_run *run, const struct policy_delta *delta,
                                     struct bytes *out) {
  run->own_delta = *delta; /* the caller's is gone when a hook has waited */
  run->own_delta.text = SLICE("");
  run->delta = &run->own_delta;
  run->out = out;
  bytes_clear(&run->passed);
  bytes_append_slice(&run->passed, delta->text);
  return policy_call(run, POLICY_ON_DELTA);
}

enum policy_progress policy_on_reply(struct policy_run *run, struct policy_text *texts,
                                     size_t count) {
  for (size_t i = 0; i < count; i++) {
    texts[i].is_changed = false;
    texts[i].changed = texts[i].text;
  }
  run->replies = texts;
  run->reply_count = count;
  run->reply_at = 0;
  return policy_call(run, POLICY_ON_REPLY);
}

static struct window *window_get(struct policy_run *run, enum policy_channel channel,
                                 uint32_t index) {
  struct window *w = run->windows;
  while (w && (w->policy != run->at || w->channel != channel || w->index != index))
    w = w->next;
  if (w) return w;
  w = must_calloc(1, sizeof *w);
  *w = (struct window){.next = run->windows, .policy = run->at, .index = index, .channel = channel};
  detect_findings_init(&w->pending);
  run->windows = w;
  return w;
}

/* The window that has held text for longest since its hook was last told; NULL: none holds any. */
static const struct window *next_window(const struct policy_run *run) {
  const struct window *next = NULL;
  for (const struct window *w = run->windows; w; w = w->next) {
    if (!w->since_ns || run->chain->policies[w->policy].holds_stream) continue;
    if (!next || w->since_ns < next->since_ns) next = w;
  }
  return next;
}

uint64_t policy_held_since_ns(const struct policy_run *run, struct policy_place *place) {
  const struct window *next = next_window(run);
  if (!next) return 0;
  *place = (struct policy_place){next->channel, next->index};
  return next->since_ns;
}

static const struct window *oldest_window(const struct policy_run *run) {
  const struct window *oldest = NULL;
  for (const struct window *w = run->windows; w; w = w->next)
    if (w->oldest_ns && (!oldest || w->oldest_ns < oldest->oldest_ns)) oldest = w;
  return oldest;
}

uint64_t policy_oldest_held_ns(const struct policy_run *run) {
  const struct window *oldest = oldest_window(run);
  return oldest ? oldest->oldest_ns : 0;
}

static void deny_held(struct policy_run *run, struct slice message) {
  policy_deny(run, &(struct policy_denial){
                       .status = 502, .code = SLICE("policy_hold_limit"), .message = message});
}

void policy_hold_over(struct policy_run *run, struct slice why) {
  const struct window *oldest = oldest_window(run);
  run->at = oldest ? oldest->policy : 0;
  run->hook = POLICY_ON_DELTA;
  deny_held(run, why);
}

void policy_windows_fini(struct policy_run *run) {
  while (run->windows) {
    struct window *next = run->windows->next;
    bytes_fini(&run->windows->text);
    detect_stream_free(run->windows->stream);
    detect_rules_unref(run->windows->rules);
    detect_findings_fini(&run->windows->pending);
    free(run->windows);
    run->windows = next;
  }
  bytes_fini(&run->passed);
}

/* A stream that is held to its end: only its last delta asks the hook, with the whole text. */
static bool wants_held(struct policy_run *run) {
  struct window *w = run->window;
  if (w->text.len > HELD_STREAM_BYTES) {
    deny_held(run, SLICE("the reply is longer than the policy can hold back"));
    return false;
  }
  if (!run->delta->is_last) return false;
  run->held_reply = (struct policy_text){.channel = run->delta->channel,
                                         .text = bytes_slice(&w->text),
                                         .changed = bytes_slice(&w->text)};
  run->replies = &run->held_reply;
  run->reply_count = 1;
  run->hook = POLICY_ON_REPLY;
  return true;
}

bool policy_wants_delta(struct policy_run *run) {
  const struct loaded_policy *policy = policy_now(run);
  bool holds = policy->holds_stream;
  if (!holds && !(policy->hooks & 1u << POLICY_ON_DELTA)) return false;
  if (run->passed.len == 0 && !run->delta->is_last && !run->delta->is_overdue) return false;
  run->window = window_get(run, run->delta->channel, run->delta->index);
  bytes_append_slice(&run->window->text, bytes_slice(&run->passed));
  run->window->unfed += run->passed.len;
  run->window->fresh = run->passed.len;
  if (run->passed.len && !run->window->since_ns) run->window->since_ns = clock_mono_ns();
  if (run->passed.len && !run->window->oldest_ns) run->window->oldest_ns = run->window->since_ns;
  bytes_clear(&run->passed);
  run->hook = POLICY_ON_DELTA;
  if (holds) return wants_held(run);
  return run->window->text.len > 0 || run->delta->is_last;
}

/* Of a whole reply each text is one window of on_delta; then comes on_reply. */
bool policy_wants_reply(struct policy_run *run) {
  const struct loaded_policy *policy = policy_now(run);
  if (!(policy->hooks & 1u << POLICY_ON_DELTA)) run->reply_at = run->reply_count;
  if (run->reply_at < run->reply_count) {
    const struct policy_text *text = &run->replies[run->reply_at];
    run->hook = POLICY_ON_DELTA;
    run->window = window_get(run, text->channel, (uint32_t)run->reply_at);
    bytes_clear(&run->window->text);
    bytes_append_slice(&run->window->text, text->changed);
    run->window->unfed = text->changed.len;
    bytes_clear(&run->passed);
    return true;
  }
  run->hook = POLICY_ON_REPLY;
  if (policy->hooks & 1u << POLICY_ON_REPLY) return true;
  run->reply_at = 0;
  return false;
}

static void keep_reply(struct policy_run *run) {
  struct policy_text *text = &run->replies[run->reply_at];
  struct slice now = bytes_slice(&run->passed);
  if (slice_equal(now, text->changed)) return;
  text->changed = arena_slice(&run->arena, now);
  text->is_changed = true;
}

bool policy_again_reply(struct policy_run *run) {
  if (run->hook == POLICY_ON_REPLY || run->verdict.kind == VERDICT_DENY) {
    run->reply_at = 0;
    return false;
  }
  keep_reply(run);
  run->reply_at++;
  return true;
}

static bool is_last(const struct policy_run *run) {
  return run->call == POLICY_ON_REPLY || run->delta->is_last;
}

static void pass_window(struct policy_run *run) {
  run->window->since_ns = run->window->oldest_ns = 0;
  bytes_append_slice(&run->passed, bytes_slice(&run->window->text));
  bytes_clear(&run->window->text);
}

/* nil: all of it. "released"[, "held back"]: instead of it. */
const char *policy_take_delta(struct policy_run *run, lua_State *L, int results) {
  if (results == 0 || (lua_isnil(L, 1) && (results < 2 || lua_isnil(L, 2))) ||
      lua_type(L, 1) == LUA_TBOOLEAN) {
    if (results > 0 && lua_type(L, 1) == LUA_TBOOLEAN && !lua_toboolean(L, 1))
      return "on_delta returns text, or nothing to let the window pass; \"\" lets nothing pass";
    pass_window(run);
    return NULL;
  }
  struct slice held = results > 1 ? state_text(L, 2) : SLICE("");
  if (lua_type(L, 1) != LUA_TSTRING)
    return "on_delta returns text to release and text to hold back, or nothing";
  if (results > 1 && !lua_isnil(L, 2) && lua_type(L, 2) != LUA_TSTRING)
    return "on_delta returns text to release and text to hold back, or nothing";
  if (held.len && is_last(run)) return "nothing can be held back of the last window";
  if (held.len > run->chain->settings.hold_bytes) return "more is held back than is allowed";
  struct slice released = state_text(L, 1), seen = bytes_slice(&run->window->text);
  bool same = released.len + held.len == seen.len && slice_starts(seen, released) &&
              slice_equal(slice_skip(seen, released.len), held);
  if (!same) run->edits++;
  bytes_append_slice(&run->passed, released);
  bytes_clear(&run->window->text);
  bytes_append_slice(&run->window->text, held);
  uint64_t now_ns = held.len ? clock_mono_ns() : 0;
  bool is_fresh = held.len <= run->window->fresh || !held.len;
  if (is_fresh) run->window->oldest_ns = now_ns;
  if (is_fresh || (run->delta && run->delta->is_overdue)) run->window->since_ns = now_ns;
  return NULL;
}

/* Of a held stream the whole text is let go, as on_reply has left it. */
const char *policy_take_reply(struct policy_run *run, const char *problem) {
  if (run->call != POLICY_ON_DELTA || problem) return problem;
  run->window->since_ns = run->window->oldest_ns = 0;
  bytes_append_slice(&run->passed, run->held_reply.changed);
  bytes_clear(&run->window->text);
  return NULL;
}

void policy_pass_delta(struct policy_run *run) {
  if (run->call == POLICY_ON_DELTA || run->hook == POLICY_ON_DELTA) pass_window(run);
}

void policy_finish_delta(struct policy_run *run) {
  if (run->verdict.kind != VERDICT_DENY) bytes_append_slice(run->out, bytes_slice(&run->passed));
  run->delta = NULL;
  run->out = NULL;
  run->replies = NULL;
  run->reply_count = 0;
}

void policy_finish_reply(struct policy_run *run) {
  run->replies = NULL;
  run->reply_count = 0;
}
