/* What a failure looks like on the wire: one writer for every protocol. */
#include "exchange/state.h"

static bool is_word(struct slice type, const char *word) {
  return slice_equal_text(type, word);
}

/* Neutral words are Anthropic's; OpenAI's error guide has fewer. */
static struct slice openai_type(struct slice type) {
  if (is_word(type, "authentication_error") || is_word(type, "not_found_error") ||
      is_word(type, "request_too_large"))
    return SLICE("invalid_request_error");
  if (is_word(type, "billing_error")) return SLICE("insufficient_quota");
  if (is_word(type, "api_error") || is_word(type, "overloaded_error") ||
      is_word(type, "timeout_error"))
    return SLICE("server_error");
  return type;
}

static void quote_or_null(struct bytes *out, struct slice text) {
  if (text.len)
    json_quote(out, text);
  else
    bytes_append_text(out, "null");
}

static void write_openai(const struct error_detail *error, struct bytes *out) {
  bytes_append_text(out, "{\"error\":{\"message\":");
  json_quote(out, error->message);
  bytes_append_text(out, ",\"type\":");
  json_quote(out, openai_type(error->type));
  bytes_append_text(out, ",\"param\":");
  quote_or_null(out, error->param);
  bytes_append_text(out, ",\"code\":");
  quote_or_null(out, error->code);
  bytes_append_text(out, "}}");
}

static void write_anthropic(const struct error_detail *error, const char *request_id,
                            struct bytes *out) {
  bytes_append_text(out, "{\"type\":\"error\",\"error\":{\"type\":");
  json_quote(out, error->type);
  bytes_append_text(out, ",\"message\":");
  json_quote(out, error->message);
  if (error->code.len) {
    bytes_append_text(out, ",\"code\":");
    json_quote(out, error->code);
    /* Where the official clients look for it, to go on without threads for example. */
    bytes_append_text(out, ",\"details\":{\"error_code\":");
    json_quote(out, error->code);
    bytes_append_text(out, "}");
  }
  bytes_append_text(out, "},\"request_id\":");
  quote_or_null(out, slice_of(request_id));
  bytes_append_text(out, "}");
}

void error_write(enum dialect dialect, const struct error_detail *error, const char *request_id,
                 struct bytes *out) {
  if (dialect == DIALECT_MESSAGES)
    write_anthropic(error, request_id, out);
  else
    write_openai(error, out);
}

void error_fill(struct error_detail *detail, enum failure_kind kind) {
  const struct failure_info *info = failure_info(kind);
  if (!detail->status) detail->status = info->status;
  if (!detail->type.len) detail->type = slice_of(info->anthropic_type);
  if (!detail->code.len) detail->code = slice_of(info->code);
}

/* The end of a stream that broke after its head had gone out. */
void error_frames(struct exchange *x, struct bytes *out) {
  if (x->translation && !x->is_native) {
    bytes_append_slice(out, translation_stream_error(x->translation, &x->detail));
    return;
  }
  if (x->route.dialect == DIALECT_RESPONSES) {
    struct broken_stream broken = {bytes_slice(&x->last_response), x->sequence};
    script_failed_frames(x->generation, &broken, &x->detail, out);
    return;
  }
  if (x->route.dialect == DIALECT_MESSAGES) bytes_append_text(out, "event: error\n");
  bytes_append_text(out, "data: ");
  error_write(x->route.dialect, &x->detail, x->id, out);
  bytes_append_text(out, "\n\n");
}

static const struct {
  int status;
  const char *type, *code;
} http_errors[] = {
    {408, "invalid_request_error", "request_timeout"},
    {413, "request_too_large", "request_too_large"},
    {414, "invalid_request_error", "uri_too_long"},
    {415, "invalid_request_error", "unsupported_content_encoding"},
    {417, "invalid_request_error", "expectation_failed"},
    {431, "invalid_request_error", "headers_too_large"},
    {501, "invalid_request_error", "not_implemented"},
    {505, "invalid_request_error", "http_version"},
};

const char *error_http_body(const struct http_error *error, struct bytes *out) {
  struct error_detail detail = {.status = error->status,
                                .type = SLICE("invalid_request_error"),
                                .code = SLICE("bad_request"),
                                .message = slice_of(error->sentence)};
  for (size_t i = 0; i < sizeof http_errors / sizeof *http_errors; i++) {
    if (http_errors[i].status != error->status) continue;
    detail.type = slice_of(http_errors[i].type);
    detail.code = slice_of(http_errors[i].code);
  }
  enum dialect dialect = route_is_anthropic(error->path) ? DIALECT_MESSAGES : DIALECT_CHAT;
  error_write(dialect, &detail, error->request_id, out);
  return "application/json";
}
