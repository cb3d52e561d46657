#include "account/meter.h"

#include <string.h>

#include "account/meter_read.h"
#include "account/usage_json.h"
#include "model/plain_delta.h"

void meter_init(struct meter *m, enum dialect format) {
  *m = (struct meter){.format = format};
  bytes_init(&m->scratch);
}

void meter_fini(struct meter *m) {
  bytes_fini(&m->scratch);
}

bool meter_is_set(struct slice value) {
  enum json_type type = json_type(value);
  return type != JSON_NONE && type != JSON_NULL;
}

/* text stands between the quotes of a string. */
static unsigned add_text(struct meter *m, struct slice text, bool escaped) {
  if (escaped) {
    bytes_clear(&m->scratch);
    json_unescape(text, &m->scratch);
    text = bytes_slice(&m->scratch);
  }
  m->output_bytes += text.len;
  if (m->usage_is_final) return METER_CONTENT;
  if (m->text.on_text)
    m->text.on_text(text, m->text.user);
  else
    estimate_feed(&m->output, text);
  return METER_CONTENT;
}

unsigned meter_add_string(struct meter *m, struct slice value) {
  struct slice text = json_string_raw(value);
  if (text.len == 0) return 0;
  return add_text(m, text, memchr(text.data, '\\', text.len) != NULL);
}

unsigned meter_add_strings(struct meter *m, struct slice value) {
  enum json_type type = json_type(value);
  if (type == JSON_STRING) return meter_add_string(m, value);
  if ((type != JSON_OBJECT && type != JSON_ARRAY) || value.len <= 2) return 0;
  m->output_bytes += value.len;
  if (m->usage_is_final) return METER_CONTENT;
  if (m->text.on_text)
    m->text.on_text(value, m->text.user);
  else
    (void)estimate_json(&m->output, value);
  return METER_CONTENT;
}

unsigned meter_set_finish(struct meter *m, struct slice value) {
  struct slice word = json_string_raw(value);
  if (word.len == 0) return 0;
  size_t len = word.len < sizeof m->finish ? word.len : sizeof m->finish - 1;
  memcpy(m->finish, word.data, len);
  m->finish[len] = 0;
  return METER_FINISH;
}

unsigned meter_set_usage(struct meter *m, struct slice value, bool is_final) {
  if (!value.data || !usage_read(m->format, value, &m->usage)) return 0;
  return meter_has_usage(m, is_final);
}

unsigned meter_has_usage(struct meter *m, bool is_final) {
  m->has_usage = true;
  m->usage_is_final |= is_final;
  m->output_bytes_at_usage = m->output_bytes;
  /* An Anthropic stream begins with a placeholder for the output, not with a count. */
  if (m->format != DIALECT_MESSAGES) {
    m->output = (struct estimate){0};
    m->output_before = m->usage.output;
  }
  return METER_USAGE;
}

static unsigned read_frame(struct meter *m, struct slice event_name, struct slice object) {
  struct plain_delta plain;
  if (plain_delta_read(m->format, object, &plain)) {
    m->unset_usage = plain.unset_usage;
    return add_text(m, plain.text, plain.escaped);
  }
  switch (m->format) {
  case DIALECT_RESPONSES: return meter_responses_frame(m, event_name, object);
  case DIALECT_MESSAGES: return meter_messages_frame(m, event_name, object);
  case DIALECT_EMBEDDINGS: return meter_embeddings(m, object);
  default: return meter_chat(m, object, false);
  }
}

unsigned meter_frame(struct meter *m, struct slice event_name, struct slice data) {
  unsigned flags;
  data = slice_trim(data);
  m->unset_usage = (struct slice){NULL, 0};
  if (slice_equal(data, SLICE("[DONE]"))) {
    flags = METER_END;
  } else {
    m->frames++;
    flags = read_frame(m, event_name, data);
  }
  m->seen |= flags;
  return flags;
}

unsigned meter_body(struct meter *m, struct slice body) {
  unsigned flags;
  m->frames++;
  switch (m->format) {
  case DIALECT_RESPONSES: flags = meter_responses_body(m, body); break;
  case DIALECT_MESSAGES: flags = meter_messages_body(m, body); break;
  case DIALECT_EMBEDDINGS: flags = meter_embeddings(m, body); break;
  default: flags = meter_chat(m, body, true); break;
  }
  flags &= ~(unsigned)METER_CONTENT;
  m->seen |= flags;
  return flags;
}

static bool is_exact(const struct meter *m) {
  if (!m->has_usage) return false;
  bool covers_text = m->output_bytes == m->output_bytes_at_usage;
  return m->usage_is_final || (covers_text && m->format != DIALECT_MESSAGES);
}

enum usage_source meter_settle(const struct meter *m, uint64_t prompt_estimate,
                               uint64_t output_tokens, struct usage *out) {
  *out = m->usage;
  if (is_exact(m)) return USAGE_PROVIDER;
  uint64_t guess = m->text.on_text ? output_tokens : m->output_before + estimate_tokens(&m->output);
  if (!m->has_usage) out->input = prompt_estimate;
  if (out->output < guess) out->output = guess;
  return out->output || usage_prompt_tokens(out) ? USAGE_ESTIMATED : USAGE_NONE;
}
