#include "script/stored.h"

#include "base/clock.h"
#include "script/generation_private.h"
#include "script/script_error.h"

static void push(lua_State *L, struct slice text) {
  lua_pushlstring(L, text.data ? text.data : "", text.len);
}

/* Calls an entry of three texts for its effect. A script that raises has said so in the log. */
static void tell(struct generation *g, enum entry entry, const struct slice texts[3]) {
  lua_State *L = generation_enter(g, entry);
  for (int i = 0; i < 3; i++)
    push(L, texts[i]);
  struct error_detail logged;
  (void)script_call(L, 3, 0, &logged);
}

void script_stored_record(struct generation *g, struct slice owner, struct slice request_body,
                          struct slice response) {
  tell(g, ENTRY_STORE_RECORD, (struct slice[]){owner, request_body, response});
}

bool script_stored_begin(struct generation *g, const struct stored_begin *request,
                         struct arena *arena, struct slice *queued, struct error_detail *error) {
  lua_State *L = generation_enter(g, ENTRY_STORE_BEGIN);
  push(L, request->owner);
  push(L, request->id);
  push(L, request->body);
  push(L, request->model);
  lua_pushnumber(L, (double)(clock_wall_ms() / 1000));
  if (!script_call(L, 5, 2, error)) return false;
  if (lua_type(L, 1) != LUA_TSTRING) {
    script_read_failure(L, 2, arena, error);
    return false;
  }
  *queued = arena_slice(arena, state_text(L, 1));
  return true;
}

void script_stored_finish(struct generation *g, struct slice owner, struct slice id,
                          struct slice response) {
  tell(g, ENTRY_STORE_FINISH, (struct slice[]){owner, id, response});
}

void script_stored_fail(struct generation *g, struct slice owner, struct slice id,
                        const struct error_detail *error) {
  lua_State *L = generation_enter(g, ENTRY_STORE_FAIL);
  push(L, owner);
  push(L, id);
  script_push_failure(L, error);
  struct error_detail logged;
  (void)script_call(L, 3, 0, &logged);
}

static const char failed[] =
    "{\"error\":{\"message\":\"a script of the gateway failed; its log says where\","
    "\"type\":\"server_error\",\"param\":null,\"code\":\"translation_error\"}}";

struct stored_answer script_stored_answer(struct generation *g,
                                          const struct stored_request *request,
                                          struct arena *arena) {
  lua_State *L = generation_enter(g, ENTRY_STORE_ANSWER);
  push(L, request->owner);
  push(L, request->method);
  push(L, request->path);
  push(L, request->query);
  struct error_detail error;
  if (!script_call(L, 4, 6, &error))
    return (struct stored_answer){.status = error.status,
                                  .content_type = SLICE("application/json"),
                                  .body = slice_of(failed)};
  struct slice type = state_text(L, 3);
  return (struct stored_answer){.status = (int)lua_tointeger(L, 1),
                                .content_type =
                                    type.len ? arena_slice(arena, type) : SLICE("application/json"),
                                .body = arena_slice(arena, state_text(L, 2)),
                                .stopped = arena_slice(arena, state_text(L, 4)),
                                .streamed = arena_slice(arena, state_text(L, 5)),
                                .still_runs = lua_toboolean(L, 6)};
}

bool script_stored_expand(struct generation *g, const struct stored_body *request,
                          struct arena *arena, struct slice *expanded, struct error_detail *error) {
  lua_State *L = generation_enter(g, ENTRY_EXPAND);
  push(L, request->owner);
  push(L, request->body);
  if (!script_call(L, 2, 2, error)) return false;
  if (lua_type(L, 1) != LUA_TSTRING) {
    script_read_failure(L, 2, arena, error);
    return false;
  }
  *expanded = arena_slice(arena, state_text(L, 1));
  return true;
}

bool script_stored_foreign(struct generation *g, const struct stored_body *request,
                           struct arena *arena, struct slice *id, struct error_detail *error) {
  lua_State *L = generation_enter(g, ENTRY_FOREIGN);
  push(L, request->owner);
  push(L, request->body);
  if (!script_call(L, 2, 1, error)) return false;
  *id = arena_slice(arena, state_text(L, 1));
  return true;
}

bool script_signed_body(struct generation *g, struct signed_body *request, struct arena *arena,
                        struct error_detail *error) {
  lua_State *L = generation_enter(g, ENTRY_SIGNED);
  push(L, request->body);
  push(L, request->model);
  if (!script_call(L, 2, 2, error)) return false;
  request->gone = arena_slice(arena, state_text(L, 2));
  if (request->gone.len) request->body = arena_slice(arena, state_text(L, 1));
  return true;
}

void script_failed_frames(struct generation *g, const struct broken_stream *stream,
                          const struct error_detail *error, struct bytes *out) {
  lua_State *L = generation_enter(g, ENTRY_FAILED_FRAMES);
  if (stream->created.len)
    push(L, stream->created);
  else
    lua_pushnil(L);
  lua_pushnumber(L, (double)stream->sequence);
  script_push_failure(L, error);
  struct error_detail logged;
  if (script_call(L, 3, 1, &logged)) bytes_append_slice(out, state_text(L, 1));
}
