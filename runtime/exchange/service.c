#include "exchange/service.h"

#include "auth/permission.h"
#include "auth/service.h"
#include "base/json_edit.h"

static enum step_result not_found(struct exchange *x) {
  return exchange_fail(
      x, FAILURE_NOT_FOUND, "there is no published service %.*s here; check the name in the path",
      x->route.service.len > 64 ? 64 : (int)x->route.service.len, x->route.service.data);
}

/* Whoever tells conversations apart keeps each of them on one version; else each key. */
static const struct service_version *version_of(struct exchange *x) {
  const struct principal *p = x->principal;
  struct slice session = header_find(x->headers, "x-session-id");
  struct slice parts[] = {p->key, SLICE("\n"), p->user, SLICE("\n"), session};
  return service_pick(x->service, arena_join(&x->arena, parts, 5));
}

static bool may_stage(const struct exchange *x) {
  struct resource resource = {.path = x->route.path};
  return permission_check(x->principal, ACTION_STAGED, &resource, NULL) == PERMISSION_GRANTED;
}

/* The published version is everybody's, also by its number. Drafts change under the hands of those
 * who write them, and answer nobody. */
static enum step_result take_named(struct exchange *x, struct slice text) {
  uint64_t number;
  struct error_detail detail = {.code = SLICE("version_not_allowed")};
  const struct service_version *v =
      slice_to_u64(slice_trim(text), &number) ? service_version_find(x->service, number) : NULL;
  bool is_public = v && v == x->service->published;
  if (!is_public && !may_stage(x)) {
    detail.message = SLICE("x-gateyes-service-version: no role of this key allows versions that "
                           "are not published; leave the header out");
    return exchange_fail_with(x, FAILURE_FORBIDDEN, &detail);
  }
  if (!v || v->is_draft)
    return exchange_fail(x, FAILURE_NOT_FOUND,
                         "x-gateyes-service-version: the service %.*s has no such version that is "
                         "staged or published",
                         (int)x->service->name.len, x->service->name.data);
  x->version = v;
  return STEP_NEXT;
}

enum step_result service_find(struct exchange *x) {
  const struct service *s =
      directory_service_find(x->directory, x->principal->tenant, x->route.service);
  struct slice wanted = header_find(x->headers, "x-gateyes-service-version");
  if (!s || !s->is_open) return not_found(x);
  x->service = s;
  if (wanted.len) return take_named(x, wanted);
  x->version = version_of(x);
  return x->version ? STEP_NEXT : not_found(x);
}

enum step_result service_policies(struct exchange *x) {
  struct slice problem = {"", 0}, policies = x->version->policies;
  if (!policies.len) return STEP_NEXT;
  if (!x->scripts)
    problem = SLICE("they are being loaded; try again");
  else
    x->chain = tenant_scripts_chain(x->scripts, policies, &problem);
  if (!problem.len) return STEP_NEXT;
  struct slice rest, first = slice_cut(problem, '\n', &rest);
  return exchange_fail(
      x, FAILURE_POLICY_ERROR, "the policies of the service %.*s cannot be used: %.*s",
      (int)x->service->name.len, x->service->name.data, (int)first.len, first.data);
}

struct slice service_owner(struct exchange *x) {
  const struct principal *p = x->principal;
  struct slice name = x->service->name;
  return slice_of(arena_printf(&x->arena, "%zu:%.*s/\n%.*s\n%.*s\n%.*s", p->tenant.len,
                               (int)p->tenant.len, p->tenant.data, (int)name.len, name.data,
                               (int)p->key.len, p->key.data, (int)p->user.len, p->user.data));
}

static enum step_result invalid(struct exchange *x, struct slice param, const char *message) {
  struct error_detail detail = {
      .param = param, .message = slice_of(message), .code = SLICE("invalid_value")};
  return exchange_fail_with(x, FAILURE_BAD_REQUEST, &detail);
}

