/* The OpenAPI 3.1 document, from the same rows as everything else. */
#include "admin/api.h"
#include "admin/private.h"

static void append_words(struct bytes *out, const char *words) {
  struct slice rest = slice_of(words);
  bytes_append_text(out, "{\"type\":\"string\",\"enum\":[");
  for (const char *between = ""; rest.len; between = ",") {
    bytes_append_text(out, between);
    json_quote(out, slice_cut(rest, ' ', &rest));
  }
  bytes_append_text(out, "]}");
}

static void append_parameter(struct bytes *out, const struct admin_route *r, struct slice name,
                             const char *in) {
  bytes_printf(out, "{\"name\":\"%.*s\",\"in\":\"%s\",\"required\":%s,\"schema\":", (int)name.len,
               name.data, in, strcmp(in, "path") == 0 ? "true" : "false");
  if (slice_equal_text(name, "state"))
    append_words(out, states_of(r->kind));
  else if (slice_equal_text(name, "limit"))
    bytes_append_text(out, "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000}");
  else
    bytes_append_text(out, "{\"type\":\"string\"}");
  bytes_append_byte(out, '}');
}

static void append_parameters(struct bytes *out, const struct admin_route *r) {
  struct slice rest = slice_of(params_names(r->params));
  const char *separator = "";
  bytes_append_text(out, ",\"parameters\":[");
  for (const char *open = strchr(r->path, '{'); open; open = strchr(open + 1, '{')) {
    struct slice name = {open + 1, strcspn(open + 1, "}")};
    bytes_append_text(out, separator);
    append_parameter(out, r, name, "path");
    separator = ",";
  }
  while (rest.len) {
    struct slice name = slice_cut(rest, ' ', &rest);
    bytes_append_text(out, separator);
    append_parameter(out, r, name, "query");
    separator = ",";
  }
  bool is_change = strcmp(r->method, "GET") != 0 && r->handle;
  const char *headers[] = {"Idempotency-Key", "If-Match"};
  for (size_t i = 0; i < 2 && is_change; i++, separator = ",") {
    bytes_append_text(out, separator);
    append_parameter(out, r, slice_of(headers[i]), "header");
  }
  bytes_append_byte(out, ']');
}

/* What those take that change a row in one way. */
static const struct {
  const char *handler, *properties, *required;
} verbs[] = {
    {"key_rotate", "\"overlap_s\":{\"type\":\"integer\",\"minimum\":0}", ""},
    {"service_publish", "\"version\":{\"type\":\"integer\",\"minimum\":1}", "\"version\""},
    {"service_canary",
     "\"version\":{\"type\":\"integer\",\"minimum\":1},\"percent\":{\"type\":\"integer\","
     "\"minimum\":0,\"maximum\":100}",
     "\"percent\""},
    {"subscription_approve",
     "\"expires_ms\":{\"type\":\"integer\",\"minimum\":0},\"reason\":{\"type\":\"string\"}", ""},
    {"subscription_reject", "\"reason\":{\"type\":\"string\"}", ""},
    {"subscription_revoke", "\"reason\":{\"type\":\"string\"}", ""},
};

static struct slice verb_schema(struct arena *arena, const char *handler) {
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
    if (strcmp(verbs[i].handler, handler) == 0)
      return slice_of(arena_printf(arena,
                                   "{\"type\":\"object\",\"properties\":{%s},\"required\":[%s]}",
                                   verbs[i].properties, verbs[i].required));
  return SLICE("{\"type\":\"object\"}");
}

static void append_body(struct bytes *out, const struct admin_route *r) {
  struct arena arena;
  bool is_create = strcmp(r->name, "row_create") == 0,
       is_update = strcmp(r->name, "row_update") == 0;
  if (strcmp(r->method, "GET") == 0 || strcmp(r->method, "DELETE") == 0) return;
  arena_init(&arena);
  struct slice schema = verb_schema(&arena, r->name);
  if (is_create || is_update) schema = fields_schema(&arena, r->kind, is_update);
  bytes_printf(out,
               ",\"requestBody\":{\"required\":%s,\"content\":{\"application/json\":{\"schema\":",
               is_create || is_update ? "true" : "false");
  bytes_append_slice(out, schema);
  bytes_append_text(out, "}}}");
  arena_fini(&arena);
}

