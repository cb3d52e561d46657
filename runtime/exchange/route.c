#include "exchange/route.h"

static const struct {
  const char *path;
  enum endpoint endpoint;
  enum dialect dialect;
} posts[] = {
    {"/v1/chat/completions", ENDPOINT_GENERATE, DIALECT_CHAT},
    {"/v1/messages", ENDPOINT_GENERATE, DIALECT_MESSAGES},
    {"/v1/responses", ENDPOINT_GENERATE, DIALECT_RESPONSES},
    {"/v1/embeddings", ENDPOINT_GENERATE, DIALECT_EMBEDDINGS},
    {"/v1/completions", ENDPOINT_GENERATE, DIALECT_COMPLETIONS},
    {"/v1/messages/count_tokens", ENDPOINT_COUNT_TOKENS, DIALECT_MESSAGES},
    {"/v1/tokenize", ENDPOINT_TOKENIZE, DIALECT_CHAT},
};

static const char service_root[] = "/service/";

static bool is_service(struct slice path) {
  return slice_starts(path, slice_of(service_root));
}

bool route_is_anthropic(struct slice path) {
  if (is_service(path)) { /* a name has no slash, so the rest is the path of a twin */
    struct slice rest;
    (void)slice_cut(slice_skip(path, sizeof service_root - 1), '/', &rest);
    return slice_starts(rest, SLICE("messages")) || slice_starts(rest, SLICE("v1/messages"));
  }
  return slice_starts(path, SLICE("/v1/messages")) || slice_starts(path, SLICE("/messages")) ||
         slice_starts(path, SLICE("/anthropic/"));
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 'a' ^ 'A';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986, 2.1. The official clients encode the slash of a model's name. What is no encoding stays
 * as it is. */
static struct slice decode(struct arena *arena, struct slice text) {
  char *out = arena_text(arena, text);
  size_t len = 0;
  for (size_t i = 0; i < text.len; i++) {
    bool has_two = text.data[i] == '%' && i + 2 < text.len;
    int high = has_two ? hex_digit(text.data[i + 1]) : -1;
    int low = has_two ? hex_digit(text.data[i + 2]) : -1;
    bool is_code = high >= 0 && low >= 0;
    out[len++] = is_code ? (char)(high << 4 | low) : text.data[i];
    if (is_code) i += 2;
  }
  return (struct slice){out, len};
}

/* "/openai/deployments/{model}/chat/completions" -> "/v1/chat/completions" and the model; Azure's
 * newer "/openai/v1/…" -> "/v1/…"; and what its dated versions have beside the deployments,
 * "/openai/responses", "/openai/models" -> "/v1/…". */
static struct slice azure(struct slice path, struct arena *arena, struct slice *model) {
  static const char root[] = "/openai/", deployments[] = "/openai/deployments/";
  if (slice_starts(path, SLICE("/openai/v1/"))) return slice_skip(path, sizeof "/openai" - 1);
  if (!slice_starts(path, slice_of(root))) return path;
  struct slice rest = slice_skip(path, sizeof root - 1);
  if (slice_starts(path, slice_of(deployments)))
    *model = decode(arena, slice_cut(slice_skip(path, sizeof deployments - 1), '/', &rest));
  return slice_of(arena_printf(arena, "/v1/%.*s", (int)rest.len, rest.data));
}

static struct slice resolve(const struct config *config, struct slice path, struct arena *arena,
                            struct slice *model) {
  for (size_t i = 0; i < config->path_alias_count; i++)
    if (slice_equal(config->path_aliases[i].from, path)) return config->path_aliases[i].to;
  if (config->azure_paths) path = azure(path, arena, model);
  if (config->bare_paths && !slice_starts(path, SLICE("/v1/")) && !is_service(path))
    return slice_of(arena_printf(arena, "/v1%.*s", (int)path.len, path.data));
  return arena_slice(arena, path);
}

static enum route_result check_method(struct slice method, const char *wanted, struct route *out) {
  out->allow = wanted;
  struct slice rest = slice_of(wanted);
  while (rest.len) {
    struct slice one = slice_trim(slice_cut(rest, ',', &rest));
    if (slice_equal(one, method)) return ROUTE_FOUND;
  }
  return ROUTE_METHOD;
}

/* /v1/responses/{id}, /v1/responses/{id}/input_items, /v1/responses/{id}/cancel */
static enum route_result stored(struct slice method, struct slice rest, struct route *out) {
  out->endpoint = ENDPOINT_STORED;
  out->dialect = DIALECT_RESPONSES;
  struct slice tail, id = slice_cut(rest, '/', &tail);
  bool is_verb = slice_equal(rest, SLICE("input_tokens")) || slice_equal(rest, SLICE("compact"));
  if (id.len == 0 || is_verb) return ROUTE_UNKNOWN;
  if (id.len == rest.len) return check_method(method, "GET, HEAD, DELETE", out);
  if (slice_equal(tail, SLICE("input_items"))) return check_method(method, "GET, HEAD", out);
  if (slice_equal(tail, SLICE("cancel"))) return check_method(method, "POST", out);
  return ROUTE_UNKNOWN;
}

static bool find_post(struct slice path, struct route *out) {
  for (size_t i = 0; i < sizeof posts / sizeof *posts; i++) {
    if (!slice_equal_text(path, posts[i].path)) continue;
    out->endpoint = posts[i].endpoint;
    out->dialect = posts[i].dialect;
    return true;
  }
  return false;
}

/* /service/{name}/… has what generates, and the responses that it stored; everything else is no
 * path of a service, whatever it would be elsewhere. */
static enum route_result find_service(struct slice method, struct arena *arena, struct route *out) {
  struct slice rest;
  out->service = slice_cut(slice_skip(out->path, sizeof service_root - 1), '/', &rest);
  if (slice_starts(rest, SLICE("v1/"))) rest = slice_skip(rest, 3); /* some SDKs put it there */
  out->twin = arena_join(arena, (struct slice[]){SLICE("/v1/"), rest}, 2);
  out->is_invoke = slice_equal(rest, SLICE("invoke"));
  if (!out->service.len) return ROUTE_UNKNOWN;
  if (out->is_invoke) {
    out->endpoint = ENDPOINT_GENERATE;
    out->dialect = DIALECT_CHAT;
    return check_method(method, "POST", out);
  }
  if (find_post(out->twin, out) && out->endpoint != ENDPOINT_TOKENIZE)
    return check_method(method, "POST", out);
  if (slice_starts(rest, SLICE("responses/")))
    return stored(method, slice_skip(rest, sizeof "responses/" - 1), out);
  return ROUTE_UNKNOWN;
}

enum route_result route_find(const struct config *config, struct slice method, struct slice path,
                             struct arena *arena, struct route *out) {
  *out = (struct route){0};
  struct slice known = resolve(config, path, arena, &out->model);
  out->path = out->twin = known;
  if (is_service(known)) return find_service(method, arena, out);
  if (find_post(known, out)) return check_method(method, "POST", out);
  if (slice_equal(known, SLICE("/v1/models"))) {
    out->endpoint = ENDPOINT_MODELS;
    return check_method(method, "GET, HEAD", out);
  }
  if (slice_starts(known, SLICE("/v1/models/"))) {
    out->endpoint = ENDPOINT_MODEL;
    /* Names may hold slashes, and clients write them either way. */
    out->model = decode(arena, slice_skip(known, sizeof "/v1/models/" - 1));
    return out->model.len ? check_method(method, "GET, HEAD", out) : ROUTE_UNKNOWN;
  }
  if (slice_starts(known, SLICE("/v1/responses/")))
    return stored(method, slice_skip(known, sizeof "/v1/responses/" - 1), out);
  return ROUTE_UNKNOWN;
}
