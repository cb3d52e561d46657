/* Most requests hold nothing that a guard looks for. Where a policy says what wakes it, such a
 * request passes without a word of Lua. */
#include "detect/harmless.h"
#include "script/detect_parts.h"
#include "script/detect_request.h"
#include "script/sandbox.h"
#include "store/kv.h"

/* The value of a flag at the top, which goes. */
static const char *take_flag(lua_State *L, bool *flag) {
  bool is_flag = lua_isnil(L, -1) || lua_isboolean(L, -1);
  *flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is_flag ? NULL : "attachments and session are true or false";
}

static const char *take_detector(lua_State *L, struct surface *s, struct waking *w) {
  bool is_there = !lua_isnil(L, -1);
  struct detect_rules *rules = surface_detector_rules(L, s, -1);
  lua_pop(L, 1);
  if (rules) w->rules = detect_rules_ref(rules);
  return is_there && !rules ? "detector is what gateyes.detector gave" : NULL;
}

/* The first key of the table at index that is not one of names. */
static bool has_other_keys(lua_State *L, int index, const char *const *names) {
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    size_t i = 0;
    while (names[i] &&
           !(lua_type(L, -2) == LUA_TSTRING && slice_equal_text(state_text(L, -2), names[i])))
      i++;
    if (names[i]) continue;
    lua_pop(L, 2);
    return true;
  }
  return false;
}

static const char *take_members(lua_State *L, int index, struct surface *s, struct waking *w) {
  static const char *const names[] = {"detector", "attachments", "session", NULL};
  if (has_other_keys(L, index, names))
    return "on_request is woken by detector, attachments and session";
  sandbox_push_field(L, index, "detector");
  const char *why = take_detector(L, s, w);
  if (why) return why;
  sandbox_push_field(L, index, "attachments");
  why = take_flag(L, &w->attachments);
  if (why) return why;
  sandbox_push_field(L, index, "session");
  return take_flag(L, &w->session);
}

const char *policy_waking_take(lua_State *L, int index, struct surface *s, struct waking *w) {
  static const char *const names[] = {"on_request", NULL};
  if (lua_isnil(L, index)) return NULL;
  if (!lua_istable(L, index) || has_other_keys(L, index, names))
    return "it returns nil, or { on_request = { … } }: other hooks always run";
  sandbox_push_field(L, index, "on_request");
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return NULL;
  }
  if (!lua_istable(L, -1)) return "on_request is a table of what wakes it";
  w->is_set = true;
  const char *why = take_members(L, lua_gettop(L), s, w);
  lua_pop(L, 1);
  return why;
}

void policy_waking_fini(struct waking *w) {
  detect_rules_unref(w->rules);
  *w = (struct waking){0};
}

static bool is_session_kept(struct surface *s) {
  struct kv_space *space = policy_now(s->run)->is_house ? s->house_space : s->space;
  return space && kv_count(space) > 0 && request_session_text(s->run).len > 0;
}

static bool finds(struct surface *s, const struct detect_rules *rules) {
  const struct body_texts *texts = policy_texts(s->run);
  if (detect_parts_any(s->run, texts)) return true;
  for (size_t i = 0; i < texts->count; i++) {
    if (policy_text_is_sent(s->run, i) && harmless_is_quoted(rules, texts->items[i].raw)) continue;
    if (!detect_request_text(s, rules, i) || s->findings.count > 0) return true;
  }
  return false;
}

/* A long body is looked at by the hook itself, which the clock can stop. */
static bool is_woken(struct surface *s, const struct waking *w) {
  struct policy_run *run = s->run;
  if (w->session && is_session_kept(s)) return true;
  if (!w->attachments && !w->rules) return false;
  if (policy_body_bytes(run) > DETECT_REQUEST_PIECE_BYTES) return true;
  if (w->attachments && policy_texts(run)->attachments > 0) return true;
  return w->rules && finds(s, w->rules);
}

bool policy_wakes(struct policy_run *run) {
  const struct waking *w = &policy_now(run)->waking;
  if (run->hook != POLICY_ON_REQUEST || !w->is_set) return true;
  struct surface *s = run->chain->surface;
  struct policy_run *outer = s->run;
  s->run = run;
  bool is_awake = is_woken(s, w);
  s->run = outer;
  return is_awake;
}
