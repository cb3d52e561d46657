/* What is found in the bodies of all dialects, and what edits make of them. */
#include "script/body_texts.h"

#include "base/clock.h"
#include "check.h"
#include "script/body_edit.h"
#include "script/body_keys.h"

/* "where turn text" of each text, a line each, then the number of attachments. */
static void list(enum dialect dialect, const char *body, struct bytes *out) {
  struct body_texts texts;
  CHECK(json_validate(slice_of(body), 128, NULL));
  struct json_index index;
  json_index_init(&index, slice_of(body));
  body_texts_init(&texts, dialect, &index);
  for (size_t i = 0; i < texts.count; i++) {
    bytes_printf(out, "%s %u ", text_where_name(texts.items[i].where), texts.items[i].turn);
    json_unescape(texts.items[i].raw, out);
    bytes_append_byte(out, '\n');
  }
  bytes_printf(out, "%u %u", texts.attachments, texts.last_user);
  body_texts_fini(&texts);
  json_index_fini(&index);
}

static void expect(enum dialect dialect, const char *body, const char *wanted) {
  struct bytes out;
  bytes_init(&out);
  list(dialect, body, &out);
  if (!slice_equal_text(bytes_slice(&out), wanted)) {
    fprintf(stderr, "%s\ngave\n%s\nnot\n%s\n", body, bytes_text(&out), wanted);
    checks_failed++;
  }
  bytes_fini(&out);
}

static void test_chat(void) {
  expect(DIALECT_CHAT,
         "{\"model\":\"m\",\"messages\":["
         "{\"role\":\"developer\",\"content\":\"be kind\"},"
         "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"look\\n\"},"
         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:x\"}},"
         "{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":\"data:y\"}}]},"
         "{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm\",\"tool_calls\":["
         "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
         "\"{\\\"id\\\":1}\"}}]},"
         "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"42\"}],"
         "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"does\","
         "\"parameters\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\",\"enum\":"
         "[\"p\",\"q\"]}}}}}],"
         "\"metadata\":{\"type\":\"t\"},\"user\":\"u1\",\"vendor\":{\"note\":\"psst\"},\"stop\":["
         "\"end\"]}",
         "system 1 be kind\nuser 2 look\n\nuser 2 a.pdf\nreasoning 3 hm\nidentifier 3 "
         "c1\nassistant 3 f\n"
         "tool_arguments 3 {\"id\":1}\nidentifier 4 c1\ntool_result 4 42\ntool_schema 0 "
         "f\ntool_schema 0 does\n"
         "tool_schema 0 p\ntool_schema 0 q\nmetadata 0 t\nmetadata 0 u1\nother 0 psst\nother 0 "
         "end\n2 2");
}

/* What is said where nobody says anything: in identifiers, and beside media. */
static void test_hiding_places(void) {
  expect(
      DIALECT_CHAT,
      "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
      "{\"url\":\"https://x.test/a?mail=jo@corp.test\",\"note\":\"psst jo\"}},"
      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:text/plain,hello\"}},"
      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0K\"}},"
      "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"UklGRg==\",\"format\":\"wav\"}}]},"
      "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"jo@corp.test\",\"type\":\"function\","
      "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
      "{\"role\":\"tool\",\"tool_call_id\":\"jo@corp.test\",\"content\":\"42\"}]}",
      "other 1 https://x.test/a?mail=jo@corp.test\nother 1 psst jo\nother 1 data:text/plain,hello\n"
      "other 1 data:image/png;base64,iVBORw0K\nidentifier 1 UklGRg==\nassistant 2 "
      "jo@corp.test\nassistant 2 f\ntool_arguments 2 {}\ntool_result 3 "
      "jo@corp.test\ntool_result 3 42\n4 0");
  expect(
      DIALECT_MESSAGES,
      "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":"
      "\"url\",\"url\":\"https://x.test/?q=a%40b.test\"}},{\"type\":\"image\",\"source\":{\"type\":"
      "\"base64\",\"media_type\":\"image/png\",\"data\":\"iVBORw0K\"}}]}]}",
      "other 1 https://x.test/?q=a%40b.test\nidentifier 1 iVBORw0K\n2 0");
}

