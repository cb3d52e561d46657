/* Stored responses outlive the process: as records, as deletions, by tenant, and no longer than
 * their time. */
#include "store/response_archive.h"

#include "sqlite_kit.h"

static void say(void *context, bool is_error, const char *sentence) {
  (void)context;
  if (is_error) fprintf(stderr, "%s\n", sentence);
}

struct house {
  uv_loop_t loop;
  struct bookkeeper *bookkeeper;
  struct responses *responses;
  struct response_archive *archive;
};

static void house_open(struct house *h, uint64_t ttl_ms) {
  char folder[200];
  snprintf(folder, sizeof folder, "%s.journal", kit_path);
  struct journal_settings journal = {.folder = folder,
                                     .writers = 1,
                                     .segment_bytes = 16 << 10,
                                     .spill_bytes = 1 << 20,
                                     .disk_bytes = 64 << 20,
                                     .say = say};
  struct bytes error;
  bytes_init(&error);
  CHECK(uv_loop_init(&h->loop) == 0);
  struct bookkeeper_settings settings = {.loop = &h->loop,
                                         .store = kit_store(),
                                         .journals = journals_open(&journal, &error),
                                         .has_text_key = true,
                                         .text_bytes = 1 << 20,
                                         .say = say};
  bytes_fini(&error);
  h->bookkeeper = bookkeeper_new(&settings);
  h->responses = responses_new(&(struct responses_limits){100, 1 << 20, ttl_ms});
  static const struct slice left_out[] = {{"globex", 6}};
  struct response_archive_settings archive = {h->bookkeeper, h->responses, ttl_ms, left_out, 1};
  h->archive = response_archive_new(&archive);
}

static void house_close(struct house *h) {
  response_archive_free(h->archive);
  bookkeeper_close(h->bookkeeper);
  uv_run(&h->loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&h->loop) == 0);
  responses_free(h->responses);
}

static void put(struct house *h, const char *owner, const char *id, const char *response) {
  struct response_item input = {SLICE("msg_1"), 1, 8}, output = {SLICE("msg_2"), 0, 1};
  struct response_record record = {.owner = slice_of(owner),
                                   .id = slice_of(id),
                                   .response = slice_of(response),
                                   .items = SLICE("[{\"a\":1}]"),
                                   .input = &input,
                                   .input_count = 1,
                                   .output = &output,
                                   .output_count = 1};
  record.input = &input;
  CHECK(responses_put(h->responses, &record));
}

static bool has(struct house *h, const char *owner, const char *id, const char *text) {
  struct response_texts *t = responses_find(h->responses, slice_of(owner), slice_of(id));
  bool same = t && slice_equal_text(response_texts_response(t), text);
  response_texts_unref(t);
  return same;
}

static void test_restart(void) {
  struct house h;
  house_open(&h, 60000);
  put(&h, "4:acme/k", "resp_1", "{\"status\":\"completed\",\"n\":1}");
  put(&h, "4:acme/k", "resp_1", "{\"status\":\"completed\",\"n\":2}");
  put(&h, "4:acme/other", "resp_1", "{\"status\":\"completed\",\"n\":3}");
  put(&h, "4:acme/k", "resp_2", "{\"status\":\"in_progress\"}");
  put(&h, "4:acme/k", "resp_3", "{\"status\":\"completed\"}");
  put(&h, "6:globex/k", "resp_4", "{\"status\":\"completed\"}");
  CHECK(responses_delete(h.responses, SLICE("4:acme/k"), SLICE("resp_3")));
  house_close(&h);
  CHECK(kit_number("SELECT count(*) FROM texts") == 3);
  CHECK(kit_number("SELECT count(*) FROM texts WHERE instr(sealed, 'completed')") == 0);
  house_open(&h, 60000);
  CHECK(response_archive_loaded(h.archive) == 2);
  CHECK(has(&h, "4:acme/k", "resp_1", "{\"status\":\"completed\",\"n\":2}"));
  CHECK(has(&h, "4:acme/other", "resp_1", "{\"status\":\"completed\",\"n\":3}"));
  CHECK(!has(&h, "4:acme/k", "resp_2", "{\"status\":\"in_progress\"}"));
  struct slice item;
  struct response_texts *t =
      responses_find_item(h.responses, SLICE("4:acme/k"), SLICE("msg_1"), &item);
  CHECK(t != NULL);
  if (t) CHECK_TEXT(item, "{\"a\":1}]");
  response_texts_unref(t);
  house_close(&h);
}

static void test_age(void) {
  kit_sql("UPDATE texts SET time_ms = time_ms - 50000");
  struct house h;
  house_open(&h, 50100); /* a tenth of a second is left */
  size_t loaded = response_archive_loaded(h.archive);
  usleep(200000);
  CHECK(loaded <= 2 && !has(&h, "4:acme/k", "resp_1", "{\"status\":\"completed\",\"n\":2}"));
  house_close(&h);
  house_open(&h, 40000);
  CHECK(response_archive_loaded(h.archive) == 0);
  house_close(&h);
}

static void test_decode(void) {
  struct response_item item = {SLICE("i"), 0, 2};
  struct response_record in = {
      SLICE("o"), SLICE("id"), SLICE("{}"), SLICE("[]"), &item, 1, &item, 1, 0};
  struct response_record out;
  struct bytes text, items;
  bytes_init(&text);
  bytes_init(&items);
  response_record_encode(&in, &text);
  CHECK(response_record_decode(bytes_slice(&text), &out, &items));
  CHECK(out.input_count == 1 && out.output_count == 1 && out.output[0].len == 2);
  for (size_t len = 0; len < text.len; len++)
    CHECK(!response_record_decode((struct slice){text.data, len}, &out, &items));
  text.data[text.len - 8] = 9; /* an item that is longer than its text */
  CHECK(!response_record_decode(bytes_slice(&text), &out, &items));
  bytes_fini(&text);
  bytes_fini(&items);
}

int main(void) {
  store_free(kit_begin());
  test_restart();
  test_age();
  kit_end(NULL);
  test_decode();
  return checks_end();
}
