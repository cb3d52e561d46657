/* Storing requests, each once. A row's sequence begins with the request's time: rows are appended
 * without an index of their times or ids, and a stretch of time is a stretch of rows. The texts
 * that many requests have in common stand once, in request_groups. */
#include <stdlib.h>

#include "store/sqlite_private.h"

static const char insert_sql[] = "INSERT OR IGNORE INTO request_rows ("
#define TEXT(tag, column, member)
#define JSON(tag, column, member) #column ","
#define NUMBER(tag, column, member) #column ","
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
                                 "request_id, group_id, sequence) VALUES ("
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

struct saving {
  struct sqlite *store;
  const struct ledger_record **records; /* by time */
  size_t count;
  struct rollup rollup;
  int64_t newest; /* before the batch */
  int64_t next;   /* behind what the batch has added */
  uint64_t stored;
  bool has_tags;
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

static void bind_row(struct query *q, const struct ledger_record *record, int64_t group) {
#define TEXT(tag, column, member)
#define JSON(tag, column, member) query_text(q, record->member);
#define NUMBER(tag, column, member) query_number(q, (int64_t)record->member);
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
  query_text(q, record->request_id);
  query_number(q, group);
}

static enum store_result note_tags(struct sqlite *s, int64_t sequence) {
  struct query q = query_kept(s, KEPT_TAGGED, "INSERT INTO temp.tagged (sequence) VALUES (?)");
  query_number(&q, sequence);
  return query_run(&q);
}

static enum store_result insert(struct saving *saving, const struct ledger_record *record) {
  struct sqlite *s = saving->store;
  struct rollup_group *group = rollup_get(&saving->rollup, record);
  enum store_result result = name_group(s, group);
  if (result != STORE_FINE) return result;
  struct query q = query_kept(s, KEPT_INSERT, insert_sql);
  bind_row(&q, record, group->id);
  int place = q.bound;
  bool is_new = false;
  while (q.result == STORE_FINE && !is_new) { /* until a place is free */
    q.bound = place;
    query_number(&q, saving->next);
    query_next(&q);
    is_new = q.result == STORE_FINE && sqlite3_changes(s->writer) > 0;
    saving->next++;
    sqlite3_reset(q.statement);
  }
  result = query_end(&q);
  if (!is_new) return result;
  saving->stored++;
  used_add(&group->used, record);
  return record->tags.len ? note_tags(s, saving->next - 1) : STORE_FINE;
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
  if (first <= saving->newest) result = forget_stored(saving, m, first);
  for (size_t i = 0; result == STORE_FINE && i < m->count; i++)
    if (m->records[i]) result = insert(saving, m->records[i]);
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
  return result;
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
