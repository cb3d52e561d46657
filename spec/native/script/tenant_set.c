/* Who runs what: current generations, canaries by share and by key, shadows, and what goes away. */
#include "check.h"
#include "script/tenant_scripts.h"

static struct tenant_scripts *scripts(const char *mark) {
  return tenant_scripts_new_refusal(SLICE("acme"), slice_of(mark));
}

static struct slice picked(const struct tenant_set *set, const char *key, uint64_t hash) {
  struct tenant_pick pick = {SLICE("acme"), slice_of(key), hash};
  const struct tenant_scripts *s = tenant_set_pick(set, &pick);
  return s ? tenant_scripts_refusal(s) : SLICE("none");
}

static void test_roles(void) {
  struct tenant_set *set = tenant_set_new();
  CHECK_TEXT(picked(set, "dev", 0), "none");
  tenant_set_put(set, SLICE("acme"), TENANT_CURRENT, scripts("one"), NULL);
  CHECK_TEXT(picked(set, "dev", 99), "one");
  struct slice keys[] = {SLICE("ci"), SLICE("qa")};
  tenant_set_put(set, SLICE("acme"), TENANT_CANARY, scripts("two"),
                 &(struct tenant_share){10, keys, 2});
  int canaries = 0;
  for (uint64_t hash = 0; hash < 1000; hash++)
    canaries += slice_equal_text(picked(set, "dev", hash), "two");
  CHECK(canaries == 100);
  CHECK_TEXT(picked(set, "qa", 99), "two");
  CHECK_TEXT(tenant_scripts_refusal(tenant_set_find(set, SLICE("acme"))), "one");
  CHECK(!tenant_set_shadow_find(set, SLICE("acme")));
  tenant_set_put(set, SLICE("acme"), TENANT_SHADOW, scripts("three"), NULL);
  CHECK(tenant_set_shadow_find(set, SLICE("acme")) != NULL);
  struct tenant_scripts *held = tenant_scripts_ref(tenant_set_find(set, SLICE("acme")));
  tenant_set_put(set, SLICE("acme"), TENANT_CURRENT, scripts("four"), NULL);
  CHECK_TEXT(picked(set, "qa", 0), "four"); /* the canary is over */
  CHECK(!tenant_set_shadow_find(set, SLICE("acme")));
  CHECK_TEXT(tenant_scripts_refusal(held), "one"); /* a request in flight keeps its own */
  tenant_scripts_unref(held);
  tenant_set_free(set);
}

static void test_many(void) {
  struct tenant_set *set = tenant_set_new();
  char name[16];
  for (int i = 0; i < 300; i++) {
    snprintf(name, sizeof name, "t%d", i);
    tenant_set_put(set, slice_of(name), TENANT_CURRENT, scripts(name), NULL);
  }
  for (int i = 0; i < 300; i += 2) {
    snprintf(name, sizeof name, "t%d", i);
    tenant_set_put(set, slice_of(name), TENANT_CURRENT, NULL, NULL);
  }
  for (int i = 0; i < 300; i++) {
    snprintf(name, sizeof name, "t%d", i);
    CHECK(!tenant_set_find(set, slice_of(name)) == (i % 2 == 0));
  }
  tenant_set_put(set, SLICE("nobody"), TENANT_SHADOW, NULL, NULL);
  CHECK(!tenant_set_find(set, SLICE("nobody")));
  tenant_set_free(set);
}

int main(void) {
  test_roles();
  test_many();
  return checks_end();
}
