/* Blocks of requests, taken apart again. */
#include <stdlib.h>

#include "base/json.h"
#include "store/sqlite_blocks.h"

static const char read_sql[] = "SELECT first, requests, rows, coalesce(trace, ''), "
#define NUMBER(column, member) #column ","
    BLOCK_COMMON(NUMBER)
#undef NUMBER
#define GROUP_TEXT(column) #column ","
        ROLLUP_TEXTS(GROUP_TEXT)
#undef GROUP_TEXT
            "1 FROM request_blocks JOIN request_groups ON id = group_id WHERE sequence = ?";

/* Where they stand is known when all of them are there: texts moves while it grows. */
static void copy_common(const struct query *q, struct bytes *texts, struct ledger_record *r) {
  int column = 4;
  *r = (struct ledger_record){.trace = query_column(q, 3)};
  bytes_append_slice(texts, r->trace);
#define NUMBER(name, member) r->member = (uint64_t)query_column_number(q, column++);
  BLOCK_COMMON(NUMBER)
#undef NUMBER
#define GROUP_TEXT(name)                                                                           \
  r->name = query_column(q, column++);                                                             \
  bytes_append_slice(texts, r->name);
  ROLLUP_TEXTS(GROUP_TEXT)
#undef GROUP_TEXT
  const char *at = texts->data ? texts->data : "";
  r->trace.data = at;
  at += r->trace.len;
#define GROUP_TEXT(name)                                                                           \
  r->name.data = at;                                                                               \
  at += r->name.len;
  ROLLUP_TEXTS(GROUP_TEXT)
#undef GROUP_TEXT
}

static uint64_t number_of(struct slice value) {
  uint64_t number = 0;
  return json_to_u64(value, &number) ? number : 0;
}

/* shared: what a number stands for. */
static struct slice container_of(struct slice value, struct slice shared) {
  if (json_type(value) == JSON_NUMBER) return shared;
  return json_type(value) == JSON_STRING ? (struct slice){"", 0} : value;
}

/* The usual single attempt, of which only the times were written. */
static struct slice usual_of(struct arena *arena, const struct ledger_record *r,
                             struct slice times) {
  struct bytes text;
  struct json_walk w = json_walk_of(times);
  bytes_init(&text);
  bytes_append_text(&text, "[{\"provider\":");
  json_quote(&text, r->provider);
  bytes_append_text(&text, ",\"model\":");
  json_quote(&text, r->upstream_model);
  bytes_printf(&text, ",\"status\":%u,\"head_ms\":", r->status);
  if (json_walk_next(&w)) bytes_append_slice(&text, w.value);
  bytes_append_text(&text, ",\"duration_ms\":");
  if (json_walk_next(&w)) bytes_append_slice(&text, w.value);
  bytes_append_text(&text, "}]");
  struct slice attempts = arena_slice(arena, bytes_slice(&text));
  bytes_fini(&text);
  return attempts;
}

static bool is_times(struct slice attempts) {
  return attempts.len > 1 && attempts.data[1] >= '0' && attempts.data[1] <= '9';
}

/* r: what its block shares. */
static int64_t read_row(struct slice row, struct ledger_record *r) {
  struct json_walk w = json_walk_of(row);
  struct slice shared = r->trace;
  r->trace = (struct slice){"", 0};
  int64_t delta = json_walk_next(&w) ? (int64_t)number_of(w.value) : 0;
  if (json_walk_next(&w)) r->request_id = json_string_raw(w.value);
#define NUMBER(column, member)                                                                     \
  if (json_walk_next(&w)) r->member = number_of(w.value);
#define JSON(column, member)                                                                       \
  if (json_walk_next(&w)) r->member = container_of(w.value, shared);
  BLOCK_FIELDS(NUMBER, JSON)
#undef NUMBER
#undef JSON
  return delta;
}

/* room: what the block says that it holds; somebody else may have written the file. */
static void read_rows(struct block_rows *b, const struct ledger_record *common, int64_t first,
                      size_t room) {
  b->records = must_alloc((room + 1) * sizeof *b->records);
  b->sequences = must_alloc((room + 1) * sizeof *b->sequences);
  struct json_walk w = json_walk_of(bytes_slice(&b->rows));
  while (b->count < room && json_walk_next(&w)) {
    struct ledger_record *r = &b->records[b->count];
    *r = *common;
    int64_t sequence = first + read_row(w.value, r);
    if (is_times(r->attempts)) r->attempts = usual_of(&b->arena, r, r->attempts);
    r->time_ms = (uint64_t)(sequence / SEQUENCES_PER_MS);
    b->sequences[b->count++] = sequence;
  }
}

enum store_result block_read(struct sqlite *s, sqlite3 *db, int64_t sequence,
                             struct block_rows **out) {
  *out = NULL;
  struct query q = query_new(s, db, read_sql);
  query_number(&q, sequence);
  if (query_next(&q)) {
    struct block_rows *b = must_calloc(1, sizeof *b);
    arena_init(&b->arena);
    struct ledger_record common;
    int64_t count = query_column_number(&q, 1);
    bytes_append_slice(&b->rows, query_column(&q, 2));
    copy_common(&q, &b->texts, &common);
    size_t room = count > 0 && count <= BLOCK_ROWS ? (size_t)count : BLOCK_ROWS;
    read_rows(b, &common, query_column_number(&q, 0), room);
    *out = b;
  }
  return query_end(&q);
}

void block_rows_free(struct block_rows *b) {
  if (!b) return;
  bytes_fini(&b->rows);
  bytes_fini(&b->texts);
  arena_fini(&b->arena);
  free(b->records);
  free(b->sequences);
  free(b);
}

void block_ids(struct slice rows, void (*on_id)(void *context, struct slice id), void *context) {
  for (struct json_walk w = json_walk_of(rows); json_walk_next(&w);) {
    struct json_walk row = json_walk_of(w.value);
    if (json_walk_next(&row) && json_walk_next(&row)) on_id(context, json_string_raw(row.value));
  }
}
