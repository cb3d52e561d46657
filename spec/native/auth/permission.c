/* Roles, what they allow and how far, globs and networks. */
#include "auth/network.h"
#include "auth/role.h"
#include "check.h"

static struct arena arena;
static struct config_problems problems;

static bool add(struct roles *roles, const char *tenant, const char *name, const char *body) {
  struct role_file file = {.name = slice_of(name), .tenant = slice_of(tenant)};
  return roles_add_json(roles, &file, slice_of(body), &problems);
}

static struct principal someone(struct roles *roles, const char *role) {
  struct grant *grant = arena_alloc(&arena, sizeof *grant);
  *grant = (struct grant){.role = roles_find(roles, SLICE("acme"), slice_of(role))};
  return (struct principal){.key = SLICE("k1"),
                            .tenant = SLICE("acme"),
                            .project = SLICE("research/vision"),
                            .user = SLICE("ann"),
                            .grants = grant,
                            .grant_count = grant->role ? 1 : 0};
}

static bool may(const struct principal *p, enum action action, struct resource resource) {
  return permission_check(p, action, &resource, NULL) == PERMISSION_GRANTED;
}

static struct roles *shipped(void) {
  struct roles *r = roles_new();
  CHECK(
      add(r, "", "super_admin", "{\"name\":\"super_admin\",\"reach\":\"all\",\"allow\":[\"*\"]}"));
  CHECK(add(r, "", "tenant_admin",
            "{\"name\":\"tenant_admin\",\"reach\":\"tenant\",\"allow\":[\"chat\",\"keys.*\"]}"));
  CHECK(add(r, "", "dev",
            "{\"name\":\"dev\",\"reach\":\"project\",\"allow\":[\"chat\",\"keys.read\"],"
            "\"models\":[\"gpt-*\"],\"residency\":[\"local\"]}"));
  CHECK(add(r, "", "own", "{\"name\":\"own\",\"reach\":\"own\",\"allow\":[\"keys.read\"]}"));
  return r;
}

static void test_clients(void) {
  struct roles *r = shipped();
  struct principal p = someone(r, "dev");
  CHECK(may(&p, ACTION_CHAT, (struct resource){.model = SLICE("gpt-4o")}));
  CHECK(!may(&p, ACTION_CHAT, (struct resource){.model = SLICE("llama")}));
  CHECK(!may(&p, ACTION_EMBEDDINGS, (struct resource){.model = SLICE("gpt-4o")}));
  struct resource attempt = {.model = SLICE("gpt-4o"), .is_attempt = true};
  CHECK(!may(&p, ACTION_CHAT, attempt)); /* a place that is not known is not local */
  attempt.residency = SLICE("local");
  CHECK(may(&p, ACTION_CHAT, attempt));
  ((struct grant *)p.grants)->project = SLICE("research");
  CHECK(may(&p, ACTION_CHAT, (struct resource){.model = SLICE("gpt-4o")}));
  ((struct grant *)p.grants)->project = SLICE("resea");
  CHECK(!may(&p, ACTION_CHAT, (struct resource){.model = SLICE("gpt-4o")}));
  p.grant_count = 0;
  CHECK(!may(&p, ACTION_CHAT, (struct resource){.model = SLICE("gpt-4o")}));
  roles_unref(r);
}

static void test_reach(void) {
  static const struct {
    const char *tenant, *project, *key;
    enum reach least; /* that may */
  } cases[] = {
      {"acme", "", "k1", REACH_OWN},
      {"acme", "research/vision", "k2", REACH_PROJECT},
      {"acme", "research/vision/eyes", "k2", REACH_PROJECT},
      {"acme", "research/visionary", "k2", REACH_TENANT},
      {"acme", "research", "k2", REACH_TENANT},
      {"acme", "", "k2", REACH_TENANT},
      {"other", "research/vision", "k1", REACH_ALL},
      {"", "", "", REACH_ALL},
  };
  static const char *const names[] = {"", "own", "dev", "tenant_admin", "super_admin"};
  struct roles *r = shipped();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int reach = REACH_OWN; reach <= REACH_ALL; reach++) {
      struct principal p = someone(r, names[reach]);
      struct resource resource = {.tenant = slice_of(cases[i].tenant),
                                  .project = slice_of(cases[i].project),
                                  .key = slice_of(cases[i].key)};
      bool granted = may(&p, ACTION_KEYS_READ, resource);
      if (granted != (reach >= (int)cases[i].least))
        fprintf(stderr, "case %zu as %s\n", i, names[reach]);
      CHECK(granted == (reach >= (int)cases[i].least));
      CHECK((int)permission_reach(&p, ACTION_KEYS_READ, NULL) == reach);
    }
  roles_unref(r);
}

