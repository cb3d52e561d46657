/* What a script reads of a request. Views are decoded when they are asked for, and kept for the
 * policy that asked: another one gets its own, so that changing one changes nothing elsewhere. */
#include <stdlib.h>

#include "script/body_edit.h"
#include "script/sandbox.h"
#include "script/surface_private.h"

static void push_maybe(lua_State *L, struct slice text) {
  if (text.len)
    surface_push_text(L, text);
  else
    lua_pushnil(L);
}

void request_id(lua_State *L, struct surface *s) {
  surface_push_text(L, s->run->request.id);
}

void request_dialect(lua_State *L, struct surface *s) {
  lua_pushstring(L, dialect_name(s->run->request.dialect));
}

void request_method(lua_State *L, struct surface *s) {
  surface_push_text(L, s->run->request.method);
}

void request_path(lua_State *L, struct surface *s) {
  surface_push_text(L, s->run->request.path);
}

void request_model(lua_State *L, struct surface *s) {
  const struct policy_run *run = s->run;
  surface_push_text(L, run->verdict.model.len ? run->verdict.model : run->request.model);
}

void request_stream(lua_State *L, struct surface *s) {
  lua_pushboolean(L, s->run->request.is_stream);
}

static struct slice session_in(const struct json_index *index) {
  static const struct {
    struct slice object, key;
  } places[] = {{{"metadata", 8}, {"session_id", 10}},
                {{"", 0}, {"prompt_cache_key", 16}},
                {{"metadata", 8}, {"user_id", 7}},
                {{"", 0}, {"user", 4}}};
  struct slice session = {"", 0};
  for (size_t i = 0; i < sizeof places / sizeof *places && !session.len; i++) {
    bool is_inside = places[i].object.len > 0;
    uint32_t object = is_inside ? json_index_find(index, 0, places[i].object) : 0;
    if (is_inside && !object) continue;
    uint32_t found = json_index_find(index, object, places[i].key);
    if (found) session = json_index_raw(index, found);
  }
  return session;
}

struct slice request_session_text(struct policy_run *run) {
  if (run->has_session) return run->session;
  run->has_session = true;
  run->session = run->request.session;
  if (!run->session.len) run->session = header_find(run->request.headers, "x-session-id");
  if (run->session.len) return run->session;
  if (!run->owns_body) return run->session = session_in(policy_index(run));
  struct json_index index;
  json_index_init(&index, run->request.body);
  run->session = session_in(&index);
  json_index_fini(&index);
  return run->session;
}

void request_session(lua_State *L, struct surface *s) {
  push_maybe(L, request_session_text(s->run));
}

void request_body(lua_State *L, struct surface *s) {
  surface_push_text(L, policy_body(s->run));
}

void request_body_bytes(lua_State *L, struct surface *s) {
  lua_pushinteger(L, (lua_Integer)policy_body(s->run).len);
}

void request_attachments(lua_State *L, struct surface *s) {
  lua_pushinteger(L, policy_texts(s->run)->attachments);
}

/* Pushes the cached view; false (nothing pushed) when it has to be made. */
static bool find_view(lua_State *L, struct policy_run *run, const char *name) {
  bool fresh = run->views == LUA_NOREF || run->views_policy != run->at ||
               run->views_version != run->edit_count;
  if (fresh) {
    luaL_unref(L, LUA_REGISTRYINDEX, run->views);
    lua_newtable(L);
    run->views = luaL_ref(L, LUA_REGISTRYINDEX);
    run->views_policy = run->at;
    run->views_version = run->edit_count;
    return false;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, run->views);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  if (!lua_isnil(L, -1)) return true;
  lua_pop(L, 1);
  return false;
}

static void keep_view(lua_State *L, struct policy_run *run, const char *name) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, run->views);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

void request_texts(lua_State *L, struct surface *s) {
  struct policy_run *run = s->run;
  if (find_view(L, run, "texts")) return;
  const struct body_texts *texts = policy_texts(run);
  lua_createtable(L, (int)texts->count, 0);
  for (size_t i = 0; i < texts->count; i++) {
    struct handle handle = {run->id, (uint32_t)i, run->version};
    surface_push_handle(s, L, OBJECT_TEXT, &handle);
    lua_rawseti(L, -2, (int)i + 1);
  }
  keep_view(L, run, "texts");
}

/* The texts of one place, joined by line breaks. turn 0: of all turns. */
static void join_texts(struct policy_run *run, enum text_where where, uint32_t turn,
                       struct bytes *out) {
  const struct body_texts *texts = policy_texts(run);
  size_t start = out->len;
  for (size_t i = 0; i < texts->count; i++) {
    if (texts->items[i].where != where || (turn && texts->items[i].turn != turn)) continue;
    if (out->len > start) bytes_append_byte(out, '\n');
    policy_text(run, i, out);
  }
}

