/* What a script changes of a request. */
#include <math.h>
#include <stdlib.h>

#include "script/body_edit.h"
#include "script/sandbox.h"
#include "script/surface_private.h"

static struct policy_run *check_request(lua_State *L, struct surface *s) {
  (void)surface_check(s, L, OBJECT_REQUEST);
  return s->run;
}

static void count_edit(struct policy_run *run) {
  run->edits++;
  run->edit_count++;
}

/* Of `model` there is one truth for routing, permission and the provider, and the shape of the
 * answer is the client's choice. */
static void check_path(lua_State *L, struct slice path) {
  struct slice rest, first = slice_cut(path, '.', &rest);
  if (slice_equal_text(first, "model"))
    luaL_error(L, "the model is changed with request:set_model(name)");
  if (slice_equal_text(first, "stream") || slice_equal_text(first, "background"))
    luaL_error(L, "stream and background are the client's choice and cannot be changed");
}

static int take_edit(lua_State *L, struct policy_run *run, struct bytes *fresh, const char *why) {
  if (!why) {
    policy_body_take(run, fresh);
    count_edit(run);
  }
  bytes_fini(fresh);
  return why ? luaL_error(L, "%s", why) : 0;
}

int request_set(lua_State *L) {
  struct surface *s = surface_self(L);
  struct policy_run *run = check_request(L, s);
  struct slice path = surface_text(L, 2);
  luaL_checkany(L, 3);
  if (lua_isnil(L, 3)) return luaL_error(L, "to take a member away, use request:remove(path)");
  check_path(L, path);
  struct slice json = surface_encode(s, L, 3);
  struct bytes fresh;
  bytes_init(&fresh);
  return take_edit(L, run, &fresh, body_edit_set(policy_body(run), path, json, &fresh));
}

/* A member that is written twice goes twice: what is left would be what the provider reads. */
int request_remove(lua_State *L) {
  enum { MOST = 16 };
  struct surface *s = surface_self(L);
  struct policy_run *run = check_request(L, s);
  struct slice path = surface_text(L, 2), nothing = {NULL, 0};
  check_path(L, path);
  bool is_element = path.len && path.data[path.len - 1] >= '0' && path.data[path.len - 1] <= '9';
  for (int i = 0; body_edit_find(policy_body(run), path).data; i++) {
    if (i == MOST) return luaL_error(L, "this member is written too often to be removed");
    if (i == 1 && is_element) break; /* another element has taken its place */
    struct bytes fresh;
    bytes_init(&fresh);
    (void)take_edit(L, run, &fresh, body_edit_set(policy_body(run), path, nothing, &fresh));
  }
  return 0;
}

int request_set_model(lua_State *L) {
  struct surface *s = surface_self(L);
  struct policy_run *run = check_request(L, s);
  struct slice model = surface_text(L, 2);
  struct bytes quoted, fresh;
  if (!model.len || model.len > 256) return luaL_error(L, "a model's name has 1 to 256 bytes");
  run->verdict.model = arena_slice(&run->arena, model);
  bytes_init(&quoted);
  bytes_init(&fresh);
  json_quote(&quoted, model);
  const char *why = body_edit_set(policy_body(run), SLICE("model"), bytes_slice(&quoted), &fresh);
  bytes_fini(&quoted);
  return take_edit(L, run, &fresh, why);
}

int request_add_system(lua_State *L) {
  struct surface *s = surface_self(L);
  struct policy_run *run = check_request(L, s);
  struct slice text = surface_text(L, 2);
  struct bytes fresh;
  if (!text.len) return 0;
  bytes_init(&fresh);
  return take_edit(L, run, &fresh,
                   body_edit_add_system(run->request.dialect, policy_body(run), text, &fresh));
}

int request_remove_tool(lua_State *L) {
  struct surface *s = surface_self(L);
  struct policy_run *run = check_request(L, s);
  struct slice name = surface_text(L, 2);
  bool found;
  struct bytes fresh;
  bytes_init(&fresh);
  body_edit_remove_tool(policy_body(run), name, &fresh, &found);
  if (found) (void)take_edit(L, run, &fresh, NULL);
  bytes_fini(&fresh);
  lua_pushboolean(L, found);
  return 1;
}

