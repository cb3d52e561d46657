/* Microseconds of processor time that policies cost a request: its run, its hooks, its verdict. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "script/bundle.h"
#include "script/policy.h"
#include "script/sandbox.h"
#include "script/tenant_sandbox.h"
#include "script/watchdog.h"
#include "store/kv.h"

enum { ROUNDS = 5, CANDIDATES = 4, NAMES_MAX = 32 };

static const char empty[] = "return { name = 'empty', on_request = function() end }";
static const char typical[] =
    "local policy = { name = 'typical' }\n"
    "function policy.on_request(request, context)\n"
    "  if request.last_user_text:lower():find('secret plan', 1, true) then\n"
    "    context:require { residency = 'local' }\n"
    "  end\n"
    "  context:tag('team', request:header('x-team') or 'none')\n"
    "end\n"
    "return policy\n";

static const struct value_item rule_items[] = {
    {{"rules", 5},
     {.type = VALUE_TEXT,
      .text = {"[{\"when\":{\"tools\":true,\"model\":\"gpt-*\"},\"targets\":\"p0\"},"
               "{\"when\":{\"text\":[\"contract\"]},\"targets\":\"p1\"},{\"targets\":\"p2\"}]",
               119}}}};
static const struct value rule_settings = {
    .type = VALUE_MAP, .items = (struct value_item *)rule_items, .count = 1};
static const struct value_item canary_items[] = {
    {{"target", 6}, {.type = VALUE_TEXT, .text = {"p1", 2}}}};
static const struct value canary_settings = {
    .type = VALUE_MAP, .items = (struct value_item *)canary_items, .count = 1};
static const struct value_item tag_map[] = {
    {{"batch", 5}, {.type = VALUE_TEXT, .text = {"p1", 2}}}};
static const struct value_item tag_items[] = {
    {{"targets", 7}, {.type = VALUE_MAP, .items = (struct value_item *)tag_map, .count = 1}}};
static const struct value tag_settings = {
    .type = VALUE_MAP, .items = (struct value_item *)tag_items, .count = 1};

static const struct value words[] = {{.type = VALUE_TEXT, .text = {"bluebird", 8}},
                                     {.type = VALUE_TEXT, .text = {"CONFIDENTIAL", 12}}};
static struct value_item word_items[2], label_items[1], list_items[1], keyword_items[1];
static struct value keyword_settings;

/* lists = { labels = { words = { … } } } */
static void make_keyword_settings(void) {
  for (size_t i = 0; i < 2; i++)
    word_items[i].value = words[i];
  label_items[0] =
      (struct value_item){{"words", 5}, {.type = VALUE_LIST, .items = word_items, .count = 2}};
  list_items[0] =
      (struct value_item){{"labels", 6}, {.type = VALUE_MAP, .items = label_items, .count = 1}};
  keyword_items[0] =
      (struct value_item){{"lists", 5}, {.type = VALUE_MAP, .items = list_items, .count = 1}};
  keyword_settings = (struct value){.type = VALUE_MAP, .items = keyword_items, .count = 1};
}

static struct bundle *bundle;
static struct kv *store;
static struct slice body;

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t count_tokens(void *context, struct slice model, struct slice text) {
  (void)context, (void)model;
  return text.len / 4;
}

static void on_done(void *context) {
  (void)context;
}

static void pass(struct policy_chain *chain) {
  static const struct policy_callbacks callbacks = {on_done};
  static const struct slice names[CANDIDATES] = {
      {"p0/llama", 8}, {"p1/llama", 8}, {"p2/llama", 8}, {"p3/llama", 8}};
  static const struct policy_principal who = {
      .tenant = {"acme", 4}, .user = {"ann", 3}, .key = {"dev", 3}};
  struct policy_request request = {.id = SLICE("req_1"),
                                   .method = SLICE("POST"),
                                   .path = SLICE("/v1/chat/completions"),
                                   .dialect = DIALECT_CHAT,
                                   .model = SLICE("llama"),
                                   .body = body,
                                   .session = SLICE("session"),
                                   .principal = &who};
  struct policy_candidate candidates[CANDIDATES];
  for (int i = 0; i < CANDIDATES; i++)
    candidates[i] = (struct policy_candidate){.name = names[i],
                                              .provider = {names[i].data, 2},
                                              .model = {names[i].data + 3, 5},
                                              .input_price_nanousd = 100,
                                              .output_price_nanousd = 100,
                                              .price_known = true,
                                              .weight = 1,
                                              .queue = -1,
                                              .kv_usage = -1,
                                              .ewma_ttft_ms = 80 + i};
  struct policy_run *run = policy_run_new(chain, &request, &callbacks, NULL);
  must(policy_on_request(run) == POLICY_DONE);
  must(policy_route(run, candidates, CANDIDATES) == POLICY_DONE);
  must(policy_verdict(run)->kind == VERDICT_PASS && policy_order(run).count > 0);
  policy_run_free(run);
}

