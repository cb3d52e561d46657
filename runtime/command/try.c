/* `gateyes try POLICY.lua --request FILE`: what one policy makes of one request. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/estimate.h"
#include "base/json.h"
#include "command/commands.h"
#include "load.h"
#include "script/config_sandbox.h"
#include "script/policy.h"
#include "script/tenant_sandbox.h"
#include "server/server.h"
#include "store/kv.h"

enum { POLICY_BYTES = 1 << 20, REQUEST_BYTES = 32 << 20 };

struct trial {
  const char *policy_path, *request_path, *config_path;
  enum dialect dialect;
  bool is_json, is_done;
  struct config *config; /* NULL: none was named */
  struct config_problems problems;
  struct arena arena;
  struct bytes policy_text, request_text;
  struct slice name; /* of the policy */
  uv_loop_t loop;
  struct kv *kv;
  struct policy_host host;
  struct bundle *bundle;
  struct sandbox *sandbox;
  struct policy_chain *chain;
  struct policy_run *run;
  struct policy_candidate *candidates;
  size_t candidate_count;
};

static bool complain(const char *path, const char *why) {
  fprintf(stderr, "gateyes try: %s: %s\n", path, why);
  return false;
}

static bool read_text(const char *path, size_t most, struct bytes *out) {
  const char *why = config_text_read(path, most, out);
  return why ? complain(path, why) : true;
}

static bool read_request(struct trial *t) {
  struct json_error error;
  struct bytes *text = &t->request_text;
  if (!read_text(t->request_path, REQUEST_BYTES, text)) return false;
  while (text->len > 0 && text->data[text->len - 1] <= ' ' && text->data[text->len - 1] > 0)
    text->len--;
  struct slice body = bytes_slice(text);
  if (json_validate(body, JSON_DEPTH_DEFAULT, &error) && json_type(body) == JSON_OBJECT)
    return true;
  return complain(t->request_path, "is no JSON object; give the body that a client would send");
}

/* The file's name without its folder and its end. */
static bool name_policy(struct trial *t) {
  const char *slash = strrchr(t->policy_path, '/'), *base = slash ? slash + 1 : t->policy_path;
  size_t len = strlen(base);
  if (len < 5 || strcmp(base + len - 4, ".lua") != 0)
    return complain(t->policy_path, "a policy is a file NAME.lua");
  t->name = arena_slice(&t->arena, (struct slice){base, len - 4});
  return true;
}

/* In a folder `policies` it has its tenant's other files beside it; elsewhere it is alone. */
static bool open_bundle(struct trial *t) {
  const char *slash = strrchr(t->policy_path, '/');
  struct slice folder = {t->policy_path, slash ? (size_t)(slash - t->policy_path) : 0};
  struct slice lua_path = t->config ? t->config->lua_path : SLICE("");
  struct bundle *base = bundle_new_base(lua_path, &t->problems);
  if (!base) return false;
  static const char inside[] = "policies";
  size_t cut = folder.len - (folder.len >= sizeof inside - 1 ? sizeof inside - 1 : folder.len);
  if (slice_equal_text(slice_skip(folder, cut), inside)) {
    struct slice above = cut > 1 ? (struct slice){folder.data, cut - 1} : SLICE(".");
    t->bundle = bundle_read(above, base, &t->problems);
  } else {
    t->bundle = bundle_new(SLICE(""), base);
    const char *path = arena_printf(&t->arena, "policies/%.*s.lua", (int)t->name.len, t->name.data);
    const char *why = bundle_add(t->bundle, slice_of(path), bytes_slice(&t->policy_text));
    if (why) return complain(t->policy_path, why);
    bundle_seal(t->bundle);
  }
  bundle_unref(base);
  return t->bundle != NULL;
}

static uint64_t count_tokens(void *context, struct slice model, struct slice text) {
  (void)context, (void)model;
  return estimate_text(text);
}

static bool load_policy(struct trial *t) {
  struct sandbox_settings settings = {
      .name = SLICE("try"), .find = tenant_module_find, .context = t->bundle};
  struct policy_entry entry = {.module = t->name};
  struct policy_entries entries = {&entry, 1};
  struct policy_settings policies = {.tenant = SLICE("try"), .host = &t->host};
  struct bytes error;
  bytes_init(&error);
  t->sandbox = sandbox_new(&settings);
  sandbox_set_cpu_ms(t->sandbox, TENANT_LOAD_CPU_MS);
  t->chain = policy_chain_new(t->sandbox, &entries, &policies, &error);
  sandbox_set_cpu_ms(t->sandbox, t->config ? t->config->scripts.cpu_ms : 10);
  if (!t->chain) fprintf(stderr, "%s", bytes_text(&error));
  bytes_fini(&error);
  return t->chain != NULL;
}

static void on_done(void *context) {
  struct trial *t = context;
  t->is_done = true;
}

