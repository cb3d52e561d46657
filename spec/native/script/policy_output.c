/* Output guards: the same rule on streams, however they are cut, and on whole replies. */
#include "policy_kit.h"

static const char body[] = "{\"model\":\"m\",\"stream\":true,\"messages\":[]}";

/* Masks the word `secret`; holds back what may be its beginning. */
static const char guard[] = "local word = 'secret'\n"
                            "return { name = 'p', on_delta = function(delta, context)\n"
                            "  local text = delta.text:gsub(word, '******')\n"
                            "  if delta.last then return text end\n"
                            "  for length = math.min(#text, #word - 1), 1, -1 do\n"
                            "    if text:sub(-length) == word:sub(1, length) then\n"
                            "      return text:sub(1, -length - 1), text:sub(-length)\n"
                            "    end\n"
                            "  end\n"
                            "  return text\n"
                            "end }";

static void feed(struct policy_run *run, const char *text, size_t len, bool is_last,
                 struct bytes *out) {
  struct policy_delta delta = {.text = {text, len}, .is_last = is_last};
  CHECK(policy_on_delta(run, &delta, out) == POLICY_DONE);
}

static void test_cuts(struct kit *kit) {
  static const char text[] = "a secret, secr, and secretsecret s";
  static const char wanted[] = "a ******, secr, and ************ s";
  size_t len = sizeof text - 1;
  kit_add(kit, "p", guard);
  CHECK(kit_load(kit));
  CHECK(policy_chain_hooks(kit->chain) == (1u << POLICY_ON_DELTA | 1u << POLICY_ON_REPLY));
  for (size_t cut = 0; cut <= len; cut++) {
    struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
    struct bytes out;
    bytes_init(&out);
    feed(run, text, cut, false, &out);
    feed(run, text + cut, len - cut, false, &out);
    feed(run, "", 0, true, &out);
    CHECK_TEXT(bytes_slice(&out), wanted);
    bytes_fini(&out);
    policy_run_free(run);
  }
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
  struct policy_text texts[] = {{.text = slice_of(text)}, {.text = SLICE("fine")}};
  CHECK(policy_on_reply(run, texts, 2) == POLICY_DONE);
  CHECK(texts[0].is_changed && !texts[1].is_changed);
  CHECK_TEXT(texts[0].changed, wanted);
  CHECK_TEXT(texts[1].changed, "fine");
  kit_end(kit, run);
}

/* Masks what the rules find, and holds back what they are not sure of. */
static const char masks[] =
    "return { name = 'p', on_delta = function(delta)\n"
    "  local found, until_ = delta:detect { 'payment_card', 'email' }\n"
    "  local out, at = {}, 1\n"
    "  for _, f in ipairs(found) do\n"
    "    if f.first >= at then\n"
    "      out[#out + 1] = delta.text:sub(at, f.first - 1) .. '[' .. f.kind .. ']'\n"
    "      at = f.last + 1\n"
    "    end\n"
    "  end\n"
    "  out[#out + 1] = delta.text:sub(at, until_)\n"
    "  return table.concat(out), delta.text:sub(until_ + 1)\n"
    "end }";

static void test_detect(struct kit *kit) {
  static const char text[] = "Pay with 4111 1111 1111 1111 or write to ann@corp.example, bye.";
  static const char wanted[] = "Pay with [payment_card] or write to [email], bye.";
  size_t len = sizeof text - 1;
  kit_add(kit, "p", masks);
  CHECK(kit_load(kit));
  for (size_t step = 1; step <= len; step++) {
    struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
    struct bytes out;
    bytes_init(&out);
    for (size_t at = 0; at < len; at += step)
      feed(run, text + at, step < len - at ? step : len - at, false, &out);
    feed(run, "", 0, true, &out);
    CHECK_TEXT(bytes_slice(&out), wanted);
    bytes_fini(&out);
    policy_run_free(run);
  }
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
  struct policy_text texts[] = {{.text = slice_of(text)}, {.text = slice_of(text)}};
  CHECK(policy_on_reply(run, texts, 2) == POLICY_DONE);
  CHECK_TEXT(texts[0].changed, wanted);
  CHECK_TEXT(texts[1].changed, wanted);
  kit_end(kit, run);
}

