#include "store/sqlite_blocks.h"

#include <stdlib.h>

#include "base/json.h"

struct common {
#define NUMBER(column, member) uint64_t column;
  BLOCK_COMMON(NUMBER)
#undef NUMBER
};

enum { HEAD, DURATION, TIMES };
enum { BLOCK_TIMES_attempts = true, BLOCK_TIMES_trace = false, BLOCK_TIMES_tags = false };
enum { BLOCK_SHARES_attempts = false, BLOCK_SHARES_trace = true, BLOCK_SHARES_tags = false };

struct block {
  struct block *next;       /* of the same group */
  struct bytes usual;       /* what its attempts begin with, up to the first of their times */
  struct slice trace, tags; /* the newest that were looked at, of a record of the batch */
  struct slice shared;      /* the first row's trace */
  struct common common;
  uint64_t first_ms;
  int64_t last;      /* sequence */
  struct bytes rows; /* without the closing bracket; empty: nothing is in it */
  struct used used;
};

static struct common common_of(const struct ledger_record *record) {
  return (struct common){
#define NUMBER(column, member) .column = (uint64_t)record->member,
      BLOCK_COMMON(NUMBER)
#undef NUMBER
  };
}

static bool is_plain(struct slice id) {
  const char *end = id.data + id.len;
  return id.len && json_plain_end(id.data, end) == end;
}

static bool is_container(struct slice text) {
  return (text.data[0] == '[' || text.data[0] == '{') &&
         json_validate(text, JSON_DEPTH_DEFAULT, NULL);
}

/* Most are like those of the record before. */
static bool is_json(struct slice *known, struct slice text) {
  if (!text.len || slice_equal(*known, text)) return true;
  if (!is_container(text)) return false;
  *known = text;
  return true;
}

static bool is_usual(const struct ledger_record *record, int64_t sequence) {
  uint64_t bits = 0;
#define NUMBER(column, member) bits |= (uint64_t)record->member;
#define JSON(column, member)
  BLOCK_FIELDS(NUMBER, JSON)
#undef NUMBER
#undef JSON
  return sequence / SEQUENCES_PER_MS == (int64_t)record->time_ms && bits <= INT64_MAX &&
         is_plain(record->request_id);
}

/* ---- attempts ---- */

static void write_usual(struct block *b, const struct ledger_record *record) {
  bytes_append_text(&b->usual, "[{\"provider\":");
  json_quote(&b->usual, record->provider);
  bytes_append_text(&b->usual, ",\"model\":");
  json_quote(&b->usual, record->upstream_model);
  bytes_append_text(&b->usual, ",\"status\":");
  bytes_append_u64(&b->usual, record->status);
  bytes_append_text(&b->usual, ",\"head_ms\":");
}

static size_t digits_of(struct slice text) {
  size_t count = 0;
  while (count < text.len && text.data[count] >= '0' && text.data[count] <= '9')
    count++;
  return count;
}

/* "0.213"; empty: something else stands here. */
static struct slice cut_time(struct slice *text) {
  size_t whole = digits_of(*text), part;
  struct slice time = {text->data, 0};
  if (!whole || (whole > 1 && text->data[0] == '0')) return time;
  if (whole == text->len || text->data[whole] != '.') return time;
  part = digits_of(slice_skip(*text, whole + 1));
  if (!part) return time;
  time.len = whole + 1 + part;
  *text = slice_skip(*text, time.len);
  return time;
}

static bool cut_text(struct slice *text, struct slice start) {
  if (!slice_starts(*text, start)) return false;
  *text = slice_skip(*text, start.len);
  return true;
}

/* True: all but these times can be told from what the block's records share. */
static bool find_times(const struct block *b, struct slice attempts, struct slice times[TIMES]) {
  if (!cut_text(&attempts, bytes_slice(&b->usual))) return false;
  times[HEAD] = cut_time(&attempts);
  if (!times[HEAD].len || !cut_text(&attempts, SLICE(",\"duration_ms\":"))) return false;
  times[DURATION] = cut_time(&attempts);
  return times[DURATION].len && slice_equal(attempts, SLICE("}]"));
}

/* Written as they are, they must not look like times. */
static bool is_list(struct slice attempts) {
  if (!attempts.len || slice_equal(attempts, SLICE("[]"))) return true;
  return slice_starts(attempts, SLICE("[{")) && is_container(attempts);
}

/* ---- rows ---- */

enum { NUMBER_BYTES = 21 };

struct row_writer {
  struct bytes *out;
  size_t end; /* behind the last value that is not empty */
};

static inline void put_number(struct row_writer *w, uint64_t number) {
  char *at = bytes_reserve(w->out, NUMBER_BYTES);
  *at++ = ',';
  if (number < 10)
    *at++ = (char)('0' + number);
  else
    at = bytes_write_u64(at, number);
  w->out->len = (size_t)(at - w->out->data);
  if (number) w->end = w->out->len;
}

static inline void put_json(struct row_writer *w, struct slice text) {
  bytes_append_byte(w->out, ',');
  bytes_append_slice(w->out, text.len ? text : SLICE("\"\""));
  if (text.len) w->end = w->out->len;
}

/* For a text that stands with the block. */
static void put_shared(struct row_writer *w) {
  bytes_append(w->out, ",1", 2);
  w->end = w->out->len;
}

static void put_times(struct row_writer *w, const struct slice times[TIMES]) {
  bytes_append(w->out, ",[", 2);
  bytes_append_slice(w->out, times[HEAD]);
  bytes_append_byte(w->out, ',');
  bytes_append_slice(w->out, times[DURATION]);
  bytes_append_byte(w->out, ']');
  w->end = w->out->len;
}

