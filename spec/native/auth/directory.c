/* Keys of the configuration and of the store, in one directory. */
#include "auth/directory_memory.h"

#include "check.h"

static const struct slice secret = {"0123456789abcdef0123456789abcdef", 32};
static struct config *config;
static struct roles *roles;

static struct row_list list(struct entity *items, size_t count) {
  return (struct row_list){items, count};
}

static struct rows *rows_of(struct row_list keys) {
  static struct entity tenants[] = {{.id = {"acme", 4}},
                                    {.id = {"shut", 4}, .state = {"blocked", 7}}};
  static struct entity projects[] = {
      {.id = {"p1", 2}, .tenant = {"acme", 4}, .name = {"research", 8}},
      {.id = {"p2", 2}, .tenant = {"acme", 4}, .owner = {"p1", 2}, .name = {"vision", 6}},
      {.id = {"p3", 2}, .tenant = {"acme", 4}, .owner = {"p4", 2}, .name = {"ring", 4}},
      {.id = {"p4", 2}, .tenant = {"acme", 4}, .owner = {"p3", 2}, .name = {"ring", 4}}};
  static struct entity users[] = {
      {.id = {"u1", 2},
       .tenant = {"acme", 4},
       .name = {"ann", 3},
       .body = SLICE("{\"roles\":[\"member\",{\"role\":\"auditor\",\"project\":\"p2\"}]}")},
      {.id = {"u2", 2}, .tenant = {"acme", 4}, .name = {"bob", 3}, .state = {"blocked", 7}}};
  struct rows *r = must_calloc(1, sizeof *r);
  ref_init(&r->refs);
  arena_init(&r->arena);
  r->tenants = list(must_calloc(2, sizeof *tenants), 2);
  memcpy(r->tenants.items, tenants, sizeof tenants);
  r->projects = list(must_calloc(4, sizeof *projects), 4);
  memcpy(r->projects.items, projects, sizeof projects);
  r->users = list(must_calloc(2, sizeof *users), 2);
  memcpy(r->users.items, users, sizeof users);
  r->keys = list(must_calloc(keys.count + 1, sizeof *keys.items), keys.count);
  memcpy(r->keys.items, keys.items, keys.count * sizeof *keys.items);
  return r;
}

static struct slice lookup_of(struct rows *rows, const char *key) {
  char text[2 * SHA256_BYTES + 1];
  struct key_hash hash = key_hash(secret, slice_of(key));
  key_hash_text(&hash, text);
  return arena_slice(&rows->arena, slice_of(text));
}

/* One key of the store, and the directory that it is in. */
static struct directory *with(struct entity key, const char *text) {
  struct rows *rows = rows_of(list(&key, 1));
  rows->keys.items[0].lookup = lookup_of(rows, text);
  struct directory_source source = {config, roles, rows, secret, {NULL, 0}, false};
  struct directory *d = directory_new(&source);
  rows_unref(rows);
  return d;
}

static void test_row(void) {
  struct entity key = {.id = SLICE("k1"),
                       .tenant = SLICE("acme"),
                       .owner = SLICE("p2"),
                       .name = SLICE("ci"),
                       .body = SLICE("{\"user\":\"u1\",\"models\":[\"gpt-*\"],\"tags\":[\"t\"],"
                                     "\"networks\":[\"10.0.0.0/8\"],\"metadata\":{\"a\":1}}")};
  struct directory *d = with(key, "gy-one");
  const struct principal *p = directory_find(d, SLICE("gy-one"), 1000);
  CHECK(p != NULL);
  CHECK(directory_find(d, SLICE("gy-on"), 1000) == NULL);
  CHECK(directory_find(d, SLICE(""), 1000) == NULL);
  if (p) {
    CHECK_TEXT(p->key, "k1");
    CHECK_TEXT(p->project, "research/vision");
    CHECK_TEXT(p->user, "ann");
    CHECK_TEXT(p->metadata, "{\"a\":1}");
    CHECK(p->grant_count == 2 && p->network_count == 1 && p->tag_count == 1);
    if (p->grant_count == 2) CHECK_TEXT(p->grants[1].project, "research/vision");
    CHECK(principal_may_use(p, SLICE("gpt-4o")) && !principal_may_use(p, SLICE("llama")));
  }
  const struct principal *fixed = directory_find(d, SLICE("gy-static"), 1000);
  CHECK(fixed && fixed->grant_count == 1);
  if (fixed && fixed->grant_count) CHECK_TEXT(fixed->grants[0].role->name, "developer");
  directory_unref(d);
}

