#include "exchange/clamp.h"

#include <inttypes.h>

/* OpenAI's API reference, Responses, max_output_tokens. */
enum { RESPONSES_LEAST = 16 };

uint64_t clamp_tokens(const struct exchange *x, const struct model_target *target) {
  if (!x->config->reserve_clamp || !x->most_output || x->route.endpoint != ENDPOINT_GENERATE ||
      x->route.dialect == DIALECT_EMBEDDINGS)
    return 0;
  struct limit_request request = x->claim;
  request.provider = target->provider->name;
  return x->is_bounded || limiter_bounds_output(x->host->limiter, &request) ? x->most_output : 0;
}

void clamp_note(struct exchange *x, struct slice name, uint64_t tokens) {
  char figure[24];
  int len = snprintf(figure, sizeof figure, "=%" PRIu64, tokens);
  x->clamped =
      arena_join(&x->arena, (struct slice[]){name, (struct slice){figure, (size_t)len}}, 2);
}

/* Anthropic's messages have to name a figure: one without is the provider's to refuse. */
static struct slice name_for(const struct exchange *x, const struct model_target *target) {
  switch (x->route.dialect) {
  case DIALECT_MESSAGES: return (struct slice){"", 0};
  case DIALECT_RESPONSES: return SLICE("max_output_tokens");
  case DIALECT_CHAT: return adapter_limit_name(x->adapter, target->provider->preset);
  default: return SLICE("max_tokens");
  }
}

static struct slice figure_of(struct exchange *x, uint64_t tokens) {
  char figure[24];
  int len = snprintf(figure, sizeof figure, "%" PRIu64, tokens);
  return arena_slice(&x->arena, (struct slice){figure, (size_t)len});
}

/* Whether the client named a figure at all. */
static bool lower(struct exchange *x, const struct json_member *members, size_t count,
                  uint64_t tokens, struct json_edits *edits) {
  bool has_figure = false;
  for (size_t i = 0; i < count; i++) {
    uint64_t asked;
    if (members[i].type != JSON_NUMBER || !json_to_u64(members[i].value, &asked)) continue;
    has_figure = true;
    if (asked <= tokens) continue;
    json_edit_replace(edits, members[i].value, figure_of(x, tokens));
    clamp_note(x, members[i].key, tokens);
  }
  return has_figure;
}

struct slice clamp_native(struct exchange *x, const struct model_target *target,
                          struct json_edits *edits) {
  enum { NAMES = 3 };
  struct json_member members[NAMES] = {{.key = SLICE("max_tokens")},
                                       {.key = SLICE("max_completion_tokens")},
                                       {.key = SLICE("max_output_tokens")}};
  const struct slice nothing = {"", 0};
  uint64_t tokens = clamp_tokens(x, target);
  if (!tokens) return nothing;
  if (x->route.dialect == DIALECT_RESPONSES && tokens < RESPONSES_LEAST) tokens = RESPONSES_LEAST;
  (void)!json_members(edits->text, members, NAMES, JSON_DEPTH_MAX, NULL);
  struct slice name = name_for(x, target);
  if (lower(x, members, NAMES, tokens, edits) || !name.len) return nothing;
  clamp_note(x, name, tokens);
  for (size_t i = 0; i < NAMES; i++)
    if (slice_equal(members[i].key, name) && members[i].type != JSON_NONE) {
      json_edit_replace(edits, members[i].value, figure_of(x, tokens));
      return nothing;
    }
  return arena_join(&x->arena,
                    (struct slice[]){SLICE("\""), name, SLICE("\":"), figure_of(x, tokens)}, 4);
}
