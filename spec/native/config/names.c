/* Names found by hash, and the name that was meant. */
#include "config/names.h"

#include "check.h"

static struct slice nearest_of(const char *wanted, const char *const *candidates) {
  struct nearest n;
  nearest_init(&n, slice_of(wanted));
  for (; *candidates; candidates++)
    nearest_offer(&n, slice_of(*candidates));
  return n.best;
}

static void test_names(void) {
  struct arena a;
  struct names names;
  static int things[1000];
  arena_init(&a);
  names_init(&names, &a, 1000);
  for (size_t i = 0; i < 1000; i++) {
    char text[16];
    snprintf(text, sizeof text, "model-%zu", i);
    CHECK(names_add(&names, arena_slice(&a, slice_of(text)), &things[i]) == NULL);
  }
  CHECK(names_add(&names, SLICE("model-7"), &things[8]) == &things[7]);
  CHECK(names_find(&names, SLICE("model-999")) == &things[999]);
  CHECK(names_find(&names, SLICE("model-1000")) == NULL);
  CHECK(names_find(&names, SLICE("")) == NULL);
  arena_fini(&a);
}

static void test_nearest(void) {
  static const char *const keys[] = {"listen", "limits", "log", "lua", "price", "ping", NULL};
  CHECK_TEXT(nearest_of("lissten", keys), "listen");
  CHECK_TEXT(nearest_of("prise", keys), "price");
  CHECK_TEXT(nearest_of("limit", keys), "limits");
  CHECK(nearest_of("providers", keys).len == 0);
  CHECK(nearest_of("x", keys).len == 0);
  CHECK(nearest_of("", keys).len == 0);
}

int main(void) {
  test_names();
  test_nearest();
  return checks_end();
}
