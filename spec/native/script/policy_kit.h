/* Policies in a sandbox, from text, without a gateway around them. */
#pragma once
#include <uv.h>

#include "base/json.h"
#include "check.h"
#include "script/policy.h"
#include "script/sandbox.h"
#include "script/surface.h"
#include "script/watchdog.h"
#include "store/kv.h"

enum { KIT_MODULES = 4 };

struct kit {
  uv_thread_t watchdog;
  uv_loop_t loop;
  struct sandbox *sandbox;
  struct policy_host host;
  struct policy_chain *chain;
  struct bytes error;
  const char *names[KIT_MODULES], *texts[KIT_MODULES];
  struct policy_entry entries[KIT_MODULES];
  size_t count;
  bool done;
  const char *secrets_path;       /* NULL: none */
  uint32_t cpu_ms;                /* 0: as ever */
  const struct json_index *index; /* what requests are given; NULL: none */
};

static bool kit_find(void *context, const struct sandbox_wanted *wanted,
                     struct sandbox_module *module) {
  struct kit *kit = context;
  static char name[64];
  for (size_t i = 0; i < kit->count; i++) {
    snprintf(name, sizeof name, "policies.%s", kit->names[i]);
    if (!slice_equal_text(wanted->name, name)) continue;
    module->text = slice_of(kit->texts[i]);
    snprintf(name, sizeof name, "@policies/%s.lua", kit->names[i]);
    module->chunk_name = slice_of(name);
    module->is_own = true;
    return true;
  }
  return false;
}

static void kit_init(struct kit *kit) {
  *kit = (struct kit){0};
  must(uv_thread_create(&kit->watchdog, watchdog_run, NULL) == 0);
  must(uv_loop_init(&kit->loop) == 0);
  kit->host.loop = &kit->loop;
}

/* on_error and settings may be set on the entry before kit_load. */
static struct policy_entry *kit_add(struct kit *kit, const char *name, const char *text) {
  kit->names[kit->count] = name;
  kit->texts[kit->count] = text;
  kit->entries[kit->count] =
      (struct policy_entry){.module = slice_of(name), .file = SLICE("tenant.lua"), .line = 3};
  return &kit->entries[kit->count++];
}

static bool kit_load(struct kit *kit) {
  struct sandbox_settings settings = {
      .name = SLICE("acme"), .cpu_ms = kit->cpu_ms, .find = kit_find, .context = kit};
  struct policy_entries entries = {kit->entries, kit->count};
  struct policy_settings policies = {
      .tenant = SLICE("acme"), .secrets_path = slice_of(kit->secrets_path), .host = &kit->host};
  kit->sandbox = sandbox_new(&settings);
  kit->chain = policy_chain_new(kit->sandbox, &entries, &policies, &kit->error);
  return kit->chain != NULL;
}

static void kit_unload(struct kit *kit) {
  policy_chain_free(kit->chain);
  if (kit->sandbox) sandbox_free(kit->sandbox);
  kit->chain = NULL;
  kit->sandbox = NULL;
  kit->count = 0;
  bytes_clear(&kit->error);
}

static void kit_fini(struct kit *kit) {
  kit_unload(kit);
  bytes_fini(&kit->error);
  uv_run(&kit->loop, UV_RUN_DEFAULT);
  must(uv_loop_close(&kit->loop) == 0);
  watchdog_stop();
  uv_thread_join(&kit->watchdog);
}

static void kit_on_done(void *context) {
  struct kit *kit = context;
  kit->done = true;
}

static const struct policy_callbacks kit_callbacks = {kit_on_done};

static const struct slice kit_roles[] = {{"developer", 9}};
static const struct policy_principal kit_principal = {.tenant = {"acme", 4},
                                                      .user = {"ann", 3},
                                                      .key = {"dev", 3},
                                                      .roles = kit_roles,
                                                      .role_count = 1};

static struct policy_run *kit_run(struct kit *kit, enum dialect dialect, const char *body) {
  struct policy_request request = {.id = SLICE("req_1"),
                                   .method = SLICE("POST"),
                                   .path = SLICE("/v1/chat/completions"),
                                   .dialect = dialect,
                                   .body = slice_of(body),
                                   .index = kit->index,
                                   .principal = &kit_principal};
  request.model = json_string_raw(json_find(request.body, "model"));
  kit->done = false;
  return policy_run_new(kit->chain, &request, &kit_callbacks, kit);
}

/* Until the call that waits has ended. */
static void kit_wait(struct kit *kit, enum policy_progress progress) {
  while (progress == POLICY_WAITING && !kit->done)
    uv_run(&kit->loop, UV_RUN_ONCE);
}

/* on_request of a one-policy chain with this text, the run left open. */
static inline struct policy_run *kit_request(struct kit *kit, const char *text, const char *body) {
  kit_add(kit, "p", text);
  bool fine = kit_load(kit);
  if (!fine) fprintf(stderr, "%s", bytes_text(&kit->error));
  must(fine);
  struct policy_run *run = kit_run(kit, DIALECT_CHAT, body);
  kit_wait(kit, policy_on_request(run));
  return run;
}

static inline void kit_end(struct kit *kit, struct policy_run *run) {
  policy_run_free(run);
  kit_unload(kit);
}
