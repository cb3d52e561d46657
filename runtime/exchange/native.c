/* The request as the provider gets it when it speaks the client's protocol: the client's bytes,
 * with the model's name, and for streams the wish for usage, edited in place. Also the head of
 * every request. */
#include <stdio.h>

#include "base/json_edit.h"
#include "exchange/clamp.h"

enum { MAX_HEADERS = 64 };

static bool is_unreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

/* RFC 3986, 2.1; slashes too, so that a model's name stays one segment. */
static void percent_encode(struct bytes *out, struct slice text) {
  for (size_t i = 0; i < text.len; i++) {
    if (is_unreserved(text.data[i]))
      bytes_append_byte(out, text.data[i]);
    else
      bytes_printf(out, "%%%02X", (unsigned char)text.data[i]);
  }
}

static struct slice fill_path(struct exchange *x, struct slice pattern,
                              const struct model_target *target) {
  struct bytes *path = &x->host->scratch;
  bytes_clear(path);
  while (pattern.len) {
    struct slice rest, literal = slice_cut(pattern, '{', &rest);
    bytes_append_slice(path, literal);
    if (literal.len == pattern.len) break;
    struct slice name = slice_cut(rest, '}', &pattern);
    if (slice_equal(name, SLICE("model"))) percent_encode(path, target->model);
    if (slice_equal(name, SLICE("api_version")))
      percent_encode(path, target->provider->api_version);
  }
  return arena_slice(&x->arena, bytes_slice(path));
}

/* base_url's own path before the adapter's. Anthropic's base_url is written with and without /v1.
 */
struct slice native_path(struct exchange *x, struct slice pattern,
                         const struct model_target *target) {
  struct slice base = target->provider->path, path = fill_path(x, pattern, target);
  if (base.len >= 3 && slice_equal((struct slice){base.data + base.len - 3, 3}, SLICE("/v1")) &&
      slice_starts(path, SLICE("/v1/")))
    base.len -= 3;
  return arena_join(&x->arena, (struct slice[]){base, path}, 2);
}

struct head {
  struct header *items;
  size_t count;
};

/* Clean by now, whether from the configuration, a script or the client: upstream/ checks once more.
 */
static void head_add(struct head *h, struct slice name, struct slice value) {
  if (h->count == MAX_HEADERS) return;
  for (size_t i = 0; i < h->count; i++)
    if (slice_equal_nocase(h->items[i].name, name)) return; /* the first word wins */
  h->items[h->count++] = (struct header){name, value};
}

static void add_relayed(struct exchange *x, struct head *h) {
  for (size_t i = 0; i < x->adapter->relay_count; i++) {
    struct slice name = x->adapter->relay[i], value = header_find(x->headers, name.data);
    if (value.data) head_add(h, name, arena_slice(&x->arena, value));
  }
}

void native_headers(struct exchange *x, const struct model_target *target, struct headers extra) {
  const struct provider *provider = target->provider;
  struct header items[MAX_HEADERS];
  struct head h = {items, 0};
  head_add(&h, SLICE("content-type"), SLICE("application/json"));
  head_add(&h, SLICE("accept"),
           x->is_stream ? SLICE("text/event-stream") : SLICE("application/json"));
  if (provider->credential.len && x->adapter->auth_header.len)
    head_add(
        &h, x->adapter->auth_header,
        arena_join(&x->arena, (struct slice[]){x->adapter->auth_prefix, provider->credential}, 2));
  for (size_t i = 0; i < provider->header_count; i++)
    head_add(&h, provider->headers[i].name, provider->headers[i].value);
  for (size_t i = 0; i < extra.count; i++)
    head_add(&h, extra.items[i].name, extra.items[i].value);
  if (x->is_native) add_relayed(x, &h);
  if (x->idempotency_key.len) head_add(&h, SLICE("idempotency-key"), x->idempotency_key);
  for (size_t i = 0; i < x->adapter->headers.count; i++)
    head_add(&h, x->adapter->headers.items[i].name, x->adapter->headers.items[i].value);
  head_add(&h, SLICE("user-agent"), SLICE("gateyes/" GATEYES_VERSION));
  struct slice used = {(const char *)items, h.count * sizeof *items};
  x->upstream_request_headers =
      (struct headers){(const struct header *)arena_slice(&x->arena, used).data, h.count};
}

static struct slice quoted_model(struct exchange *x, const struct model_target *target) {
  struct bytes *text = &x->host->scratch;
  bytes_clear(text);
  json_quote(text, target->model);
  return arena_slice(&x->arena, bytes_slice(text));
}

/* Each edit returns the member to insert, if that is what it takes: all insertions are made as one.
 */
static struct slice edit_model(struct exchange *x, const struct request_fields *fields,
                               const struct model_target *target, struct json_edits *edits) {
  struct slice name = quoted_model(x, target);
  if (fields->model.type != JSON_STRING)
    return arena_join(&x->arena, (struct slice[]){SLICE("\"model\":"), name}, 2);
  json_edit_replace(edits, fields->model.value, name);
  return (struct slice){"", 0};
}

static bool is_empty_object(struct slice object) {
  struct json_walk walk = json_walk_of(object);
  return !json_walk_next(&walk);
}

/* OpenAI's streams tell their usage only when asked to. The client that did not ask never sees it.
 */
