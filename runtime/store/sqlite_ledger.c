/* Storing requests, each once. A row's sequence begins with the request's time: rows are appended
 * without an index of their times or ids, and a stretch of time is a stretch of rows. The texts
 * that many requests have in common stand once, in request_groups. */
#include <stdlib.h>

#include "store/sqlite_private.h"

static const char columns_sql[] = " INTO request_rows ("
#define TEXT(tag, column, member)
#define JSON(tag, column, member) #column ","
#define NUMBER(tag, column, member) #column ","
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
                                  "request_id, group_id, sequence) VALUES ";

static const char row_sql[] = "("
#define TEXT(tag, column, member)
#define JSON(tag, column, member) "?,"
#define NUMBER(tag, column, member) "?,"
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
                              "?,?,?)";

static const char find_group_sql[] = "SELECT id FROM request_groups WHERE "
#define GROUP_TEXT(column) #column " = ? AND "
    ROLLUP_TEXTS(GROUP_TEXT)
#undef GROUP_TEXT
        "1";

static const char add_group_sql[] = "INSERT INTO request_groups ("
#define GROUP_TEXT(column) #column ","
    ROLLUP_TEXTS(GROUP_TEXT)
#undef GROUP_TEXT
        "id) VALUES ("
#define GROUP_TEXT(column) "?,"
    ROLLUP_TEXTS(GROUP_TEXT)
#undef GROUP_TEXT
        "NULL)";

struct row {
  const struct ledger_record *record;
  int64_t group, sequence;
};

struct saving {
  struct sqlite *store;
  const struct ledger_record **records; /* by time */
  size_t count;
  struct rollup rollup;
  int64_t newest; /* before the batch */
  int64_t next;   /* behind what the batch has added */
  uint64_t stored;
  bool has_tags;
  struct row rows[INSERT_ROWS]; /* whose places are known to be free */
  size_t row_count;
};

static void bind_texts(struct query *q, const struct ledger_record *record) {
#define GROUP_TEXT(column) query_text(q, record->column);
  ROLLUP_TEXTS(GROUP_TEXT)
#undef GROUP_TEXT
}

/* The texts' row. */
static enum store_result name_group(struct sqlite *s, struct rollup_group *g) {
  if (g->id) return STORE_FINE;
  struct query q = query_kept(s, KEPT_FIND_GROUP, find_group_sql);
  bind_texts(&q, g->record);
  if (query_next(&q)) g->id = query_column_number(&q, 0);
  enum store_result result = query_end(&q);
  if (result != STORE_FINE || g->id) return result;
  q = query_kept(s, KEPT_ADD_GROUP, add_group_sql);
  bind_texts(&q, g->record);
  result = query_run(&q);
  g->id = sqlite3_last_insert_rowid(s->writer);
  return result;
}

/* clang-format off */
enum {
  ROW_VALUES = 3
#define TEXT(tag, column, member)
#define JSON(tag, column, member) + 1
#define NUMBER(tag, column, member) + 1
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
};
/* clang-format on */
_Static_assert((int)ROW_VALUES <= (int)INSERT_VALUES, "room for what is bound");

struct binding {
  struct query *query;
  int64_t *bound; /* what is bound to the row's values already; INT64_MIN: not known */
};

static void bind_number(struct binding *b, int64_t number) {
  if (*b->bound == number) {
    b->query->bound++;
  } else {
    query_number(b->query, number);
    *b->bound = number;
  }
  b->bound++;
}

static void bind_text(struct binding *b, struct slice text) {
  if (*b->bound == 0 && text.len == 0)
    b->query->bound++;
  else
    query_text(b->query, text.len ? text : SLICE(""));
  *b->bound++ = text.len ? INT64_MIN : 0;
}

static void bind_row(struct query *q, const struct row *row, int64_t bound[INSERT_VALUES]) {
  const struct ledger_record *record = row->record;
  struct binding b = {q, bound};
#define TEXT(tag, column, member)
#define JSON(tag, column, member) bind_text(&b, record->member);
#define NUMBER(tag, column, member) bind_number(&b, (int64_t)record->member);
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
  bind_text(&b, record->request_id);
  bind_number(&b, row->group);
  bind_number(&b, row->sequence);
}

