#include "script/script_error.h"

#include "observe/log.h"

static void set_bug(struct error_detail *error) {
  *error = (struct error_detail){
      .status = 500,
      .type = SLICE("api_error"),
      .code = SLICE("translation_error"),
      .message = SLICE("a script of the gateway failed on this request; its log says where")};
}

bool script_call(lua_State *L, int args, int results, struct error_detail *error) {
  struct bytes traceback;
  bytes_init(&traceback);
  bool fine = state_call(L, args, results, &traceback);
  if (!fine) {
    set_bug(error);
    log_process(LOG_ERROR, "script error: %s", bytes_text(&traceback));
  }
  bytes_fini(&traceback);
  return fine;
}

void script_read_failure(lua_State *L, int index, struct arena *arena, struct error_detail *out) {
  if (!lua_istable(L, index)) {
    set_bug(out);
    return;
  }
  *out = (struct error_detail){.status = (int)state_field_u64(L, index, "status"),
                               .type = state_field_text(L, index, "type", arena),
                               .code = state_field_text(L, index, "code", arena),
                               .message = state_field_text(L, index, "message", arena),
                               .param = state_field_text(L, index, "param", arena)};
  if (out->status < 400 || out->status > 599) out->status = 500;
}

void script_push_failure(lua_State *L, const struct error_detail *error) {
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, error->status);
  lua_setfield(L, -2, "status");
  state_set_text(L, "type", error->type);
  state_set_text(L, "message", error->message);
  if (error->code.len) state_set_text(L, "code", error->code);
  if (error->param.len) state_set_text(L, "param", error->param);
}

bool script_read_usage(lua_State *L, int index, struct usage *out) {
  if (!lua_istable(L, index)) return false;
  *out = (struct usage){.input = state_field_u64(L, index, "input"),
                        .cache_read = state_field_u64(L, index, "cache_read"),
                        .cache_write_5m = state_field_u64(L, index, "cache_write_5m"),
                        .cache_write_1h = state_field_u64(L, index, "cache_write_1h"),
                        .output = state_field_u64(L, index, "output"),
                        .reasoning = state_field_u64(L, index, "reasoning"),
                        .audio_input = state_field_u64(L, index, "audio_input"),
                        .audio_output = state_field_u64(L, index, "audio_output"),
                        .images = state_field_u64(L, index, "images")};
  return true;
}
