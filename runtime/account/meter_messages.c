/* https://docs.anthropic.com/en/api/messages and /en/docs/build-with-claude/streaming. */
#include "account/meter_read.h"

static unsigned read_block(struct meter *m, struct slice block) {
  enum { TYPE, TEXT, THINKING, NAME, INPUT, FIELDS };
  struct json_member f[FIELDS] = {[TYPE] = {.key = SLICE("type")},
                                  [TEXT] = {.key = SLICE("text")},
                                  [THINKING] = {.key = SLICE("thinking")},
                                  [NAME] = {.key = SLICE("name")},
                                  [INPUT] = {.key = SLICE("input")}};
  if (!json_members(block, f, FIELDS, JSON_DEPTH_MAX, NULL)) return 0;
  if (slice_equal(f[TYPE].value, SLICE("\"redacted_thinking\""))) return METER_CONTENT;
  unsigned flags = meter_add_string(m, f[TEXT].value) | meter_add_string(m, f[THINKING].value);
  flags |= meter_add_string(m, f[NAME].value);
  return flags | (f[INPUT].type == JSON_OBJECT ? meter_add_strings(m, f[INPUT].value) : 0);
}

static unsigned read_delta(struct meter *m, struct slice delta) {
  struct json_member f[] = {
      {.key = SLICE("text")}, {.key = SLICE("partial_json")}, {.key = SLICE("thinking")}};
  if (!json_members(delta, f, 3, JSON_DEPTH_MAX, NULL)) return 0;
  return meter_add_string(m, f[0].value) | meter_add_string(m, f[1].value) |
         meter_add_string(m, f[2].value);
}

unsigned meter_messages_frame(struct meter *m, struct slice event_name, struct slice object) {
  struct json_member f[] = {{.key = SLICE("type")},
                            {.key = SLICE("delta")},
                            {.key = SLICE("usage")},
                            {.key = SLICE("message")},
                            {.key = SLICE("content_block")}};
  if (!json_members(object, f, 5, JSON_DEPTH_MAX, NULL)) {
    m->damaged++;
    return 0;
  }
  struct slice type = f[0].type == JSON_STRING ? json_string_raw(f[0].value) : event_name;
  if (slice_equal(type, SLICE("content_block_delta"))) return read_delta(m, f[1].value);
  if (slice_equal(type, SLICE("content_block_start"))) return read_block(m, f[4].value);
  if (slice_equal(type, SLICE("message_start")))
    return meter_set_usage(m, json_find(f[3].value, "usage"), false);
  if (slice_equal(type, SLICE("message_delta")))
    return meter_set_usage(m, f[2].value, true) |
           meter_set_finish(m, json_find(f[1].value, "stop_reason"));
  if (slice_equal(type, SLICE("message_stop"))) return METER_END;
  return slice_equal(type, SLICE("error")) ? METER_ERROR : 0;
}

unsigned meter_messages_body(struct meter *m, struct slice object) {
  struct json_member f[] = {{.key = SLICE("type")},
                            {.key = SLICE("content")},
                            {.key = SLICE("usage")},
                            {.key = SLICE("stop_reason")}};
  if (!json_members(object, f, 4, JSON_DEPTH_MAX, NULL)) {
    m->damaged++;
    return 0;
  }
  if (slice_equal(f[0].value, SLICE("\"error\""))) return METER_ERROR;
  unsigned flags = meter_set_usage(m, f[2].value, true) | meter_set_finish(m, f[3].value);
  if (f[1].type == JSON_ARRAY)
    for (struct json_walk w = json_walk_of(f[1].value); json_walk_next(&w);)
      flags |= read_block(m, w.value);
  return flags | METER_END;
}
