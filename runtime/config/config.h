/* The configuration: one file read into an immutable snapshot that all threads share by count.
 * keys.def is the table of every key; this header is what the rest of the program reads. Durations
 * are milliseconds, sizes bytes, prices nano-units of the currency per million tokens (per image,
 * per request). */
#pragma once
#include "base/arena.h"
#include "base/digest.h"
#include "base/ref.h"
#include "base/value.h"
#include "model/address_policy.h"
#include "model/limit.h"
#include "model/usage.h"

struct address { /* "127.0.0.1:8080", "[::]:8443", "unix:/run/gateyes.sock" */
  struct slice text;
  bool is_unix;
  const char *host; /* numeric; or the path of the socket */
  uint16_t port;
};

struct addresses {
  const struct address *items;
  size_t count;
};

struct client_timers { /* reliability names: client.tls_handshake … */
  uint32_t tls_handshake_ms, header_ms, body_total_ms, body_idle_ms, keepalive_ms, write_stall_ms;
};

struct upstream_timers { /* upstream.connect …; per provider, first_token also per model; 0 = off */
  uint32_t dns_ms, connect_ms, tls_ms, head_ms, first_token_ms, idle_ms, total_ms, stream_total_ms;
  uint32_t pool_idle_ms, pool_lifetime_ms;
  bool head_is_set; /* head was written down: then it holds for replies that are no stream, too */
  bool idle_counts_comments; /* SSE comments restart upstream.idle */
};

struct limits {
  size_t head_bytes, url_bytes, body_bytes, frame_bytes, write_high_bytes, write_low_bytes;
  uint32_t head_lines, json_depth, connections, upstreams, retry_percent, retry_min;
  struct route_limit {
    struct slice path;
    size_t body_bytes;
  } * routes; /* limits.body_by_route */
  size_t route_count;
};

struct webhook {                          /* who is told of budgets, keys, providers and spending */
  struct slice name, url, secret, tenant; /* tenant: its news only; empty: all */
  struct slice *events;                   /* globs; none: everything */
  size_t event_count;
  uint32_t timeout_ms, attempts, retry_ms; /* retry_ms: first wait, doubled after each failure */
};

struct provider_tls {
  const char *ca_file, *pin, *certificate, *key; /* NULL when unset; pin is curl's "sha256//…" */
};

enum { PROVIDER_UNLISTED = UINT32_MAX };

struct provider {
  struct slice name, adapter, residency;
  struct slice base_url; /* as written, without a trailing slash */
  struct slice scheme, host,
      path; /* host as in a Host header, port included when not the default */
  uint16_t port;
  bool is_tls;
  struct slice credential;                /* secret; empty when the provider needs none */
  struct slice api_version;               /* azure_openai */
  struct slice kept_ids;                  /* auto, relay or refuse */
  struct slice preset;                    /* "vllm", "ollama", …: see lua/adapters/presets.lua */
  const char *proxy;                      /* NULL: none */
  const struct address_policy *addresses; /* NULL: any address. Not together with a proxy. */
  struct config_header {
    struct slice name, value;
  } * headers;
  size_t header_count;
  struct upstream_timers timers;
  struct provider_tls tls;
  uint32_t concurrency;  /* 0: no limit of its own */
  struct slice load_url; /* where its engine says how busy it is; empty: it is not asked */
  uint32_t load_every_ms;
  int line;       /* where `adapter` is written, for problems that only a script can see */
  uint32_t index; /* position in config.providers; stable within a snapshot. Providers that
                   * no configuration lists (tenants' own) have PROVIDER_UNLISTED. */
};

/* Nano-units of the currency per million tokens: $2.50 is 2,500,000,000, and the smallest step is
 * $0.000000001 per million. */
struct price_rates {
  bool has_reasoning, has_audio_input, has_audio_output;
  uint64_t input, cache_read, cache_write_5m, cache_write_1h, output, reasoning;
  uint64_t audio_input, audio_output;
};