/* What was seen is found again, and never longer than the directory says. */
static void test_memory(void) {
  struct entity key = {
      .id = SLICE("k1"), .tenant = SLICE("acme"), .body = SLICE("{\"expires_ms\":2000}")};
  struct directory_memory *m = directory_memory_new();
  struct directory *d = with(key, "gy-one");
  for (int i = 0; i < 3; i++) {
    const struct principal *p = directory_recall(m, d, SLICE("gy-one"), 1000);
    CHECK(p && p == directory_find(d, SLICE("gy-one"), 1000));
    CHECK(directory_recall(m, d, SLICE("gy-static"), 1000) ==
          directory_find(d, SLICE("gy-static"), 1000));
    CHECK(!directory_recall(m, d, SLICE("gy-two"), 1000));
    CHECK(!directory_recall(m, d, SLICE(""), 1000));
  }
  CHECK(!directory_recall(m, d, SLICE("gy-one"), 2000));
  CHECK(directory_recall(m, d, SLICE("gy-one"), 1999));
  directory_unref(d);
  key.state = SLICE("revoked");
  d = with(key, "gy-one");
  CHECK(!directory_recall(m, d, SLICE("gy-one"), 1000));
  directory_unref(d);
  d = with((struct entity){.id = SLICE("k2"), .tenant = SLICE("acme"), .body = SLICE("{}")},
           "gy-two");
  CHECK(!directory_recall(m, d, SLICE("gy-one"), 1000));
  CHECK(directory_recall(m, d, SLICE("gy-two"), 1000));
  directory_unref(d);
  directory_memory_free(m);
}

static void closed(struct entity key, int64_t now_ms) {
  if (!key.id.len) key.id = SLICE("k1");
  if (!key.tenant.len) key.tenant = SLICE("acme");
  if (!key.body.len) key.body = SLICE("{}");
  struct directory *d = with(key, "gy-one");
  CHECK(directory_find(d, SLICE("gy-one"), now_ms) == NULL);
  if (directory_find(d, SLICE("gy-one"), now_ms))
    fprintf(stderr, "open: %.*s %.*s\n", (int)key.state.len, key.state.data, (int)key.body.len,
            key.body.data);
  directory_unref(d);
}

static void test_closed(void) {
  closed((struct entity){.state = SLICE("blocked")}, 0);
  closed((struct entity){.state = SLICE("revoked")}, 0);
  closed((struct entity){.state = SLICE("anything")}, 0);
  closed((struct entity){.tenant = SLICE("shut")}, 0);
  closed((struct entity){.tenant = SLICE("gone")}, 0);
  closed((struct entity){.owner = SLICE("gone")}, 0);
  closed((struct entity){.body = SLICE("{\"user\":\"u2\"}")}, 0);
  closed((struct entity){.body = SLICE("{\"user\":\"gone\"}")}, 0);
  closed((struct entity){.body = SLICE("{\"expires_ms\":1000}")}, 1000);
  closed((struct entity){.body = SLICE("{\"expires_ms\":\"soon\"}")}, 0);
  closed((struct entity){.body = SLICE("{\"networks\":[\"here\"]}")}, 0);
  closed((struct entity){.body = SLICE("{\"models\":\"gpt\"}")}, 0);
  closed((struct entity){.body = SLICE("{\"models\":[1]}")}, 0);
  closed((struct entity){.body = SLICE("{\"roles\":[{\"role\":\"member\",\"project\":\"p3\"}]}")},
         0);
}

static void test_rotation(void) {
  char body[256], old[2 * SHA256_BYTES + 1];
  struct key_hash hash = key_hash(secret, SLICE("gy-old"));
  key_hash_text(&hash, old);
  snprintf(body, sizeof body,
           "{\"expires_ms\":5000,\"previous\":{\"lookup\":\"%s\",\"until_ms\":2000}}", old);
  struct directory *d =
      with((struct entity){.id = SLICE("k1"), .tenant = SLICE("acme"), .body = slice_of(body)},
           "gy-new");
  const struct principal *p = directory_find(d, SLICE("gy-old"), 1999);
  CHECK(p && p == directory_find(d, SLICE("gy-new"), 1999));
  CHECK(!directory_find(d, SLICE("gy-old"), 2000) && directory_find(d, SLICE("gy-new"), 2000));
  CHECK(!directory_find(d, SLICE("gy-new"), 5000));
  if (p && p->grant_count) CHECK_TEXT(p->grants[0].role->name, "service");
  directory_unref(d);
}