static void wait(struct trial *t, enum policy_progress progress) {
  t->is_done = progress == POLICY_DONE;
  while (!t->is_done)
    uv_run(&t->loop, UV_RUN_ONCE);
}

/* The targets of the model that the request names, as the configuration has them. */
static void find_candidates(struct trial *t, struct slice name) {
  const struct model *model = t->config ? config_model_find(t->config, name) : NULL;
  if (!model) return;
  t->candidates = arena_alloc(&t->arena, (model->target_count + 1) * sizeof *t->candidates);
  for (size_t i = 0; i < model->target_count; i++) {
    const struct model_target *target = &model->targets[i];
    struct slice parts[] = {target->provider->name, SLICE("/"), target->model};
    const struct price *price = target->price ? target->price : &model->price;
    t->candidates[t->candidate_count++] =
        (struct policy_candidate){.name = arena_join(&t->arena, parts, 3),
                                  .provider = target->provider->name,
                                  .model = target->model,
                                  .residency = target->provider->residency,
                                  .input_price_nanousd = price->rates.input,
                                  .output_price_nanousd = price->rates.output,
                                  .price_known = price->known,
                                  .weight = target->weight,
                                  .queue = -1,
                                  .kv_usage = -1,
                                  .ewma_ttft_ms = -1,
                                  .error_rate = -1,
                                  .context_tokens = model->context_tokens,
                                  .capabilities = model->capabilities,
                                  .capability_count = model->capability_count};
  }
}

static void run_hooks(struct trial *t) {
  static const struct policy_callbacks callbacks = {on_done};
  struct slice body = bytes_slice(&t->request_text);
  struct policy_request request = {.id = SLICE("req_try"),
                                   .method = SLICE("POST"),
                                   .dialect = t->dialect,
                                   .model = json_string_raw(json_find(body, "model")),
                                   .body = body,
                                   .is_stream = json_type(json_find(body, "stream")) == JSON_TRUE};
  t->run = policy_run_new(t->chain, &request, &callbacks, t);
  wait(t, policy_on_request(t->run));
  const struct verdict *v = policy_verdict(t->run);
  if (v->kind != VERDICT_PASS) return;
  find_candidates(t, v->model.len ? v->model : request.model);
  if (t->candidate_count) wait(t, policy_route(t->run, t->candidates, t->candidate_count));
}

static const char *const kinds[] = {"pass", "deny", "answer"};

static void add_text(struct bytes *out, const char *name, struct slice text) {
  if (text.len) json_append_text(out, name, text);
}

static void add_list(struct bytes *out, const char *name, const struct slice *items, size_t count) {
  bytes_printf(out, "%s\"%s\":[", out->data[out->len - 1] == '{' ? "" : ",", name);
  for (size_t i = 0; i < count; i++) {
    if (i) bytes_append_byte(out, ',');
    json_quote(out, items[i]);
  }
  bytes_append_byte(out, ']');
}

static void add_requirements(struct bytes *out, const struct policy_requirements *r) {
  bytes_append_text(out, ",\"requirements\":{");
  add_list(out, "capabilities", r->capabilities, r->capability_count);
  if (r->only_providers) add_list(out, "providers", r->providers, r->provider_count);
  add_text(out, "residency", r->residency);
  if (r->context_tokens)
    bytes_printf(out, ",\"context_tokens\":%llu", (unsigned long long)r->context_tokens);
  bytes_append_byte(out, '}');
}

static void print_json(const struct trial *t) {
  const struct verdict *v = policy_verdict(t->run);
  struct bytes out;
  bytes_init(&out);
  bytes_printf(&out, "{\"verdict\":\"%s\"", kinds[v->kind]);
  if (v->status) bytes_printf(&out, ",\"status\":%d", v->status);
  add_text(&out, "code", v->code);
  add_text(&out, "message", v->message);
  add_text(&out, "param", v->param);
  add_text(&out, "text", v->text);
  add_text(&out, "model", v->model);
  add_requirements(&out, &v->requirements);
  bytes_append_text(&out, ",\"tags\":{");
  for (size_t i = 0; i < v->tag_count; i++) {
    if (i) bytes_append_byte(&out, ',');
    json_quote(&out, v->tags[i].name);
    bytes_append_byte(&out, ':');
    json_quote(&out, v->tags[i].value);
  }
  bytes_append_byte(&out, '}');
  struct slice body = v->kind == VERDICT_ANSWER ? v->body : v->edited_body;
  if (body.len) bytes_printf(&out, ",\"body\":%.*s", (int)body.len, body.data);
  if (t->candidate_count) {
    struct policy_order order = policy_order(t->run);
    bytes_append_text(&out, ",\"route\":[");
    for (size_t i = 0; i < order.count; i++) {
      if (i) bytes_append_byte(&out, ',');
      json_quote(&out, t->candidates[order.indexes[i]].name);
    }
    bytes_append_byte(&out, ']');
  }
  bytes_append_text(&out, ",\"trace\":");
  policy_trace_json(t->run, &out);
  printf("%s}\n", bytes_text(&out));
  bytes_fini(&out);
}