enum { PRICE_PARTS = 1000000 }; /* factors are in millionths */

struct price { /* `known` false means that no price was given */
  bool known;
  struct price_rates rates;
  uint64_t image, request; /* nano-units per piece */
  struct price_tier {
    uint64_t above_tokens; /* of the whole prompt: then these hold for the whole request */
    struct price_rates rates;
  } * tiers; /* rising */
  size_t tier_count;
  struct price_hours { /* from <= minute of the local day < to; to <= from runs past midnight */
    uint32_t from_minute, to_minute, factor;
    const struct zone *zone; /* NULL: UTC */
  } * hours;                 /* the first that holds counts */
  size_t hours_count;
  struct price_service { /* of one enum service_tier; neither: it costs what is usual */
    bool has_rates, has_factor;
    uint32_t factor;          /* on the whole cost */
    struct price_rates rates; /* these hold, whatever the length of the prompt */
  } services[SERVICE_TIERS];
  struct slice version; /* of the price table it came from; empty: written in this configuration */
};

struct price_change {
  int64_t from_ms;
  struct price price;
};

struct model_target {
  const struct provider *provider;
  struct slice model; /* the provider's own name for it */
  uint32_t weight;
  const struct price *price; /* what it costs here; NULL: the model's */
};

struct model {
  struct slice name;
  struct model_target *targets;
  size_t target_count;
  struct slice strategy;               /* "priority", "weighted", or the name of a routing policy */
  const struct tenant_policy *routing; /* that policy; NULL: priority or weighted */
  struct slice tokenizer;
  struct price price;
  struct price_change *price_changes; /* from a price table: rising; they replace `price` */
  size_t price_change_count;
  uint64_t context_tokens, max_output_tokens; /* 0: unknown */
  struct slice *capabilities; /* "tools", "images", "audio", "reasoning", "structured_output", … */
  size_t capability_count;
  uint32_t first_token_ms; /* 0: the provider's */
  int64_t created;         /* seconds, as /v1/models reports it */
  struct slice owned_by;
  uint32_t index;
};

struct alias {
  struct slice name;
  const struct model *model;
};

struct static_key {
  struct slice name, tenant, user, project;
  uint8_t sha256[SHA256_BYTES];
  struct slice *roles, *models; /* models: globs this key may use; none means all */
  size_t role_count, model_count;
  int roles_line;        /* of the file; 0: it names none */
  bool roles_are_secret; /* written by mistake from where secrets come: never shown */
};

struct identity_provider { /* auth.oidc: whose signed tokens are accepted, and what their claims say
                            */
  struct slice name, issuer;
  struct slice *audiences, *algorithms; /* algorithms: none means all */
  size_t audience_count, algorithm_count;
  struct slice jwks_url, jwks; /* one of them, or the file */
  const char *jwks_file;
  struct provider_tls tls; /* of jwks_url */
  uint32_t leeway_s, refresh_s, refetch_s;
  struct slice tenant; /* of all its callers; or, empty: */
  struct slice tenant_claim, user_claim, project_claim, roles_claim;
  struct identity_role {
    struct slice value, role;
  } * roles;
  struct slice *default_roles;
  size_t role_count, default_role_count;
};

struct path_alias { /* paths.aliases = { ["/chat/completions"] = "/v1/chat/completions" } */
  struct slice from, to;
};

struct script_limits {
  uint32_t cpu_ms, wall_ms; /* of one hook; wall: waiting included */
  size_t memory_bytes;      /* of one state */
};

struct tenant_policy {
  struct slice name;            /* "residency" is policies/residency.lua */
  const struct value *settings; /* a map */
  bool passes_on_error;         /* else a fault of the script denies the request */
  int line;
};

