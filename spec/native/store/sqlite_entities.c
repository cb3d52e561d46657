/* What people manage, the audit chain, and sealed texts. */
#include "base/clock.h"
#include "sqlite_kit.h"

struct seen {
  size_t count;
  char ids[4000], body[200], state[20];
  uint64_t version;
  int64_t created_ms, updated_ms;
};

static void on_entity(void *context, const struct entity *e) {
  struct seen *seen = context;
  seen->count++;
  size_t len = strlen(seen->ids);
  snprintf(seen->ids + len, sizeof seen->ids - len, "%.*s ", (int)e->id.len, e->id.data);
  snprintf(seen->body, sizeof seen->body, "%.*s", (int)e->body.len, e->body.data);
  snprintf(seen->state, sizeof seen->state, "%.*s", (int)e->state.len, e->state.data);
  seen->version = e->version;
  seen->created_ms = e->created_ms;
  seen->updated_ms = e->updated_ms;
}

static enum store_result find(struct store *s, struct entity_key key, struct seen *seen) {
  *seen = (struct seen){0};
  struct entity_sink sink = {on_entity, seen};
  return s->calls->find(s, &key, &sink);
}

static struct seen list(struct store *s, struct entity_query query) {
  struct seen seen = {0};
  struct entity_sink sink = {on_entity, &seen};
  CHECK(s->calls->list(s, &query, &sink) == STORE_FINE);
  return seen;
}

static struct entity_change key_change(const char *id, uint64_t expected) {
  return (struct entity_change){.entity = {.kind = ENTITY_KEY,
                                           .id = slice_of(id),
                                           .tenant = SLICE("acme"),
                                           .owner = SLICE("project_1"),
                                           .name = slice_of(id),
                                           .lookup = slice_of(id),
                                           .body = SLICE("{\"models\":[\"gpt-*\"]}")},
                                .expected_version = expected};
}

static void test_versions(struct store *s) {
  struct seen seen;
  struct entity_change change = key_change("key_1", ENTITY_NEW);
  CHECK(s->calls->write(s, &change, 1) == STORE_FINE && change.entity.version == 1);
  CHECK(s->calls->write(s, &change, 1) == STORE_CONFLICT); /* is there already */
  change.expected_version = 1;
  change.entity.state = SLICE("blocked");
  CHECK(s->calls->write(s, &change, 1) == STORE_FINE && change.entity.version == 2);
  CHECK(s->calls->write(s, &change, 1) == STORE_CONFLICT); /* somebody was faster */
  change.expected_version = ENTITY_ANY;
  CHECK(s->calls->write(s, &change, 1) == STORE_FINE);
  CHECK(find(s, (struct entity_key){.kind = ENTITY_KEY, .id = SLICE("key_1")}, &seen) ==
        STORE_FINE);
  CHECK(seen.version == 3 && strcmp(seen.state, "blocked") == 0 && seen.created_ms > 0);
  CHECK(strcmp(seen.body, "{\"models\":[\"gpt-*\"]}") == 0 && seen.updated_ms >= seen.created_ms);
  change = key_change("key_9", 4);
  CHECK(s->calls->write(s, &change, 1) == STORE_NOT_FOUND);
  change = key_change("key_2", ENTITY_NEW);
  change.entity.lookup = SLICE("key_1"); /* a digest that another key has */
  CHECK(s->calls->write(s, &change, 1) == STORE_CONFLICT);
  CHECK(find(s, (struct entity_key){.kind = ENTITY_KEY, .lookup = SLICE("key_1")}, &seen) ==
        STORE_FINE);
  CHECK(
      find(s,
           (struct entity_key){.kind = ENTITY_KEY, .id = SLICE("key_1"), .tenant = SLICE("globex")},
           &seen) == STORE_NOT_FOUND); /* another tenant's */
  CHECK(find(s, (struct entity_key){.kind = ENTITY_USER, .id = SLICE("key_1")}, &seen) ==
        STORE_NOT_FOUND);
  change = (struct entity_change){.entity = {.kind = ENTITY_KEY, .id = SLICE("key_1")},
                                  .is_deletion = true,
                                  .expected_version = 3};
  CHECK(s->calls->write(s, &change, 1) == STORE_FINE);
  CHECK(s->calls->write(s, &change, 1) == STORE_NOT_FOUND);
}