static struct query insert_query(struct sqlite *s, enum kept_statement which, const char *verb,
                                 size_t rows) {
  struct bytes sql;
  if (s->kept[which]) return query_kept(s, which, "");
  bytes_init(&sql);
  bytes_append_text(&sql, verb);
  bytes_append_text(&sql, columns_sql);
  for (size_t i = 0; i < rows; i++)
    bytes_printf(&sql, "%s%s", i ? "," : "", row_sql);
  struct query q = query_kept(s, which, bytes_text(&sql));
  bytes_fini(&sql);
  return q;
}

/* False in *is_new: its place is taken. */
static enum store_result insert_row(struct sqlite *s, const struct row *row, bool *is_new) {
  struct query q = insert_query(s, KEPT_INSERT, "INSERT OR IGNORE", 1);
  int64_t bound[INSERT_VALUES];
  for (int i = 0; i < INSERT_VALUES; i++)
    bound[i] = INT64_MIN;
  bind_row(&q, row, bound);
  query_next(&q);
  *is_new = q.result == STORE_FINE && sqlite3_changes(s->writer) > 0;
  return query_end(&q);
}

static enum store_result insert_rows(struct saving *saving) {
  struct query q = insert_query(saving->store, KEPT_INSERT_ROWS, "INSERT", INSERT_ROWS);
  for (size_t i = 0; i < INSERT_ROWS && q.result == STORE_FINE; i++)
    bind_row(&q, &saving->rows[i], saving->store->inserted[i]);
  saving->row_count = 0;
  return query_run(&q);
}

static enum store_result insert_rest(struct saving *saving) {
  enum store_result result = STORE_FINE;
  bool is_new;
  for (size_t i = 0; result == STORE_FINE && i < saving->row_count; i++)
    result = insert_row(saving->store, &saving->rows[i], &is_new);
  saving->row_count = 0;
  return result;
}

static enum store_result note_tags(struct sqlite *s, int64_t sequence) {
  struct query q = query_kept(s, KEPT_TAGGED, "INSERT INTO temp.tagged (sequence) VALUES (?)");
  query_number(&q, sequence);
  return query_run(&q);
}

/* is_free: nothing stands behind saving->next. */
static enum store_result insert(struct saving *saving, const struct ledger_record *record,
                                bool is_free) {
  struct sqlite *s = saving->store;
  struct rollup_group *group = rollup_get(&saving->rollup, record);
  enum store_result result = name_group(s, group);
  struct row row = {record, group->id, 0};
  for (bool is_new = false; result == STORE_FINE && !is_new;) {
    row.sequence = saving->next++;
    if (!is_free) {
      result = insert_row(s, &row, &is_new);
      continue;
    }
    saving->rows[saving->row_count++] = row;
    if (saving->row_count == INSERT_ROWS) result = insert_rows(saving);
    is_new = true;
  }
  if (result != STORE_FINE) return result;
  saving->stored++;
  used_add(&group->used, record);
  return record->tags.len ? note_tags(s, row.sequence) : STORE_FINE;
}

/* ---- records that are known ---- */

/* Records that began in the same millisecond; NULL for those that are stored. */
struct moment {
  const struct ledger_record **records;
  size_t count;
};

static void forget(const struct moment *m, struct slice request_id) {
  for (size_t i = 0; i < m->count; i++)
    if (m->records[i] && slice_equal(m->records[i]->request_id, request_id)) m->records[i] = NULL;
}

static void forget_doubles(const struct moment *m) {
  for (size_t i = 1; i < m->count; i++)
    if (m->records[i]) forget(&(struct moment){m->records, i}, m->records[i]->request_id);
}

/* Rows of the millisecond, and those for which it had no room. */
static enum store_result forget_stored(struct saving *saving, const struct moment *m,
                                       int64_t first) {
  struct query q =
      query_kept(saving->store, KEPT_SEEN,
                 "SELECT sequence, request_id FROM request_rows WHERE sequence >= ? ORDER BY"
                 " sequence");
  query_number(&q, first);
  for (int64_t last = first; query_next(&q);) {
    int64_t sequence = query_column_number(&q, 0);
    if (sequence >= first + SEQUENCES_PER_MS && sequence > last + 1) break;
    forget(m, query_column(&q, 1));
    last = sequence;
    if (saving->next <= last) saving->next = last + 1;
  }
  return query_end(&q);
}