/* times: of attempts, unless they are empty. */
static void put_row(struct block *b, const struct ledger_record *record,
                    const struct slice times[TIMES]) {
  uint64_t delta = (uint64_t)b->last - b->first_ms * SEQUENCES_PER_MS;
  bool is_shared = record->trace.len && slice_equal(record->trace, b->shared);
  struct bytes *out = &b->rows;
  char *at = bytes_reserve(out, 2 * NUMBER_BYTES + record->request_id.len);
  *at++ = out->len ? ',' : '[';
  *at++ = '[';
  at = bytes_write_u64(at, delta);
  *at++ = ',';
  *at++ = '"';
  memcpy(at, record->request_id.data, record->request_id.len);
  at += record->request_id.len;
  *at++ = '"';
  out->len = (size_t)(at - out->data);
  struct row_writer w = {out, out->len};
#define NUMBER(column, member) put_number(&w, (uint64_t)record->member);
#define JSON(column, member)                                                                       \
  if (BLOCK_TIMES_##column && times[HEAD].len)                                                     \
    put_times(&w, times);                                                                          \
  else if (BLOCK_SHARES_##column && is_shared)                                                     \
    put_shared(&w);                                                                                \
  else                                                                                             \
    put_json(&w, record->member);
  BLOCK_FIELDS(NUMBER, JSON)
#undef NUMBER
#undef JSON
  out->len = w.end;
  bytes_append_byte(out, ']');
}

static const char block_sql[] =
    "INSERT OR IGNORE INTO request_blocks (first, group_id, requests, failures, unpriced,"
    " cost_nanousd, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,"
    " reasoning_tokens, duration_us, "
#define NUMBER(column, member) #column ","
    BLOCK_COMMON(NUMBER)
#undef NUMBER
        "rows, trace, sequence) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,"
#define NUMBER(column, member) "?,"
    BLOCK_COMMON(NUMBER)
#undef NUMBER
        "?,?,?)";

static void bind_sums(struct query *q, const struct used *u) {
  const uint64_t sums[] = {u->requests,           u->failures,      u->unpriced,
                           u->cost_nanousd,       u->input_tokens,  u->cache_read_tokens,
                           u->cache_write_tokens, u->output_tokens, u->reasoning_tokens,
                           u->duration_us};
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
    query_number(q, (int64_t)sums[i]);
}

/* Its place may be taken by a block that came late into the same millisecond. */
static enum store_result block_insert(struct sqlite *s, const struct block *b, int64_t group) {
  for (int64_t sequence = b->last;; sequence++) {
    struct query q = query_kept(s, KEPT_BLOCK, block_sql);
    query_number(&q, (int64_t)b->first_ms * SEQUENCES_PER_MS);
    query_number(&q, group);
    bind_sums(&q, &b->used);
#define NUMBER(column, member) query_number(&q, (int64_t)b->common.column);
    BLOCK_COMMON(NUMBER)
#undef NUMBER
    query_text(&q, bytes_slice(&b->rows));
    query_text(&q, b->shared);
    query_number(&q, sequence);
    query_next(&q);
    bool is_done = q.result != STORE_FINE || sqlite3_changes(s->writer) > 0;
    enum store_result result = query_end(&q);
    if (is_done) return result;
  }
}

static enum store_result block_end(struct sqlite *s, struct block *b, int64_t group) {
  if (!b->rows.len) return STORE_FINE;
  bytes_append_byte(&b->rows, ']');
  enum store_result result = block_insert(s, b, group);
  bytes_clear(&b->rows);
  b->used = (struct used){0};
  return result;
}

static struct block *block_get(struct block **blocks, const struct ledger_record *record) {
  struct common common = common_of(record);
  struct block *b = *blocks;
  while (b && memcmp(&b->common, &common, sizeof common) != 0)
    b = b->next;
  if (b) return b;
  b = must_calloc(1, sizeof *b);
  *b = (struct block){.next = *blocks, .common = common};
  bytes_init(&b->rows);
  bytes_init(&b->usual);
  write_usual(b, record);
  return *blocks = b;
}

enum store_result blocks_add(struct sqlite *s, struct block **blocks, int64_t group,
                             const struct block_record *add, bool *is_taken) {
  const struct ledger_record *record = add->record;
  struct slice times[TIMES] = {{"", 0}, {"", 0}};
  enum store_result result = STORE_FINE;
  *is_taken = false;
  if (!is_usual(record, add->sequence)) return STORE_FINE;
  struct block *b = block_get(blocks, record);
  if (!is_json(&b->trace, record->trace) || !is_json(&b->tags, record->tags)) return STORE_FINE;
  if (!find_times(b, record->attempts, times)) {
    times[HEAD].len = 0;
    if (!is_list(record->attempts)) return STORE_FINE;
  }
  *is_taken = true;
  if (b->rows.len && (b->used.requests == BLOCK_ROWS || b->rows.len > BLOCK_BYTES ||
                      record->time_ms - b->first_ms >= BLOCK_MS))
    result = block_end(s, b, group);
  if (!b->rows.len) {
    b->first_ms = record->time_ms;
    b->shared = record->trace;
  }
  b->last = add->sequence;
  put_row(b, record, times);
  used_add(&b->used, record);
  return result;
}

enum store_result blocks_end(struct sqlite *s, struct block *blocks, int64_t group) {
  enum store_result result = STORE_FINE;
  for (struct block *b = blocks; b && result == STORE_FINE; b = b->next)
    result = block_end(s, b, group);
  return result;
}

void blocks_free(struct block *blocks) {
  while (blocks) {
    struct block *next = blocks->next;
    bytes_fini(&blocks->rows);
    bytes_fini(&blocks->usual);
    free(blocks);
    blocks = next;
  }
}