static void test_all_or_none(struct store *s) {
  uint64_t before, after;
  CHECK(s->calls->entities_version(s, &before) == STORE_FINE);
  struct audit_entry entry = {.actor = SLICE("user:1"), .action = SLICE("key.create")};
  struct entity_change changes[] = {key_change("key_a", ENTITY_NEW),
                                    key_change("key_b", ENTITY_NEW),
                                    key_change("key_a", ENTITY_NEW)};
  changes[0].audit = &entry;
  changes[0].idempotency_key = SLICE("acme/user:1/abc");
  changes[0].answer = SLICE("{\"id\":\"key_a\"}");
  CHECK(s->calls->write(s, changes, 3) == STORE_CONFLICT);
  struct bytes answer;
  bytes_init(&answer);
  CHECK(s->calls->idempotent_find(s, SLICE("acme/user:1/abc"), &answer) == STORE_NOT_FOUND);
  CHECK(list(s, (struct entity_query){.kind = ENTITY_KEY}).count == 0);
  CHECK(kit_number("SELECT count(*) FROM audit") == 0);
  CHECK(s->calls->write(s, changes, 2) == STORE_FINE);
  CHECK(s->calls->idempotent_find(s, SLICE("acme/user:1/abc"), &answer) == STORE_FINE);
  CHECK_TEXT(bytes_slice(&answer), "{\"id\":\"key_a\"}");
  bytes_fini(&answer);
  CHECK(kit_number("SELECT count(*) FROM audit") == 1);
  CHECK(s->calls->entities_version(s, &after) == STORE_FINE && after == before + 1);
}

static void test_pages(struct store *s) {
  struct entity_change changes[30];
  char ids[30][16];
  for (int i = 0; i < 30; i++) {
    snprintf(ids[i], sizeof ids[i], "p_%02d", i);
    changes[i] = key_change(ids[i], ENTITY_NEW);
    changes[i].entity.kind = ENTITY_PROJECT;
    if (i % 3 == 0) changes[i].entity.tenant = SLICE("globex");
  }
  CHECK(s->calls->write(s, changes, 30) == STORE_FINE);
  struct seen page = list(s, (struct entity_query){.kind = ENTITY_PROJECT, .limit = 4});
  CHECK(strcmp(page.ids, "p_00 p_01 p_02 p_03 ") == 0);
  page = list(s, (struct entity_query){
                     .kind = ENTITY_PROJECT, .tenant = SLICE("globex"), .after = SLICE("p_21")});
  CHECK(strcmp(page.ids, "p_24 p_27 ") == 0);
  page = list(s, (struct entity_query){.kind = ENTITY_PROJECT,
                                       .name_prefix = SLICE("p_1"),
                                       .owner = SLICE("project_1"),
                                       .tenant = SLICE("acme")});
  CHECK(page.count == 7);
  CHECK(list(s, (struct entity_query){.kind = ENTITY_PROJECT, .state = SLICE("x")}).count == 0);
}

static void append(struct store *s, size_t number) {
  char target[32];
  snprintf(target, sizeof target, "keys/key_%zu", number);
  struct audit_entry entry = {.tenant = number % 2 ? SLICE("acme") : SLICE("globex"),
                              .actor = SLICE("user:ann"),
                              .action = SLICE("key.update"),
                              .target = slice_of(target),
                              .outcome = SLICE("done"),
                              .before = SLICE("{\"state\":\"\"}"),
                              .after = SLICE("{}"),
                              .peer = SLICE("10.0.0.1"),
                              .time_ms = 1000 + (int64_t)number};
  CHECK(s->calls->audit(s, &entry) == STORE_FINE);
}

static struct audit_report verify(struct store *s) {
  struct audit_report report;
  CHECK(s->calls->audit_verify(s, &report) == STORE_FINE);
  return report;
}

static void on_audit(void *context, uint64_t number, const struct audit_entry *entry) {
  uint64_t *last = context;
  *last = number;
  CHECK_TEXT(entry->actor, "user:ann");
}

static void test_audit(void) {
  struct store *s = kit_begin();
  CHECK(verify(s).rows == 0);
  for (size_t i = 1; i <= 20; i++)
    append(s, i);
  struct audit_report whole = verify(s);
  CHECK(whole.rows == 20 && whole.broken_at == 0 && whole.first == 1 && whole.last == 20);
  uint64_t last = 0;
  struct audit_sink sink = {on_audit, &last};
  struct audit_query query = {.tenant = SLICE("acme"), .limit = 3};
  CHECK(s->calls->audit_list(s, &query, &sink) == STORE_FINE && last == 15);

  kit_sql("CREATE TABLE saved AS SELECT * FROM audit");
  const char *const attacks[] = {
      "UPDATE audit SET actor = 'user:bob' WHERE number = 7",
      "UPDATE audit SET after = '{\"state\":\"blocked\"}' WHERE number = 7",
      "UPDATE audit SET time_ms = 5 WHERE number = 7",
      "DELETE FROM audit WHERE number = 7",
      "UPDATE audit SET hash = zeroblob(32) WHERE number = 7",
      "UPDATE audit SET peer = action, action = peer WHERE number = 7",
  };
  for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
    kit_sql(attacks[i]);
    CHECK(verify(s).broken_at == 7);
    kit_sql("DELETE FROM audit; INSERT INTO audit SELECT * FROM saved");
  }
  CHECK(memcmp(verify(s).head, whole.head, SHA256_BYTES) == 0);
  kit_sql("DELETE FROM audit WHERE number = 20"); /* the end: seen by whoever kept the head */
  CHECK(verify(s).broken_at == 0 && memcmp(verify(s).head, whole.head, SHA256_BYTES) != 0);

  bool more;
  struct retention retention = {.now_ms = 2000, .audit_ms = 990, .rows = 1000}; /* before 1010 */
  CHECK(s->calls->retain(s, &retention, &more) == STORE_FINE);
  struct audit_report rest = verify(s);
  CHECK(rest.rows == 10 && rest.broken_at == 0 && rest.first == 10);
  retention.audit_ms = 1;
  CHECK(s->calls->retain(s, &retention, &more) == STORE_FINE);
  append(s, 21); /* the chain goes on where it was cut */
  rest = verify(s);
  CHECK(rest.rows == 1 && rest.broken_at == 0 && rest.last == 20);
  kit_end(s);
}