static struct policy_entry entry_of(const char *name) {
  struct policy_entry entry = {.module = slice_of(name)};
  if (strcmp(name, "rules") == 0) entry.settings = &rule_settings;
  if (strcmp(name, "canary") == 0) entry.settings = &canary_settings;
  if (strcmp(name, "tags") == 0) entry.settings = &tag_settings;
  if (strcmp(name, "keywords") == 0) entry.settings = &keyword_settings;
  return entry;
}

static void measure(const char *title, const char *const *names, size_t count, long times) {
  struct policy_entry items[NAMES_MAX];
  struct policy_host host = {.store = store, .count_tokens = count_tokens};
  struct policy_settings settings = {.tenant = SLICE("acme"), .host = &host};
  struct bytes error;
  bytes_init(&error);
  struct sandbox_settings wanted = {.name = SLICE("bench"),
                                    .memory_bytes = 16 << 20,
                                    .cpu_ms = TENANT_LOAD_CPU_MS,
                                    .find = tenant_module_find,
                                    .context = bundle};
  struct sandbox *sandbox = sandbox_new(&wanted);
  for (size_t i = 0; i < count; i++)
    items[i] = entry_of(names[i]);
  struct policy_entries entries = {items, count};
  struct policy_chain *chain = policy_chain_new(sandbox, &entries, &settings, &error);
  if (!chain) {
    fprintf(stderr, "%s", bytes_text(&error));
    exit(1);
  }
  double best = 1e9;
  for (int round = 0; round < ROUNDS; round++) {
    double started = seconds();
    for (long i = 0; i < times; i++)
      pass(chain);
    double took = (seconds() - started) / (double)times;
    if (took < best) best = took;
  }
  printf("%-28s %8.2f us\n", title, best * 1e6);
  policy_chain_free(chain);
  sandbox_free(sandbox);
  bytes_fini(&error);
}

static void write_body(struct bytes *out) {
  bytes_append_text(out, "{\"model\":\"llama\",\"messages\":[{\"role\":\"user\",\"content\":\"");
  while (out->len < 1024)
    bytes_append_text(out, "Please tell me how the harvest went in the north this year. ");
  bytes_append_text(out, "\"}]}");
}

int main(int argc, char **argv) {
  static const char *const alone[] = {
      "empty",      "typical",   "round_robin", "random",          "weighted",
      "least_load", "latency",   "cost",        "sticky",          "canary",
      "priority",   "tags",      "rules",       "complexity",      "pii",
      "secrets",    "residency", "keywords",    "prompt_injection"};
  enum { ALONE = sizeof alone / sizeof *alone, ROUTING = 12, COMPLIANCE = ALONE - ROUTING - 2 };
  make_keyword_settings();
  long times = argc > 1 ? atol(argv[1]) : 5000;
  struct config_problems problems;
  struct bytes text;
  uv_thread_t watchdog;
  config_problems_init(&problems);
  bytes_init(&text);
  write_body(&text);
  body = bytes_slice(&text);
  must(uv_thread_create(&watchdog, watchdog_run, NULL) == 0);
  must(watchdog_wait());
  store = kv_new(&(struct kv_limits){.entries = 1000, .bytes = 1 << 20, .value_bytes = 65536});
  struct bundle *base = bundle_new_base(SLICE(""), &problems);
  bundle = bundle_new(SLICE("bench"), base);
  must(!bundle_add(bundle, SLICE("policies/empty.lua"), slice_of(empty)));
  must(!bundle_add(bundle, SLICE("policies/typical.lua"), slice_of(typical)));
  bundle_seal(bundle);
  printf("one request, 1 KB of text, %d targets\n%-28s %8.2f us\n", CANDIDATES,
         "no policy: no run at all", 0.0);
  for (size_t i = 0; i < ALONE; i++)
    measure(alone[i], &alone[i], 1, times);
  measure("all routing policies at once", alone + 2, ROUTING, times / 4 + 1);
  measure("all compliance policies at once", alone + 2 + ROUTING, COMPLIANCE, times / 4 + 1);
  measure("all of these at once", alone + 2, ROUTING + COMPLIANCE, times / 4 + 1);
  bundle_unref(bundle);
  bundle_unref(base);
  kv_free(store);
  watchdog_stop();
  uv_thread_join(&watchdog);
  bytes_fini(&text);
  config_problems_fini(&problems);
  return 0;
}