/* Identifiers, and what stands where the protocols have words and keys of their own. */
static void test_identifiers(void) {
  expect(
      DIALECT_CHAT,
      "{\"model\":\"gpt-4o-2024-11-20\",\"service_tier\":\"4111111111111111\",\"messages\":[{"
      "\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\",\"cache_control\":{"
      "\"type\":\"AKIAQYLPMN5HHHFPZAM2\"}}]},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":"
      "\"110101199003070011\",\"type\":\"function\",\"function\":{\"name\":\"f\"}}]},{\"role\":"
      "\"tool\",\"tool_call_id\":\"110101199003070011\",\"content\":\"ok\"}],\"metadata\":{"
      "\"4111111111111111\":\"v\"},\"tools\":[{\"function\":{\"parameters\":{\"properties\":{"
      "\"fine_name\":{\"type\":\"string\"},\"4111 1111 1111 1111\":{}}}}}],\"x 4012888888881881\":"
      "true}",
      "identifier 0 4111111111111111\nuser 1 hi\nidentifier 1 AKIAQYLPMN5HHHFPZAM2\nidentifier 2 "
      "110101199003070011\nassistant 2 f\nidentifier 3 110101199003070011\ntool_result 3 ok\n"
      "identifier 0 4111111111111111\nmetadata 0 v\nidentifier 0 4111 1111 1111 1111\nidentifier "
      "0 x 4012888888881881\n0 1");
}

static void test_messages(void) {
  expect(DIALECT_MESSAGES,
         "{\"system\":[{\"type\":\"text\",\"text\":\"s\",\"cache_control\":{\"type\":"
         "\"ephemeral\"}}],\"messages\":["
         "{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"title\":\"t\",\"source\":"
         "{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"file\"}},"
         "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"AAAA\"}},"
         "{\"type\":\"text\",\"text\":\"hi\"}]},"
         "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\","
         "\"signature\":\"sig\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":"
         "{\"type\":\"a\",\"list\":[\"b\"]}}]},"
         "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\","
         "\"content\":[{\"type\":\"text\",\"text\":\"res\"}]}]}]}",
         "system 0 s\nfile 1 t\nfile 1 file\nidentifier 1 AAAA\nuser 1 hi\nreasoning 2 "
         "hm\nidentifier 2 t1\nassistant "
         "2 f\n"
         "tool_arguments 2 type\ntool_arguments 2 a\ntool_arguments 2 list\ntool_arguments 2 b\n"
         "identifier 3 t1\ntool_result 3 res\n1 1");
}

/* A card number without quotes, or as a key, is a card number. */
static void test_numbers(void) {
  const char *body =
      "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"input\":"
      "{\"n\":1, \"4012\":[4111111111111111,-5e30 ,true]}}]}],\"metadata\":{\"k\":1234567}}";
  expect(DIALECT_MESSAGES, body,
         "tool_arguments 1 n\ntool_arguments 1 4012\ntool_arguments 1 4111111111111111\n"
         "tool_arguments 1 -5e30\nmetadata 0 1234567\n0 0");
  struct body_texts texts;
  struct json_index index;
  json_index_init(&index, slice_of(body));
  body_texts_init(&texts, DIALECT_MESSAGES, &index);
  struct bytes fresh, out;
  bytes_init(&fresh);
  bytes_init(&out);
  bytes_append_text(&fresh, "[CARD]");
  struct bytes *replaced[5] = {NULL, &fresh, &fresh, &fresh, &fresh};
  CHECK(texts.count == 5);
  body_edit_texts(slice_of(body), &texts, replaced, &out);
  CHECK(slice_equal_text(
      bytes_slice(&out),
      "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"input\":"
      "{\"n\":1, \"[CARD]\":[\"[CARD]\",\"[CARD]\" ,true]}}]}],\"metadata\":{\"k\":\"[CARD]\"}}"));
  body_texts_fini(&texts);
  json_index_fini(&index);
  bytes_fini(&fresh);
  bytes_fini(&out);
}

