#include "store/response_archive.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"

enum { OWNER_HEX = 32 };

struct response_archive {
  struct bookkeeper *bookkeeper;
  struct responses *responses;
  uint64_t ttl_ms;
  struct slice *left_out;
  size_t left_out_count, loaded;
};

static void put_u64(struct bytes *out, uint64_t value) {
  bytes_append(out, &value, sizeof value);
}

static void put_text(struct bytes *out, struct slice text) {
  put_u64(out, text.len);
  bytes_append_slice(out, text);
}

static void put_items(struct bytes *out, const struct response_item *items, size_t count) {
  put_u64(out, count);
  for (size_t i = 0; i < count; i++) {
    put_text(out, items[i].id);
    put_u64(out, items[i].offset);
    put_u64(out, items[i].len);
  }
}

static bool take_u64(struct slice *text, uint64_t *value) {
  if (text->len < sizeof *value) return false;
  memcpy(value, text->data, sizeof *value);
  *text = slice_skip(*text, sizeof *value);
  return true;
}

static bool take_text(struct slice *text, struct slice *out) {
  uint64_t len;
  if (!take_u64(text, &len) || len > text->len) return false;
  *out = (struct slice){text->data, (size_t)len};
  *text = slice_skip(*text, out->len);
  return true;
}

/* inside: the text that the items lie in. */
static bool take_items(struct slice *text, struct slice inside, struct bytes *items,
                       size_t *count) {
  uint64_t wanted;
  if (!take_u64(text, &wanted) || wanted > text->len) return false;
  for (*count = 0; *count < wanted; ++*count) {
    uint64_t offset, len;
    struct response_item item;
    if (!take_text(text, &item.id) || !take_u64(text, &offset) || !take_u64(text, &len) ||
        offset > inside.len || len > inside.len - offset)
      return false;
    item.offset = (size_t)offset;
    item.len = (size_t)len;
    bytes_append(items, &item, sizeof item);
  }
  return true;
}

void response_record_encode(const struct response_record *record, struct bytes *out) {
  put_text(out, record->owner);
  put_text(out, record->id);
  put_text(out, record->response);
  put_text(out, record->items);
  put_items(out, record->input, record->input_count);
  put_items(out, record->output, record->output_count);
}

bool response_record_decode(struct slice text, struct response_record *record,
                            struct bytes *items) {
  *record = (struct response_record){0};
  bytes_clear(items);
  if (!take_text(&text, &record->owner) || !take_text(&text, &record->id) ||
      !take_text(&text, &record->response) || !take_text(&text, &record->items) ||
      !take_items(&text, record->items, items, &record->input_count) ||
      !take_items(&text, record->response, items, &record->output_count) || text.len > 0)
    return false;
  record->input = (const struct response_item *)items->data;
  record->output = record->input ? record->input + record->input_count : NULL;
  return true;
}

/* An owner is "LENGTH:TENANT/…". */
static struct slice tenant_of(struct slice owner) {
  struct slice rest, number = slice_cut(owner, ':', &rest);
  uint64_t len;
  if (!slice_to_u64(number, &len) || len > rest.len) return (struct slice){"", 0};
  return (struct slice){rest.data, (size_t)len};
}

/* Ids are unique for an owner only. */
static struct slice row_id(struct slice owner, struct slice id, struct bytes *out) {
  uint8_t digest[SHA256_BYTES];
  char hex[OWNER_HEX + 1];
  digest_sha256(owner, digest);
  digest_hex(digest, OWNER_HEX / 2, hex);
  bytes_append(out, hex, OWNER_HEX);
  bytes_append_byte(out, ':');
  bytes_append_slice(out, id);
  return bytes_slice(out);
}

static bool is_left_out(const struct response_archive *a, struct slice tenant) {
  for (size_t i = 0; i < a->left_out_count; i++)
    if (slice_equal(a->left_out[i], tenant)) return true;
  return false;
}

static void on_put(void *context, const struct response_record *record) {
  struct response_archive *a = context;
  struct slice tenant = tenant_of(record->owner);
  if (is_left_out(a, tenant)) return;
  struct bytes id, text;
  bytes_init(&id);
  bytes_init(&text);
  struct stored_text about = {.kind = TEXT_RESPONSE,
                              .id = row_id(record->owner, record->id, &id),
                              .tenant = tenant,
                              .time_ms = clock_wall_ms()};
  response_record_encode(record, &text);
  bookkeeper_keep_text(a->bookkeeper, &about, bytes_slice(&text));
  bytes_fini(&id);
  bytes_fini(&text);
}

static void on_delete(void *context, struct slice owner, struct slice id) {
  struct response_archive *a = context;
  struct bytes row;
  bytes_init(&row);
  bookkeeper_drop_text(a->bookkeeper, TEXT_RESPONSE, row_id(owner, id, &row));
  bytes_fini(&row);
}

/* Nobody works on it any more. */
static bool was_running(struct slice response) {
  struct slice status = json_string_raw(json_find(response, "status"));
  return slice_equal_text(status, "queued") || slice_equal_text(status, "in_progress");
}

static bool on_text(void *context, const struct stored_text *text) {
  struct response_archive *a = context;
  struct response_record record;
  struct bytes items;
  bytes_init(&items);
  int64_t age_ms = clock_wall_ms() - text->time_ms;
  if (response_record_decode(text->sealed, &record, &items)) {
    record.age_ms = age_ms > 0 ? (uint64_t)age_ms : 0;
    bool running = was_running(record.response);
    if (!running && !is_left_out(a, text->tenant) && responses_put(a->responses, &record))
      a->loaded++;
    if (running) on_delete(a, record.owner, record.id);
  }
  bytes_fini(&items);
  return true;
}

struct response_archive *response_archive_new(const struct response_archive_settings *settings) {
  struct response_archive *a = must_calloc(1, sizeof *a);
  a->bookkeeper = settings->bookkeeper;
  a->responses = settings->responses;
  a->ttl_ms = settings->ttl_ms;
  a->left_out = must_calloc(settings->left_out_count + 1, sizeof *a->left_out);
  for (; a->left_out_count < settings->left_out_count; a->left_out_count++) {
    struct slice name = settings->left_out[a->left_out_count];
    char *copy = must_alloc(name.len + 1);
    memcpy(copy, name.data, name.len);
    a->left_out[a->left_out_count] = (struct slice){copy, name.len};
  }
  struct text_sink sink = {on_text, a};
  int64_t since_ms = a->ttl_ms ? clock_wall_ms() - (int64_t)a->ttl_ms : 0;
  /* A store that is away has told so; responses of this process are kept in any case. */
  (void)bookkeeper_read_texts(a->bookkeeper, TEXT_RESPONSE, since_ms, &sink);
  struct responses_sink listener = {on_put, on_delete, a};
  responses_set_sink(a->responses, &listener);
  return a;
}

size_t response_archive_loaded(const struct response_archive *a) {
  return a->loaded;
}

void response_archive_free(struct response_archive *a) {
  if (!a) return;
  responses_set_sink(a->responses, &(struct responses_sink){0});
  for (size_t i = 0; i < a->left_out_count; i++)
    free((char *)a->left_out[i].data);
  free(a->left_out);
  free(a);
}