static void push_joined(lua_State *L, struct surface *s, enum text_where where, uint32_t turn) {
  bytes_clear(&s->scratch);
  join_texts(s->run, where, turn, &s->scratch);
  surface_push_text(L, bytes_slice(&s->scratch));
}

void request_system(lua_State *L, struct surface *s) {
  push_joined(L, s, TEXT_SYSTEM, 0);
}

void request_last_user_text(lua_State *L, struct surface *s) {
  uint32_t turn = policy_texts(s->run)->last_user;
  if (turn)
    push_joined(L, s, TEXT_USER, turn);
  else
    lua_pushstring(L, "");
}

static void set_raw(lua_State *L, struct surface *s, const char *name, struct slice value) {
  struct slice raw = json_string_raw(value);
  if (!raw.len) return;
  surface_push_raw(s, L, raw);
  lua_setfield(L, -2, name);
}

/* One call of a tool, from any protocol, appended to the list under the message on top. */
static void add_call(lua_State *L, struct surface *s, struct slice call) {
  struct slice function = json_find(call, "function");
  struct slice inner = json_type(function) == JSON_OBJECT ? function : call;
  struct slice arguments = json_find(inner, "arguments"), id = json_find(call, "call_id");
  if (!arguments.data) arguments = json_find(inner, "input");
  if (!id.data) id = json_find(call, "id");
  lua_getfield(L, -1, "tool_calls");
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "tool_calls");
  }
  lua_newtable(L);
  set_raw(L, s, "name", json_find(inner, "name"));
  set_raw(L, s, "id", id);
  if (json_type(arguments) == JSON_STRING)
    set_raw(L, s, "arguments", arguments);
  else if (arguments.data) {
    surface_push_text(L, arguments);
    lua_setfield(L, -2, "arguments");
  }
  lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
  lua_pop(L, 1);
}

static bool is_call(struct slice part) {
  struct slice type = json_string_raw(json_find(part, "type"));
  return slice_equal_text(type, "tool_use") || slice_equal_text(type, "function_call") ||
         slice_equal_text(type, "custom_tool_call");
}

static void add_calls(lua_State *L, struct surface *s, struct slice item) {
  struct slice list = json_find(item, "tool_calls");
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);)
    add_call(L, s, w.value);
  if (is_call(item)) add_call(L, s, item);
  struct slice content = json_find(item, "content");
  if (json_type(content) != JSON_ARRAY) return;
  for (struct json_walk w = json_walk_of(content); json_walk_next(&w);)
    if (is_call(w.value)) add_call(L, s, w.value);
}

/* Every text of the turn but arguments and reasoning. */
static void turn_text(struct policy_run *run, size_t *at, uint32_t turn, struct bytes *out) {
  const struct body_texts *texts = policy_texts(run);
  while (*at < texts->count && texts->items[*at].turn < turn)
    ++*at;
  for (; *at < texts->count && texts->items[*at].turn == turn; ++*at) {
    enum text_where where = texts->items[*at].where;
    if (where == TEXT_TOOL_ARGUMENTS || where == TEXT_REASONING) continue;
    if (out->len) bytes_append_byte(out, '\n');
    policy_text(run, *at, out);
  }
}

/* With every edit in it. */
static const struct json_index *index_of(struct policy_run *run) {
  (void)policy_body(run);
  return policy_index(run);
}

/* A member of the body, without data when there is none. */
static struct slice member_of(struct policy_run *run, const char *name) {
  const struct json_index *index = index_of(run);
  uint32_t found = index->count ? json_index_find(index, 0, slice_of(name)) : 0;
  return found ? json_index_value(index, found) : (struct slice){NULL, 0};
}

static struct slice turns_of(struct policy_run *run) {
  static const char *const names[] = {"messages", "input", "prompt"};
  struct slice turns = {NULL, 0};
  for (size_t i = 0; i < sizeof names / sizeof *names && !turns.data; i++)
    turns = member_of(run, names[i]);
  return turns;
}

/* Those that are empty at the end count for nothing. */
void request_turns(lua_State *L, struct surface *s) {
  struct slice turns = turns_of(s->run);
  const struct json_index *index = policy_index(s->run);
  uint32_t count = json_type(turns) == JSON_STRING;
  if (json_type(turns) == JSON_ARRAY) {
    uint32_t list = 0;
    while (json_index_value(index, list).data != turns.data)
      list = list ? index->nodes[list].next : 1;
    for (uint32_t at = list + 1; at < index->nodes[list].next; at = index->nodes[at].next)
      count = index->nodes[at].key + 1;
  }
  lua_pushinteger(L, (lua_Integer)count);
}

