#include "account/usage_json.h"

#include "check.h"

static struct usage read_ok(enum dialect format, const char *text) {
  struct usage u = {0};
  CHECK(usage_read(format, slice_of(text), &u));
  return u;
}

static void test_openai_dialects(void) {
  struct usage u = read_ok(DIALECT_CHAT, "{\"prompt_tokens\":10,\"completion_tokens\":3,"
                                         "\"prompt_cache_hit_tokens\":6,"
                                         "\"prompt_cache_miss_tokens\":4}");
  CHECK(u.input == 4 && u.cache_read == 6 && u.output == 3);
  /* Wrong counts never go below zero. */
  u = read_ok(DIALECT_CHAT,
              "{\"prompt_tokens\":5,\"completion_tokens\":3,\"prompt_tokens_details\":"
              "{\"cached_tokens\":9}}");
  CHECK(u.input == 0 && u.cache_read == 9);
  /* Reasoning beside the completion, visible in the total only. */
  u = read_ok(DIALECT_CHAT, "{\"prompt_tokens\":5,\"completion_tokens\":3,\"total_tokens\":15,"
                            "\"completion_tokens_details\":{\"reasoning_tokens\":7}}");
  CHECK(u.output == 10 && u.reasoning == 7);
  /* Nor named: https://ai.google.dev/gemini-api/docs/openai. */
  u = read_ok(DIALECT_CHAT, "{\"prompt_tokens\":17,\"completion_tokens\":2,\"total_tokens\":402}");
  CHECK(u.input == 17 && u.output == 385 && u.reasoning == 383);
  /* A prompt that was counted without its cached tokens. */
  u = read_ok(DIALECT_CHAT, "{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":25,"
                            "\"prompt_tokens_details\":{\"cached_tokens\":20}}");
  CHECK(u.output == 2 && u.reasoning == 0);
  u = read_ok(DIALECT_CHAT, "{\"prompt_tokens\":5,\"total_tokens\":9}");
  CHECK(u.input == 5 && u.output == 4);
  u = read_ok(DIALECT_EMBEDDINGS, "{\"total_tokens\":9}");
  CHECK(u.input == 9 && u.output == 0);
}

static void test_refused_counts(void) {
  struct usage u = {.input = 1};
  static const char *const none[] = {"{}",
                                     "null",
                                     "[]",
                                     "",
                                     "{\"prompt_tokens\":-1}",
                                     "{\"prompt_tokens\":\"5\"}",
                                     "{\"prompt_tokens\":1e400}",
                                     "{\"prompt_tokens\":18446744073709551615}",
                                     "{\"prompt_tokens\":9223372036854775807}"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    CHECK(!usage_read(DIALECT_CHAT, slice_of(none[i]), &u));
    CHECK(!usage_read(DIALECT_MESSAGES, slice_of(none[i]), &u));
    CHECK(u.input == 1);
  }
  u = read_ok(DIALECT_CHAT,
              "{\"prompt_tokens\":9007199254740993,\"completion_tokens\":2147483648}");
  CHECK(u.input == 9007199254740993 && u.output == 2147483648);
  u = read_ok(DIALECT_CHAT, "{\"prompt_tokens\":7.0,\"completion_tokens\":2.9}");
  CHECK(u.input == 7 && u.output == 2);
}

static void check_back(enum dialect format, struct usage before) {
  struct bytes out;
  bytes_init(&out);
  usage_write(&out, format, &before);
  struct usage after = {0};
  CHECK(json_validate(bytes_slice(&out), 4, NULL));
  CHECK(usage_read(format, bytes_slice(&out), &after));
  CHECK(after.input == before.input && after.cache_read == before.cache_read &&
        after.output == before.output && after.cache_write_1h == before.cache_write_1h);
  bytes_fini(&out);
}

int main(void) {
  test_openai_dialects();
  test_refused_counts();
  check_back(DIALECT_CHAT, (struct usage){.input = 3, .cache_read = 4, .output = 5});
  check_back(DIALECT_RESPONSES, (struct usage){.input = 3, .cache_read = 4, .output = 5});
  check_back(DIALECT_MESSAGES,
             (struct usage){.input = 3, .cache_read = 4, .cache_write_1h = 6, .output = 5});
  check_back(DIALECT_EMBEDDINGS, (struct usage){.input = 3});
  return checks_end();
}
