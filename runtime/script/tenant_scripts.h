/* One generation of a tenant's scripts, ready to run in one worker, and the set of all tenants that
 * have any. All calls on the worker's thread, but tenant_scripts_new and, before a worker has seen
 * it, tenant_scripts_unref. */
#pragma once
#include "script/bundle.h"
#include "script/generation.h"

struct tenant_scripts;
struct tenant_set;
struct tenant_standing; /* script/tenant_standing.h */
struct policy_chain;    /* script/policy.h */
struct policy_host;
struct sandbox;
struct strategies;

struct tenant_source { /* all borrowed for the call, but host and responses, which outlive the
                          result */
  struct slice tenant;
  uint64_t number;                  /* of the generation; 1 is the tenant's first */
  struct bundle *bundle;            /* a reference is taken */
  struct config *config;            /* as tenant_config_load made it; a reference is taken */
  const struct policy_host *host;   /* of the worker; NULL: nothing that waits is offered */
  struct responses *responses;      /* store/responses.h, of the process; NULL: none is kept */
  struct tenant_standing *standing; /* of all workers; a reference is taken; NULL: nobody asks */
  const struct slice *services;     /* lists of policies that services bring; copied */
  size_t service_count;
};

enum { SERVICE_CHAINS_MAX = 64 }; /* lists beyond these are not loaded */

/* Loads every script that the tenant's configuration names. NULL: error has one line per problem.
 */
struct tenant_scripts *tenant_scripts_new(const struct tenant_source *source, struct bytes *error);
/* Stands in for scripts that cannot be used and have no earlier generation: requests of the tenant
 * are refused with that sentence, so that a broken rule is not a missing one. */
struct tenant_scripts *tenant_scripts_new_refusal(struct slice tenant, struct slice sentence);
struct tenant_scripts *tenant_scripts_ref(struct tenant_scripts *s);
void tenant_scripts_unref(struct tenant_scripts *s); /* NULL is fine; the last one frees it */

/* When another generation took its place, by the monotonic clock; 0: it is in use. */
uint64_t tenant_scripts_retired_ns(const struct tenant_scripts *s);
void tenant_scripts_retire(struct tenant_scripts *s); /* the set's to call */
uint64_t tenant_scripts_number(const struct tenant_scripts *s);
struct slice tenant_scripts_name(const struct tenant_scripts *s); /* of the tenant */
/* Empty: fine. Else the request fails with this sentence (503, policy_error). */
struct slice tenant_scripts_refusal(const struct tenant_scripts *s);
/* NULL: no policies, or a refusal. */
struct policy_chain *tenant_scripts_policies(const struct tenant_scripts *s);
/* The tenant's policies, then those that a service's version adds, in a sandbox of their own: JSON
 * of a list whose items are as those of tenant.lua ("pii", or
 * {"name":"pii","on_error":"deny","mode":"mask"}), one of those that the source brought. NULL, and
 * one line for each problem: this version must not answer. */
struct policy_chain *tenant_scripts_chain(const struct tenant_scripts *s, struct slice policies,
                                          struct slice *problem);
/* NULL: the tenant has no providers of its own, use the operator's. */
struct generation *tenant_scripts_translation(const struct tenant_scripts *s);
/* NULL: the tenant has no adapters of its own. Else it translates for the tenant's own providers,
 * in a sandbox; never for the operator's, whose credentials its paths and heads would meet. */
struct generation *tenant_scripts_adapters(const struct tenant_scripts *s);
/* Of the models of that configuration; NULL with a refusal. */
struct strategies *tenant_scripts_strategies(const struct tenant_scripts *s);
/* The operator's configuration with the tenant's models, aliases and providers laid over it, for
 * everything that looks for models. NULL with a refusal. */
struct config *tenant_scripts_config(const struct tenant_scripts *s);
/* The files of this generation. */
struct bundle *tenant_scripts_bundle(const struct tenant_scripts *s);

/* What a tenant runs. A canary takes its share of requests, and those of its keys; a shadow decides
 * without effect. */
enum tenant_role { TENANT_CURRENT, TENANT_CANARY, TENANT_SHADOW, TENANT_ROLE_COUNT };

struct tenant_share {       /* of a canary */
  uint32_t percent;         /* 0 … 100 */
  const struct slice *keys; /* names of keys that always get it; copied */
  size_t key_count;
};

struct tenant_set *tenant_set_new(void);
void tenant_set_free(struct tenant_set *set);
/* Takes scripts (NULL: nothing in that role from now on); share only for a canary. A new current
 * generation ends the canary and shadow of the tenant. */
void tenant_set_put(struct tenant_set *set, struct slice tenant, enum tenant_role role,
                    struct tenant_scripts *scripts, const struct tenant_share *share);

struct tenant_pick {
  struct slice tenant, key; /* key: its name */
  uint64_t hash;            /* of the request's id: spreads requests over a canary's share */
};

/* What a new request runs on; borrowed: the request takes a reference. NULL: the tenant has no
 * scripts, which costs one look-up. */
struct tenant_scripts *tenant_set_pick(const struct tenant_set *set,
                                       const struct tenant_pick *pick);
/* The current generation alone. */
struct tenant_scripts *tenant_set_find(const struct tenant_set *set, struct slice tenant);
/* The generation that decides without effect; NULL: none. */
struct tenant_scripts *tenant_set_shadow_find(const struct tenant_set *set, struct slice tenant);
