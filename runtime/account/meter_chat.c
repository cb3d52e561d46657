#include "account/meter_read.h"
#include "account/usage_json.h"

/* The function of a tool call (or the older function_call): its name and what is there so far of
 * its arguments. */
static unsigned read_function(struct meter *m, struct slice function) {
  struct json_member parts[] = {{.key = SLICE("name")}, {.key = SLICE("arguments")}};
  if (!json_members(function, parts, 2, JSON_DEPTH_MAX, NULL)) return 0;
  return meter_add_string(m, parts[0].value) | meter_add_string(m, parts[1].value);
}

static unsigned read_tool_calls(struct meter *m, struct slice calls) {
  unsigned flags = 0;
  for (struct json_walk w = json_walk_of(calls); json_walk_next(&w);) {
    struct json_member parts[] = {{.key = SLICE("function")}, {.key = SLICE("custom")}};
    if (!json_members(w.value, parts, 2, JSON_DEPTH_MAX, NULL)) continue;
    flags |= read_function(m, parts[0].value);
    flags |= meter_add_string(m, json_find(parts[1].value, "input"));
  }
  return flags;
}

/* Mistral and others send content as a list of parts. */
static unsigned read_parts(struct meter *m, struct slice content) {
  unsigned flags = 0;
  for (struct json_walk w = json_walk_of(content); json_walk_next(&w);) {
    flags |= meter_add_string(m, json_find(w.value, "text"));
    flags |= meter_add_strings(m, json_find(w.value, "thinking"));
  }
  return flags;
}

static unsigned read_audio(struct meter *m, struct slice audio) {
  struct json_member parts[] = {{.key = SLICE("data")}, {.key = SLICE("transcript")}};
  if (!json_members(audio, parts, 2, JSON_DEPTH_MAX, NULL)) return 0;
  unsigned flags = json_string_raw(parts[0].value).len ? METER_CONTENT : 0;
  return flags | meter_add_string(m, parts[1].value);
}

enum { CONTENT, REASONING_CONTENT, REASONING, REFUSAL, TOOL_CALLS, FUNCTION_CALL, AUDIO, FIELDS };

#define MESSAGE_FIELDS                                                                             \
  {                                                                                                \
    [CONTENT] = {.key = SLICE("content")},                                                         \
    [REASONING_CONTENT] = {.key = SLICE("reasoning_content")},                                     \
    [REASONING] = {.key = SLICE("reasoning")}, [REFUSAL] = {.key = SLICE("refusal")},              \
    [TOOL_CALLS] = {.key = SLICE("tool_calls")},                                                   \
    [FUNCTION_CALL] = {.key = SLICE("function_call")}, [AUDIO] = {.key = SLICE("audio")},          \
  }

static unsigned read_message(struct meter *m, const struct json_member *f) {
  unsigned flags = 0;
  if (f[CONTENT].type == JSON_ARRAY)
    flags |= read_parts(m, f[CONTENT].value);
  else
    flags |= meter_add_string(m, f[CONTENT].value);
  /* Some servers send the same reasoning under both names. */
  unsigned reasoning = meter_add_string(m, f[REASONING_CONTENT].value);
  flags |= reasoning ? reasoning : meter_add_string(m, f[REASONING].value);
  flags |= meter_add_string(m, f[REFUSAL].value);
  if (f[TOOL_CALLS].type == JSON_ARRAY) flags |= read_tool_calls(m, f[TOOL_CALLS].value);
  if (f[FUNCTION_CALL].type == JSON_OBJECT) flags |= read_function(m, f[FUNCTION_CALL].value);
  if (f[AUDIO].type == JSON_OBJECT) flags |= read_audio(m, f[AUDIO].value);
  return flags;
}

enum { DELTA, MESSAGE, TEXT, FINISH_REASON, CHOICE };

/* What is wanted of a choice, in one pass. The addresses inside are its own: it is not copied. */
struct choice_fields {
  struct json_member delta[FIELDS], message[FIELDS], choice[CHOICE];
};

static void choice_fields_init(struct choice_fields *f) {
  *f = (struct choice_fields){.delta = MESSAGE_FIELDS,
                              .message = MESSAGE_FIELDS,
                              .choice = {[DELTA] = {.key = SLICE("delta")},
                                         [MESSAGE] = {.key = SLICE("message")},
                                         [TEXT] = {.key = SLICE("text")},
                                         [FINISH_REASON] = {.key = SLICE("finish_reason")}}};
  f->choice[DELTA].inside = f->delta;
  f->choice[MESSAGE].inside = f->message;
  f->choice[DELTA].inside_count = f->choice[MESSAGE].inside_count = FIELDS;
}

static unsigned read_choice(struct meter *m, const struct choice_fields *f) {
  unsigned flags = meter_set_finish(m, f->choice[FINISH_REASON].value) |
                   meter_add_string(m, f->choice[TEXT].value);
  if (f->choice[DELTA].type == JSON_OBJECT) return flags | read_message(m, f->delta);
  if (f->choice[MESSAGE].type == JSON_OBJECT) flags |= read_message(m, f->message);
  return flags;
}

static unsigned read_choices(struct meter *m, const struct json_member *choices,
                             struct choice_fields *f, size_t *count) {
  bool is_only = choices->type == JSON_ARRAY && choices->is_read;
  unsigned flags = 0;
  *count = is_only;
  if (is_only) return read_choice(m, f);
  for (struct json_walk w = json_walk_of(choices->value); json_walk_next(&w); ++*count)
    if (json_members(w.value, f->choice, CHOICE, JSON_DEPTH_MAX, NULL)) flags |= read_choice(m, f);
  return flags;
}

