#include "exchange/policy_host.h"

#include <stdlib.h>

#include "auth/directory.h"
#include "base/digest.h"
#include "exchange/tokens.h"
#include "upstream/fetch.h"

/* One fetch of a script: the list of allowed hosts belongs to the configuration it began with. */
struct script_fetch {
  struct config *config;
  struct fetch *fetch;
  void (*on_reply)(void *wait, const struct policy_fetch_reply *reply);
  void *wait;
};

static void on_answer(const struct fetch_answer *answer, void *user) {
  struct script_fetch *f = user;
  struct policy_fetch_reply reply = {
      .status = answer->status, .headers = answer->headers, .body = answer->body};
  if (answer->failure != FAILURE_NONE) {
    reply.error = slice_of(answer->sentence);
    if (!reply.error.len) reply.error = SLICE("the service did not answer");
    reply.error_code = slice_of(failure_info(answer->failure)->code);
  }
  f->on_reply(f->wait, &reply);
  config_unref(f->config);
  free(f);
}

/* Without a list of hosts there is nobody to talk to: an empty policy would allow every public
 * address. */
static void *start_fetch(void *context, const struct policy_fetch_request *request,
                         void (*on_reply)(void *wait, const struct policy_fetch_reply *reply),
                         void *wait) {
  struct exchange_host *host = context;
  if (!host->config->tenant_addresses) return NULL;
  struct script_fetch *f = must_alloc(sizeof *f);
  *f = (struct script_fetch){config_ref(host->config), NULL, on_reply, wait};
  struct fetch_request wanted = {.method = request->method,
                                 .url = request->url,
                                 .headers = request->headers,
                                 .body = request->body,
                                 .timeout_ms = (uint32_t)request->timeout_ms,
                                 .answer_bytes = request->max_bytes,
                                 .addresses = f->config->tenant_addresses};
  f->fetch = fetch_start(host->upstream, &wanted, on_answer, f);
  return f;
}

static void cancel_fetch(void *context, void *fetch) {
  (void)context;
  struct script_fetch *f = fetch;
  fetch_cancel(f->fetch);
  config_unref(f->config);
  free(f);
}

static uint64_t count_tokens(void *context, struct slice model, struct slice text) {
  return tokens_of_text(context, model, text);
}

/* Hashes of values are the same on every worker and after a restart, and no key of a client. */
static struct slice hash_key(const struct exchange_host *host, uint8_t key[SHA256_BYTES]) {
  if (!host->directory) return (struct slice){"", 0};
  digest_hmac(directory_secret(host->directory), SLICE("gateyes.hash.keyed"), key);
  return (struct slice){(const char *)key, SHA256_BYTES};
}

struct host_with_key {
  struct policy_host host, quiet;
  uint8_t key[SHA256_BYTES];
};

void exchange_policy_host_open(struct exchange_host *host, struct kv *store) {
  struct host_with_key *with_key = must_calloc(1, sizeof *with_key);
  struct policy_host *p = &with_key->host;
  *p = (struct policy_host){.context = host,
                            .pool = policy_pool_new(),
                            .loop = host->loop,
                            .store = store,
                            .hash_key = hash_key(host, with_key->key),
                            .fetch_start = start_fetch,
                            .fetch_cancel = cancel_fetch,
                            .count_tokens = count_tokens};
  with_key->quiet = *p;
  with_key->quiet.loop = NULL; /* nothing can be waited for */
  with_key->quiet.fetch_start = NULL;
  with_key->quiet.is_quiet = true;
  p->quiet = &with_key->quiet;
  host->policy_host = p;
}

void exchange_policy_host_close(struct exchange_host *host) {
  policy_pool_free(host->policy_host->pool);
  free((void *)(uintptr_t)host->policy_host);
  host->policy_host = NULL;
}
