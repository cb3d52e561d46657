/* Idempotency keys: what was done once is not done again, and is answered all the same. */
#include "admin/api.h"
#include "base/digest.h"

/* Of what was asked for: the row of the path, and the body. */
static struct slice digest_of(struct call *c) {
  struct slice parts[] = {c->id, SLICE("\n"), c->sent};
  uint8_t sum[SHA256_BYTES];
  char *digest = arena_alloc(&c->arena, 2 * SHA256_BYTES + 1);
  digest_sha256(arena_join(&c->arena, parts, 3), sum);
  digest_hex(sum, sizeof sum, digest);
  return slice_of(digest);
}

struct slice once_answer(struct call *c, const struct entity *e) {
  if (!c->idempotency_key.len) return (struct slice){"", 0};
  struct slice parts[] = {e->id, SLICE(" "), digest_of(c)};
  return arena_join(&c->arena, parts, 3);
}

/* The first one's row as it is now: never its secret, which was shown. */
static void answer_again(struct call *c, struct slice id) {
  struct entity e;
  enum store_result result = row_find_copy(c, c->route->kind, id, &e);
  bool is_deletion = strcmp(c->route->method, "DELETE") == 0;
  if (result == STORE_NOT_FOUND && is_deletion) {
    bytes_append_text(&c->out, "{\"object\":\"deleted\",\"id\":");
    json_quote(&c->out, id);
    bytes_append_text(&c->out, ",\"deleted\":true}\n");
    return;
  }
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return;
  }
  struct resource what = row_resource(c, &e);
  if (!call_may(c, &what)) {
    call_deny(c);
    return;
  }
  row_write_json(c, &e, &c->out);
  bytes_append_byte(&c->out, '\n');
  c->version = e.version;
}

bool once_replay(struct call *c) {
  struct bytes answer;
  if (!c->idempotency_key.len) return false;
  bytes_init(&answer);
  enum store_result result =
      c->backend.store->calls->idempotent_find(c->backend.store, c->idempotency_key, &answer);
  struct slice digest, id = slice_cut(bytes_slice(&answer), ' ', &digest);
  bool is_known = result == STORE_FINE;
  bytes_clear(&c->out);
  if (is_known && !slice_equal(digest, digest_of(c)))
    call_fail(c, 422, "Idempotency-Key",
              "this Idempotency-Key came with another body, or for another row, before; use a new "
              "one");
  else if (is_known)
    answer_again(c, id);
  bytes_fini(&answer);
  return is_known;
}