static void test_mask(void) {
  static const char *const cases[][2] = {
      {"{\"name\":\"x\",\"key\":\"gy-abcdefghijkl1234\"}", "{\"name\":\"x\",\"key\":\"…1234\"}"},
      {"{\"api_key\" : \"short\", \"a\":[1,{\"client_secret\":\"0123456789abcdef\"}]}",
       "{\"api_key\" : \"…\", \"a\":[1,{\"client_secret\":\"…cdef\"}]}"},
      {"{\"tokens_per_minute\":5,\"key_id\":\"key_1\",\"max_tokens\":\"7\"}",
       "{\"tokens_per_minute\":5,\"key_id\":\"key_1\",\"max_tokens\":\"7\"}"},
      {"{\"note\":\"gy-0123456789zzzz\",\"b\":\"{,}\"}", "{\"note\":\"…zzzz\",\"b\":\"{,}\"}"},
      {"{\"secrets\":[\"0123456789abcdef\",[\"xxxxxxxxxxxxyyyy\"]],\"b\":\"plain text here\"}",
       "{\"secrets\":[\"…cdef\",[\"…yyyy\"]],\"b\":\"plain text here\"}"},
      {"{\"password\":{\"value\":\"0123456789abcdef\"},\"b\":\"plain text here\"}",
       "{\"password\":{\"value\":\"…cdef\"},\"b\":\"plain text here\"}"},
      {"not json", "null"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct bytes out;
    bytes_init(&out);
    audit_mask(slice_of(cases[i][0]), &out);
    CHECK_TEXT(bytes_slice(&out), cases[i][1]);
    bytes_fini(&out);
  }
}

static bool on_text(void *context, const struct stored_text *text) {
  struct bytes *out = context;
  bytes_append_slice(out, text->id);
  bytes_append_byte(out, '=');
  bytes_append_slice(out, text->sealed);
  return true;
}

static void test_texts(struct store *s) {
  struct text_key key, other;
  CHECK(!text_key_of(SLICE("abc"), &key));
  CHECK(
      text_key_of(SLICE("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), &key));
  other = key;
  other.bytes[31] ^= 1;
  struct stored_text text = {TEXT_PROMPT, SLICE("req_1"), SLICE("acme"), 1000, {"", 0}};
  struct bytes sealed, plain, found;
  bytes_init(&sealed);
  bytes_init(&plain);
  bytes_init(&found);
  text_seal(&key, &text, SLICE("the patient is called Ann"), &sealed);
  CHECK(memmem(sealed.data, sealed.len, "patient", 7) == NULL);
  text.sealed = bytes_slice(&sealed);
  CHECK(text_open(&key, &text, &plain));
  CHECK_TEXT(bytes_slice(&plain), "the patient is called Ann");
  bytes_clear(&plain);
  CHECK(!text_open(&other, &text, &plain) && plain.len == 0);
  struct stored_text moved = text; /* to another tenant's row */
  moved.tenant = SLICE("globex");
  CHECK(!text_open(&key, &moved, &plain));
  for (size_t at = 0; at < sealed.len; at++) {
    sealed.data[at] ^= 4;
    CHECK(!text_open(&key, &text, &plain));
    sealed.data[at] ^= 4;
  }
  CHECK(s->calls->text_put(s, &text) == STORE_FINE);
  CHECK(s->calls->text_put(s, &text) == STORE_FINE); /* replaces */
  struct text_sink sink = {on_text, &found};
  CHECK(s->calls->text_find(s, TEXT_PROMPT, SLICE("req_1"), &sink) == STORE_FINE);
  CHECK(found.len == 6 + sealed.len);
  CHECK(s->calls->text_find(s, TEXT_REPLY, SLICE("req_1"), &sink) == STORE_NOT_FOUND);
  CHECK(s->calls->text_list(s, TEXT_PROMPT, 0, &sink) == STORE_FINE &&
        found.len == 12 + 2 * sealed.len);
  CHECK(s->calls->text_delete(s, TEXT_PROMPT, SLICE("req_1")) == STORE_FINE);
  CHECK(s->calls->text_delete(s, TEXT_PROMPT, SLICE("req_1")) == STORE_NOT_FOUND);
  bytes_fini(&sealed);
  bytes_fini(&plain);
  bytes_fini(&found);
}

int main(void) {
  struct store *s = kit_begin();
  test_versions(s);
  test_all_or_none(s);
  test_pages(s);
  test_texts(s);
  kit_end(s);
  test_audit();
  test_mask();
  return checks_end();
}
