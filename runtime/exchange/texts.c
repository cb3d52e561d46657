#include "exchange/texts_private.h"

enum { SUMMARY = 0x8000 }; /* keeps summaries apart from reasoning of the same item */

static int by_place(const void *a, const void *b) {
  const struct splice *x = a, *y = b;
  return x->old.data < y->old.data ? -1 : x->old.data > y->old.data;
}

struct slice splice_all(struct slice text, struct splice *splices, size_t count,
                        struct arena *arena) {
  if (count == 0) return text;
  qsort(splices, count, sizeof *splices, by_place);
  struct bytes out;
  bytes_init(&out);
  const char *at = text.data;
  for (size_t i = 0; i < count; i++) {
    bytes_append(&out, at, (size_t)(splices[i].old.data - at));
    bytes_append_slice(&out, splices[i].new);
    at = splices[i].old.data + splices[i].old.len;
  }
  bytes_append(&out, at, (size_t)(text.data + text.len - at));
  struct slice kept = arena_slice(arena, bytes_slice(&out));
  bytes_fini(&out);
  return kept;
}

void texts_fini(struct texts *t) {
  free(t->pieces);
  *t = (struct texts){0};
}

struct text_piece *texts_add(struct texts *t, enum policy_channel channel, uint32_t index,
                             struct slice token) {
  if (t->count == t->room) {
    t->room = t->room ? t->room * 2 : 8;
    struct text_piece *grown = must_calloc(t->room, sizeof *grown);
    if (t->count) memcpy(grown, t->pieces, t->count * sizeof *grown);
    free(t->pieces);
    t->pieces = grown;
  }
  t->pieces[t->count] = (struct text_piece){channel, index, token, {"", 0}, false, false};
  return &t->pieces[t->count++];
}

static struct text_piece *add_string(struct texts *t, enum policy_channel channel, uint32_t index,
                                     struct slice token) {
  return json_type(token) == JSON_STRING ? texts_add(t, channel, index, token) : NULL;
}

static void end_window(struct texts *t, uint32_t mask, uint32_t value) {
  if (t->end_count == TEXT_ENDS_MAX) {
    t->ends[0] = (struct text_end){0, 0}; /* more than anyone sends at once: all of them end */
    return;
  }
  t->ends[t->end_count++] = (struct text_end){mask, value};
}

static uint32_t number_at(struct slice object, const char *key, uint32_t otherwise) {
  uint64_t value;
  return json_to_u64(json_find(object, key), &value) ? (uint32_t)(value & 0x7fff) : otherwise;
}

static bool key_is(const struct json_walk *w, const char *key) {
  return json_key_equal(w->key, slice_of(key));
}

/* Chat: message of a reply and delta of a chunk have the same members. */

static void add_chat_call(struct texts *t, uint32_t window, struct slice call) {
  for (struct json_walk w = json_walk_of(call); json_walk_next(&w);) {
    if (key_is(&w, "function"))
      add_string(t, POLICY_CHANNEL_TOOL_ARGUMENTS, window, json_find(w.value, "arguments"));
    else if (key_is(&w, "custom"))
      add_string(t, POLICY_CHANNEL_TOOL_ARGUMENTS, window, json_find(w.value, "input"));
  }
}

static void add_chat_calls(struct texts *t, uint32_t choice, struct slice calls) {
  uint32_t position = 0;
  for (struct json_walk w = json_walk_of(calls); json_walk_next(&w); position++)
    add_chat_call(t, choice << 16 | number_at(w.value, "index", position), w.value);
}

/* What reasoning has to be sent back as repeats it: a window for each part. */
static void add_reasoning_details(struct texts *t, uint32_t choice, struct slice details) {
  uint32_t position = 0;
  for (struct json_walk w = json_walk_of(details); json_walk_next(&w); position++) {
    uint32_t part = number_at(w.value, "index", position) & 0x3fff;
    add_string(t, POLICY_CHANNEL_REASONING, choice << 16 | SUMMARY | part,
               json_find(w.value, "text"));
    add_string(t, POLICY_CHANNEL_REASONING, choice << 16 | SUMMARY | 0x4000 | part,
               json_find(w.value, "summary"));
  }
}

