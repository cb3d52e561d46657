#include "account/meter.h"

#include "check.h"

struct step { /* one frame and the flags that it must give */
  const char *name, *data;
  unsigned flags;
};

static void run(struct meter *m, const struct step *steps, size_t count) {
  for (size_t i = 0; i < count; i++) {
    unsigned flags = meter_frame(m, slice_of(steps[i].name), slice_of(steps[i].data));
    if (flags != steps[i].flags)
      fprintf(stderr, "%s: flags %x, want %x\n", steps[i].data, flags, steps[i].flags);
    CHECK(flags == steps[i].flags);
  }
}

#define RUN(m, steps) run(m, steps, sizeof steps / sizeof *steps)

static bool usage_is(const struct usage *u, const struct usage *want) {
  return u->input == want->input && u->cache_read == want->cache_read &&
         u->cache_write_5m == want->cache_write_5m && u->cache_write_1h == want->cache_write_1h &&
         u->output == want->output && u->reasoning == want->reasoning &&
         u->audio_input == want->audio_input && u->audio_output == want->audio_output &&
         u->images == want->images;
}

static void check_settled(struct meter *m, struct usage want) {
  struct usage u;
  CHECK(meter_settle(m, 999, 999, &u) == USAGE_PROVIDER);
  CHECK(usage_is(&u, &want));
  meter_fini(m);
}

static void test_chat_stream(void) {
  static const struct step steps[] = {
      {"", "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}", 0},
      {"", "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\\u006co\"}}],\"usage\":null}",
       METER_CONTENT},
      {"", "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}", METER_FINISH},
      {"",
       "{\"choices\":[],\"usage\":{\"prompt_tokens\":40,\"completion_tokens\":9,\"total_tokens\":"
       "49,\"prompt_tokens_details\":{\"cached_tokens\":12,\"cache_write_tokens\":13,"
       "\"audio_tokens\":2},\"completion_tokens_details\":{\"reasoning_tokens\":4,\"audio_tokens\":"
       "1}}}",
       METER_USAGE | METER_USAGE_ONLY},
      {"", "[DONE]", METER_END},
  };
  struct meter m;
  meter_init(&m, DIALECT_CHAT);
  RUN(&m, steps);
  CHECK(m.output_bytes == 5 && strcmp(m.finish, "stop") == 0 && m.damaged == 0);
  check_settled(&m, (struct usage){.input = 15,
                                   .cache_read = 12,
                                   .cache_write_5m = 13,
                                   .output = 9,
                                   .reasoning = 4,
                                   .audio_input = 2,
                                   .audio_output = 1});
}

static void test_chat_evidence(void) {
  static const struct step steps[] = {
      {"", "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}", METER_CONTENT},
      {"", "{\"choices\":[{\"delta\":{\"reasoning\":\"hm\",\"content\":null}}]}", METER_CONTENT},
      {"", "{\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}", METER_CONTENT},
      {"", "{\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}}]}",
       METER_CONTENT},
      {"",
       "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":"
       "\"f\",\"arguments\":\"\"}}]}}]}",
       METER_CONTENT},
      {"", "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"\"}}]}}]}", 0},
      {"", "{\"choices\":[{\"delta\":{\"audio\":{\"data\":\"AAAA\"}}}]}", METER_CONTENT},
      {"", "{\"choices\":[{\"delta\":{\"audio\":{\"id\":\"x\"}}}]}", 0},
      {"", "{\"choices\":[{\"delta\":null}]}", 0},
      {"", "{\"choices\":[{\"text\":\"old\"}]}", METER_CONTENT},
      {"", "{\"error\":{\"message\":\"overloaded\"}}", METER_ERROR},
      {"", "{\"error\":null,\"choices\":[]}", 0},
      {"", "{\"object\":\"error\",\"message\":\"x\"}", METER_ERROR},
      {"", " [DONE] ", METER_END},
  };
  struct meter m;
  meter_init(&m, DIALECT_CHAT);
  RUN(&m, steps);
  CHECK(m.damaged == 0 && m.output_bytes == 2 + 2 + 2 + 1 + 1 + 3);
  meter_fini(&m);
}