size_t surface_text_index(lua_State *L, struct surface *s) {
  const struct handle *h = surface_check(s, L, OBJECT_TEXT);
  if (h->version != s->run->version)
    luaL_error(L, "the request has been changed since this text was taken; take request.texts "
                  "again");
  must(h->index < policy_texts(s->run)->count);
  return h->index;
}

void text_text(lua_State *L, struct surface *s) {
  size_t index = surface_text_index(L, s);
  bytes_clear(&s->scratch);
  policy_text(s->run, index, &s->scratch);
  surface_push_text(L, bytes_slice(&s->scratch));
}

void text_where(lua_State *L, struct surface *s) {
  size_t index = surface_text_index(L, s);
  lua_pushstring(L, text_where_name(policy_texts(s->run)->items[index].where));
}

void text_turn(lua_State *L, struct surface *s) {
  size_t index = surface_text_index(L, s);
  lua_pushinteger(L, policy_texts(s->run)->items[index].turn);
}

/* Asking for a place flushes the edits first: it is one in request.body. */
void text_offset(lua_State *L, struct surface *s) {
  size_t index = surface_text_index(L, s);
  struct slice body = policy_body(s->run);
  lua_pushinteger(L, policy_texts(s->run)->items[index].raw.data - body.data + 1);
}

void text_bytes(lua_State *L, struct surface *s) {
  size_t index = surface_text_index(L, s);
  (void)policy_body(s->run);
  lua_pushinteger(L, (lua_Integer)policy_texts(s->run)->items[index].raw.len);
}

int text_set(lua_State *L) {
  struct surface *s = surface_self(L);
  size_t index = surface_text_index(L, s);
  struct slice text = surface_text(L, 2);
  struct bytes *edit = policy_text_edit(s->run, index);
  bytes_append_slice(edit, text);
  count_edit(s->run);
  return 0;
}

struct range {
  size_t first, last; /* from 0; last is past the end */
  struct slice text;
};

static struct range take_range(lua_State *L, int index, size_t limit) {
  double first = 0, last = 0;
  struct range range = {0};
  lua_rawgeti(L, 2, index);
  if (!lua_istable(L, -1)) luaL_error(L, "a range is {first = …, last = …, text = …}");
  int at = lua_gettop(L);
  bool whole = surface_number_field(L, at, "first", &first) &&
               surface_number_field(L, at, "last", &last) &&
               surface_text_field(L, at, "text", &range.text);
  lua_pop(L, 1);
  if (!whole) luaL_error(L, "a range needs first, last and text");
  bool fits = first >= 1 && first == floor(first) && last == floor(last) && last >= first - 1 &&
              last <= (double)limit;
  if (!fits) luaL_error(L, "range %d does not lie inside the text", index);
  range.first = (size_t)first - 1;
  range.last = (size_t)last;
  return range;
}

int text_replace(lua_State *L) {
  struct surface *s = surface_self(L);
  size_t index = surface_text_index(L, s), done = 0;
  luaL_checktype(L, 2, LUA_TTABLE);
  int count = (int)lua_objlen(L, 2);
  text_text(L, s); /* the old text stays on the stack while the new one is written */
  struct slice old = state_text(L, -1);
  bytes_clear(&s->scratch);
  for (int i = 1; i <= count; i++) {
    struct range range = take_range(L, i, old.len);
    if (range.first < done) return luaL_error(L, "ranges overlap, or are in no rising order");
    bytes_append(&s->scratch, old.data + done, range.first - done);
    bytes_append_slice(&s->scratch, range.text);
    done = range.last;
    if (i % 256 == 0) sandbox_check(L);
  }
  bytes_append_slice(&s->scratch, slice_skip(old, done));
  if (count == 0) return 0;
  bytes_append_slice(policy_text_edit(s->run, index), bytes_slice(&s->scratch));
  count_edit(s->run);
  return 0;
}