static void push_message(lua_State *L, struct surface *s, struct slice item) {
  lua_newtable(L);
  set_raw(L, s, "role", json_find(item, "role"));
  set_raw(L, s, "name", json_find(item, "name"));
  set_raw(L, s, "type", json_find(item, "type"));
  set_raw(L, s, "tool_call_id", json_find(item, "tool_call_id"));
  lua_getfield(L, -1, "role");
  bool has_role = !lua_isnil(L, -1);
  lua_pop(L, 1);
  if (!has_role && json_type(item) == JSON_STRING) {
    lua_pushstring(L, "user");
    lua_setfield(L, -2, "role");
  }
  if (json_type(item) == JSON_OBJECT) add_calls(L, s, item);
}

void request_messages(lua_State *L, struct surface *s) {
  struct policy_run *run = s->run;
  if (find_view(L, run, "messages")) return;
  struct slice turns = turns_of(run); /* with every edit in it: before the texts are looked at */
  size_t at = 0;
  int turn = 0;
  while (at < policy_texts(run)->count && policy_texts(run)->items[at].turn == 0)
    at++;
  lua_newtable(L);
  struct json_walk w = json_walk_of(turns);
  bool single = json_type(turns) == JSON_STRING;
  while (single || json_walk_next(&w)) {
    push_message(L, s, single ? turns : w.value);
    bytes_clear(&s->scratch);
    turn_text(run, &at, (uint32_t)++turn, &s->scratch);
    surface_push_text(L, bytes_slice(&s->scratch));
    lua_setfield(L, -2, "text");
    lua_rawseti(L, -2, turn);
    if (single) break;
  }
  keep_view(L, run, "messages");
}

static void push_tools(lua_State *L, struct surface *s, struct slice list) {
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);) {
    struct slice function = json_find(w.value, "function"), schema;
    struct slice inner = json_type(function) == JSON_OBJECT ? function : w.value;
    lua_newtable(L);
    set_raw(L, s, "type", json_find(w.value, "type"));
    set_raw(L, s, "name", json_find(inner, "name"));
    set_raw(L, s, "description", json_find(inner, "description"));
    schema = json_find(inner, "parameters");
    if (!schema.data) schema = json_find(inner, "input_schema");
    if (schema.data) {
      surface_push_text(L, schema);
      lua_setfield(L, -2, "schema");
    }
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
  }
}

void request_tools(lua_State *L, struct surface *s) {
  struct policy_run *run = s->run;
  if (find_view(L, run, "tools")) return;
  lua_newtable(L);
  push_tools(L, s, member_of(run, "tools"));
  push_tools(L, s, member_of(run, "functions"));
  keep_view(L, run, "tools");
}

static bool is_hidden(struct slice name) {
  static const char *const hidden[] = {"authorization", "proxy-authorization", "x-api-key",
                                       "api-key",       "x-goog-api-key",      "cookie"};
  for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
    if (slice_equal_nocase(name, slice_of(hidden[i]))) return true;
  return false;
}

int request_header(lua_State *L) {
  struct surface *s = surface_self(L);
  (void)surface_check(s, L, OBJECT_REQUEST);
  struct slice name = surface_text(L, 2);
  struct headers headers = s->run->request.headers;
  lua_pushnil(L);
  for (size_t i = 0; i < headers.count && !is_hidden(name); i++) {
    if (!slice_equal_nocase(headers.items[i].name, name)) continue;
    surface_push_text(L, headers.items[i].value);
    break;
  }
  return 1;
}

/* The index leaves out what tells nothing in a list, so paths through lists are walked. */
static struct slice value_at(struct policy_run *run, struct slice path) {
  const struct json_index *index = index_of(run);
  uint32_t node = 0;
  struct slice rest = path;
  while (rest.len > 0 && node < index->count) {
    char type = json_index_type(index, node);
    if (type == '[') return body_edit_find(policy_body(run), path);
    node = type == '{' ? json_index_find(index, node, slice_cut(rest, '.', &rest)) : 0;
    if (!node) return (struct slice){NULL, 0};
  }
  return node ? json_index_value(index, node) : (struct slice){NULL, 0};
}

int request_get(lua_State *L) {
  struct surface *s = surface_self(L);
  (void)surface_check(s, L, OBJECT_REQUEST);
  struct slice value = value_at(s->run, surface_text(L, 2));
  if (value.data)
    surface_decode(s, L, value);
  else
    lua_pushnil(L);
  return 1;
}