static struct slice edit_usage(struct exchange *x, const struct request_fields *fields,
                               struct json_edits *edits) {
  bool asks = x->route.dialect == DIALECT_CHAT || x->route.dialect == DIALECT_COMPLETIONS;
  if (!x->is_stream || !asks || x->include_usage) return (struct slice){"", 0};
  const struct json_member *options = &fields->stream_options;
  if (options->type == JSON_NONE) return SLICE("\"stream_options\":{\"include_usage\":true}");
  if (options->type != JSON_OBJECT || is_empty_object(options->value)) {
    json_edit_replace(edits, options->value, SLICE("{\"include_usage\":true}"));
    return (struct slice){"", 0};
  }
  struct slice wish = json_find(options->value, "include_usage");
  if (wish.data)
    json_edit_replace(edits, wish, SLICE("true"));
  else
    json_edit_replace(edits, (struct slice){options->value.data, 1},
                      SLICE("{\"include_usage\":true,"));
  return (struct slice){"", 0};
}

/* Could the body name something that is stored? An item of nothing but an id is a reference too,
 * and keys can be written with escapes: behind the provider's door such an id may be another
 * tenant's, so any id and any escaped ASCII character gets a closer look. */
static bool may_refer(struct slice body) {
  static const char *const marks[] = {"\"id\"", "previous_response_id", "item_reference",
                                      "gateyes.v1.", "\\u00"};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (memmem(body.data, body.len, marks[i], strlen(marks[i]))) return true;
  return false;
}

/* References to stored responses are ours: the provider gets what they stand for. */
enum step_result native_expand(struct exchange *x) {
  x->forward_body = bytes_slice(&x->body);
  if (x->route.dialect != DIALECT_RESPONSES || !may_refer(x->forward_body)) return STEP_NEXT;
  struct error_detail error = {0};
  struct stored_body stored = {x->owner, bytes_slice(&x->body)};
  if (!script_stored_expand(x->generation, &stored, &x->arena, &x->forward_body, &error))
    return exchange_fail_with(x, FAILURE_BAD_REQUEST, &error);
  return STEP_NEXT;
}

/* Could there be thinking in the history that this provider did not sign? The gateway's own mark,
 * or no signature at all. */
static bool may_be_unsigned(struct slice body) {
  static const char *const marks[] = {"\"gateyes.", "\"signature\":\"\"", "\"signature\": \"\""};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (memmem(body.data, body.len, marks[i], strlen(marks[i]))) return true;
  return false;
}

/* The body that this target gets of what is relayed. */
static enum step_result sign_body(struct exchange *x, const struct model_target *target,
                                  struct slice *body) {
  *body = x->forward_body;
  if (x->route.dialect != DIALECT_MESSAGES || !may_be_unsigned(*body)) return STEP_NEXT;
  struct error_detail error = {0};
  struct signed_body wanted = {.body = *body, .model = target->model};
  if (!script_signed_body(x->generation, &wanted, &x->arena, &error))
    return exchange_fail_with(x, FAILURE_TRANSLATION, &error);
  *body = wanted.body;
  x->dropped = wanted.gone;
  return STEP_NEXT;
}

static struct slice join_members(struct exchange *x, struct slice a, struct slice b) {
  if (!a.len || !b.len) return a.len ? a : b;
  return arena_join(&x->arena, (struct slice[]){a, SLICE(","), b}, 3);
}

enum step_result native_encode(struct exchange *x, const struct model_target *target) {
  bool count_tokens = x->route.endpoint == ENDPOINT_COUNT_TOKENS;
  struct slice pattern =
      count_tokens ? x->adapter->count_tokens : x->adapter->native[x->route.dialect];
  x->upstream_path = native_path(x, pattern, target);
  if (!x->forward_body.data && native_expand(x) == STEP_FAIL) return STEP_FAIL;
  struct request_fields fields = x->fields;
  struct slice body;
  if (sign_body(x, target, &body) == STEP_FAIL) return STEP_FAIL;
  if (body.data != x->body.data && !body_find_fields(body, &fields))
    return exchange_fail(x, FAILURE_TRANSLATION,
                         "the stored context could not be put into the request");
  struct json_edits edits;
  json_edits_init(&edits, body);
  struct slice model = edit_model(x, &fields, target, &edits),
               usage = edit_usage(x, &fields, &edits),
               limit = count_tokens ? (struct slice){"", 0} : clamp_native(x, target, &edits);
  struct slice added = join_members(x, join_members(x, model, usage), limit);
  if (added.len) json_edit_insert(&edits, added);
  if (x->response_id.len) json_edit_remove(&edits, fields.background.member);
  x->pieces = arena_alloc(&x->arena, JSON_PIECES_MAX * sizeof *x->pieces);
  x->piece_count = json_edit_pieces(&edits, x->pieces, NULL);
  native_headers(x, target, (struct headers){0});
  return STEP_NEXT;
}

static void replace_member(struct json_edits *edits, struct slice object, const char *name,
                           struct slice value) {
  struct slice place = json_find(object, name);
  if (place.data && value.len) json_edit_replace(edits, place, value);
}

void native_write_response(const struct exchange *x, struct slice text, struct bytes *out) {
  struct slice response = json_find(text, "response"), object = response.data ? response : text;
  struct json_edits edits;
  char id[64];
  json_edits_init(&edits, text);
  if (x->fields.previous_response_id.type == JSON_STRING)
    replace_member(&edits, object, "previous_response_id", x->fields.previous_response_id.value);
  if (x->response_id.len) {
    int len = snprintf(id, sizeof id, "\"%.*s\"", (int)x->response_id.len, x->response_id.data);
    replace_member(&edits, object, "id", (struct slice){id, (size_t)len});
    replace_member(&edits, object, "background", SLICE("true"));
  }
  struct slice pieces[JSON_PIECES_MAX];
  size_t count = json_edit_pieces(&edits, pieces, NULL);
  for (size_t i = 0; i < count; i++)
    bytes_append_slice(out, pieces[i]);
}