static void add_message(struct texts *t, uint32_t choice, struct slice message) {
  for (struct json_walk w = json_walk_of(message); json_walk_next(&w);) {
    if (key_is(&w, "content"))
      add_string(t, POLICY_CHANNEL_TEXT, choice << 16, w.value);
    else if (key_is(&w, "reasoning_content") || key_is(&w, "reasoning"))
      add_string(t, POLICY_CHANNEL_REASONING, choice << 16, w.value);
    else if (key_is(&w, "reasoning_details"))
      add_reasoning_details(t, choice, w.value);
    else if (key_is(&w, "refusal"))
      add_string(t, POLICY_CHANNEL_REFUSAL, choice << 16, w.value);
    else if (key_is(&w, "tool_calls"))
      add_chat_calls(t, choice, w.value);
    else if (key_is(&w, "function_call"))
      add_string(t, POLICY_CHANNEL_TOOL_ARGUMENTS, choice << 16, json_find(w.value, "arguments"));
    else if (key_is(&w, "audio"))
      add_string(t, POLICY_CHANNEL_TEXT, choice << 16 | SUMMARY, json_find(w.value, "transcript"));
  }
}

static void add_choice(struct texts *t, struct slice choice, uint32_t position) {
  uint32_t index = number_at(choice, "index", position);
  size_t before = t->count;
  struct slice logprobs = {"", 0};
  for (struct json_walk w = json_walk_of(choice); json_walk_next(&w);) {
    if (key_is(&w, "delta") || key_is(&w, "message"))
      add_message(t, index, w.value);
    else if (key_is(&w, "text"))
      add_string(t, POLICY_CHANNEL_TEXT, index << 16, w.value);
    else if (key_is(&w, "logprobs") && json_type(w.value) == JSON_OBJECT)
      logprobs = w.value;
    else if (key_is(&w, "finish_reason") && json_type(w.value) == JSON_STRING)
      end_window(t, 0xffff0000u, index << 16);
  }
  for (size_t i = before; i < t->count; i++)
    t->pieces[i].logprobs = logprobs;
}

static void scan_choices(struct texts *t, struct slice data) {
  uint32_t position = 0;
  for (struct json_walk w = json_walk_of(json_find(data, "choices")); json_walk_next(&w);
       position++)
    add_choice(t, w.value, position);
}

/* Messages. */

static void add_block(struct texts *t, uint32_t window, struct slice block) {
  for (struct json_walk w = json_walk_of(block); json_walk_next(&w);) {
    if (key_is(&w, "text"))
      add_string(t, POLICY_CHANNEL_TEXT, window, w.value);
    else if (key_is(&w, "thinking"))
      add_string(t, POLICY_CHANNEL_REASONING, window, w.value);
    else if (key_is(&w, "partial_json"))
      add_string(t, POLICY_CHANNEL_TOOL_ARGUMENTS, window, w.value);
  }
}

static void add_input(struct texts *t, uint32_t window, struct slice block) {
  struct slice input = json_find(block, "input");
  if (json_type(input) == JSON_OBJECT)
    texts_add(t, POLICY_CHANNEL_TOOL_ARGUMENTS, window, input)->is_raw = true;
}

static void scan_messages_event(struct texts *t, const struct text_event *event) {
  uint32_t window = number_at(event->data, "index", 0) << 16;
  if (slice_equal(event->name, SLICE("content_block_delta")))
    add_block(t, window, json_find(event->data, "delta"));
  else if (slice_equal(event->name, SLICE("content_block_start")))
    add_block(t, window, json_find(event->data, "content_block"));
  else if (slice_equal(event->name, SLICE("content_block_stop")))
    end_window(t, 0xffff0000u, window);
  else if (slice_equal(event->name, SLICE("message_stop")) ||
           slice_equal(event->name, SLICE("error")))
    t->ends_all = true;
}

static void scan_messages_reply(struct texts *t, struct slice body) {
  uint32_t position = 0;
  for (struct json_walk w = json_walk_of(json_find(body, "content")); json_walk_next(&w);
       position++) {
    add_block(t, position << 16, w.value);
    add_input(t, position << 16, w.value);
  }
}

