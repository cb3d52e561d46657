#include "script/steady.h"

#include "script/state.h"
#include "script/translation.h"

void steady_init(struct steady *s) {
  *s = (struct steady){0};
  bytes_init(&s->around);
  bytes_init(&s->text);
}

void steady_fini(struct steady *s) {
  bytes_fini(&s->around);
  bytes_fini(&s->text);
}

static struct slice push_field(lua_State *L, int index, const char *name) {
  state_push_field(L, index, name);
  return state_text(L, -1);
}

static void read_around(struct steady *s, lua_State *L, int plan) {
  struct slice before = push_field(L, plan, "before");
  struct slice middle = push_field(L, plan, "middle");
  struct slice after = push_field(L, plan, "after");
  bytes_clear(&s->around);
  bytes_fit(&s->around, before.len + middle.len + after.len, 16);
  bytes_append_slice(&s->around, before);
  bytes_append_slice(&s->around, middle);
  bytes_append_slice(&s->around, after);
  s->before_len = before.len;
  s->middle_len = middle.len;
}

static bool read_format(struct steady *s, struct slice name) {
  bool chat = slice_equal_text(name, dialect_name(DIALECT_CHAT));
  s->format = chat ? DIALECT_CHAT : DIALECT_MESSAGES;
  return chat || slice_equal_text(name, dialect_name(DIALECT_MESSAGES));
}

void steady_read(struct steady *s, lua_State *L, int index) {
  must(s->events == 0);
  s->is_on = false;
  if (!lua_istable(L, index)) return;
  int top = lua_gettop(L);
  s->is_on = read_format(s, push_field(L, index, "format"));
  struct slice kind = push_field(L, index, "kind");
  s->any_kind = kind.len == 0;
  s->kind = slice_equal(kind, SLICE("reasoning")) ? PLAIN_REASONING : PLAIN_TEXT;
  s->index = state_field_u64(L, index, "index");
  state_push_field(L, index, "number");
  s->has_number = lua_type(L, -1) == LUA_TNUMBER;
  s->number = state_field_u64(L, index, "number");
  s->is_counted = state_field_bool(L, index, "counted");
  s->is_kept = state_field_bool(L, index, "kept");
  read_around(s, L, index);
  lua_settop(L, top);
}

/* Bytes that begin a character. */
static uint64_t characters_of(struct slice text) {
  uint64_t count = 0;
  for (size_t i = 0; i < text.len; i++)
    count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
  return count;
}

static void note_missed(struct steady *s, struct slice text) {
  if (!s->is_counted && !s->is_kept) return;
  s->events++;
  s->characters += characters_of(text);
  if (s->is_kept) bytes_append_slice(&s->text, text);
}

/* The frame, and behind it in the same buffer the plain text where it differs from what the frame
 * holds. Text without escapes is written as it came: quoting it would give the same bytes. */
static void write_frame(struct steady *s, const struct plain_delta *delta, struct bytes *out) {
  const char *at = s->around.data;
  size_t after_at = s->before_len + s->middle_len;
  bytes_append(out, at, s->before_len);
  if (s->has_number) bytes_append_u64(out, s->number++);
  bytes_append(out, at + s->before_len, s->middle_len);
  if (delta->escaped) {
    struct bytes plain;
    bytes_init(&plain);
    json_unescape(delta->text, &plain);
    json_quote(out, bytes_slice(&plain));
    bytes_fini(&plain);
  } else {
    bytes_append_byte(out, '"');
    bytes_append_slice(out, delta->text);
    bytes_append_byte(out, '"');
  }
  bytes_append(out, at + after_at, s->around.len - after_at);
}

bool steady_take(struct steady *s, struct slice data, struct bytes *scratch,
                 struct translated *out) {
  struct plain_delta delta;
  if (!s->is_on || !plain_delta_read(s->format, data, &delta)) return false;
  if (delta.index != s->index || (!s->any_kind && delta.kind != s->kind)) return false;
  bytes_clear(scratch);
  write_frame(s, &delta, scratch);
  size_t frame_len = scratch->len;
  if (delta.escaped) json_unescape(delta.text, scratch);
  *out = (struct translated){.has_content = true};
  out->out = (struct slice){scratch->data, frame_len};
  out->text = delta.escaped ? slice_skip(bytes_slice(scratch), frame_len) : delta.text;
  note_missed(s, out->text);
  return true;
}

bool steady_push_missed(struct steady *s, lua_State *L) {
  if (s->events == 0) return false;
  lua_pushnumber(L, (double)s->events);
  lua_pushnumber(L, (double)s->characters);
  lua_pushlstring(L, s->text.len ? s->text.data : "", s->text.len);
  s->events = s->characters = 0;
  bytes_fini(&s->text);
  return true;
}