static void test_others(void) {
  expect(DIALECT_RESPONSES,
         "{\"instructions\":\"i\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":"
         "\"input_text\",\"text\":\"q\"}]},{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":"
         "\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"c\","
         "\"output\":\"out\"},{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\","
         "\"text\":\"why\"}],\"encrypted_content\":\"xx\"}],\"text\":{\"format\":{\"type\":"
         "\"json_schema\",\"schema\":{\"description\":\"d\"}}}}",
         "system 0 i\nuser 1 q\nidentifier 2 c\nother 2 f\ntool_arguments 2 {}\nidentifier 3 "
         "c\ntool_result 3 out\nreasoning 4 why\n"
         "tool_schema 0 d\n0 1");
  expect(DIALECT_RESPONSES, "{\"input\":\"only\"}", "user 1 only\n0 1");
  expect(DIALECT_COMPLETIONS, "{\"prompt\":[\"a\",\"b\"],\"suffix\":\"c\"}",
         "user 1 a\nuser 2 b\nuser 0 c\n0 2");
  expect(DIALECT_EMBEDDINGS, "{\"input\":[\"a\",[1,2]]}", "user 1 a\n0 1");
}

/* Twice the text, twice the time, also where it is nested as deeply as may be. */
static double scan_ms(size_t count, const char *open, const char *close) {
  struct bytes body;
  bytes_init(&body);
  bytes_append_text(&body, "{\"messages\":[{\"role\":\"user\",\"content\":");
  for (int i = 0; i < 100; i++)
    bytes_append_text(&body, open);
  bytes_append_byte(&body, '[');
  for (size_t i = 0; i < count; i++)
    bytes_append_text(&body, "{\"type\":\"text\",\"text\":\"some words\"},");
  bytes_append_text(&body, "\"x\"]");
  for (int i = 0; i < 100; i++)
    bytes_append_text(&body, close);
  bytes_append_text(&body, "}]}");
  struct body_texts texts;
  uint64_t start = clock_mono_ns();
  struct json_index index;
  json_index_init(&index, bytes_slice(&body));
  body_texts_init(&texts, DIALECT_CHAT, &index);
  double ms = (double)(clock_mono_ns() - start) / 1e6;
  CHECK(texts.count == count + 1);
  body_texts_fini(&texts);
  json_index_fini(&index);
  bytes_fini(&body);
  return ms;
}

static void test_depth(void) {
  CHECK(scan_ms(20000, "{\"a\":", "}") < 2000);
  CHECK(scan_ms(20000, "[", "]") < 2000);
}

static void edit(const char *body, const char *path, const char *json, const char *wanted) {
  struct bytes out;
  bytes_init(&out);
  struct slice value = {json, json ? strlen(json) : 0};
  const char *why = body_edit_set(slice_of(body), slice_of(path), value, &out);
  if (wanted ? why || !slice_equal_text(bytes_slice(&out), wanted) : !why || out.len) {
    fprintf(stderr, "%s at %s gave %s (%s)\n", body, path, bytes_text(&out), why ? why : "");
    checks_failed++;
  }
  bytes_fini(&out);
}