/* Responses. */

static void mark_whole(struct texts *t, size_t from) {
  for (size_t i = from; i < t->count; i++)
    t->pieces[i].is_whole = true;
}

static void add_content_part(struct texts *t, uint32_t window, struct slice part) {
  bool reasons = slice_equal(json_find(part, "type"), SLICE("\"reasoning_text\""));
  for (struct json_walk w = json_walk_of(part); json_walk_next(&w);) {
    if (key_is(&w, "text"))
      add_string(t, reasons ? POLICY_CHANNEL_REASONING : POLICY_CHANNEL_TEXT, window, w.value);
    else if (key_is(&w, "refusal"))
      add_string(t, POLICY_CHANNEL_REFUSAL, window, w.value);
  }
}

static void add_parts(struct texts *t, uint32_t item, struct slice parts, bool is_summary) {
  uint32_t position = 0;
  for (struct json_walk w = json_walk_of(parts); json_walk_next(&w); position++) {
    if (is_summary)
      add_string(t, POLICY_CHANNEL_REASONING, item << 16 | SUMMARY | position,
                 json_find(w.value, "text"));
    else
      add_content_part(t, item << 16 | position, w.value);
  }
}

static void add_item(struct texts *t, uint32_t item, struct slice value) {
  for (struct json_walk w = json_walk_of(value); json_walk_next(&w);) {
    if (key_is(&w, "content"))
      add_parts(t, item, w.value, false);
    else if (key_is(&w, "summary"))
      add_parts(t, item, w.value, true);
    else if (key_is(&w, "arguments") || key_is(&w, "input") || key_is(&w, "code"))
      add_string(t, POLICY_CHANNEL_TOOL_ARGUMENTS, item << 16, w.value);
  }
}

static void add_output(struct texts *t, struct slice response) {
  uint32_t position = 0;
  for (struct json_walk w = json_walk_of(json_find(response, "output")); json_walk_next(&w);
       position++)
    add_item(t, position, w.value);
  /* Some servers, and the SDKs' own objects, repeat all text here. */
  add_string(t, POLICY_CHANNEL_TEXT, 0xffff0000u, json_find(response, "output_text"));
}

/* Events whose words stand in one member. */
static const struct plain_event {
  const char *name, *member;
  enum policy_channel channel;
  uint32_t part; /* added to the index */
  bool is_whole;
} plain_events[] = {
    {"response.output_text.delta", "delta", POLICY_CHANNEL_TEXT, 0, false},
    {"response.output_text.done", "text", POLICY_CHANNEL_TEXT, 0, true},
    {"response.refusal.delta", "delta", POLICY_CHANNEL_REFUSAL, 0, false},
    {"response.refusal.done", "refusal", POLICY_CHANNEL_REFUSAL, 0, true},
    {"response.reasoning_text.delta", "delta", POLICY_CHANNEL_REASONING, 0, false},
    {"response.reasoning_text.done", "text", POLICY_CHANNEL_REASONING, 0, true},
    {"response.reasoning_summary_text.delta", "delta", POLICY_CHANNEL_REASONING, SUMMARY, false},
    {"response.reasoning_summary_text.done", "text", POLICY_CHANNEL_REASONING, SUMMARY, true},
    {"response.function_call_arguments.delta", "delta", POLICY_CHANNEL_TOOL_ARGUMENTS, 0, false},
    {"response.function_call_arguments.done", "arguments", POLICY_CHANNEL_TOOL_ARGUMENTS, 0, true},
    {"response.custom_tool_call_input.delta", "delta", POLICY_CHANNEL_TOOL_ARGUMENTS, 0, false},
    {"response.custom_tool_call_input.done", "input", POLICY_CHANNEL_TOOL_ARGUMENTS, 0, true},
    {"response.mcp_call_arguments.delta", "delta", POLICY_CHANNEL_TOOL_ARGUMENTS, 0, false},
    {"response.mcp_call_arguments.done", "arguments", POLICY_CHANNEL_TOOL_ARGUMENTS, 0, true},
    {"response.code_interpreter_call_code.delta", "delta", POLICY_CHANNEL_TOOL_ARGUMENTS, 0, false},
    {"response.code_interpreter_call_code.done", "code", POLICY_CHANNEL_TOOL_ARGUMENTS, 0, true},
    {"response.audio.transcript.delta", "delta", POLICY_CHANNEL_TEXT, SUMMARY, false},
};