static void test_damaged(void) {
  static const char *const bad[] = {
      "", "{", "null", "[]", "{\"choices\":[{]}", "\xff", "{\"a\":\"\xff\"}", "12", "DONE"};
  for (int format = 0; format < DIALECT_COUNT; format++) {
    struct meter m;
    struct usage u;
    meter_init(&m, format);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
      CHECK(meter_frame(&m, SLICE(""), slice_of(bad[i])) == 0);
      CHECK(meter_body(&m, slice_of(bad[i])) == 0);
    }
    CHECK(m.damaged == 2 * sizeof bad / sizeof *bad && m.frames == m.damaged);
    CHECK(meter_settle(&m, 0, 0, &u) == USAGE_NONE);
    CHECK(meter_settle(&m, 7, 0, &u) == USAGE_ESTIMATED && u.input == 7 && u.output == 0);
    meter_fini(&m);
  }
}

/* Servers that report with every chunk: a cut stream is billed by the last report, and by a guess
 * only for the text behind it. */
static void test_continuous_usage(void) {
  struct meter m;
  struct usage u;
  meter_init(&m, DIALECT_CHAT);
  meter_frame(&m, SLICE(""),
              SLICE("{\"choices\":[{\"delta\":{\"content\":\"one\"}}],\"usage\":{"
                    "\"prompt_tokens\":5,\"completion_tokens\":50}}"));
  CHECK(meter_settle(&m, 999, 0, &u) == USAGE_PROVIDER && u.input == 5 && u.output == 50);
  meter_frame(&m, SLICE(""), SLICE("{\"choices\":[{\"delta\":{\"content\":\" two three\"}}]}"));
  CHECK(meter_settle(&m, 999, 0, &u) == USAGE_ESTIMATED && u.input == 5 && u.output == 52);
  meter_fini(&m);
}

static void test_messages_stream(void) {
  static const struct step steps[] = {
      {"message_start",
       "{\"type\":\"message_start\",\"message\":{\"content\":[],\"usage\":{\"input_tokens\":15,"
       "\"cache_read_input_tokens\":12,\"cache_creation_input_tokens\":13,\"cache_creation\":{"
       "\"ephemeral_5m_input_tokens\":3,\"ephemeral_1h_input_tokens\":10},\"output_tokens\":1}}}",
       METER_USAGE},
      {"content_block_start",
       "{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}", 0},
      {"ping", "{\"type\":\"ping\"}", 0},
      {"content_block_delta",
       "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}",
       METER_CONTENT},
      {"content_block_delta",
       "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"signature_delta\",\"signature\":"
       "\"zz\"}}",
       0},
      {"content_block_start",
       "{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"name\":\"f\","
       "\"input\":{}}}",
       METER_CONTENT},
      {"message_delta",
       "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_"
       "tokens\":20,\"input_tokens\":15,\"cache_creation_input_tokens\":13}}",
       METER_USAGE | METER_FINISH},
      {"message_stop", "{\"type\":\"message_stop\"}", METER_END},
  };
  struct meter m;
  meter_init(&m, DIALECT_MESSAGES);
  RUN(&m, steps);
  CHECK(strcmp(m.finish, "tool_use") == 0 && m.output_bytes == 3);
  check_settled(
      &m,
      (struct usage){
          .input = 15, .cache_read = 12, .cache_write_5m = 3, .cache_write_1h = 10, .output = 20});
  struct usage u;
  meter_init(&m, DIALECT_MESSAGES);
  run(&m, steps, 4);
  CHECK(meter_settle(&m, 999, 0, &u) == USAGE_ESTIMATED);
  CHECK(u.input == 15 && u.cache_read == 12 && u.output == 1);
  CHECK(meter_frame(&m, SLICE("error"), SLICE("{\"type\":\"error\",\"error\":{}}")) == METER_ERROR);
  meter_fini(&m);
}

static void test_responses_stream(void) {
  static const struct step steps[] = {
      {"", "{\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\"}}", 0},
      {"", "{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"message\"}}", 0},
      {"", "{\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}", METER_CONTENT},
      {"", "{\"type\":\"response.output_text.delta\",\"delta\":\"\"}", 0},
      {"", "{\"type\":\"response.audio.delta\",\"delta\":\"AAAA\"}", METER_CONTENT},
      {"",
       "{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\",\"name\":"
       "\"f\"}}",
       METER_CONTENT},
      {"response.function_call_arguments.delta", "{\"delta\":\"{}\"}", METER_CONTENT},
      {"",
       "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[{}],"
       "\"usage\":{\"input_tokens\":10,\"input_tokens_details\":{\"cached_tokens\":4},\"output_"
       "tokens\":6,\"output_tokens_details\":{\"reasoning_tokens\":5},\"total_tokens\":16}}}",
       METER_USAGE | METER_FINISH | METER_END},
  };
  struct meter m;
  meter_init(&m, DIALECT_RESPONSES);
  RUN(&m, steps);
  CHECK(strcmp(m.finish, "completed") == 0 && m.output_bytes == 5);
  check_settled(&m, (struct usage){.input = 6, .cache_read = 4, .output = 6, .reasoning = 5});
  static const struct step ends[] = {
      {"", "{\"type\":\"error\",\"message\":\"x\"}", METER_ERROR},
      {"",
       "{\"type\":\"response.incomplete\",\"response\":{\"status\":\"incomplete\",\"incomplete_"
       "details\":{\"reason\":\"max_output_tokens\"}}}",
       METER_FINISH | METER_END},
      {"",
       "{\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":"
       "\"server_error\"}}}",
       METER_FINISH | METER_ERROR | METER_END},
  };
  meter_init(&m, DIALECT_RESPONSES);
  RUN(&m, ends);
  meter_fini(&m);
}