static void test_set(void) {
  edit("{ \"a\" : 1 , \"b\":[1, 2] }", "a", "\"x\"", "{ \"a\" : \"x\" , \"b\":[1, 2] }");
  edit("{ \"a\" : 1 , \"b\":[1, 2] }", "a", NULL, "{ \"b\":[1, 2] }");
  edit("{ \"a\" : 1 , \"b\":[1, 2] }", "b", NULL, "{ \"a\" : 1  }");
  edit("{\"b\":[1, 2]}", "b.2", "3", "{\"b\":[1, 3]}");
  edit("{\"b\":[1, 2]}", "b.3", "3", "{\"b\":[1, 2,3]}");
  edit("{\"b\":[1, 2]}", "b.1", NULL, "{\"b\":[2]}");
  edit("{\"b\":[1, 2]}", "b.2", NULL, "{\"b\":[1]}");
  edit("{\"b\":[1]}", "b.1", NULL, "{\"b\":[]}");
  edit("{}", "a.b.c", "[]", "{\"a\":{\"b\":{\"c\":[]}}}");
  edit("{\"a\":{}}", "a.b", "null", "{\"a\":{\"b\":null}}");
  edit("{\"\\u0061\":1}", "a", "2", "{\"\\u0061\":2}");
  edit("{\"a\":1,\"a\":2}", "a", "3", "{\"a\":1,\"a\":3}");
  edit("{\"b\":[1]}", "b.5", "3", NULL);
  edit("{\"b\":[1]}", "b.x", "3", NULL);
  edit("{\"b\":\"text\"}", "b.x", "3", NULL);
}

static void add_system(enum dialect dialect, const char *body, const char *wanted) {
  struct bytes out;
  bytes_init(&out);
  const char *why = body_edit_add_system(dialect, slice_of(body), SLICE("s\""), &out);
  CHECK(wanted ? !why : why != NULL);
  if (wanted) CHECK_TEXT(bytes_slice(&out), wanted);
  bytes_fini(&out);
}

static void test_system(void) {
  add_system(DIALECT_CHAT, "{\"messages\":[]}",
             "{\"messages\":[{\"role\":\"system\",\"content\":\"s\\\"\"}]}");
  add_system(DIALECT_CHAT, "{\"messages\":[{\"role\":\"system\"}]}",
             "{\"messages\":[{\"role\":\"system\"},{\"role\":\"system\",\"content\":\"s\\\"\"}]}");
  add_system(DIALECT_CHAT, "{\"messages\":[{\"role\":\"system\"},{\"role\":\"user\"}]}",
             "{\"messages\":[{\"role\":\"system\"},{\"role\":\"system\",\"content\":\"s\\\"\"},"
             "{\"role\":\"user\"}]}");
  add_system(DIALECT_MESSAGES, "{}", "{\"system\":\"s\\\"\"}");
  add_system(DIALECT_MESSAGES, "{\"system\":\"a\"}", "{\"system\":\"a\\n\\ns\\\"\"}");
  add_system(DIALECT_MESSAGES, "{\"system\":[{\"type\":\"text\",\"text\":\"a\"}]}",
             "{\"system\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"s\\\"\""
             "}]}");
  add_system(DIALECT_RESPONSES, "{\"input\":\"x\"}",
             "{\"input\":\"x\",\"instructions\":\"s\\\"\"}");
  add_system(DIALECT_EMBEDDINGS, "{}", NULL);
}

static void remove_tool(const char *body, const char *name, const char *wanted) {
  struct bytes out;
  bool found;
  bytes_init(&out);
  body_edit_remove_tool(slice_of(body), slice_of(name), &out, &found);
  CHECK(found == (wanted != NULL));
  CHECK_TEXT(bytes_slice(&out), wanted ? wanted : body);
  bytes_fini(&out);
}

static void test_tools(void) {
  static const char two[] =
      "{\"tools\":[{\"name\":\"a\"},{\"type\":\"function\",\"function\":{\"name\":\"b\"}}],"
      "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"b\"}}}";
  remove_tool(two, "c", NULL);
  remove_tool(two, "b", "{\"tools\":[{\"name\":\"a\"}]}");
  remove_tool("{\"m\":1,\"tools\":[{\"name\":\"a\"}],\"tool_choice\":\"auto\"}", "a", "{\"m\":1}");
}

