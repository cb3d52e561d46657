#include "model/plain_delta.h"

#include "check.h"

#define CHOICE(text) "{\"choices\":[" text "]}"
#define DELTA(text) CHOICE("{\"index\":0,\"delta\":" text "}")
#define BLOCK(text) "{\"type\":\"content_block_delta\",\"index\":2,\"delta\":" text "}"

static bool is_plain(enum dialect format, const char *data, struct plain_delta *out) {
  return plain_delta_read(format, slice_of(data), out);
}

static void test_texts(void) {
  struct plain_delta d;
  CHECK(is_plain(DIALECT_CHAT, DELTA("{\"content\":\"Hi\"}"), &d));
  CHECK_TEXT(d.text, "Hi");
  CHECK(!d.escaped && d.kind == PLAIN_TEXT && d.index == 0);
  CHECK(is_plain(DIALECT_CHAT,
                 " { \"id\" : \"c\" , \"choices\" : [ { \"delta\" : { \"content\" : \"a\\nb\" ,\n"
                 "\"role\":\"assistant\" } , \"index\" : 3 , \"finish_reason\" : null,\"x\":[{}] "
                 "} ] , \"usage\" : null } ",
                 &d));
  CHECK_TEXT(d.text, "a\\nb");
  CHECK(d.escaped && d.index == 3);
  CHECK(is_plain(DIALECT_CHAT,
                 DELTA("{\"content\":null,\"reasoning_content\":\"Hm\",\"tool_calls\":[ ]}"), &d));
  CHECK(d.kind == PLAIN_REASONING);
  CHECK(is_plain(DIALECT_CHAT, DELTA("{\"content\":\"\",\"reasoning\":\"Hm\"}"), &d));
  CHECK(is_plain(DIALECT_MESSAGES, BLOCK("{\"type\":\"text_delta\",\"text\":\"Hi\"}"), &d));
  CHECK(d.kind == PLAIN_TEXT && d.index == 2);
  CHECK(is_plain(DIALECT_MESSAGES, BLOCK("{\"thinking\":\"Hm\",\"type\":\"thinking_delta\"}"), &d));
  CHECK(d.kind == PLAIN_REASONING);
}

/* Each of them says something that only the whole readers know about, or is no JSON. */
static void test_others(void) {
  static const char *const chat[] = {
      "",
      "[DONE]",
      "{}",
      "[]",
      CHOICE(""),
      "{\"choices\":{}}",
      "{\"choices\":null}",
      CHOICE("{\"index\":0}"),
      DELTA("{}"),
      DELTA("{\"content\":\"\"}"),
      DELTA("{\"content\":null}"),
      DELTA("{\"content\":[]}"),
      DELTA("{\"content\":\"a\",\"content\":\"b\"}"),
      DELTA("{\"\\u0063ontent\":\"a\"}"),
      DELTA("{\"content\":\"a\",\"reasoning\":\"b\"}"),
      DELTA("{\"reasoning_content\":\"\",\"reasoning\":\"b\"}"),
      DELTA("{\"content\":\"a\",\"tool_calls\":[{}]}"),
      DELTA("{\"content\":\"a\",\"audio\":{}}"),
      DELTA("{\"content\":\"a\",\"annotations\":[]}"),
      DELTA("{\"content\":\"a\",\"reasoning_details\":[]}"),
      DELTA("{\"content\":\"a\""),
      DELTA("{\"content\":\"a\"}") "x",
      DELTA("{\"content\":\"a\",}"),
      DELTA("{\"content\":\"a\\x\"}"),
      DELTA("{\"content\":\"\xff\"}"),
      CHOICE("{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}"),
      CHOICE("{\"delta\":{\"content\":\"a\"},\"logprobs\":{}}"),
      CHOICE("{\"delta\":{\"content\":\"a\"},\"index\":-1}"),
      CHOICE("{\"delta\":{\"content\":\"a\"},\"index\":1.0}"),
      CHOICE("{\"delta\":{\"content\":\"a\"},\"index\":9999999}"),
      CHOICE("{\"delta\":{\"content\":\"a\"}},{\"delta\":{\"content\":\"b\"}}"),
      "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{}}",
      "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"error\":{}}",
      "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"object\":\"error\"}",
      "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"choices\":[]}",
      BLOCK("{\"type\":\"text_delta\",\"text\":\"Hi\"}"),
  };
  static const char *const messages[] = {
      DELTA("{\"content\":\"a\"}"),
      BLOCK("{\"type\":\"text_delta\",\"text\":\"\"}"),
      BLOCK("{\"type\":\"text_delta\",\"thinking\":\"a\"}"),
      BLOCK("{\"type\":\"thinking_delta\",\"text\":\"a\"}"),
      BLOCK("{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}"),
      BLOCK("{\"type\":\"signature_delta\",\"signature\":\"a\"}"),
      BLOCK("{\"text\":\"a\"}"),
      "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}",
      "{\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}",
      "{\"type\":\"ping\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}",
  };
  struct plain_delta d;
  for (size_t i = 0; i < sizeof chat / sizeof *chat; i++) {
    if (is_plain(DIALECT_CHAT, chat[i], &d)) fprintf(stderr, "taken for plain: %s\n", chat[i]);
    CHECK(!is_plain(DIALECT_CHAT, chat[i], &d));
  }
  for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
    if (is_plain(DIALECT_MESSAGES, messages[i], &d))
      fprintf(stderr, "taken for plain: %s\n", messages[i]);
    CHECK(!is_plain(DIALECT_MESSAGES, messages[i], &d));
  }
  CHECK(!is_plain(DIALECT_RESPONSES, DELTA("{\"content\":\"a\"}"), &d));
}

/* A text cut anywhere is no plain delta, and is not read beyond its end. */
static void test_cuts(void) {
  static const char whole[] = DELTA("{\"content\":\"h\\u00e9\xc3\xa9\",\"tool_calls\":[]}");
  struct plain_delta d;
  for (size_t len = 0; len < sizeof whole - 1; len++) {
    char *copy = malloc(len + 1);
    memcpy(copy, whole, len);
    CHECK(!plain_delta_read(DIALECT_CHAT, (struct slice){copy, len}, &d));
    free(copy);
  }
  CHECK(is_plain(DIALECT_CHAT, whole, &d));
}

int main(void) {
  test_texts();
  test_others();
  test_cuts();
  return checks_end();
}
