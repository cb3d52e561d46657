#include "script/body_keys.h"

#include "base/json.h"

enum { LONGEST = 20, ESCAPE_BYTES = 6 };

#define KEY(name, meaning)                                                                         \
  if (memcmp(key, name, sizeof(name) - 1) == 0) return meaning

static uint32_t short_key(const char *key, size_t len) {
  enum { PROTOCOL = BODY_KEY_PROTOCOL };
  switch (len) {
  case 2: KEY("id", BODY_KEY_ID); break;
  case 4:
    KEY("type", PROTOCOL);
    KEY("role", PROTOCOL);
    KEY("text", BODY_KEY_SCHEMA); /* responses: {"format":{"schema":…}} */
    KEY("user", BODY_KEY_METADATA);
    break;
  case 5:
    KEY("model", PROTOCOL);
    KEY("betas", PROTOCOL);
    KEY("tools", BODY_KEY_SCHEMA);
    KEY("input", BODY_KEY_INPUT);
    KEY("image", BODY_KEY_MEDIA);
    KEY("audio", BODY_KEY_MEDIA);
    break;
  case 6:
    KEY("prompt", BODY_KEY_PROMPT);
    KEY("output", BODY_KEY_RESULT);
    KEY("source", BODY_KEY_SOURCE);
    KEY("system", BODY_KEY_SYSTEM);
    KEY("status", PROTOCOL);
    KEY("object", PROTOCOL);
    KEY("detail", PROTOCOL);
    KEY("effort", PROTOCOL);
    KEY("suffix", BODY_KEY_SUFFIX);
    break;
  case 7:
    KEY("call_id", BODY_KEY_ID);
    KEY("include", PROTOCOL);
    KEY("file_id", BODY_KEY_MEDIA);
    break;
  case 8:
    KEY("messages", BODY_KEY_MESSAGES);
    KEY("metadata", BODY_KEY_METADATA);
    KEY("thinking", BODY_KEY_REASONING);
    KEY("b64_json", BODY_KEY_MEDIA);
    break;
  default: break;
  }
  return 0;
}

static uint32_t long_key(const char *key, size_t len) {
  enum { PROTOCOL = BODY_KEY_PROTOCOL };
  switch (len) {
  case 9:
    KEY("arguments", BODY_KEY_ARGUMENTS);
    KEY("image_url", BODY_KEY_MEDIA);
    KEY("file_data", BODY_KEY_MEDIA);
    KEY("reasoning", BODY_KEY_REASONING);
    KEY("functions", BODY_KEY_SCHEMA);
    KEY("signature", PROTOCOL | BODY_KEY_SEAL);
    KEY("verbosity", PROTOCOL);
    break;
  case 10:
    KEY("media_type", PROTOCOL);
    KEY("modalities", PROTOCOL);
    KEY("truncation", PROTOCOL);
    KEY("prediction", BODY_KEY_PREDICTION);
    break;
  case 11:
    KEY("tool_choice", PROTOCOL);
    KEY("tool_use_id", BODY_KEY_ID);
    KEY("input_audio", BODY_KEY_MEDIA);
    break;
  case 12:
    KEY("tool_call_id", BODY_KEY_ID);
    KEY("service_tier", PROTOCOL);
    KEY("instructions", BODY_KEY_SYSTEM);
    break;
  case 13:
    KEY("cache_control", PROTOCOL);
    KEY("output_format", BODY_KEY_SCHEMA);
    KEY("output_config", BODY_KEY_SCHEMA);
    break;
  default: break;
  }
  return 0;
}

static uint32_t longest_key(const char *key, size_t len) {
  enum { PROTOCOL = BODY_KEY_PROTOCOL };
  switch (len) {
  case 15:
    KEY("encoding_format", PROTOCOL);
    KEY("response_format", BODY_KEY_SCHEMA);
    break;
  case 16: KEY("reasoning_effort", PROTOCOL); break;
  case 17:
    KEY("encrypted_content", PROTOCOL | BODY_KEY_SEAL);
    KEY("reasoning_content", BODY_KEY_REASONING);
    KEY("safety_identifier", BODY_KEY_METADATA);
    break;
  case LONGEST: KEY("previous_response_id", BODY_KEY_ID); break;
  default: break;
  }
  return 0;
}

static uint32_t plain_key(struct slice key) {
  if (key.len <= 8) return short_key(key.data, key.len);
  return key.len <= 13 ? long_key(key.data, key.len) : longest_key(key.data, key.len);
}

uint32_t body_key_meaning(struct slice raw) {
  if (raw.len == 0 || raw.len > LONGEST * ESCAPE_BYTES) return 0;
  uint32_t meaning = plain_key(raw);
  if (meaning || !memchr(raw.data, '\\', raw.len)) return meaning;
  struct bytes text;
  bytes_init(&text);
  json_unescape(raw, &text);
  meaning = plain_key(bytes_slice(&text));
  bytes_fini(&text);
  return meaning;
}