static const struct {
  const char *name;
  uint32_t meaning;
} keys[] = {
    {"id", BODY_KEY_ID},
    {"signature", BODY_KEY_PROTOCOL | BODY_KEY_SEAL},
    {"encrypted_content", BODY_KEY_PROTOCOL | BODY_KEY_SEAL},
    {"type", BODY_KEY_PROTOCOL},
    {"role", BODY_KEY_PROTOCOL},
    {"model", BODY_KEY_PROTOCOL},
    {"object", BODY_KEY_PROTOCOL},
    {"status", BODY_KEY_PROTOCOL},
    {"tool_call_id", BODY_KEY_ID},
    {"tool_use_id", BODY_KEY_ID},
    {"call_id", BODY_KEY_ID},
    {"media_type", BODY_KEY_PROTOCOL},
    {"cache_control", BODY_KEY_PROTOCOL},
    {"detail", BODY_KEY_PROTOCOL},
    {"tool_choice", BODY_KEY_PROTOCOL},
    {"reasoning_effort", BODY_KEY_PROTOCOL},
    {"effort", BODY_KEY_PROTOCOL},
    {"service_tier", BODY_KEY_PROTOCOL},
    {"encoding_format", BODY_KEY_PROTOCOL},
    {"previous_response_id", BODY_KEY_ID},
    {"truncation", BODY_KEY_PROTOCOL},
    {"verbosity", BODY_KEY_PROTOCOL},
    {"modalities", BODY_KEY_PROTOCOL},
    {"include", BODY_KEY_PROTOCOL},
    {"betas", BODY_KEY_PROTOCOL},
    {"image_url", BODY_KEY_MEDIA},
    {"input_audio", BODY_KEY_MEDIA},
    {"file_data", BODY_KEY_MEDIA},
    {"file_id", BODY_KEY_MEDIA},
    {"image", BODY_KEY_MEDIA},
    {"audio", BODY_KEY_MEDIA},
    {"b64_json", BODY_KEY_MEDIA},
    {"source", BODY_KEY_SOURCE},
    {"arguments", BODY_KEY_ARGUMENTS},
    {"output", BODY_KEY_RESULT},
    {"thinking", BODY_KEY_REASONING},
    {"reasoning", BODY_KEY_REASONING},
    {"reasoning_content", BODY_KEY_REASONING},
    {"input", BODY_KEY_INPUT},
    {"messages", BODY_KEY_MESSAGES},
    {"prompt", BODY_KEY_PROMPT},
    {"suffix", BODY_KEY_SUFFIX},
    {"system", BODY_KEY_SYSTEM},
    {"instructions", BODY_KEY_SYSTEM},
    {"tools", BODY_KEY_SCHEMA},
    {"functions", BODY_KEY_SCHEMA},
    {"response_format", BODY_KEY_SCHEMA},
    {"output_format", BODY_KEY_SCHEMA},
    {"output_config", BODY_KEY_SCHEMA},
    {"text", BODY_KEY_SCHEMA},
    {"metadata", BODY_KEY_METADATA},
    {"user", BODY_KEY_METADATA},
    {"safety_identifier", BODY_KEY_METADATA},
    {"prediction", BODY_KEY_PREDICTION},
};

/* Each key by its own letters alone, with and without escapes. */
static void test_keys(void) {
  struct bytes key;
  bytes_init(&key);
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    CHECK(body_key_meaning(slice_of(keys[i].name)) == keys[i].meaning);
    for (size_t at = 0; at < strlen(keys[i].name); at++) {
      bytes_clear(&key);
      bytes_printf(&key, "%.*s\\u%04x%s", (int)at, keys[i].name, (unsigned)keys[i].name[at],
                   keys[i].name + at + 1);
      CHECK(body_key_meaning(bytes_slice(&key)) == keys[i].meaning);
      bytes_clear(&key);
      bytes_append_text(&key, keys[i].name);
      key.data[at] = '#';
      CHECK(body_key_meaning(bytes_slice(&key)) == 0);
    }
  }
  CHECK(body_key_meaning(SLICE("")) == 0 && body_key_meaning(SLICE("content")) == 0);
  bytes_fini(&key);
}

int main(void) {
  test_keys();
  test_chat();
  test_hiding_places();
  test_identifiers();
  test_messages();
  test_numbers();
  test_others();
  test_depth();
  test_set();
  test_system();
  test_tools();
  return checks_end();
}