struct tenant_settings {
  struct slice name;              /* of the tenant */
  struct tenant_policy *policies; /* in the order they run */
  size_t policy_count;
  struct script_limits scripts;
  uint32_t canary_percent; /* new generations begin as a canary with that share, and these keys */
  struct slice *canary_keys;
  size_t canary_key_count;
  bool has_canary, is_shadow; /* shadow: new generations begin without effect */
};

struct tenant_figure {
  struct slice tenant; /* "*": all others */
  uint64_t figure;
};

struct config {
  struct ref refs;
  struct arena arena;
  uint64_t serial;  /* differs between any two configurations of the process, tenants' too */
  uint64_t version; /* 1 for the first, +1 with each reload; set by the server */
  const char *file;
  int64_t changed_s; /* when it was last changed, in seconds since 1970; 0: there is no such file */
  struct addresses listen, admin_listen;
  struct {
    const char *certificate, *key; /* NULL: plain */
  } tls;
  uint8_t admin_key_sha256[SHA256_BYTES];
  bool has_admin_key;
  struct slice admin_key; /* secret: what commands show to the running gateway */
  uint32_t workers;       /* resolved: never 0 */
  struct slice unix_mode; /* four octal digits */
  bool core_dumps;
  struct client_timers client;
  struct upstream_timers upstream;
  struct slice nameservers; /* "127.0.0.1:53,[::1]:53"; empty: those of /etc/resolv.conf */
  struct limits limits;
  uint32_t queue_wait_ms, drain_grace_ms, drain_hard_ms;
  uint32_t ping_ms;           /* SSE comment while a stream is silent; 0: off */
  bool strict;                /* refuse what cannot be mapped instead of reporting it */
  bool litellm_headers;       /* x-litellm-* aliases beside x-gateyes-* */
  struct slice *cors_origins; /* "*" or exact origins; none: CORS off */
  size_t cors_origin_count;
  bool azure_paths, bare_paths; /* accept /openai/deployments/{model}/…; paths without /v1 */
  struct path_alias *path_aliases;
  size_t path_alias_count;
  struct {
    uint32_t entries, ttl_s;
    size_t bytes;
  } responses;           /* memory of /v1/responses */
  struct slice currency; /* "USD" */
  struct slice log_file; /* empty: standard output */
  struct provider *providers;
  size_t provider_count;
  struct model *models;
  size_t model_count;
  struct alias *aliases;
  size_t alias_count;
  struct static_key *keys;
  size_t key_count;
  struct {
    bool has_secret;
    uint8_t secret[SHA256_BYTES]; /* keys of the store are hashed under it */
  } auth;
  struct identity_provider *identities; /* auth.oidc */
  size_t identity_count;
  struct slice lua_path; /* folder that replaces the embedded lua/; empty: none */
  struct slice store;    /* "sqlite:…" or "postgres://…"; secret */
  struct {
    struct slice folder;   /* empty: beside the store */
    struct slice on_error; /* "refuse" or "spill" */
    size_t memory_bytes, segment_bytes, disk_bytes;
    uint32_t fsync_ms; /* 0: never */
  } ledger;
  struct {
    uint32_t requests_s, usage_s, audit_s, content_s; /* 0: kept for good */
  } retention;
  struct {
    bool has_key;
    uint8_t key[SHA256_BYTES];  /* AES-256 */
    struct slice *tenants;      /* whose prompts and replies are stored */
    struct slice *no_responses; /* whose stored responses stay in memory */
    size_t tenant_count, no_response_count, memory_bytes;
  } content;
  struct slice shared;       /* "redis://…"; secret; empty: none */
  struct slice tenants_path; /* folder of tenants' scripts; empty: none */
  struct slice site_path;    /* the operator's own scripts, below the tenants'; empty: none */
  struct slice tenant_secrets_path; /* holds a folder of secrets per tenant; empty: none */
  struct slice *tenant_hosts;       /* where tenants' own providers may lie, as written */
  size_t tenant_host_count;
  const struct address_policy *tenant_addresses; /* the same for sockets; NULL: none is listed */
  struct script_limits scripts; /* the most that a tenant may have, and what it has by default */
  uint32_t scripts_keep;        /* generations kept for a rollback */
  uint32_t scripts_hold_ms;     /* of words of a stream; 0: without end */
  uint32_t scripts_hold_longest_ms; /* of what cannot go in part; 0: without end */
  struct slice unpriced; /* models without a price: "allow", "allow_unpriced", "block", "default" */
  struct price default_price;
  const char *prices_file;       /* price table; NULL: none */
  bool prices_are_beside;        /* the store, and need not be there yet */
  struct tenant_figure *markups; /* factors in PRICE_PARTS */
  size_t markup_count;
  uint64_t reserve_output_tokens; /* for a request that sets no maximum */
  bool reserve_clamp;             /* and the provider is told so */
  struct tenant_figure *reserve_by_tenant;
  size_t reserve_by_tenant_count;
  struct limit_definition *quotas;
  size_t quota_count;
  struct webhook *webhooks;
  size_t webhook_count;
  const struct address_policy *webhook_addresses; /* never NULL */
  struct {
    uint32_t percent; /* of the days before; 0: off */
    uint64_t minimum_nanousd;
  } spend_alert;
  struct names *model_names; /* models and aliases by name: see config_model_find */
  /* Of a tenant's configuration only, else NULL: the operator's that lies below it, and what
   * tenant.lua says besides models and providers. */
  struct config *base;
  const struct tenant_settings *tenant;
};

