#include "exchange/story.h"

void story_leave_out(struct exchange *x, const struct model_target *target, enum left_out why) {
  struct left_target *left = arena_alloc(&x->arena, sizeof *left);
  *left = (struct left_target){NULL, target, why};
  struct left_target **end = &x->left_out;
  while (*end)
    end = &(*end)->next;
  *end = left;
}

static void write_target(struct exchange *x, const struct model_target *target, struct bytes *out) {
  struct slice parts[] = {target->provider->name, SLICE("/"), target->model};
  json_quote(out, arena_join(&x->arena, parts, 3));
}

static void write_left_out(struct exchange *x, struct bytes *out) {
  static const char *const words[] = {
#define LEFT_OUT(name, word, sentence) word,
#include "model/left_out.def"
#undef LEFT_OUT
  };
  const char *between = ",\"left_out\":[";
  for (const struct left_target *left = x->left_out; left; left = left->next) {
    bytes_append_text(out, between);
    bytes_append_text(out, "{\"target\":");
    write_target(x, left->target, out);
    bytes_printf(out, ",\"why\":\"%s\"}", words[left->why]);
    between = ",";
  }
  if (x->left_out) bytes_append_byte(out, ']');
}

/* Those that came after the one that answered. */
static void write_unused(struct exchange *x, struct bytes *out) {
  size_t first = x->record_count ? x->candidate + 1 : 0;
  const char *between = ",\"unused\":[";
  for (size_t i = first; i < x->candidate_count; i++) {
    bytes_append_text(out, between);
    write_target(x, x->candidates[i], out);
    between = ",";
  }
  if (first < x->candidate_count) bytes_append_byte(out, ']');
}

struct slice story_write(struct exchange *x, struct slice policies) {
  bool has_strategy = x->strategy && policy_trace_count(x->strategy);
  bool has_unused = x->candidate_count > (x->record_count ? x->candidate + 1 : 0);
  if (!x->ended_at && !x->left_out && !has_strategy && !has_unused) return policies;
  struct bytes *out = &x->host->scratch;
  bytes_clear(out);
  if (x->ended_at)
    bytes_printf(out, ",\"step\":\"%s\"", exchange_step_name((enum step)(x->ended_at - 1)));
  write_left_out(x, out);
  write_unused(x, out);
  if (has_strategy) {
    bytes_append_text(out, ",\"strategy\":");
    policy_trace_json(x->strategy, out);
  }
  if (policies.len) {
    bytes_append_text(out, ",\"policies\":");
    bytes_append_slice(out, policies);
  }
  out->data[0] = '{';
  bytes_append_byte(out, '}');
  return arena_slice(&x->arena, bytes_slice(out));
}
