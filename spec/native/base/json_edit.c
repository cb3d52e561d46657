#include "base/json_edit.h"

#include "check.h"

static struct slice member(struct slice text, const char *key) {
  struct json_member wanted = {.key = slice_of(key)};
  CHECK(json_members(text, &wanted, 1, 16, NULL) && wanted.type != JSON_NONE);
  return wanted.member;
}

static void check_pieces(struct json_edits *e, const char *want) {
  struct slice pieces[JSON_PIECES_MAX];
  struct bytes out;
  size_t total, count = json_edit_pieces(e, pieces, &total);
  bytes_init(&out);
  for (size_t i = 0; i < count; i++) {
    CHECK(pieces[i].len > 0);
    bytes_append_slice(&out, pieces[i]);
  }
  CHECK_TEXT(bytes_slice(&out), want);
  CHECK(total == out.len && json_validate(bytes_slice(&out), 16, NULL));
  bytes_fini(&out);
}

/* Removes the members whose letters stand in `remove`, in that order. */
static void check_removed(const char *text, const char *remove, bool insert, const char *want) {
  struct json_edits e;
  struct slice body = slice_of(text);
  json_edits_init(&e, body);
  for (; *remove; remove++)
    json_edit_remove(&e, member(body, (char[]){*remove, 0}));
  if (insert) json_edit_insert(&e, SLICE("\"n\":0"));
  check_pieces(&e, want);
}

static void test_remove(void) {
  const char *three = "{\"a\":1,\"b\":2,\"c\":3}";
  check_removed(three, "", false, three);
  check_removed(three, "a", false, "{\"b\":2,\"c\":3}");
  check_removed(three, "b", false, "{\"a\":1,\"c\":3}");
  check_removed(three, "c", false, "{\"a\":1,\"b\":2}");
  check_removed(three, "ab", false, "{\"c\":3}");
  check_removed(three, "bc", false, "{\"a\":1}");
  check_removed(three, "cb", false, "{\"a\":1}");
  check_removed(three, "ca", false, "{\"b\":2}");
  check_removed(three, "cab", false, "{}");
  check_removed(three, "abc", true, "{\"n\":0}");
  check_removed(three, "a", true, "{\"n\":0,\"b\":2,\"c\":3}");
  check_removed(three, "bc", true, "{\"n\":0,\"a\":1}");
  check_removed("{\"a\":1}", "a", true, "{\"n\":0}");
  check_removed("{}", "", true, "{\"n\":0}");
  check_removed(" { } ", "", true, " {\"n\":0 } ");
  check_removed("{ \"a\" : 1 , \"b\" : 2 }", "b", false, "{ \"a\" : 1  }");
  check_removed("{ \"a\" : 1 , \"b\" : 2 }", "a", false, "{ \"b\" : 2 }");
  check_removed("{ \"a\" : 1 , \"b\" : 2 }", "ab", true, "{\"n\":0  }");
}

static void test_replace(void) {
  struct slice body = SLICE("{\"model\":\"old\",\"x\":[],\"stream\":false,\"y\":1}");
  struct json_edits e;
  struct json_member wanted[] = {{.key = SLICE("stream")}, {.key = SLICE("model")}};
  CHECK(json_members(body, wanted, 2, 8, NULL));
  json_edits_init(&e, body);
  json_edit_replace(&e, wanted[0].value, SLICE("true"));
  json_edit_replace(&e, wanted[1].value, SLICE("\"new\""));
  json_edit_remove(&e, member(body, "y"));
  json_edit_insert(&e, SLICE("\"z\":{}"));
  check_pieces(&e, "{\"z\":{},\"model\":\"new\",\"x\":[],\"stream\":true}");
}

int main(void) {
  test_remove();
  test_replace();
  return checks_end();
}
