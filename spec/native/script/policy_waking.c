/* What wakes a hook, looked for without Lua: whatever the hook would find must wake it. */
#include "policy_kit.h"

#define WAKING(kinds)                                                                              \
  "local gateyes, words = require 'gateyes', nil\n"                                                \
  "return { name = 'p', check = function()\n"                                                      \
  "    words = gateyes.detector { kinds = { " kinds " },\n"                                        \
  "      lists = { { name = 'w', words = { 'nightingale' } } } }\n"                                \
  "  end,\n"                                                                                       \
  "  wakes = function() return { on_request = { detector = words, attachments = true,\n"           \
  "    session = true } } end,\n"                                                                  \
  "  on_request = function(_, context) context:tag('woken', 'yes') end }"

static const char few_words[] = WAKING(""), all[] = WAKING("'payment_card'");

static bool wakes_of(struct kit *kit, const char *policy, const char *body) {
  kit_add(kit, "p", policy);
  bool fine = kit_load(kit);
  if (!fine) fprintf(stderr, "%s", bytes_text(&kit->error));
  must(fine);
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
  CHECK(policy_on_request(run) == POLICY_DONE);
  const struct verdict *v = policy_verdict(run);
  bool woken = v->tag_count == 1;
  CHECK(v->kind == VERDICT_PASS && policy_trace_count(run) == kit->count);
  CHECK_TEXT(policy_trace_get(run, kit->count - 1)->what, woken ? "tag" : "pass");
  kit_end(kit, run);
  return woken;
}

static bool wakes(struct kit *kit, const char *body) {
  return wakes_of(kit, all, body);
}

#define USER(text) "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":" text "}]}"

static void test_texts(struct kit *kit) {
  CHECK(!wakes(kit, USER("\"good morning\"")));
  CHECK(!wakes(kit, USER("\"nightingales, 4111 1111 1111 1112\"")));
  CHECK(wakes(kit, USER("\"a Nightingale\"")));
  CHECK(wakes(kit, USER("\"a n\\u0069ghtingale\"")));
  CHECK(wakes(kit, USER("\"4111 1111 1111 1111\"")));
  CHECK(wakes(kit, USER("\"a bmlnaHRpbmdhbGUgYW5kIGEgcm9iaW4gYW5kIGEgd3Jlbg==\"")));
  CHECK(wakes(kit, "{\"model\":\"m\",\"messages\":[],\"tools\":[{\"type\":\"function\","
                   "\"function\":{\"name\":\"f\",\"description\":\"nightingale\"}}]}"));
}

static void test_split(struct kit *kit) {
  CHECK(wakes(kit, USER("[{\"type\":\"text\",\"text\":\"4111 1111\"},"
                        "{\"type\":\"text\",\"text\":\" 1111 1111\"}]")));
}

static void test_attachments(struct kit *kit) {
  CHECK(wakes(kit, USER("[{\"type\":\"image_url\",\"image_url\":{\"url\":"
                        "\"data:image/png;base64,iVBORw0KGgo=\"}}]")));
}

/* Lua looks at what is long, since the clock can stop it. */
static void test_long(struct kit *kit) {
  struct bytes body;
  bytes_init(&body);
  bytes_append_text(&body, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"");
  for (int i = 0; i < 70000; i++)
    bytes_append_byte(&body, i % 5 ? 'a' : ' ');
  bytes_append_text(&body, "\"}]}");
  CHECK(wakes(kit, bytes_text(&body)));
  bytes_fini(&body);
}

static void test_session(struct kit *kit) {
  static const char with[] = "{\"model\":\"m\",\"user\":\"ann\",\"messages\":[]}";
  static const char without[] = "{\"model\":\"m\",\"messages\":[]}";
  struct kv *kv = kv_new(&(struct kv_limits){1 << 20, 100, 1 << 10});
  kit->host.store = kv;
  CHECK(!wakes(kit, with));
  struct kv_put put = {.name = SLICE("kept"), .value = SLICE("here")};
  CHECK(kv_put(kv_space_get(kv, SLICE("acme")), &put));
  CHECK(wakes(kit, with));
  CHECK(!wakes(kit, without));
  kit->host.store = NULL;
  kv_free(kv);
}

/* Every policy looks at what those before it left. */
static void test_edited(struct kit *kit, const char *policy) {
  kit_add(kit, "q",
          "return { name = 'q', on_request = function(r) r.texts[1]:set 'nightingale' end }");
  CHECK(wakes_of(kit, policy, USER("\"good morning\"")));
}

/* Texts are glanced at as they stand where a detector knows a few words and nothing else. */
static void test_few_words(struct kit *kit) {
  CHECK(!wakes_of(kit, few_words, USER("\"good\\nmorning, \\\"ann\\\"\"")));
  CHECK(wakes_of(kit, few_words, USER("\"good\\nnightingale\"")));
  CHECK(wakes_of(kit, few_words, USER("\"a n\\u0069ghtingale\"")));
  CHECK(wakes_of(kit, few_words,
                 USER("[{\"type\":\"text\",\"text\":\"a nightin\"},"
                      "{\"type\":\"text\",\"text\":\"gale\"}]")));
}

static void test_problems(struct kit *kit) {
  static const struct {
    const char *wakes, *problem;
  } cases[] = {
      {"3", "policy.wakes is a number; it is a function"},
      {"function() return 3 end", "policy.wakes: it returns nil, or { on_request = { … } }"},
      {"function() return { on_delta = {} } end", "policy.wakes: it returns nil, or { on_request"},
      {"function() return { on_request = 1 } end", "policy.wakes: on_request is a table of what"},
      {"function() return { on_request = { word = 1 } } end",
       "policy.wakes: on_request is woken by detector, attachments and session"},
      {"function() return { on_request = { 1 } } end",
       "policy.wakes: on_request is woken by detector, attachments and session"},
      {"function() return { on_request = { detector = 'pii' } } end",
       "policy.wakes: detector is what gateyes.detector gave"},
      {"function() return { on_request = { session = 1 } } end",
       "policy.wakes: attachments and session are true or false"},
      {"function() error('no', 0) end", "policy.wakes failed: no"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[256];
    snprintf(text, sizeof text, "return { name = 'p', on_request = print, wakes = %s }",
             cases[i].wakes);
    kit_add(kit, "p", text);
    CHECK(!kit_load(kit));
    bool is_said = strstr(bytes_text(&kit->error), cases[i].problem) != NULL;
    if (!is_said) fprintf(stderr, "got: %s", bytes_text(&kit->error));
    CHECK(is_said);
    kit_unload(kit);
  }
}

int main(void) {
  struct kit kit;
  kit_init(&kit);
  test_texts(&kit);
  test_split(&kit);
  test_attachments(&kit);
  test_long(&kit);
  test_session(&kit);
  test_edited(&kit, all);
  test_edited(&kit, few_words);
  test_few_words(&kit);
  test_problems(&kit);
  kit_fini(&kit);
  return checks_end();
}
