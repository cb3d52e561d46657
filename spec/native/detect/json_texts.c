/* What the walk finds in bodies of every dialect: role and text of each string, in order. */
#include "detect/json_texts.h"
#include "check.h"

struct collected {
  struct bytes lines;
  struct slice body;
};

static void on_text(void *context, const struct json_text *text) {
  struct collected *c = context;
  struct json_view view;
  json_view_init(&view);
  json_view_read(&view, text->token);
  CHECK(text->token.data >= c->body.data &&
        text->token.data + text->token.len <= c->body.data + c->body.len);
  bytes_append_text(&c->lines,
                    text->role == TEXT_UNSCANNED ? text->media : text_role_name(text->role));
  if (text->turn != JSON_TEXT_NO_TURN) bytes_printf(&c->lines, "%u", text->turn);
  bytes_append_byte(&c->lines, ' ');
  if (text->role == TEXT_UNSCANNED)
    bytes_append_text(&c->lines, "-");
  else
    bytes_append_slice(&c->lines, bytes_slice(&view.text));
  bytes_append_byte(&c->lines, '\n');
  json_view_fini(&view);
}

static void expect(const char *body, enum json_texts_of what, const char *want) {
  struct collected c = {.body = slice_of(body)};
  bytes_init(&c.lines);
  CHECK(json_texts(slice_of(body), what, on_text, &c));
  if (!slice_equal_text(bytes_slice(&c.lines), want)) {
    fprintf(stderr, "in: %s\ngot:\n%swant:\n%s", body, bytes_text(&c.lines), want);
    checks_failed++;
  }
  bytes_fini(&c.lines);
}

static void refuse(const char *body) {
  struct collected c = {.body = slice_of(body)};
  bytes_init(&c.lines);
  CHECK(!json_texts(slice_of(body), JSON_TEXTS_REQUEST, on_text, &c));
  bytes_fini(&c.lines);
}

static void test_chat(void) {
  expect(
      "{\"model\":\"gpt-4o\",\"messages\":["
      "{\"role\":\"system\",\"content\":\"be kind\"},"
      "{\"content\":[{\"type\":\"text\",\"text\":\"hi \\u0034\\n\"},"
      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}},"
      "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":\"wav\"}},"
      "{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":\"data:application/"
      "pdf;base64,AA\"}}"
      "],\"role\":\"user\",\"name\":\"jane\"},"
      "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":"
      "\"function\","
      "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"card\\\":\\\"1\\\"}\"}}]},"
      "{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":\"done\"}],"
      "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"does it\","
      "\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"enum\":["
      "\"x\"]}}}}}],"
      "\"user\":\"u-77\",\"metadata\":{\"who\":\"jane\",\"phone\":13812345679},\"temperature\":0."
      "25}",
      JSON_TEXTS_REQUEST,
      "system0 be kind\nuser1 hi 4\n\nimage1 -\naudio1 -\nuser1 wav\nfile1 a.pdf\nfile1 -\nuser1 "
      "jane\n"
      "tool_arguments2 f\ntool_arguments2 {\"card\":\"1\"}\ntool_result3 done\n"
      "tool_schema f\ntool_schema does it\ntool_schema x\n"
      "other u-77\nother who\nother jane\nother phone\nother 13812345679\n");
  expect("{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"
         "\"message\":{"
         "\"role\":\"assistant\",\"content\":\"yes\",\"refusal\":null},\"logprobs\":{\"content\":[{"
         "\"token\":"
         "\"yes\"}]},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":12345678}}",
         JSON_TEXTS_REPLY, "assistant yes\n");
  expect("{\"choices\":[{\"delta\":{\"content\":\"ye\",\"tool_calls\":[{\"index\":0,\"function\":{"
         "\"arguments\":\"{\\\"a\"}}]}}]}",
         JSON_TEXTS_REPLY, "assistant ye\ntool_arguments {\"a\n");
}

static void test_responses(void) {
  expect("{\"model\":\"m\",\"instructions\":\"be "
         "kind\",\"input\":\"hello\",\"previous_response_id\":\"resp_1\"}",
         JSON_TEXTS_REQUEST, "system be kind\nuser hello\n");
  expect("{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"},"
         "{\"type\":\"input_image\",\"image_url\":\"https://x.test/"
         "p.png\"},{\"type\":\"input_file\",\"file_id\":\"f1\"}]},"
         "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"},"
         "{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"out\"},"
         "{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"thought\"}],"
         "\"encrypted_content\":\"gAAAA==\"}]}",
         JSON_TEXTS_REQUEST,
         "user0 a\nimage0 -\nuser0 https://x.test/p.png\nfile0 -\ntool_arguments1 "
         "f\ntool_arguments1 {}\n"
         "tool_result2 out\nassistant3 thought\n");
  expect("{\"type\":\"response.function_call_arguments.delta\",\"item_id\":\"fc_1\",\"delta\":\"{"
         "\\\"x\"}",
         JSON_TEXTS_REPLY, "tool_arguments {\"x\n");
  expect("{\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"delta\":\"hey\"}",
         JSON_TEXTS_REPLY, "assistant hey\n");
}

