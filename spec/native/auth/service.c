/* Services in the directory: which version answers whom, and what a key of one opens. */
#include "auth/service.h"

#include "check.h"

static const struct slice secret = {"0123456789abcdef0123456789abcdef", 32};
static struct config *config;
static struct roles *roles;

static struct entity services[] = {
    {.id = SLICE("acme:help"),
     .tenant = SLICE("acme"),
     .name = SLICE("help"),
     .body = SLICE("{\"published\":2,\"canary\":{\"version\":10,\"percent\":20}}")},
    {.id = SLICE("acme:help-more"),
     .tenant = SLICE("acme"),
     .name = SLICE("help-more"),
     .body = SLICE("{\"published\":1}")},
    {.id = SLICE("acme:odd"),
     .tenant = SLICE("acme"),
     .name = SLICE("odd"),
     .state = SLICE("blocked"),
     .body = SLICE("{\"published\":\"x\",\"canary\":{\"version\":1,\"percent\":200}}")},
    {.id = SLICE("other:help"),
     .tenant = SLICE("other"),
     .name = SLICE("help"),
     .body = SLICE("{\"published\":1}")},
};

#define VERSION(service, number, state_text, json)                                                 \
  {                                                                                                \
    .id = SLICE(service ":" number), .tenant = SLICE("acme"), .owner = SLICE(service),             \
    .name = SLICE(number), .state = SLICE(state_text), .body = SLICE(json)                         \
  }

static struct entity versions[] = {
    VERSION("acme:help-more", "1", "draft", "{\"model\":\"m\"}"),
    VERSION("acme:help", "1", "staged", "{\"model\":\"m\"}"),
    VERSION("acme:help", "10", "staged", "{\"model\":\"n\",\"models\":[\"gpt-*\"]}"),
    VERSION("acme:help", "2", "staged",
            "{\"model\":\"m\",\"system\":\"a \\\"b\\\"\",\"variables\":{\"x\":{}},"
            "\"prompt\":\"{{x}}\",\"defaults\":null}"),
    VERSION("acme:help", "3", "staged", "{\"model\":\"m\",\"prompt\":\"{{y}}\"}"),
    VERSION("acme:odd", "1", "staged", "{\"model\":5}"),
};

static struct row_list copy_of(const struct entity *items, size_t count) {
  struct row_list list = {must_calloc(count + 1, sizeof *items), count};
  memcpy(list.items, items, count * sizeof *items);
  return list;
}

static struct rows *rows_new(void) {
  static const struct entity tenants[] = {{.id = SLICE("acme")}, {.id = SLICE("other")}};
  struct rows *r = must_calloc(1, sizeof *r);
  ref_init(&r->refs);
  arena_init(&r->arena);
  r->tenants = copy_of(tenants, 2);
  r->services = copy_of(services, sizeof services / sizeof *services);
  r->service_versions = copy_of(versions, sizeof versions / sizeof *versions);
  return r;
}

static struct directory *with_key(const char *body) {
  struct rows *rows = rows_new();
  char text[2 * SHA256_BYTES + 1];
  struct key_hash hash = key_hash(secret, SLICE("gy-one"));
  key_hash_text(&hash, text);
  struct entity key = {.id = SLICE("k1"), .tenant = SLICE("acme"), .body = slice_of(body)};
  key.lookup = arena_slice(&rows->arena, slice_of(text));
  rows->keys = copy_of(&key, 1);
  struct directory_source source = {config, roles, rows, secret, {NULL, 0}, false};
  struct directory *d = directory_new(&source);
  rows_unref(rows);
  return d;
}