static void line(const char *name, struct slice text) {
  if (text.len) printf("%-10s%.*s\n", name, (int)text.len, text.data);
}

static void print_plain(const struct trial *t) {
  const struct verdict *v = policy_verdict(t->run);
  const struct policy_requirements *r = &v->requirements;
  printf("verdict   %s", kinds[v->kind]);
  if (v->status) printf(" %d", v->status);
  printf("\n");
  line("code", v->code);
  line("message", v->message);
  line("text", v->text);
  line("model", v->model);
  line("residency", r->residency);
  for (size_t i = 0; i < r->capability_count; i++)
    line("needs", r->capabilities[i]);
  for (size_t i = 0; i < r->provider_count; i++)
    line("provider", r->providers[i]);
  for (size_t i = 0; i < v->tag_count; i++)
    printf("tag       %.*s = %.*s\n", (int)v->tags[i].name.len, v->tags[i].name.data,
           (int)v->tags[i].value.len, v->tags[i].value.data);
  line("body", v->kind == VERDICT_ANSWER ? v->body : v->edited_body);
  if (t->candidate_count) {
    struct policy_order order = policy_order(t->run);
    for (size_t i = 0; i < order.count; i++)
      line("route", t->candidates[order.indexes[i]].name);
  }
  for (size_t i = 0; i < policy_trace_count(t->run); i++) {
    const struct policy_trace *p = policy_trace_get(t->run, i);
    printf("trace     %.*s %.*s (%u us)\n", (int)p->what.len, p->what.data, (int)p->why.len,
           p->why.data, p->us);
  }
}

static bool run(struct trial *t) {
  static const struct kv_limits limits = {.bytes = 1 << 20, .entries = 1024, .value_bytes = 65536};
  t->kv = kv_new(&limits);
  t->host = (struct policy_host){.loop = &t->loop, .store = t->kv, .count_tokens = count_tokens};
  if (!name_policy(t) || !read_text(t->policy_path, POLICY_BYTES, &t->policy_text) ||
      !read_request(t) || !open_bundle(t) || !load_policy(t))
    return false;
  run_hooks(t);
  if (t->is_json)
    print_json(t);
  else
    print_plain(t);
  return true;
}

static void release(struct trial *t) {
  policy_run_free(t->run);
  policy_chain_free(t->chain);
  if (t->sandbox) sandbox_free(t->sandbox);
  bundle_unref(t->bundle);
  if (t->kv) kv_free(t->kv);
  uv_run(&t->loop, UV_RUN_DEFAULT);
  must(uv_loop_close(&t->loop) == 0);
  bytes_fini(&t->policy_text);
  bytes_fini(&t->request_text);
  arena_fini(&t->arena);
}

static bool find_dialect(const char *name, enum dialect *out) {
  for (int d = 0; d < DIALECT_COUNT; d++) {
    if (strcmp(name, dialect_name((enum dialect)d)) != 0) continue;
    *out = (enum dialect)d;
    return true;
  }
  return false;
}

static bool read_words(struct trial *t, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    bool has_value = i + 1 < argc;
    if (strcmp(argv[i], "--json") == 0)
      t->is_json = true;
    else if (strcmp(argv[i], "--request") == 0 && has_value)
      t->request_path = argv[++i];
    else if (strcmp(argv[i], "--config") == 0 && has_value)
      t->config_path = argv[++i];
    else if (strcmp(argv[i], "--dialect") == 0 && has_value &&
             find_dialect(argv[i + 1], &t->dialect))
      i++;
    else if (argv[i][0] == '-' || t->policy_path)
      return false;
    else
      t->policy_path = argv[i];
  }
  return t->policy_path && t->request_path;
}

int try_main(int argc, char **argv) {
  struct trial t = {.dialect = DIALECT_CHAT};
  if (!read_words(&t, argc, argv)) {
    fprintf(stderr, "gateyes try: it takes POLICY.lua --request FILE [--config PATH] [--json] "
                    "[--dialect chat|completions|responses|messages|embeddings]\n");
    return 2;
  }
  config_problems_init(&t.problems);
  arena_init(&t.arena);
  must(uv_loop_init(&t.loop) == 0);
  server_watch_begin();
  if (t.config_path) t.config = load_config(t.config_path, &t.problems);
  bool fine = (t.config || !t.config_path) && run(&t);
  release(&t);
  server_watch_end();
  load_print_problems(&t.problems);
  config_unref(t.config);
  config_problems_fini(&t.problems);
  return fine ? 0 : 1;
}
