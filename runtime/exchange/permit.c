#include "exchange/permit.h"

#include "auth/network.h"
#include "auth/permission.h"
#include "exchange/story.h"

static enum action action_of(const struct exchange *x) {
  static const enum action generating[] = {
      [DIALECT_CHAT] = ACTION_CHAT,
      [DIALECT_COMPLETIONS] = ACTION_COMPLETIONS,
      [DIALECT_RESPONSES] = ACTION_RESPONSES,
      [DIALECT_MESSAGES] = ACTION_MESSAGES,
      [DIALECT_EMBEDDINGS] = ACTION_EMBEDDINGS,
  };
  switch (x->route.endpoint) {
  case ENDPOINT_COUNT_TOKENS: return ACTION_COUNT_TOKENS;
  case ENDPOINT_TOKENIZE: return ACTION_TOKENIZE;
  case ENDPOINT_MODELS:
  case ENDPOINT_MODEL: return ACTION_MODELS;
  case ENDPOINT_STORED: return ACTION_RESPONSES;
  default: return generating[x->route.dialect];
  }
}

static enum step_result refuse(struct exchange *x, struct slice code, const char *message) {
  struct error_detail detail = {.code = code, .message = slice_of(message)};
  return exchange_fail_with(x, FAILURE_FORBIDDEN, &detail);
}

enum step_result permit_peer(struct exchange *x) {
  const struct principal *p = x->principal;
  if (!p->network_count || networks_hold(p->networks, p->network_count, x->peer)) return STEP_NEXT;
  return refuse(x, SLICE("address_not_allowed"),
                "this key may not be used from this address; ask its owner to add the network");
}

/* The role's function has the last word; what goes wrong in it is no. */
static bool decide(struct exchange *x, enum action action, const struct role *role,
                   struct slice model) {
  const struct principal *p = x->principal;
  struct role_question question = {.role = role->name,
                                   .text = role->text,
                                   .action = action_text(action),
                                   .tenant = p->tenant,
                                   .project = p->project,
                                   .user = p->user,
                                   .key = p->key,
                                   .tags = p->tags,
                                   .tag_count = p->tag_count,
                                   .model = model,
                                   .path = x->route.path};
  struct bytes error;
  bytes_init(&error);
  bool may = role_judge_may(x->host->judge, &question, &error);
  if (may) x->decided = role;
  if (error.len)
    log_process(LOG_WARN, "the role %.*s could not decide, so it denied: %s", (int)role->name.len,
                role->name.data, bytes_text(&error));
  bytes_fini(&error);
  return may;
}

static enum permission ask(struct exchange *x, struct slice model, const struct role **decider) {
  struct resource resource = {.model = model, .path = x->route.path};
  return permission_check(x->principal, action_of(x), &resource, decider);
}

/* To call a service takes that right, beside what its protocol takes. */
static enum step_result permit_service(struct exchange *x) {
  struct resource resource = {.path = x->route.path};
  const struct role *decider = NULL;
  enum permission permission = permission_check(x->principal, ACTION_SERVICE, &resource, &decider);
  if (permission == PERMISSION_GRANTED) return STEP_NEXT;
  if (permission == PERMISSION_ASK && decide(x, ACTION_SERVICE, decider, (struct slice){"", 0})) {
    x->decided = NULL; /* about the service, not about a model of it */
    return STEP_NEXT;
  }
  return refuse(x, SLICE("action_not_allowed"),
                "no role of this key allows services; ask its owner for one");
}

static enum step_result refuse_model(struct exchange *x) {
  struct error_detail detail = {.param = SLICE("model"), .code = SLICE("model_not_allowed")};
  detail.message = slice_of(arena_printf(
      &x->arena, "this key may not use the model %.*s; GET /v1/models lists those it may",
      (int)x->public_model.len, x->public_model.data));
  return exchange_fail_with(x, FAILURE_FORBIDDEN, &detail);
}

enum step_result permit_step(struct exchange *x) {
  const struct principal *p = x->principal;
  struct slice nothing = {"", 0};
  if (!globs_match((struct globs){p->paths, p->path_count}, x->route.path))
    return refuse(x, SLICE("path_not_allowed"),
                  arena_printf(&x->arena, "this key may not use %.*s", (int)x->route.path.len,
                               x->route.path.data));
  if (x->service && permit_service(x) == STEP_FAIL) return STEP_FAIL;
  const struct role *decider = NULL;
  bool has_model = x->public_model.len && x->route.endpoint != ENDPOINT_MODEL;
  enum permission permission = ask(x, nothing, &decider);
  if (permission == PERMISSION_ASK && !has_model && !decide(x, action_of(x), decider, nothing))
    permission = PERMISSION_DENIED;
  if (permission == PERMISSION_DENIED)
    return refuse(x, SLICE("action_not_allowed"),
                  arena_printf(&x->arena, "no role of this key allows %s; ask its owner for one",
                               action_text(action_of(x))));
  /* A listing never shows what it may not use, so asking for it by name does not either. */
  if (!has_model) return STEP_NEXT;
  bool is_listed = globs_match((struct globs){p->models, p->model_count}, x->public_model);
  permission = is_listed ? ask(x, x->public_model, &decider) : PERMISSION_DENIED;
  bool may = permission == PERMISSION_GRANTED ||
             (permission == PERMISSION_ASK && decide(x, action_of(x), decider, x->public_model));
  return may ? STEP_NEXT : refuse_model(x);
}

bool permit_allows(const struct exchange *x, const struct model_target *target) {
  struct resource resource = {.model = x->public_model,
                              .path = x->route.path,
                              .provider = target->provider->name,
                              .residency = target->provider->residency,
                              .is_attempt = true};
  const struct role *decider;
  enum permission permission = permission_check(x->principal, action_of(x), &resource, &decider);
  return permission == PERMISSION_GRANTED ||
         (permission == PERMISSION_ASK && decider == x->decided);
}

enum step_result permit_targets(struct exchange *x) {
  size_t kept = 0;
  for (size_t i = 0; i < x->candidate_count; i++)
    if (permit_allows(x, x->candidates[i]))
      x->candidates[kept++] = x->candidates[i];
    else
      story_leave_out(x, x->candidates[i], LEFT_OUT_ROLE);
  x->candidate_count = kept;
  if (kept) return STEP_NEXT;
  return refuse(x, SLICE("provider_not_allowed"),
                arena_printf(&x->arena, "no role of this key allows any provider of the model %.*s",
                             (int)x->public_model.len, x->public_model.data));
}
