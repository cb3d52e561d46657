#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "script/policy_private.h"

const struct verdict *policy_verdict(const struct policy_run *run) {
  return &run->verdict;
}

static struct slice keep(struct policy_run *run, struct slice text) {
  return arena_slice(&run->arena, text);
}

/* So many characters at most, the last of them whole. */
static struct slice shorten(struct slice text, size_t characters) {
  const char *at = text.data, *end = at + text.len;
  for (; at < end && characters > 0; characters--) {
    uint32_t point;
    size_t len = utf8_decode(at, end, &point);
    at += len ? len : 1;
  }
  return (struct slice){text.data, (size_t)(at - text.data)};
}

/* The first denial stands. It takes the place of an answer: what forbids is stronger. */
void policy_deny(struct policy_run *run, const struct policy_denial *denial) {
  struct verdict *v = &run->verdict;
  if (v->kind == VERDICT_DENY) return;
  v->kind = VERDICT_DENY;
  v->status = denial->status;
  v->code = keep(run, shorten(denial->code, POLICY_CODE_CHARACTERS));
  v->message = keep(run, shorten(denial->message, POLICY_MESSAGE_CHARACTERS));
  v->param = keep(run, shorten(denial->param, POLICY_PARAM_CHARACTERS));
  v->policy = policy_now(run)->name;
  policy_trace(run, "deny", v->message);
}

void policy_answer(struct policy_run *run, int status, struct slice text, struct slice body) {
  struct verdict *v = &run->verdict;
  if (v->kind != VERDICT_PASS) return;
  v->kind = VERDICT_ANSWER;
  v->status = status;
  v->text = keep(run, text);
  v->body = keep(run, body);
  v->policy = policy_now(run)->name;
  policy_trace(run, "answer", SLICE(""));
}

const char *policy_require_residency(struct policy_run *run, struct slice residency) {
  struct policy_requirements *r = &run->verdict.requirements;
  if (!residency.len) return "a residency has a name";
  if (r->residency.len && !slice_equal(r->residency, residency)) r->is_impossible = true;
  if (!r->residency.len) r->residency = keep(run, residency);
  return NULL;
}

static bool holds(const struct slice *names, size_t count, struct slice name) {
  for (size_t i = 0; i < count; i++)
    if (slice_equal(names[i], name)) return true;
  return false;
}

const char *policy_require_capability(struct policy_run *run, struct slice capability) {
  struct policy_requirements *r = &run->verdict.requirements;
  if (!capability.len) return "a capability has a name";
  if (holds(run->capabilities, r->capability_count, capability)) return NULL;
  if (r->capability_count == POLICY_NAMES_MAX) return "too many capabilities are required";
  run->capabilities[r->capability_count++] = keep(run, capability);
  r->capabilities = run->capabilities;
  return NULL;
}

void policy_require_context(struct policy_run *run, uint64_t tokens) {
  struct policy_requirements *r = &run->verdict.requirements;
  if (tokens > r->context_tokens) r->context_tokens = tokens;
}

const char *policy_require_providers(struct policy_run *run, const struct slice *names,
                                     size_t count) {
  struct policy_requirements *r = &run->verdict.requirements;
  size_t kept = 0;
  if (count > POLICY_NAMES_MAX) return "too many providers are named";
  if (r->only_providers) {
    for (size_t i = 0; i < r->provider_count; i++)
      if (holds(names, count, run->providers[i])) run->providers[kept++] = run->providers[i];
  } else {
    for (; kept < count; kept++)
      run->providers[kept] = keep(run, names[kept]);
  }
  r->only_providers = true;
  r->providers = run->providers;
  r->provider_count = kept;
  if (kept == 0) r->is_impossible = true;
  return NULL;
}

bool policy_requirements_met(const struct policy_requirements *r,
                             const struct policy_candidate *c) {
  if (r->is_impossible) return false;
  if (r->residency.len && !slice_equal(r->residency, c->residency)) return false;
  if (r->only_providers && !holds(r->providers, r->provider_count, c->provider)) return false;
  if (c->context_tokens && c->context_tokens < r->context_tokens) return false;
  for (size_t i = 0; i < r->capability_count; i++)
    if (!holds(c->capabilities, c->capability_count, r->capabilities[i])) return false;
  return true;
}

static bool is_clean(struct slice text) {
  for (size_t i = 0; i < text.len; i++)
    if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f) return false;
  return true;
}

const char *policy_tag(struct policy_run *run, struct slice name, struct slice value) {
  struct verdict *v = &run->verdict;
  if (!name.len || name.len > POLICY_TAG_BYTES || value.len > POLICY_TAG_BYTES)
    return "a tag's name has 1 to 128 bytes, its value 128 at most";
  if (!is_clean(name) || !is_clean(value)) return "a tag holds no control bytes";
  size_t at = 0;
  while (at < v->tag_count && !slice_equal(run->tags[at].name, name))
    at++;
  if (at == POLICY_TAGS_MAX) return "a request has 32 tags at most";
  bool is_house = policy_now(run)->is_house;
  if (run->house_tags & 1u << at && !is_house && !slice_equal(run->tags[at].value, value))
    return "this tag was set by a policy that is not the tenant's, and stays as it is";
  if (is_house) run->house_tags |= 1u << at;
  if (at < v->tag_count && slice_equal(run->tags[at].value, value)) return NULL;
  run->tags[at] = (struct policy_tag){keep(run, name), keep(run, value)};
  if (at == v->tag_count) v->tag_count++;
  v->tags = run->tags;
  return NULL;
}

const char *policy_hook_name(enum policy_hook hook) {
  static const char *const names[POLICY_HOOK_COUNT] = {
      [POLICY_ON_REQUEST] = "on_request", [POLICY_ROUTE] = "route",
      [POLICY_ON_DELTA] = "on_delta",     [POLICY_ON_REPLY] = "on_reply",
      [POLICY_ON_FINISH] = "on_finish",
  };
  return names[hook];
}
