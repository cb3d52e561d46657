/* https://platform.openai.com/docs/api-reference/responses (object and streaming events). */
#include "account/meter_read.h"
#include "account/usage_json.h"

enum { STATUS, USAGE, ERROR, DETAILS, OUTPUT, SERVICE, FIELDS };

static bool ends_with(struct slice text, struct slice end) {
  return text.len >= end.len && slice_equal(slice_skip(text, text.len - end.len), end);
}

/* The response object, in a body or in a last event. */
static unsigned read_response(struct meter *m, struct slice response, bool has_new_text) {
  struct json_member f[FIELDS] = {
      [STATUS] = {.key = SLICE("status")}, [USAGE] = {.key = SLICE("usage")},
      [ERROR] = {.key = SLICE("error")},   [DETAILS] = {.key = SLICE("incomplete_details")},
      [OUTPUT] = {.key = SLICE("output")}, [SERVICE] = {.key = SLICE("service_tier")}};
  if (!json_members(response, f, FIELDS, JSON_DEPTH_MAX, NULL)) {
    m->damaged++;
    return 0;
  }
  unsigned flags = meter_set_usage(m, f[USAGE].value, true);
  usage_read_service(f[SERVICE].value, &m->usage);
  if (meter_is_set(f[ERROR].value)) flags |= METER_ERROR;
  struct slice reason = json_find(f[DETAILS].value, "reason");
  flags |= meter_set_finish(m, meter_is_set(reason) ? reason : f[STATUS].value);
  if (has_new_text && f[OUTPUT].type == JSON_ARRAY) flags |= meter_add_strings(m, f[OUTPUT].value);
  return flags;
}

unsigned meter_responses_body(struct meter *m, struct slice object) {
  uint64_t damaged = m->damaged;
  unsigned flags = read_response(m, object, true);
  return flags & METER_ERROR || m->damaged > damaged ? flags : flags | METER_END;
}

static bool is_encoded_audio(struct slice type) {
  return slice_equal(type, SLICE("response.audio.delta")) ||
         slice_equal(type, SLICE("response.output_audio.delta"));
}

static unsigned read_delta(struct meter *m, struct slice type, struct slice delta) {
  if (is_encoded_audio(type)) return json_string_raw(delta).len ? METER_CONTENT : 0;
  return meter_add_string(m, delta);
}

/* A tool call begins: its name is the first thing that a client sees of it. */
static unsigned read_item(struct meter *m, struct slice item) {
  struct slice type = json_string_raw(json_find(item, "type"));
  if (!ends_with(type, SLICE("_call"))) return 0;
  meter_add_string(m, json_find(item, "name"));
  return METER_CONTENT;
}

unsigned meter_responses_frame(struct meter *m, struct slice event_name, struct slice object) {
  struct json_member f[] = {{.key = SLICE("type")},
                            {.key = SLICE("delta")},
                            {.key = SLICE("response")},
                            {.key = SLICE("item")},
                            {.key = SLICE("error")}};
  if (!json_members(object, f, 5, JSON_DEPTH_MAX, NULL)) {
    m->damaged++;
    return 0;
  }
  struct slice type = f[0].type == JSON_STRING ? json_string_raw(f[0].value) : event_name;
  if (ends_with(type, SLICE(".delta"))) return read_delta(m, type, f[1].value);
  if (slice_equal(type, SLICE("response.output_item.added"))) return read_item(m, f[3].value);
  if (slice_equal(type, SLICE("response.image_generation_call.partial_image")))
    return METER_CONTENT;
  if (slice_equal(type, SLICE("error")) || meter_is_set(f[4].value)) return METER_ERROR;
  if (slice_equal(type, SLICE("response.failed")))
    return read_response(m, f[2].value, false) | METER_ERROR | METER_END;
  if (slice_equal(type, SLICE("response.completed")) ||
      slice_equal(type, SLICE("response.incomplete")))
    return read_response(m, f[2].value, false) | METER_END;
  return 0;
}