static void test_find(void) {
  struct directory *d = with_key("{}");
  const struct service *s = directory_service_find(d, SLICE("acme"), SLICE("help"));
  CHECK(s && s->is_open && s->version_count == 3); /* 1, 2, 10: the third cannot be read */
  CHECK(s && s->published == service_version_find(s, 2) &&
        s->canary == service_version_find(s, 10));
  CHECK(s && s->versions[2].number == 10 && !service_version_find(s, 3));
  CHECK(directory_problems(d)->count == 3); /* two versions, and the role that nobody made */
  if (s) {
    CHECK_TEXT(s->published->system, "a \"b\"");
    CHECK(s->published->variables.count == 1 && !s->published->defaults.len);
    CHECK(service_version_allows(s->canary, SLICE("n")));
    CHECK(service_version_allows(s->canary, SLICE("gpt-4o")));
    CHECK(!service_version_allows(s->canary, SLICE("claude")));
    CHECK(!service_version_allows(s->published, SLICE("gpt-4o")));
  }
  s = directory_service_find(d, SLICE("acme"), SLICE("help-more"));
  CHECK(s && s->version_count == 1 && !s->published); /* a draft answers nobody */
  s = directory_service_find(d, SLICE("acme"), SLICE("odd"));
  CHECK(s && !s->is_open && !s->published && !s->canary && s->canary_percent == 0);
  s = directory_service_find(d, SLICE("other"), SLICE("help"));
  CHECK(s && s->version_count == 0 && !service_pick(s, SLICE("k")));
  static const char *const strangers[] = {"", "Help", "help ", "hel", "help:1", "help/", "../help"};
  for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
    CHECK(!directory_service_find(d, SLICE("acme"), slice_of(strangers[i])));
  CHECK(!directory_service_find(d, SLICE(""), SLICE("acme:help")));
  CHECK(!directory_service_find(d, SLICE("nobody"), SLICE("help")));
  CHECK(!directory_service_get(d, SLICE("acme:nothing")));
  char name[400];
  memset(name, 'a', sizeof name);
  CHECK(!directory_service_find(d, SLICE("acme"), (struct slice){name, sizeof name}));
  directory_unref(d);
}

static void test_canary(void) {
  enum { CALLERS = 20000 };
  struct directory *d = with_key("{}");
  const struct service *s = directory_service_find(d, SLICE("acme"), SLICE("help"));
  int canaries = 0;
  for (int i = 0; s && i < CALLERS; i++) {
    char caller[32];
    snprintf(caller, sizeof caller, "key-%d", i);
    const struct service_version *v = service_pick(s, slice_of(caller));
    CHECK(v == s->canary || v == s->published);
    CHECK(v == service_pick(s, slice_of(caller)));
    canaries += v == s->canary;
  }
  CHECK(canaries > CALLERS * 19 / 100 && canaries < CALLERS * 21 / 100);
  directory_unref(d);
}

/* Whatever else its row says. */
static void test_key(void) {
  struct directory *d = with_key("{\"service\":\"acme:help\",\"paths\":[\"*\"],\"roles\":[]}");
  const struct principal *p = directory_find(d, SLICE("gy-one"), 1000);
  CHECK(p && p->path_count == 1);
  if (p) CHECK_TEXT(p->paths[0], "/service/help/*");
  directory_unref(d);
  static const char *const closed[] = {"{\"service\":\"acme:nothing\"}",
                                       "{\"service\":\"other:help\"}", "{\"service\":null}",
                                       "{\"service\":\"\"}", "{\"service\":[\"acme:help\"]}"};
  for (size_t i = 0; i < sizeof closed / sizeof *closed; i++) {
    d = with_key(closed[i]);
    CHECK(!directory_find(d, SLICE("gy-one"), 1000));
    directory_unref(d);
  }
}

int main(void) {
  struct config_problems problems;
  config_problems_init(&problems);
  struct value root = {.type = VALUE_MAP};
  config = config_build(&root, "gateyes.lua", NULL, &problems);
  CHECK(config != NULL);
  roles = roles_new();
  if (config) {
    test_find();
    test_canary();
    test_key();
  }
  config_unref(config);
  roles_unref(roles);
  config_problems_fini(&problems);
  return checks_end();
}