enum { CHOICES, USAGE, ERROR, KIND, GROQ, SERVICE, TOP };

static unsigned read_other_usage(struct meter *m, const struct json_member *f, unsigned flags,
                                 bool is_final) {
  if (!(flags & METER_USAGE) && f[GROQ].type == JSON_OBJECT)
    flags |= meter_set_usage(m, json_find(f[GROQ].value, "usage"), is_final);
  if (f[SERVICE].type == JSON_STRING) usage_read_service(f[SERVICE].value, &m->usage);
  return flags;
}

/* A usage that comes before the text is done (some servers send one with each chunk) is not final.
 */
static unsigned read_usage(struct meter *m, const struct json_member *f, bool is_final) {
  return read_other_usage(m, f, meter_set_usage(m, f[USAGE].value, is_final), is_final);
}

static unsigned read_chunk(struct meter *m, const struct json_member *f,
                           struct choice_fields *choice) {
  size_t choices;
  unsigned flags = read_choices(m, &f[CHOICES], choice, &choices);
  if (f[USAGE].type == JSON_NULL) m->unset_usage = f[USAGE].member;
  bool is_final = choices == 0 || ((flags | m->seen) & METER_FINISH);
  flags |= read_usage(m, f, is_final);
  return flags == METER_USAGE && choices == 0 ? flags | METER_USAGE_ONLY : flags;
}

#define TOP_FIELDS                                                                                 \
  {                                                                                                \
    [CHOICES] = {.key = SLICE("choices")}, [USAGE] = {.key = SLICE("usage")},                      \
    [ERROR] = {.key = SLICE("error")}, [KIND] = {.key = SLICE("object")},                          \
    [GROQ] = {.key = SLICE("x_groq")}, [SERVICE] = {.key = SLICE("service_tier")},                 \
  }

/* Older vLLM writes the error itself, marked by its object field. */
static bool is_failed(const struct json_member *f) {
  return meter_is_set(f[ERROR].value) || slice_equal(f[KIND].value, SLICE("\"error\""));
}

static unsigned as_error(unsigned flags) {
  return (flags & ~(unsigned)(METER_END | METER_USAGE_ONLY)) | METER_ERROR;
}

static unsigned damaged(struct meter *m) {
  m->damaged++;
  return 0;
}

static unsigned read_frame(struct meter *m, struct slice object) {
  struct json_member f[TOP] = TOP_FIELDS;
  struct choice_fields choice;
  choice_fields_init(&choice);
  f[CHOICES].inside = choice.choice;
  f[CHOICES].inside_count = CHOICE;
  if (!json_members(object, f, TOP, JSON_DEPTH_MAX, NULL)) return damaged(m);
  unsigned flags = read_chunk(m, f, &choice);
  return is_failed(f) ? as_error(flags) : flags;
}

/* Text that the provider has counted is not looked at. */
static unsigned read_finish(struct meter *m, const struct json_member *choices,
                            struct json_member *finish) {
  unsigned flags = 0;
  if (choices->type == JSON_ARRAY && choices->is_read) return meter_set_finish(m, finish->value);
  for (struct json_walk w = json_walk_of(choices->value); json_walk_next(&w);)
    if (json_members(w.value, finish, 1, JSON_DEPTH_MAX, NULL))
      flags |= meter_set_finish(m, finish->value);
  return flags;
}

static unsigned read_text(struct meter *m, struct slice choices) {
  struct json_member all = {.value = choices};
  struct choice_fields choice;
  size_t count;
  choice_fields_init(&choice);
  return read_choices(m, &all, &choice, &count);
}

/* One pass for an answer that says its usage. */
static unsigned read_body(struct meter *m, struct slice object) {
  struct json_member f[TOP] = TOP_FIELDS, finish = {.key = SLICE("finish_reason")};
  struct usage_chat usage;
  usage_chat_init(&usage);
  f[USAGE].inside = usage.top;
  f[USAGE].inside_count = USAGE_CHAT_FIELDS;
  f[CHOICES].inside = &finish;
  f[CHOICES].inside_count = 1;
  if (!json_members(object, f, TOP, JSON_DEPTH_MAX, NULL)) return damaged(m);
  unsigned flags = METER_END;
  if (f[USAGE].type == JSON_OBJECT && usage_chat_take(&usage, &m->usage))
    flags |= meter_has_usage(m, true);
  flags = read_other_usage(m, f, flags, true);
  flags |=
      m->usage_is_final ? read_finish(m, &f[CHOICES], &finish) : read_text(m, f[CHOICES].value);
  return is_failed(f) ? as_error(flags) : flags;
}

/* https://platform.openai.com/docs/api-reference/chat (object and streaming), and completions. */
unsigned meter_chat(struct meter *m, struct slice object, bool is_body) {
  return is_body ? read_body(m, object) : read_frame(m, object);
}

/* https://platform.openai.com/docs/api-reference/embeddings/object */
unsigned meter_embeddings(struct meter *m, struct slice object) {
  struct json_member f[] = {
      {.key = SLICE("data")}, {.key = SLICE("usage")}, {.key = SLICE("error")}};
  if (!json_members(object, f, 3, JSON_DEPTH_MAX, NULL)) {
    m->damaged++;
    return 0;
  }
  if (meter_is_set(f[2].value)) return METER_ERROR;
  struct json_walk w = json_walk_of(f[0].value);
  unsigned content = f[0].type == JSON_ARRAY && json_walk_next(&w) ? METER_CONTENT : 0;
  return meter_set_usage(m, f[1].value, true) | content | METER_END;
}
