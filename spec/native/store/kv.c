#include "store/kv.h"

#include <uv.h>

#include "check.h"

static const struct kv_limits limits = {.bytes = 4096, .entries = 8, .value_bytes = 256};

static bool put(struct kv_space *s, const char *name, const char *value, uint64_t ttl_ms,
                uint64_t now_ms) {
  return kv_put(s, &(struct kv_put){slice_of(name), slice_of(value), ttl_ms, now_ms});
}

static bool is(struct kv_space *s, const char *name, const char *value, uint64_t now_ms) {
  struct bytes out;
  bytes_init(&out);
  bool found = kv_get(s, slice_of(name), now_ms, &out);
  bool same = value ? found && slice_equal_text(bytes_slice(&out), value) : !found;
  bytes_fini(&out);
  return same;
}

static void test_values(void) {
  struct kv *kv = kv_new(&limits);
  struct kv_space *a = kv_space_get(kv, SLICE("a")), *b = kv_space_get(kv, SLICE("b"));
  CHECK(a == kv_space_get(kv, SLICE("a")) && a != b);
  CHECK(put(a, "x", "1", 0, 0) && put(a, "x", "2", 0, 0));
  CHECK(is(a, "x", "2", 99) && is(b, "x", NULL, 99));
  CHECK(put(a, "t", "soon gone", 10, 100));
  CHECK(is(a, "t", "soon gone", 109) && is(a, "t", NULL, 110));
  CHECK(put(a, "e", "", 0, 0) && is(a, "e", "", 0));
  CHECK(kv_expire(a, SLICE("x"), 50, 100) && is(a, "x", "2", 149) && is(a, "x", NULL, 150));
  CHECK(!kv_expire(a, SLICE("x"), 50, 200));
  CHECK(kv_expire(a, SLICE("e"), 0, 0) && is(a, "e", NULL, 0));
  char longest[300];
  memset(longest, 'v', sizeof longest);
  longest[257] = 0;
  CHECK(!put(a, "long", longest, 0, 0));
  longest[256] = 0;
  CHECK(put(a, "long", longest, 0, 0) && is(a, "long", longest, 0));
  CHECK(!put(a, "", "no name", 0, 0));
  kv_free(kv);
}

static void test_add(void) {
  struct kv *kv = kv_new(&limits);
  struct kv_space *s = kv_space_get(kv, SLICE("a"));
  int64_t sum = 0;
  struct kv_add add = {SLICE("n"), 5, 100, 1000};
  CHECK(kv_add(s, &add, &sum) && sum == 5);
  add.amount = -7;
  add.now_ms = 1050;
  CHECK(kv_add(s, &add, &sum) && sum == -2);
  add.now_ms = 1100; /* the time to live began with the first */
  CHECK(kv_add(s, &add, &sum) && sum == -7);
  CHECK(is(s, "n", "-7", 1100));
  CHECK(put(s, "n", "seven", 0, 1100) && !kv_add(s, &add, &sum) && is(s, "n", "seven", 1100));
  CHECK(put(s, "m", "9223372036854775807", 0, 0));
  CHECK(!kv_add(s, &(struct kv_add){SLICE("m"), 1, 0, 0}, &sum));
  kv_free(kv);
}

/* What was used least recently goes, and the counts hold. */
static void test_room(void) {
  struct kv *kv = kv_new(&limits);
  struct kv_space *s = kv_space_get(kv, SLICE("a"));
  char name[16];
  for (int i = 0; i < 8; i++) {
    snprintf(name, sizeof name, "k%d", i);
    CHECK(put(s, name, name, 0, 0));
  }
  CHECK(is(s, "k0", "k0", 0));
  CHECK(put(s, "k8", "k8", 0, 0));
  CHECK(is(s, "k1", NULL, 0) && is(s, "k0", "k0", 0) && is(s, "k8", "k8", 0));
  CHECK(kv_count(s) == 8);
  struct kv_limits many = {.bytes = 1 << 20, .entries = 5000, .value_bytes = 64};
  struct kv *big = kv_new(&many);
  struct kv_space *t = kv_space_get(big, SLICE("a"));
  for (int i = 0; i < 20000; i++) {
    snprintf(name, sizeof name, "k%d", i);
    CHECK(put(t, name, name, 0, 0));
  }
  CHECK(kv_count(t) <= 5000 && kv_count(t) > 1000);
  CHECK(is(t, "k19999", "k19999", 0) && is(t, "k0", NULL, 0));
  kv_free(big);
  kv_free(kv);
}

struct adder {
  struct kv_space *space;
  uv_thread_t thread;
};

static void on_adder(void *user) {
  struct adder *adder = user;
  int64_t sum;
  for (int i = 0; i < 10000; i++)
    must(kv_add(adder->space, &(struct kv_add){SLICE("n"), 1, 0, 0}, &sum));
}

static void test_threads(void) {
  struct kv *kv = kv_new(&limits);
  struct adder adders[4];
  for (int i = 0; i < 4; i++) {
    adders[i].space = kv_space_get(kv, SLICE("a"));
    must(uv_thread_create(&adders[i].thread, on_adder, &adders[i]) == 0);
  }
  for (int i = 0; i < 4; i++)
    uv_thread_join(&adders[i].thread);
  CHECK(is(adders[0].space, "n", "40000", 0));
  kv_free(kv);
}

int main(void) {
  test_values();
  test_add();
  test_room();
  test_threads();
  return checks_end();
}