static enum store_result insert_moment(struct saving *saving, const struct moment *m) {
  int64_t first = (int64_t)m->records[0]->time_ms * SEQUENCES_PER_MS;
  enum store_result result = STORE_FINE;
  forget_doubles(m);
  if (saving->next < first) saving->next = first;
  bool is_free = first > saving->newest;
  if (!is_free) result = forget_stored(saving, m, first);
  for (size_t i = 0; result == STORE_FINE && i < m->count; i++)
    if (m->records[i]) result = insert(saving, m->records[i], is_free);
  return result;
}

static int64_t newest_sequence(struct sqlite *s) {
  struct query q = query_kept(s, KEPT_NEWEST, "SELECT max(sequence) FROM request_rows");
  int64_t sequence = query_next(&q) ? query_column_number(&q, 0) : 0;
  query_end(&q);
  return sequence;
}

static enum store_result insert_all(struct saving *saving) {
  struct moment m = {.records = saving->records};
  enum store_result result = STORE_FINE;
  saving->newest = newest_sequence(saving->store);
  for (size_t left = saving->count; result == STORE_FINE && left; left -= m.count) {
    m.records += m.count;
    m.count = 1;
    while (m.count < left && m.records[m.count]->time_ms == m.records[0]->time_ms)
      m.count++;
    result = insert_moment(saving, &m);
  }
  return result == STORE_FINE ? insert_rest(saving) : result;
}

/* ---- a batch ---- */

static int by_time(const void *a, const void *b) {
  const struct ledger_record *one = *(const struct ledger_record *const *)a;
  const struct ledger_record *two = *(const struct ledger_record *const *)b;
  if (one->time_ms != two->time_ms) return one->time_ms < two->time_ms ? -1 : 1;
  return one < two ? -1 : one > two; /* as they were given */
}

static void saving_init(struct saving *saving, struct sqlite *s, const struct store_batch *batch) {
  *saving = (struct saving){.store = s, .count = batch->count};
  saving->records = must_alloc((batch->count + 1) * sizeof *saving->records);
  bool is_sorted = true;
  for (size_t i = 0; i < batch->count; i++) {
    saving->records[i] = &batch->records[i];
    saving->has_tags |= batch->records[i].tags.len > 0;
    is_sorted &= i == 0 || batch->records[i - 1].time_ms <= batch->records[i].time_ms;
  }
  if (!is_sorted) qsort(saving->records, saving->count, sizeof *saving->records, by_time);
  rollup_init(&saving->rollup, batch->count);
}

static void saving_fini(struct saving *saving) {
  rollup_fini(&saving->rollup);
  free(saving->records);
}

static enum store_result set_position(struct sqlite *s, const struct store_batch *batch) {
  if (!batch->segment) return STORE_FINE;
  struct query q = query_kept(s, KEPT_POSITION,
                              "INSERT OR REPLACE INTO segments (name, position) VALUES (?, ?)");
  query_text(&q, slice_of(batch->segment));
  query_number(&q, (int64_t)batch->position);
  return query_run(&q);
}

enum store_result sqlite_save(struct store *base, const struct store_batch *batch,
                              uint64_t *stored) {
  struct sqlite *s = sqlite_of(base);
  *stored = 0;
  enum store_result result = sqlite_begin_write(s);
  if (result != STORE_FINE) return result;
  struct saving saving;
  saving_init(&saving, s, batch);
  if (saving.has_tags) result = sqlite_run(s, s->writer, "DELETE FROM temp.tagged");
  if (result == STORE_FINE) result = insert_all(&saving);
  if (result == STORE_FINE && saving.stored)
    result = sqlite_roll_up(s, &saving.rollup, saving.has_tags);
  if (result == STORE_FINE) result = set_position(s, batch);
  *stored = saving.stored;
  saving_fini(&saving);
  return sqlite_end_write(s, result);
}

enum store_result sqlite_segment_position(struct store *base, const char *segment,
                                          uint64_t *bytes) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(s, s->reader, "SELECT position FROM segments WHERE name = ?");
  query_text(&q, slice_of(segment));
  bool found = query_next(&q);
  if (found) *bytes = (uint64_t)query_column_number(&q, 0);
  result = sqlite_end_read(s, query_end(&q));
  return result == STORE_FINE && !found ? STORE_NOT_FOUND : result;
}

enum store_result sqlite_segment_forget(struct store *base, const char *segment) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_write(s);
  if (result != STORE_FINE) return result;
  struct query q = query_new(s, s->writer, "DELETE FROM segments WHERE name = ?");
  query_text(&q, slice_of(segment));
  return sqlite_end_write(s, query_run(&q));
}