struct config_problems { /* one sentence each: "gateyes.lua:12: models.gpt-4o.prise: unknown key; …"
                          */
  struct arena arena;
  char **items;
  int *lines; /* beside items; 0 when the problem has no line */
  size_t count;
};

/* Looks at what was built, whole or not, and adds what it finds wrong. */
typedef void config_check(const struct config *config, struct config_problems *problems);
/* Builds a snapshot from the tree that the script folder read (tree may be freed afterwards).
 * NULL when anything is wrong; problems then holds every problem, in the order of lines.
 * A problem that was there before counts too. also: NULL, or a check that needs the whole. */
struct config *config_build(const struct value *root, const char *file, config_check *also,
                            struct config_problems *problems);

struct tenant_file { /* tenant.lua, read into a tree */
  struct slice tenant;
  const char *file;         /* its name in problems */
  const struct value *root; /* lives in an arena that the result takes over */
};

/* The configuration of one tenant: a whole one, in which the tenant's models and aliases lie over
 * those of base (a reference is taken). NULL with problems. arena is taken over when it succeeds.
 */
struct config *config_build_tenant(struct config *base, const struct tenant_file *file,
                                   struct arena *arena, struct config_problems *problems);

/* One entry shaped as those of quotas, such as a row of the store: its definitions, which borrow
 * from entry and arena. Returns how many; 0 with problems. */
size_t config_quota_read(const struct value *entry, struct arena *arena,
                         struct limit_definition out[LIMIT_KINDS],
                         struct config_problems *problems);

uint64_t config_serial_next(void);
struct config *config_ref(struct config *c);
void config_unref(struct config *c);
void config_problems_init(struct config_problems *p);
void config_problem(struct config_problems *p, const char *format, ...) PRINTF(2, 3);
/* The same, beginning with "file:line: " (without the line when it is 0). */
void config_problem_at(struct config_problems *p, const char *file, int line, const char *format,
                       ...) PRINTF(4, 5);
/* Extends the path of a value by one step, as problems write it: "models.m", "keys[2]". index
 * counts from 1; 0: the step is the key. */
void config_path_append(struct bytes *path, struct slice key, size_t index);
void config_problems_sort(struct config_problems *p); /* by line; problems without one last */
void config_problems_fini(struct config_problems *p);

const struct model *config_model_find(const struct config *c,
                                      struct slice name); /* resolves aliases; O(1) */
/* Markdown of the whole key table, for docs/configuration.md. */
void config_reference(struct bytes *out);