static void test_messages(void) {
  expect("{\"model\":\"claude\",\"system\":[{\"type\":\"text\",\"text\":\"be "
         "kind\",\"cache_control\":{\"type\":"
         "\"ephemeral\"}}],\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},"
         "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\","
         "\"input\":"
         "{\"id\":\"11010519491231002X\",\"n\":4111111111111111}}]},"
         "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
         "\"content\":[{\"type\":"
         "\"text\",\"text\":\"res\"}]},{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_"
         "type\":"
         "\"image/"
         "png\",\"data\":\"AAAA\"}},{\"type\":\"document\",\"source\":{\"type\":\"text\",\"media_"
         "type\":"
         "\"text/plain\",\"data\":\"plain\"}}]}],\"metadata\":{\"user_id\":\"u\"}}",
         JSON_TEXTS_REQUEST,
         "system be kind\nuser0 hi\ntool_arguments1 f\ntool_arguments1 id\ntool_arguments1 "
         "11010519491231002X\n"
         "tool_arguments1 n\ntool_arguments1 4111111111111111\ntool_result2 res\nimage2 -\nfile2 "
         "plain\n"
         "other user_id\nother u\n");
  expect("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\","
         "\"partial_json\":\"{\"}}",
         JSON_TEXTS_REPLY, "tool_arguments {\n");
}

static void test_others(void) {
  expect("{\"prompt\":[\"a\",\"b\"],\"suffix\":\"c\",\"model\":\"m\"}", JSON_TEXTS_REQUEST,
         "user a\nuser b\nuser c\n");
  expect("{\"input\":[\"a\",\"b\"],\"encoding_format\":\"float\"}", JSON_TEXTS_REQUEST,
         "user0 a\nuser1 b\n");
  expect("{\"data\":[{\"embedding\":[0.123456789,1],\"index\":0},{\"embedding\":\"AAAA\"}]}",
         JSON_TEXTS_REPLY, "");
  /* What nobody knows is text; so is an identifier that is none, and a key in disguise. */
  expect("{\"brand_new\":{\"deep\":[\"x\"]},\"id\":\"has spaces\",\"m\\u006fdel\":\"gpt\"}",
         JSON_TEXTS_REQUEST, "other x\nother has spaces\n");
  expect("\"alone\"", JSON_TEXTS_REPLY, "assistant alone\n");
}

static void test_bad(void) {
  static const char *const bodies[] = {
      "",     "{",   "{\"a\":}",    "[1,]", "{\"a\":\"b\"", "{\"a\" \"b\"}", "[\"a\" \"b\"]",
      "{} x", "{,}", "[\"\\ud8\"]", "tru"};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
    refuse(bodies[i]);
  char deep[2 * JSON_TEXTS_DEPTH + 8];
  memset(deep, '[', sizeof deep);
  deep[JSON_TEXTS_DEPTH + 1] = 0;
  refuse(deep);
}

static void test_view(void) {
  struct slice token = SLICE("\"a\\u00e9b\\ud83d\\ude00\\\"c\"");
  struct json_view view;
  json_view_init(&view);
  json_view_read(&view, token);
  CHECK_TEXT(bytes_slice(&view.text), "a\u00e9b\U0001F600\"c");
  CHECK_TEXT(json_view_raw(&view, token, 0, 1), "a");
  CHECK_TEXT(json_view_raw(&view, token, 1, 2), "\\u00e9");
  CHECK_TEXT(json_view_raw(&view, token, 3, 5), "b\\ud83d\\ude00");
  CHECK_TEXT(json_view_raw(&view, token, 8, 2), "\\\"c");
  json_view_read(&view, SLICE("12345678"));
  CHECK_TEXT(json_view_raw(&view, SLICE("12345678"), 2, 3), "345");
  json_view_fini(&view);
}

int main(void) {
  test_chat();
  test_responses();
  test_messages();
  test_others();
  test_bad();
  test_view();
  return checks_end();
}