static void append_answers(struct bytes *out, const struct admin_route *r) {
  static const struct {
    const char *status, *what;
  } errors[] = {{"400", "The request is wrong; the error names the field"},
                {"401", "The key is missing or not known"},
                {"403", "The caller's roles do not allow it"},
                {"404", "There is no such thing, or it is another tenant's"},
                {"409", "It is there already, or something hangs in it"},
                {"412", "If-Match names another version"},
                {"429", "Too many wrong keys came from here"},
                {"503", "The store is away"}};
  bool is_create = strcmp(r->name, "row_create") == 0;
  bytes_printf(out,
               ",\"responses\":{\"%s\":{\"description\":\"Done\",\"content\":{\"application/json\":"
               "{\"schema\":",
               is_create ? "201" : "200");
  schemas_append_answer(r, out);
  bytes_append_text(out, "}}}");
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    bytes_printf(out,
                 ",\"%s\":{\"description\":\"%s\",\"content\":{\"application/json\":{\"schema\":{"
                 "\"$ref\":\"#/components/schemas/error\"}}}}",
                 errors[i].status, errors[i].what);
  bytes_append_byte(out, '}');
}

static void append_operation(struct bytes *out, const struct admin_route *r) {
  char method[8] = "";
  for (size_t i = 0; r->method[i] && i + 1 < sizeof method; i++)
    method[i] = (char)(r->method[i] | 0x20);
  bytes_printf(out, "\"%s\":{\"operationId\":\"%s", method, method);
  for (const char *p = r->path; *p; p++)
    if (*p != '{' && *p != '}') bytes_append_byte(out, *p == '/' ? '_' : *p);
  bytes_append_text(out, "\",\"summary\":");
  json_quote(out, slice_of(r->summary));
  bytes_printf(out, ",\"x-gateyes-action\":\"%s\"", r->action);
  append_parameters(out, r);
  append_body(out, r);
  append_answers(out, r);
  bytes_append_byte(out, '}');
}

static const struct admin_route *route_at(size_t index) {
  size_t routes = 0;
  while (admin_route_at(routes))
    routes++;
  return index < routes ? admin_route_at(index) : scripts_route_at(index - routes);
}

static bool is_first_of_path(size_t index) {
  for (size_t i = 0; i < index; i++)
    if (strcmp(route_at(i)->path, route_at(index)->path) == 0) return false;
  return true;
}

static void append_paths(struct bytes *out) {
  for (size_t i = 0; route_at(i); i++) {
    if (!is_first_of_path(i)) continue;
    const char *path = route_at(i)->path, *separator = "";
    bytes_printf(out, "%s\"%s\":{", i ? "," : "", path);
    for (size_t k = i; route_at(k); k++) {
      if (strcmp(route_at(k)->path, path) != 0) continue;
      bytes_append_text(out, separator);
      append_operation(out, route_at(k));
      separator = ",";
    }
    bytes_append_byte(out, '}');
  }
}

void admin_openapi_write(struct bytes *out) {
  bytes_append_text(out,
                    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Gateyes admin API\",\"version\":"
                    "\"1\"},\"security\":[{\"key\":[]}],\"paths\":{");
  append_paths(out);
  bytes_append_text(
      out,
      "},\"components\":{\"securitySchemes\":{\"key\":{\"type\":\"http\",\"scheme\":\"bearer\"}},"
      "\"schemas\":{");
  schemas_append_components(out);
  bytes_append_text(
      out,
      "\"error\":{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{"
      "\"error\":{\"type\":\"object\",\"required\":[\"code\",\"message\"],\"properties\":{\"code\":"
      "{\"type\":\"string\"},\"message\":{\"type\":\"string\"},\"field\":{\"type\":[\"string\","
      "\"null\"]}}}}}}}}\n");
}
