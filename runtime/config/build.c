#include "config/build.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static uint32_t core_count(void) {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  int count = CPU_COUNT(&cores);
  return count < 1 ? 1 : count > 256 ? 256 : (uint32_t)count;
}

static struct slice folder_of(const char *file) {
  const char *slash = strrchr(file, '/');
  return (struct slice){file, slash ? (size_t)(slash - file) + 1 : 0};
}

static struct addresses one_address(struct config *c, const char *host, uint16_t port) {
  struct address *one = arena_alloc(&c->arena, sizeof *one);
  one->text = slice_of(arena_printf(&c->arena, "%s:%u", host, port));
  one->host = host;
  one->port = port;
  return (struct addresses){one, 1};
}

static bool is_listed(struct addresses all, size_t count, const struct address *wanted) {
  for (size_t i = 0; i < count; i++) {
    const struct address *a = &all.items[i];
    if (a->is_unix == wanted->is_unix && a->port == wanted->port && (a->is_unix || a->port) &&
        strcmp(a->host, wanted->host) == 0)
      return true;
  }
  return false;
}

static void check_addresses(struct build *b, const struct place *listen,
                            const struct place *admin_listen) {
  const struct config *c = b->config;
  for (size_t i = 0; i < c->listen.count; i++)
    if (is_listed(c->listen, i, &c->listen.items[i]))
      problem(b, listen, "names %s twice; keep one",
              shown(b, listen->value, c->listen.items[i].text));
  for (size_t i = 0; i < c->admin_listen.count; i++)
    if (is_listed(c->admin_listen, i, &c->admin_listen.items[i]) ||
        is_listed(c->listen, c->listen.count, &c->admin_listen.items[i]))
      problem(b, admin_listen, "%s is listened on already; use another port for operators",
              shown(b, admin_listen->value, c->admin_listen.items[i].text));
}

static void build_listen(struct build *b, const struct place *root) {
  struct config *c = b->config;
  struct place listen = place_find(root, "listen"), admin = place_find(root, "admin");
  struct place admin_listen = place_find(&admin, "listen"), tls = place_find(root, "tls");
  c->listen = one_address(c, "127.0.0.1", 8080);
  c->admin_listen = one_address(c, "127.0.0.1", 8081);
  if (listen.value) parse_addresses(b, &listen, &c->listen);
  if (admin_listen.value) parse_addresses(b, &admin_listen, &c->admin_listen);
  check_addresses(b, &listen, &admin_listen);
  if (tls.value && tls.value->type == VALUE_MAP)
    for (int i = 0; i < 2; i++) {
      const char *key = i ? "key" : "certificate";
      if (!value_find(tls.value, key)) problem(b, &tls, "has no %s; name its file", key);
    }
}

enum { NAMESERVERS_MAX = 8 };

static void build_nameservers(struct build *b, const struct place *root) {
  struct config *c = b->config;
  struct place upstream = place_find(root, "upstream"), at = place_find(&upstream, "nameservers");
  struct addresses servers = {0};
  struct bytes text;
  if (!at.value) return;
  parse_addresses(b, &at, &servers);
  bytes_init(&text);
  for (size_t i = 0; i < servers.count; i++) {
    bool is_bad = servers.items[i].is_unix || servers.items[i].port == 0;
    if (is_bad) problem(b, &at, "names a server without a port; write for example 127.0.0.1:53");
    if (i > 0) bytes_append_byte(&text, ',');
    bytes_append_slice(&text, servers.items[i].text);
  }
  if (servers.count > NAMESERVERS_MAX)
    problem(b, &at, "names more than %d servers", NAMESERVERS_MAX);
  c->nameservers = arena_slice(&c->arena, bytes_slice(&text));
  bytes_fini(&text);
}

/* Accepting what is not there yet would let replicas count apart that were meant to count together.
 */
static void check_store(struct build *b, const struct place *root) {
  struct place store = place_find(root, "store"), shared = place_find(root, "shared");
  struct slice s = b->config->store, r = b->config->shared;
  if (slice_starts(s, SLICE("postgres://")) || slice_starts(s, SLICE("postgresql://")))
    problem(b, &store,
            "names Postgres, which this version does not speak; write sqlite:FILE or "
            "none");
  else if (store.value && s.len && !(slice_starts(s, SLICE("sqlite:")) && s.len > 7) &&
           !slice_equal_text(s, "none"))
    problem(b, &store, "is no store; write sqlite:FILE or none");
  if (shared.value && r.len)
    problem(b, &shared,
            "names counters that replicas share, which this version does not speak; "
            "remove it, and give each replica its share of the limits");
}

/* What two keys say together. A problem points to the one that is written, or to their table. */
static void check_pairs(struct build *b, const struct place *root) {
  const struct config *c = b->config;
  struct place limits = place_find(root, "limits"), drain = place_find(root, "drain");
  struct place currency = place_find(root, "currency");
  if (c->limits.write_low_bytes >= c->limits.write_high_bytes)
    problem(b, &limits, "write_low is not below write_high; lower write_low or raise write_high");
  if (c->drain_hard_ms < c->drain_grace_ms && place_find(&drain, "grace").value)
    problem(b, &drain, "hard is below grace; raise hard or lower grace");
  if (c->drain_hard_ms < c->drain_grace_ms) b->config->drain_grace_ms = c->drain_hard_ms;
  for (size_t i = 0; i < c->currency.len; i++)
    if (c->currency.data[i] < 'A' || c->currency.data[i] > 'Z' || c->currency.len > 8) {
      problem(b, &currency, "is no currency; write capital letters such as \"USD\"");
      break;
    }
}

static void build_all(struct build *b) {
  struct config *c = b->config;
  struct place root = place_root(b);
  c->workers = core_count();
  walk_defaults(b, "", c);
  walk_table(b, &root, "", c);
  c->upstream.head_is_set = value_find(value_find(b->root, "upstream"), "head") != NULL;
  build_listen(b, &root);
  build_nameservers(b, &root);
  check_store(b, &root);
  check_pairs(b, &root);
  build_protocol(b, &root);
  build_providers(b, &root);
  build_money(b, &root);
  build_models(b, &root);
  build_tenant_hosts(b, &root);
  build_keys(b, &root);
  build_identities(b, &root);
  build_quotas(b, &root);
  build_webhooks(b, &root);
}

static int64_t changed_of(const char *path) {
  struct stat file;
  return stat(path, &file) == 0 ? file.st_mtim.tv_sec : 0;
}

struct config *config_build(const struct value *root, const char *file, config_check *also,
                            struct config_problems *problems) {
  struct config *c = must_calloc(1, sizeof *c);
  ref_init(&c->refs);
  c->serial = config_serial_next();
  arena_init(&c->arena);
  c->file = arena_text(&c->arena, slice_of(file));
  c->changed_s = changed_of(file);
  struct build b = {.config = c, .problems = problems, .root = root, .folder = folder_of(c->file)};
  build_all(&b);
  if (also) also(c, problems);
  if (problems->count == 0) return c;
  config_problems_sort(problems);
  config_unref(c);
  return NULL;
}
