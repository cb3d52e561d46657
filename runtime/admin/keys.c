/* Secrets of keys: made here, shown in one answer, stored as a keyed hash. */
#include "admin/api.h"
#include "auth/directory.h"
#include "auth/key.h"

enum { OVERLAP_S = 3600, OVERLAP_S_MAX = 30 * 86400 };

static struct slice lookup_of(struct call *c, const char *secret) {
  char text[2 * SHA256_BYTES + 1];
  struct key_hash hash = key_hash(directory_secret(c->backend.directory), slice_of(secret));
  key_hash_text(&hash, text);
  return arena_slice(&c->arena, slice_of(text));
}

/* Members that the gateway keeps go behind those of people. */
void row_add_members(struct call *c, struct entity *e, const char *members) {
  struct slice body = slice_trim(e->body);
  e->body = slice_of(arena_printf(&c->arena, "%.*s%s%s}", (int)body.len - 1, body.data,
                                  body.len > 2 ? "," : "", members));
}

struct slice row_body_without(struct call *c, struct slice body, const char *const *names,
                              size_t count) {
  struct bytes out;
  bytes_init(&out);
  bytes_append_byte(&out, '{');
  for (struct json_walk w = json_walk_of(body); json_walk_next(&w);) {
    bool is_left = true;
    for (size_t i = 0; i < count; i++)
      is_left = is_left && !json_key_equal(w.key, slice_of(names[i]));
    if (!is_left) continue;
    bytes_printf(&out, "%s\"%.*s\":", out.len > 1 ? "," : "", (int)w.key.len, w.key.data);
    bytes_append_slice(&out, w.value);
  }
  bytes_append_byte(&out, '}');
  struct slice copy = arena_slice(&c->arena, bytes_slice(&out));
  bytes_fini(&out);
  return copy;
}

void key_seal(struct call *c, struct entity *e, struct slice *extra) {
  char secret[KEY_BYTES + 1];
  key_make(secret);
  e->lookup = lookup_of(c, secret);
  row_add_members(c, e, arena_printf(&c->arena, "\"last4\":\"%s\"", secret + KEY_BYTES - 4));
  *extra = slice_of(arena_printf(&c->arena, ",\"secret\":\"%s\"", secret));
}

void key_rotate(struct call *c) {
  static const char *const own[] = {"last4", "previous"};
  struct entity old;
  struct row_write w = {.before = &old, .verb = "rotate"};
  uint64_t overlap_s = OVERLAP_S;
  struct slice given = json_find(c->body, "overlap_s");
  if (given.data && (!json_to_u64(given, &overlap_s) || overlap_s > OVERLAP_S_MAX)) {
    call_fail(c, 400, "overlap_s", "overlap_s: expects seconds from 0 to %d", OVERLAP_S_MAX);
    return;
  }
  if (!row_get(c, &old) || !row_expected(c, &old, &w.expected_version)) return;
  if (slice_equal_text(old.state, "revoked")) {
    call_fail(c, 409, NULL, "a revoked key stays revoked; make a new one");
    return;
  }
  if (!row_check(c, &old, false)) return; /* its new secret is as good as a new key */
  w.entity = old;
  w.entity.body = row_body_without(c, old.body, own, 2);
  if (overlap_s)
    row_add_members(c, &w.entity,
                    arena_printf(&c->arena, "\"previous\":{\"lookup\":\"%.*s\",\"until_ms\":%lld}",
                                 (int)old.lookup.len, old.lookup.data,
                                 (long long)(c->now_ms + (int64_t)overlap_s * 1000)));
  key_seal(c, &w.entity, &w.extra);
  (void)row_store(c, &w);
}

/* For ever: its row stays for reports, its secrets go. */
void key_revoke(struct call *c) {
  static const char *const own[] = {"previous"};
  struct entity old;
  if (!row_get(c, &old)) return;
  struct entity bare = old;
  bare.body = row_body_without(c, old.body, own, 1);
  row_set_state(c, &bare, "revoked", "revoke");
}