static void test_keys(void) {
  char key[KEY_BYTES + 1], other[KEY_BYTES + 1];
  key_make(key);
  key_make(other);
  CHECK(strlen(key) == KEY_BYTES && strcmp(key, other) != 0);
  CHECK(key_is_well_formed(slice_of(key)));
  for (size_t i = 0; i < KEY_BYTES; i++) {
    char was = key[i];
    key[i] = was == 'x' ? 'y' : 'x';
    CHECK(!key_is_well_formed(slice_of(key)));
    key[i] = was;
  }
  CHECK(!key_is_well_formed(SLICE("gy-")));
}

/* What a look-up does that takes time. The linker puts these in the place of the real ones. */
static struct work {
  unsigned digests, hmacs, comparisons;
  size_t bytes;
} work;

void __real_digest_sha256(struct slice data, uint8_t out[SHA256_BYTES]);
void __real_digest_hmac(struct slice key, struct slice data, uint8_t out[SHA256_BYTES]);
bool __real_digest_equal(const uint8_t a[SHA256_BYTES], const uint8_t b[SHA256_BYTES]);
void __wrap_digest_sha256(struct slice data, uint8_t out[SHA256_BYTES]);
void __wrap_digest_hmac(struct slice key, struct slice data, uint8_t out[SHA256_BYTES]);
bool __wrap_digest_equal(const uint8_t a[SHA256_BYTES], const uint8_t b[SHA256_BYTES]);

void __wrap_digest_sha256(struct slice data, uint8_t out[SHA256_BYTES]) {
  work.digests++;
  work.bytes += data.len;
  __real_digest_sha256(data, out);
}

void __wrap_digest_hmac(struct slice key, struct slice data, uint8_t out[SHA256_BYTES]) {
  work.hmacs++;
  __real_digest_hmac(key, data, out);
}

bool __wrap_digest_equal(const uint8_t a[SHA256_BYTES], const uint8_t b[SHA256_BYTES]) {
  work.comparisons++;
  return __real_digest_equal(a, b);
}

static struct work work_of(const struct directory *d, struct slice key, bool is_known) {
  work = (struct work){0};
  CHECK((directory_find(d, key, 1000) != NULL) == is_known);
  return work;
}

/* Counted, not measured: the same digests of the same length, and one comparison. */
static void test_same_work(void) {
  static const char *const states[] = {"", "blocked", "revoked"};
  for (size_t i = 0; i < 3; i++) {
    struct entity key = {.id = SLICE("k1"),
                         .tenant = SLICE("acme"),
                         .state = slice_of(states[i]),
                         .body = SLICE("{\"expires_ms\":2000}")};
    struct directory *d = with(key, "gy-stored");
    const struct slice tried[] = {SLICE("gy-stored"), SLICE("gy-static"), SLICE("gy-storec"),
                                  SLICE("Xy-stored"), SLICE("gy-unknow"), SLICE("\xff\xfe-------"),
                                  SLICE("         ")};
    for (size_t t = 0; t < sizeof tried / sizeof *tried; t++) {
      struct work w = work_of(d, tried[t], t == 1 || (t == 0 && i == 0));
      CHECK(w.digests == 1 && w.hmacs == 1 && w.comparisons == 1 && w.bytes == 9);
    }
    directory_unref(d);
  }
}

static void build_config(void) {
  struct config_problems problems;
  struct value nothing = {.type = VALUE_MAP};
  config_problems_init(&problems);
  config = config_build(&nothing, "gateyes.lua", NULL, &problems);
  CHECK(config != NULL);
  static struct static_key keys[] = {{.name = {"fixed", 5}, .tenant = {"default", 7}}};
  digest_sha256(SLICE("gy-static"), keys[0].sha256);
  config->keys = keys;
  config->key_count = 1;
  static const char *const names[] = {"developer", "member", "auditor", "service"};
  roles = roles_new();
  for (size_t i = 0; i < 4; i++) {
    char body[128];
    snprintf(body, sizeof body, "{\"name\":\"%s\",\"allow\":[\"chat\"]}", names[i]);
    struct role_file file = {.name = slice_of(names[i])};
    CHECK(roles_add_json(roles, &file, slice_of(body), &problems));
  }
  config_problems_fini(&problems);
}

int main(void) {
  build_config();
  test_row();
  test_memory();
  test_closed();
  test_rotation();
  test_keys();
  test_same_work();
  roles_unref(roles);
  config_unref(config);
  return checks_end();
}