static enum step_result check_model(struct exchange *x, const struct json_member *model) {
  struct bytes name;
  if (model->twice) return invalid(x, SLICE("model"), "model stands twice; send it once");
  if (model->type != JSON_STRING) return STEP_NEXT; /* absent, or refused by whoever reads it */
  bytes_init(&name);
  (void)json_string(model->value, &name);
  bool is_allowed = service_version_allows(x->version, bytes_slice(&name));
  bytes_fini(&name);
  if (is_allowed) return STEP_NEXT;
  struct error_detail detail = {.param = SLICE("model"), .code = SLICE("model_not_allowed")};
  detail.message = slice_of(arena_printf(
      &x->arena, "the service %.*s does not offer this model; leave model out, or send %.*s",
      (int)x->service->name.len, x->service->name.data, (int)x->version->model.len,
      x->version->model.data));
  return exchange_fail_with(x, FAILURE_FORBIDDEN, &detail);
}

static void add_member(struct bytes *out, struct slice name, struct slice value) {
  bytes_printf(out, "%s\"%.*s\":", out->len ? "," : "", (int)name.len, name.data);
  bytes_append_slice(out, value);
}

/* What every protocol has, in its own words; the rest of the defaults is invoke's. */
static void add_defaults(struct exchange *x, const struct json_member *given, struct bytes *out) {
  bool is_responses = x->route.dialect == DIALECT_RESPONSES;
  struct slice limit = is_responses ? SLICE("max_output_tokens") : SLICE("max_tokens");
  struct slice defaults = x->version->defaults;
  bool takes = x->route.endpoint == ENDPOINT_GENERATE && x->route.dialect != DIALECT_EMBEDDINGS;
  if (!takes || !defaults.len) return;
  struct slice temperature = json_find(defaults, "temperature"),
               top_p = json_find(defaults, "top_p"), most = json_find(defaults, "max_tokens");
  if (temperature.data && given[0].type == JSON_NONE)
    add_member(out, SLICE("temperature"), temperature);
  if (top_p.data && given[1].type == JSON_NONE) add_member(out, SLICE("top_p"), top_p);
  bool has_limit =
      given[2].type != JSON_NONE || given[3].type != JSON_NONE || given[4].type != JSON_NONE;
  if (most.data && !has_limit) add_member(out, limit, most);
}

static void replace_body(struct exchange *x, struct json_edits *edits) {
  struct slice pieces[JSON_PIECES_MAX];
  struct bytes body;
  size_t total, count = json_edit_pieces(edits, pieces, &total);
  bytes_init(&body);
  bytes_reserve(&body, total);
  for (size_t i = 0; i < count; i++)
    bytes_append_slice(&body, pieces[i]);
  body_replace(x, &body);
}

static void insert_members(struct exchange *x, struct slice members) {
  struct json_edits edits;
  json_edits_init(&edits, bytes_slice(&x->body));
  json_edit_insert(&edits, members);
  replace_body(x, &edits);
}

enum step_result service_apply(struct exchange *x) {
  struct json_member members[] = {{.key = SLICE("temperature")},
                                  {.key = SLICE("top_p")},
                                  {.key = SLICE("max_tokens")},
                                  {.key = SLICE("max_output_tokens")},
                                  {.key = SLICE("max_completion_tokens")},
                                  {.key = SLICE("model")}};
  enum { MEMBERS = sizeof members / sizeof *members, MODEL = MEMBERS - 1 };
  struct bytes added;
  if (x->route.is_invoke && invoke_apply(x) == STEP_FAIL) return STEP_FAIL;
  if (!json_members(bytes_slice(&x->body), members, MEMBERS, x->config->limits.json_depth, NULL))
    return STEP_NEXT;
  if (check_model(x, &members[MODEL]) == STEP_FAIL) return STEP_FAIL;
  bytes_init(&added);
  if (members[MODEL].type == JSON_NONE) {
    bytes_append_text(&added, "\"model\":");
    json_quote(&added, x->version->model);
  }
  add_defaults(x, members, &added);
  if (added.len) insert_members(x, arena_slice(&x->arena, bytes_slice(&added)));
  bytes_fini(&added);
  if (!x->version->system.len || x->route.is_invoke) return STEP_NEXT;
  return service_put_system(x, x->version);
}