static unsigned body_flags(enum dialect format, const char *body, struct meter *m) {
  meter_init(m, format);
  return meter_body(m, slice_of(body));
}

static void test_bodies(void) {
  struct meter m;
  CHECK(body_flags(DIALECT_CHAT,
                   "{\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":\"length\"}],"
                   "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}",
                   &m) == (METER_USAGE | METER_FINISH | METER_END));
  check_settled(&m, (struct usage){.input = 3, .output = 2});
  /* Two choices, and the usage of Groq's own member. */
  CHECK(body_flags(DIALECT_CHAT,
                   "{\"x_groq\":{\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":6}},"
                   "\"choices\":[{\"finish_reason\":\"stop\"},{\"finish_reason\":\"length\"}]}",
                   &m) == (METER_USAGE | METER_FINISH | METER_END));
  CHECK(strcmp(m.finish, "length") == 0);
  check_settled(&m, (struct usage){.input = 4, .output = 6});
  CHECK(body_flags(DIALECT_COMPLETIONS, "{\"choices\":[{\"text\":\"hi there\"}]}", &m) ==
        METER_END);
  struct usage u;
  CHECK(meter_settle(&m, 4, 0, &u) == USAGE_ESTIMATED && u.input == 4 && u.output == 2);
  meter_fini(&m);
  CHECK(body_flags(DIALECT_CHAT, "{\"error\":{\"message\":\"x\"}}", &m) == METER_ERROR);
  meter_fini(&m);
  CHECK(body_flags(DIALECT_EMBEDDINGS,
                   "{\"data\":[{\"embedding\":[0.1]}],\"usage\":{\"prompt_tokens\":8,\"total_"
                   "tokens\":8}}",
                   &m) == (METER_USAGE | METER_END));
  check_settled(&m, (struct usage){.input = 8});
  CHECK(body_flags(DIALECT_MESSAGES,
                   "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],"
                   "\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2,"
                   "\"cache_creation_input_tokens\":7}}",
                   &m) == (METER_USAGE | METER_FINISH | METER_END));
  check_settled(&m, (struct usage){.input = 3, .cache_write_5m = 7, .output = 2});
  CHECK(body_flags(DIALECT_MESSAGES, "{\"type\":\"error\",\"error\":{}}", &m) == METER_ERROR);
  meter_fini(&m);
  CHECK(body_flags(DIALECT_RESPONSES,
                   "{\"status\":\"completed\",\"error\":null,\"output\":[{\"content\":[{\"text\":"
                   "\"hi\"}]}],\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}",
                   &m) == (METER_USAGE | METER_FINISH | METER_END));
  check_settled(&m, (struct usage){.input = 3, .output = 2});
}

static void on_text(struct slice text, void *user) {
  bytes_append_slice(user, text);
}

static void test_tokenizer_text(void) {
  struct bytes text;
  struct meter m;
  struct usage u;
  bytes_init(&text);
  meter_init(&m, DIALECT_CHAT);
  m.text = (struct meter_text){on_text, &text};
  meter_frame(&m, SLICE(""), SLICE("{\"choices\":[{\"delta\":{\"content\":\"a\\n\"}}]}"));
  meter_frame(&m, SLICE(""), SLICE("{\"choices\":[{\"delta\":{\"content\":\"\\u00e9\"}}]}"));
  CHECK_TEXT(bytes_slice(&text), "a\n\xc3\xa9");
  CHECK(meter_settle(&m, 5, 42, &u) == USAGE_ESTIMATED && u.output == 42 && u.input == 5);
  meter_fini(&m);
  bytes_fini(&text);
}

int main(void) {
  test_chat_stream();
  test_chat_evidence();
  test_damaged();
  test_continuous_usage();
  test_messages_stream();
  test_responses_stream();
  test_bodies();
  test_tokenizer_text();
  return checks_end();
}
