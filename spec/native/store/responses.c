/* The response store: ownership of ids, replacement, eviction, age, items, and many threads. */
#include "store/responses.h"

#include <stdatomic.h>
#include <uv.h>

#include "check.h"

/* base/digest keeps one digest context per thread for good; these threads end before the process.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
  return "leak:CRYPTO_zalloc";
}

enum { THREADS = 4, ROUNDS = 3000 };

static struct responses *store_of(size_t entries, size_t bytes, uint64_t ttl_ms) {
  return responses_new(&(struct responses_limits){entries, bytes, ttl_ms});
}

static bool put(struct responses *r, const char *owner, const char *id, const char *response) {
  return responses_put(r, &(struct response_record){.owner = slice_of(owner),
                                                    .id = slice_of(id),
                                                    .response = slice_of(response),
                                                    .items = SLICE("[]")});
}

static bool has(struct responses *r, const char *owner, const char *id) {
  struct response_texts *t = responses_find(r, slice_of(owner), slice_of(id));
  response_texts_unref(t);
  return t != NULL;
}

static void test_owner(void) {
  struct responses *r = store_of(10, 100000, 0);
  CHECK(put(r, "acme", "resp_1", "{\"a\":1}"));
  struct response_texts *t = responses_find(r, SLICE("acme"), SLICE("resp_1"));
  CHECK(t != NULL);
  CHECK_TEXT(response_texts_response(t), "{\"a\":1}");
  CHECK_TEXT(response_texts_items(t), "[]");
  CHECK(!has(r, "other", "resp_1"));
  CHECK(!has(r, "acmeresp", "_1"));
  CHECK(!responses_delete(r, SLICE("other"), SLICE("resp_1")));
  CHECK(responses_delete(r, SLICE("acme"), SLICE("resp_1")));
  CHECK(!responses_delete(r, SLICE("acme"), SLICE("resp_1")));
  CHECK_TEXT(response_texts_response(t), "{\"a\":1}");
  response_texts_unref(t);
  CHECK(responses_count(r) == 0 && responses_bytes(r) == 0);
  responses_free(r);
}

static void test_replace_and_evict(void) {
  struct responses *r = store_of(2, 100000, 0);
  CHECK(put(r, "o", "a", "1"));
  CHECK(put(r, "o", "a", "2"));
  CHECK(responses_count(r) == 1);
  CHECK(put(r, "o", "b", "3"));
  CHECK(has(r, "o", "a"));
  CHECK(put(r, "o", "c", "4"));
  CHECK(has(r, "o", "a") && !has(r, "o", "b") && has(r, "o", "c"));
  responses_free(r);
}

static void test_bytes(void) {
  char big[2001];
  memset(big, 'x', 2000);
  big[2000] = 0;
  struct responses *r = store_of(100, 5000, 0);
  for (int i = 0; i < 20; i++) {
    char id[16];
    snprintf(id, sizeof id, "r%d", i);
    CHECK(put(r, "o", id, big));
    CHECK(responses_bytes(r) <= 5000);
  }
  CHECK(has(r, "o", "r19") && !has(r, "o", "r0"));
  struct responses *small = store_of(100, 1000, 0);
  CHECK(put(small, "o", "a", "1"));
  CHECK(!put(small, "o", "a", big));
  CHECK(!has(small, "o", "a"));
  responses_free(small);
  responses_free(r);
}

static void test_age(void) {
  struct responses *r = store_of(10, 100000, 20);
  CHECK(put(r, "o", "a", "1"));
  CHECK(has(r, "o", "a"));
  uv_sleep(40);
  CHECK(!has(r, "o", "a"));
  CHECK(!responses_delete(r, SLICE("o"), SLICE("a")));
  CHECK(put(r, "o", "b", "1"));
  uv_sleep(40);
  CHECK(put(r, "o", "c", "1"));
  CHECK(responses_count(r) == 1);
  responses_free(r);
}

static void test_items(void) {
  struct responses *r = store_of(2, 100000, 0);
  struct response_item input[] = {{SLICE("msg_1"), 1, 3}, {SLICE("msg_2"), 5, 4}};
  struct response_item output[] = {{SLICE("msg_3"), 2, 2}};
  struct response_record record = {.owner = SLICE("o"),
                                   .id = SLICE("a"),
                                   .response = SLICE("{\"yy\"}"),
                                   .items = SLICE("[AAA,BBBB]"),
                                   .input = input,
                                   .input_count = 2,
                                   .output = output,
                                   .output_count = 1};
  CHECK(responses_put(r, &record));
  struct slice item;
  struct response_texts *t = responses_find_item(r, SLICE("o"), SLICE("msg_2"), &item);
  CHECK(t != NULL);
  CHECK_TEXT(item, "BBBB");
  response_texts_unref(t);
  t = responses_find_item(r, SLICE("o"), SLICE("msg_3"), &item);
  CHECK(t != NULL);
  CHECK_TEXT(item, "yy");
  response_texts_unref(t);
  CHECK(!responses_find_item(r, SLICE("x"), SLICE("msg_3"), &item));
  CHECK(!responses_find_item(r, SLICE("o"), SLICE("msg_4"), &item));

  /* Two records share an item: it is found until both are gone. */
  record.id = SLICE("b");
  CHECK(responses_put(r, &record));
  CHECK(responses_delete(r, SLICE("o"), SLICE("b")));
  t = responses_find_item(r, SLICE("o"), SLICE("msg_1"), &item);
  CHECK(t != NULL);
  CHECK(responses_delete(r, SLICE("o"), SLICE("a")));
  CHECK(!responses_find_item(r, SLICE("o"), SLICE("msg_1"), &item));
  CHECK_TEXT(item, "AAA");
  response_texts_unref(t);
  CHECK(responses_bytes(r) == 0);
  responses_free(r);
}

struct worker {
  struct responses *store;
  int number;
  atomic_int *wrong;
};

static void on_worker(void *data) {
  struct worker *w = data;
  char id[16], text[16];
  for (int i = 0; i < ROUNDS; i++) {
    snprintf(id, sizeof id, "r%d", i % 50);
    snprintf(text, sizeof text, "%d", i % 50);
    put(w->store, w->number % 2 ? "odd" : "even", id, text);
    struct response_texts *t =
        responses_find(w->store, slice_of(w->number % 2 ? "odd" : "even"), slice_of(id));
    if (t && !slice_equal_text(response_texts_response(t), text)) atomic_fetch_add(w->wrong, 1);
    if (i % 7 == 0)
      responses_delete(w->store, slice_of(w->number % 2 ? "odd" : "even"), slice_of(id));
    response_texts_unref(t);
  }
}

static void test_threads(void) {
  struct responses *r = store_of(30, 1000000, 5);
  atomic_int wrong = 0;
  uv_thread_t threads[THREADS];
  struct worker workers[THREADS];
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){r, i, &wrong};
    CHECK(uv_thread_create(&threads[i], on_worker, &workers[i]) == 0);
  }
  for (int i = 0; i < THREADS; i++)
    uv_thread_join(&threads[i]);
  CHECK(atomic_load(&wrong) == 0);
  CHECK(responses_count(r) <= 30);
  responses_free(r);
}

int main(void) {
  test_owner();
  test_replace_and_evict();
  test_bytes();
  test_age();
  test_items();
  test_threads();
  return checks_end();
}