static bool scan_plain(struct texts *t, const struct text_event *event) {
  for (size_t i = 0; i < sizeof plain_events / sizeof *plain_events; i++) {
    const struct plain_event *p = &plain_events[i];
    if (!slice_equal_text(event->name, p->name)) continue;
    uint32_t part = number_at(event->data, p->part ? "summary_index" : "content_index", 0);
    uint32_t window = number_at(event->data, "output_index", 0) << 16 | p->part | part;
    struct text_piece *piece = add_string(t, p->channel, window, json_find(event->data, p->member));
    if (piece) piece->is_whole = p->is_whole;
    struct slice logprobs = json_find(event->data, "logprobs");
    if (piece && json_type(logprobs) == JSON_ARRAY) piece->logprobs = logprobs;
    if (p->is_whole) end_window(t, 0xffffffffu, window);
    return true;
  }
  return false;
}

static void scan_responses_event(struct texts *t, const struct text_event *event) {
  if (scan_plain(t, event)) return;
  uint32_t item = number_at(event->data, "output_index", 0);
  struct slice part = json_find(event->data, "part"), value = json_find(event->data, "item");
  struct slice response = json_find(event->data, "response");
  if (part.data)
    add_content_part(t,
                     slice_starts(event->name, SLICE("response.reasoning_summary_part"))
                         ? item << 16 | SUMMARY | number_at(event->data, "summary_index", 0)
                         : item << 16 | number_at(event->data, "content_index", 0),
                     part);
  else if (value.data)
    add_item(t, item, value);
  else if (response.data)
    add_output(t, response);
  mark_whole(t, 0);
  if (slice_equal(event->name, SLICE("response.output_item.done")))
    end_window(t, 0xffff0000u, item << 16);
  t->ends_all = slice_equal(event->name, SLICE("response.completed")) ||
                slice_equal(event->name, SLICE("response.incomplete")) ||
                slice_equal(event->name, SLICE("response.failed")) ||
                slice_equal(event->name, SLICE("error"));
}

/* A response repeats the request, too: only its output is the model's. */
static void add_response_others(struct texts *t, struct slice data) {
  struct slice response = json_find(data, "response");
  texts_add_others(t, response.data ? json_find(response, "output") : data);
}

static void begin(struct texts *t) {
  t->count = t->end_count = 0;
  t->ends_all = false;
}

void texts_of_event(struct texts *t, enum dialect dialect, const struct text_event *event) {
  begin(t);
  switch (dialect) {
  case DIALECT_CHAT:
  case DIALECT_COMPLETIONS:
    t->ends_all =
        slice_equal(event->data, SLICE("[DONE]")) || json_find(event->data, "error").data != NULL;
    if (t->ends_all) return;
    scan_choices(t, event->data);
    texts_add_others(t, event->data);
    return;
  case DIALECT_MESSAGES:
    scan_messages_event(t, event);
    texts_add_others(t, event->data);
    return;
  case DIALECT_RESPONSES:
    scan_responses_event(t, event);
    add_response_others(t, event->data);
    return;
  case DIALECT_EMBEDDINGS:
  case DIALECT_COUNT: return;
  }
}

void texts_of_reply(struct texts *t, enum dialect dialect, struct slice body) {
  begin(t);
  switch (dialect) {
  case DIALECT_CHAT:
  case DIALECT_COMPLETIONS:
    scan_choices(t, body);
    texts_add_others(t, body);
    return;
  case DIALECT_MESSAGES:
    scan_messages_reply(t, body);
    texts_add_others(t, body);
    return;
  case DIALECT_RESPONSES:
    add_output(t, body);
    texts_add_others(t, json_find(body, "output"));
    return;
  case DIALECT_EMBEDDINGS:
  case DIALECT_COUNT: return;
  }
}
