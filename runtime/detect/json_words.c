#include "detect/json_words.h"

struct key_row {
  const char *key;
  struct key_meaning meaning;
};

static const struct key_row keys[] = {
    {"system", {TEXT_SYSTEM, KEY_ROLE, NULL}},
    {"instructions", {TEXT_SYSTEM, KEY_ROLE, NULL}},
    {"prompt", {TEXT_USER, KEY_ROLE, NULL}},
    {"suffix", {TEXT_USER, KEY_ROLE, NULL}},
    {"tools", {TEXT_TOOL_SCHEMA, KEY_ROLE, NULL}},
    {"functions", {TEXT_TOOL_SCHEMA, KEY_ROLE, NULL}},
    {"response_format", {TEXT_TOOL_SCHEMA, KEY_ROLE, NULL}},
    {"output_format", {TEXT_TOOL_SCHEMA, KEY_ROLE, NULL}},
    {"json_schema", {TEXT_TOOL_SCHEMA, KEY_ROLE, NULL}},
    {"tool_calls", {TEXT_TOOL_ARGUMENTS, KEY_ROLE, NULL}},
    {"function_call", {TEXT_TOOL_ARGUMENTS, KEY_ROLE, NULL}},
    {"arguments", {TEXT_TOOL_ARGUMENTS, KEY_FREE, NULL}},
    {"partial_json", {TEXT_TOOL_ARGUMENTS, KEY_ROLE, NULL}},
    {"action", {TEXT_TOOL_ARGUMENTS, KEY_ROLE, NULL}},
    {"metadata", {TEXT_OTHER, KEY_FREE, NULL}},
    {"file_data", {TEXT_FILE, KEY_PLACE, "file"}},
    {"filename", {TEXT_FILE, KEY_ROLE, NULL}},
    {"file_id", {TEXT_UNSCANNED, KEY_MEDIA, "file"}},
    {"file_url", {TEXT_FILE, KEY_PLACE, "file"}},
    {"image_url", {TEXT_OTHER, KEY_PLACE, "image"}},
    {"input_audio", {TEXT_UNSCANNED, KEY_MEDIA, "audio"}},
    {"audio", {TEXT_UNSCANNED, KEY_MEDIA, "audio"}},
    {"b64_json", {TEXT_UNSCANNED, KEY_MEDIA, "image"}},
    {"url", {TEXT_OTHER, KEY_PLACE, "file"}},
    {"embedding", {TEXT_OTHER, KEY_NUMBERS, NULL}},
    {"logprobs", {TEXT_OTHER, KEY_NUMBERS, NULL}},
    {"top_logprobs", {TEXT_OTHER, KEY_NUMBERS, NULL}},
    {"role", {TEXT_OTHER, KEY_NAME, NULL}},
    {"type", {TEXT_OTHER, KEY_NAME, NULL}},
    {"model", {TEXT_OTHER, KEY_NAME, NULL}},
    {"id", {TEXT_OTHER, KEY_NAME, NULL}},
    {"object", {TEXT_OTHER, KEY_NAME, NULL}},
    {"status", {TEXT_OTHER, KEY_NAME, NULL}},
    {"call_id", {TEXT_OTHER, KEY_NAME, NULL}},
    {"tool_call_id", {TEXT_OTHER, KEY_NAME, NULL}},
    {"tool_use_id", {TEXT_OTHER, KEY_NAME, NULL}},
    {"item_id", {TEXT_OTHER, KEY_NAME, NULL}},
    {"response_id", {TEXT_OTHER, KEY_NAME, NULL}},
    {"previous_response_id", {TEXT_OTHER, KEY_NAME, NULL}},
    {"approval_request_id", {TEXT_OTHER, KEY_NAME, NULL}},
    {"finish_reason", {TEXT_OTHER, KEY_NAME, NULL}},
    {"stop_reason", {TEXT_OTHER, KEY_NAME, NULL}},
    {"service_tier", {TEXT_OTHER, KEY_NAME, NULL}},
    {"system_fingerprint", {TEXT_OTHER, KEY_NAME, NULL}},
    {"obfuscation", {TEXT_OTHER, KEY_NAME, NULL}},
    {"reasoning_effort", {TEXT_OTHER, KEY_NAME, NULL}},
    {"effort", {TEXT_OTHER, KEY_NAME, NULL}},
    {"verbosity", {TEXT_OTHER, KEY_NAME, NULL}},
    {"truncation", {TEXT_OTHER, KEY_NAME, NULL}},
    {"encoding_format", {TEXT_OTHER, KEY_NAME, NULL}},
    {"detail", {TEXT_OTHER, KEY_NAME, NULL}},
    {"media_type", {TEXT_OTHER, KEY_NAME, NULL}},
    {"mime_type", {TEXT_OTHER, KEY_NAME, NULL}},
    {"tool_choice", {TEXT_OTHER, KEY_NAME, NULL}},
    {"ttl", {TEXT_OTHER, KEY_NAME, NULL}},
    {"signature", {TEXT_OTHER, KEY_NAME, NULL}},
    {"encrypted_content", {TEXT_OTHER, KEY_NAME, NULL}},
};

struct key_meaning json_key_meaning(struct slice key) {
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (slice_equal_text(key, keys[i].key)) return keys[i].meaning;
  return (struct key_meaning){TEXT_OTHER, KEY_UNKNOWN, NULL};
}

static enum text_role find_word(const char *const words[TEXT_ROLES], struct slice word) {
  for (unsigned role = 0; role < TEXT_ROLES; role++) {
    struct slice rest = slice_of(words[role]);
    while (rest.len > 0)
      if (slice_equal(slice_cut(rest, ' ', &rest), word)) return (enum text_role)role;
  }
  return TEXT_ROLES;
}

enum text_role json_role_meaning(struct slice role) {
  static const char *const words[TEXT_ROLES] = {
      [TEXT_SYSTEM] = "system developer",
      [TEXT_USER] = "user",
      [TEXT_ASSISTANT] = "assistant model",
      [TEXT_TOOL_RESULT] = "tool function",
  };
  return find_word(words, role);
}

static bool contains(struct slice text, const char *part) {
  return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

enum text_role json_type_meaning(struct slice type, const char **media) {
  static const char *const words[TEXT_ROLES] = {
      [TEXT_TOOL_ARGUMENTS] =
          "function_call custom_tool_call tool_use server_tool_use mcp_call mcp_tool_use "
          "input_json_delta computer_call local_shell_call shell_call apply_patch_call",
      [TEXT_FILE] = "input_file file document",
      [TEXT_ASSISTANT] = "thinking reasoning refusal text_delta thinking_delta output_text",
  };
  *media = NULL;
  if (type.len == 0) return TEXT_ROLES;
  if (contains(type, "tool_result") || contains(type, "_call_output")) return TEXT_TOOL_RESULT;
  if (contains(type, "call_arguments") || contains(type, "call_input")) return TEXT_TOOL_ARGUMENTS;
  if (contains(type, "image")) *media = "image";
  if (contains(type, "audio")) *media = "audio";
  return find_word(words, type);
}