static void test_granting(void) {
  struct roles *r = shipped();
  struct principal admin = someone(r, "tenant_admin"), dev = someone(r, "dev");
  struct resource here = {.tenant = SLICE("acme"), .project = SLICE("research/vision")};
  struct resource there = {.tenant = SLICE("other")};
  const struct role *own = roles_find(r, SLICE("acme"), SLICE("own"));
  const struct role *dev_role = roles_find(r, SLICE("acme"), SLICE("dev"));
  const struct role *admin_role = roles_find(r, SLICE("acme"), SLICE("tenant_admin"));
  CHECK(permission_may_grant(&admin, own, &here));
  CHECK(permission_may_grant(&admin, dev_role, &here));
  CHECK(permission_may_grant(&admin, admin_role, &here));
  CHECK(!permission_may_grant(&admin, own, &there));
  CHECK(!permission_may_grant(&admin, roles_find(r, SLICE("acme"), SLICE("super_admin")), &here));
  CHECK(permission_may_grant(&dev, dev_role, &here));
  CHECK(!permission_may_grant(&dev, own, &here)); /* it has no limit on models, dev has */
  CHECK(!permission_may_grant(&dev, admin_role, &here));
  roles_unref(r);
}

static void refused(const char *tenant, const char *body, const char *sentence) {
  struct roles *r = shipped();
  config_problems_fini(&problems);
  config_problems_init(&problems);
  CHECK(!add(r, tenant, "x", body));
  CHECK(problems.count == 1 && strstr(problems.items[0], sentence));
  if (problems.count != 1 || !strstr(problems.items[0], sentence))
    for (size_t i = 0; i < problems.count; i++)
      fprintf(stderr, "got: %s\n", problems.items[i]);
  CHECK(roles_find(r, slice_of(tenant), SLICE("x")) == NULL);
  roles_unref(r);
}

static void test_refusals(void) {
  refused("", "[]", "expects a table of names");
  refused("", "{\"name\":\"x\"", "expects a table of names");
  refused("", "{\"name\":\"y\",\"allow\":[\"chat\"]}", "must be the name of its file");
  refused("", "{\"name\":\"x\",\"allow\":[\"chatt\"]}", "chatt: is no action");
  refused("", "{\"name\":\"x\",\"allow\":[\"chat\"],\"reach\":\"galaxy\"}", "reach: expects");
  refused("", "{\"name\":\"x\",\"allow\":[\"chat\"],\"models\":[]}", "would allow all");
  refused("", "{\"name\":\"x\",\"allow\":[\"chat\"],\"decide\":[\"chat\"]}",
          "needs a function may");
  refused("", "{\"name\":\"x\",\"allow\":[\"chat\"],\"modles\":[\"a\"]}", "modles: is not known");
  refused("acme", "{\"name\":\"x\",\"allow\":[\"chat\"],\"reach\":\"all\"}", "beyond the tenant");
  refused("acme", "{\"name\":\"x\",\"allow\":[\"tenants.write\"]}", "more than a tenant_admin");
}

static void test_networks(void) {
  static const struct {
    const char *network, *peer;
    bool holds;
  } cases[] = {
      {"10.0.0.0/8", "10.1.2.3:99", true},
      {"10.0.0.0/8", "11.1.2.3:99", false},
      {"10.1.2.3", "10.1.2.3:1", true},
      {"10.1.2.3", "10.1.2.4:1", false},
      {"192.168.4.0/22", "192.168.7.255:5", true},
      {"192.168.4.0/22", "192.168.8.0:5", false},
      {"2001:db8::/33", "[2001:db8:7fff::1]:5", true},
      {"2001:db8::/33", "[2001:db8:8000::1]:5", false},
      {"10.0.0.0/8", "[::ffff:10.0.0.1]:5", true},
      {"0.0.0.0/0", "[2001:db8::1]:5", false},
      {"0.0.0.0/0", "8.8.8.8:5", true},
      {"::/0", "8.8.8.8:5", true},
      {"::/0", "unix", false},
      {"0.0.0.0/0", "", false},
  };
  static const char *const bad[] = {"",          "10.0.0.0/33", "10.0.0", "::/129",
                                    "10.0.0.0/", "x",           "::1/-1"};
  struct network n;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CHECK(network_parse(slice_of(cases[i].network), &n));
    if (networks_hold(&n, 1, slice_of(cases[i].peer)) != cases[i].holds)
      fprintf(stderr, "%s %s\n", cases[i].network, cases[i].peer);
    CHECK(networks_hold(&n, 1, slice_of(cases[i].peer)) == cases[i].holds);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK(!network_parse(slice_of(bad[i]), &n));
}

int main(void) {
  arena_init(&arena);
  config_problems_init(&problems);
  test_clients();
  test_reach();
  test_granting();
  test_refusals();
  test_networks();
  config_problems_fini(&problems);
  arena_fini(&arena);
  return checks_end();
}