/* Two policies: the second sees what the first lets through. */
static void test_chain(struct kit *kit) {
  kit_add(kit, "p", guard);
  kit_add(kit, "q",
          "return { name = 'q', on_delta = function(delta, context)\n"
          "  if delta.text:find('secret', 1, true) then return context:deny {} end\n"
          "  return (delta.text:gsub('%*+', '#'))\n"
          "end }");
  CHECK(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
  struct bytes out;
  bytes_init(&out);
  feed(run, "x sec", 5, false, &out);
  CHECK_TEXT(bytes_slice(&out), "x ");
  feed(run, "ret", 3, true, &out);
  CHECK_TEXT(bytes_slice(&out), "x #");
  CHECK(policy_verdict(run)->kind == VERDICT_PASS);
  bytes_fini(&out);
  kit_end(kit, run);
}

static void test_block(struct kit *kit, enum policy_on_error on_error, const char *hook) {
  struct bytes text, out;
  bytes_init(&text);
  bytes_init(&out);
  bytes_printf(&text, "return { name = 'p', on_delta = function(delta, context) %s end }", hook);
  kit_add(kit, "p", bytes_text(&text))->on_error = on_error;
  CHECK(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
  feed(run, "one", 3, false, &out);
  bool passes = on_error == POLICY_ERROR_PASSES;
  CHECK_TEXT(bytes_slice(&out), passes ? "one" : "");
  CHECK(policy_verdict(run)->kind == (passes ? VERDICT_PASS : VERDICT_DENY));
  kit_end(kit, run);
  bytes_fini(&text);
  bytes_fini(&out);
}

static void test_blocks(struct kit *kit) {
  test_block(kit, POLICY_ERROR_DENIES, "return context:deny { code = 'leak' }");
  test_block(kit, POLICY_ERROR_DENIES, "error 'x'");
  test_block(kit, POLICY_ERROR_DENIES, "return '', ('x'):rep(70000)");
  test_block(kit, POLICY_ERROR_DENIES, "return 1");
  test_block(kit, POLICY_ERROR_DENIES, "return false");
  test_block(kit, POLICY_ERROR_PASSES, "error 'x'");
  test_block(kit, POLICY_ERROR_PASSES, "return '', ('x'):rep(70000)");
}

static const char holds[] =
    "return { name = 'p', stream = 'hold', on_reply = function(reply, context)\n"
    "  for i, t in ipairs(reply.texts) do\n"
    "    if t.text:find('bad', 1, true) then return context:deny { message = 'no' } end\n"
    "    reply:set_text(i, t.text:upper() .. t.channel)\n"
    "  end\n"
    "end }";

static void test_hold(struct kit *kit) {
  kit_add(kit, "p", holds);
  CHECK(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
  struct bytes out;
  bytes_init(&out);
  feed(run, "one ", 4, false, &out);
  CHECK(out.len == 0);
  feed(run, "two ", 4, true, &out);
  CHECK_TEXT(bytes_slice(&out), "ONE TWO text");
  struct policy_text texts[] = {{.text = SLICE("a"), .channel = POLICY_CHANNEL_REASONING}};
  CHECK(policy_on_reply(run, texts, 1) == POLICY_DONE);
  CHECK_TEXT(texts[0].changed, "Areasoning");
  bytes_clear(&out);
  feed(run, "b", 1, false, &out);
  feed(run, "ad", 2, true, &out);
  CHECK(out.len == 0 && policy_verdict(run)->kind == VERDICT_DENY);
  bytes_fini(&out);
  kit_end(kit, run);
}

/* A window may wait, as a guard outside of the gateway needs it. */
static void test_waiting(struct kit *kit) {
  kit_add(
      kit, "p",
      "local gateyes = require 'gateyes'\n"
      "return { name = 'p', on_delta = function(delta) gateyes.sleep(1) return delta.text .. '!'"
      " end }");
  CHECK(kit_load(kit));
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
  struct bytes out;
  bytes_init(&out);
  struct policy_delta delta = {.text = SLICE("hey")};
  enum policy_progress progress = policy_on_delta(run, &delta, &out);
  CHECK(progress == POLICY_WAITING && out.len == 0);
  kit_wait(kit, progress);
  CHECK_TEXT(bytes_slice(&out), "hey!");
  bytes_fini(&out);
  kit_end(kit, run);
}

int main(void) {
  struct kit kit;
  kit_init(&kit);
  test_cuts(&kit);
  test_detect(&kit);
  test_chain(&kit);
  test_blocks(&kit);
  test_hold(&kit);
  test_waiting(&kit);
  kit_fini(&kit);
  return checks_end();
}
