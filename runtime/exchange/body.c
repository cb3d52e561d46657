/* What the gateway itself reads of a client's body: a few top-level members, in one pass. */
#include "base/json_edit.h"
#include "base/must.h"
#include "exchange/state.h"

enum { MODEL_NAME_BYTES = 512, INDEXED_BYTES = 64 << 10 };
enum { FIELD_COUNT = sizeof(struct request_fields) / sizeof(struct json_member) };

static enum step_result invalid(struct exchange *x, const char *param, const char *message) {
  struct error_detail detail = {
      .param = slice_of(param), .message = slice_of(message), .code = SLICE("invalid_value")};
  return exchange_fail_with(x, FAILURE_BAD_REQUEST, &detail);
}

static void name_fields(struct request_fields *f) {
  f->model.key = SLICE("model");
  f->stream.key = SLICE("stream");
  f->stream_options.key = SLICE("stream_options");
  f->store.key = SLICE("store");
  f->previous_response_id.key = SLICE("previous_response_id");
  f->input.key = SLICE("input");
  f->background.key = SLICE("background");
  f->max_tokens.key = SLICE("max_tokens");
  f->max_completion_tokens.key = SLICE("max_completion_tokens");
  f->max_output_tokens.key = SLICE("max_output_tokens");
  f->n.key = SLICE("n");
  f->best_of.key = SLICE("best_of");
  f->user.key = SLICE("user");
  f->metadata.key = SLICE("metadata");
  f->service_tier.key = SLICE("service_tier");
}

bool body_find_fields(struct slice body, struct request_fields *fields) {
  *fields = (struct request_fields){0};
  name_fields(fields);
  return json_members(body, (struct json_member *)fields, FIELD_COUNT, JSON_DEPTH_MAX, NULL);
}

/* Azure's clients name the model in the path, whatever the body says beside it. From here on the
 * body says the same: whoever reads it, reads the model that is asked. */
static void write_model(struct exchange *x) {
  struct json_edits edits;
  struct slice pieces[JSON_PIECES_MAX];
  struct bytes body, name;
  bytes_init(&body);
  bytes_init(&name);
  if (x->fields.model.type == JSON_NONE) bytes_append_text(&name, "\"model\":");
  json_quote(&name, x->route.model);
  json_edits_init(&edits, bytes_slice(&x->body));
  if (x->fields.model.type == JSON_NONE)
    json_edit_insert(&edits, bytes_slice(&name));
  else
    json_edit_replace(&edits, x->fields.model.value, bytes_slice(&name));
  size_t count = json_edit_pieces(&edits, pieces, NULL);
  for (size_t i = 0; i < count; i++)
    bytes_append_slice(&body, pieces[i]);
  bytes_fini(&name);
  body_replace(x, &body);
  must(body_find_fields(bytes_slice(&x->body), &x->fields));
}

static enum step_result read_model(struct exchange *x) {
  if (x->route.model.len) write_model(x);
  const struct json_member *model = &x->fields.model;
  if (model->type == JSON_NONE)
    return invalid(x, "model", "the field model is missing; name one of GET /v1/models");
  if (model->type != JSON_STRING) return invalid(x, "model", "model must be a string");
  struct bytes *name = &x->host->scratch;
  bytes_clear(name);
  json_string(model->value, name);
  x->public_model = arena_slice(&x->arena, bytes_slice(name));
  /* The name goes into headers, logs and metrics. */
  if (x->public_model.len > MODEL_NAME_BYTES) {
    x->public_model.len = 0;
    return invalid(x, "model", "model is longer than any name; name one of GET /v1/models");
  }
  if (!x->public_model.len || !header_is_clean(SLICE("x"), x->public_model))
    return invalid(x, "model", "model must be a name without control characters");
  return STEP_NEXT;
}

static enum step_result read_background(struct exchange *x) {
  enum json_type type = x->fields.background.type;
  if (type == JSON_NONE || type == JSON_FALSE || type == JSON_NULL) return STEP_NEXT;
  if (type != JSON_TRUE) return invalid(x, "background", "background must be true or false");
  if (!x->is_stored)
    return invalid(
        x, "background",
        "a background response has to be stored: leave out store = false, or background");
  char id[7 + 32 + 1] = "resp_gy";
  digest_random_id(id + 7, 32);
  x->response_id = arena_slice(&x->arena, slice_of(id));
  return STEP_NEXT;
}

static enum step_result read_flags(struct exchange *x) {
  struct request_fields *f = &x->fields;
  if (f->stream.type != JSON_NONE && f->stream.type != JSON_TRUE && f->stream.type != JSON_FALSE &&
      f->stream.type != JSON_NULL)
    return invalid(x, "stream", "stream must be true or false");
  bool can_stream =
      x->route.endpoint == ENDPOINT_GENERATE && x->route.dialect != DIALECT_EMBEDDINGS;
  x->is_stream = can_stream && f->stream.type == JSON_TRUE;
  if (f->stream_options.type == JSON_OBJECT)
    x->include_usage = json_type(json_find(f->stream_options.value, "include_usage")) == JSON_TRUE;
  if (x->route.dialect != DIALECT_RESPONSES) return STEP_NEXT;
  x->is_stored = f->store.type != JSON_FALSE;
  return read_background(x);
}

const struct json_index *body_index(const struct exchange *x) {
  const struct json_index *index = &x->host->body_index;
  bool is_of_body =
      x->body.len && index->text.data == x->body.data && index->text.len == x->body.len;
  return is_of_body ? index : NULL;
}

void body_index_drop(struct exchange *x) {
  struct slice *text = &x->host->body_index.text;
  bool is_ours = text->data == x->body.data || text->data == x->sent_body.data;
  if (is_ours) *text = (struct slice){NULL, 0};
}

void body_replace(struct exchange *x, struct bytes *body) {
  body_index_drop(x);
  bytes_fini(&x->body);
  x->body = *body;
  bytes_init(body);
}

/* A short body's places are found once, for all who read it. */
static bool read_members(struct exchange *x, struct json_error *error) {
  struct slice body = bytes_slice(&x->body);
  struct json_member *members = (struct json_member *)&x->fields;
  struct json_index *index = &x->host->body_index;
  uint32_t depth = x->config->limits.json_depth;
  if (body.len > INDEXED_BYTES) return json_members(body, members, FIELD_COUNT, depth, error);
  bool is_valid = json_index_check(index, body, depth, error);
  if (is_valid) json_index_members(index, members, FIELD_COUNT);
  if (!is_valid) body_index_drop(x);
  return is_valid;
}

enum step_result body_read_fields(struct exchange *x) {
  name_fields(&x->fields);
  struct json_error error;
  if (x->body.len == 0)
    return exchange_fail(x, FAILURE_BAD_REQUEST, "the request has no body; send a JSON object");
  if (!read_members(x, &error))
    return exchange_fail(x, FAILURE_BAD_REQUEST, "invalid JSON: %s at byte %zu", error.message,
                         error.offset);
  struct json_member *members = (struct json_member *)&x->fields;
  for (size_t i = 0; i < FIELD_COUNT; i++)
    if (members[i].twice)
      return invalid(x, members[i].key.data, "this field stands twice in the body; send it once");
  enum step_result result = read_model(x);
  return result == STEP_NEXT ? read_flags(x) : result;
}
