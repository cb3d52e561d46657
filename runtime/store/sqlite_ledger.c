/* Storing requests, each once. A row's sequence begins with the request's time: rows are appended
 * without an index of their times or ids, and a stretch of time is a stretch of rows. The texts
 * that many requests have in common stand once, in request_groups. */
#include <stdlib.h>

#include "store/known_ids.h"
#include "store/sqlite_blocks.h"

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
  struct known_ids known; /* unless is_new */
  uint64_t known_ms;      /* those that are stored of before this are in it */
  int64_t newest;         /* before the batch */
  int64_t next;           /* behind what the batch has added */
  uint64_t stored;
  bool is_new; /* none of them is stored already */
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

static void bind_row(struct query *q, const struct row *row) {
  const struct ledger_record *record = row->record;
#define TEXT(tag, column, member)
#define JSON(tag, column, member) query_text(q, record->member);
#define NUMBER(tag, column, member) query_number(q, (int64_t)record->member);
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
  query_text(q, record->request_id);
  query_number(q, row->group);
  query_number(q, row->sequence);
}

/* False in *is_new: its place is taken. */
static enum store_result insert_row(struct sqlite *s, const struct row *row, bool *is_new) {
  struct bytes sql;
  bytes_init(&sql);
  if (!s->kept[KEPT_INSERT]) {
    bytes_append_text(&sql, "INSERT OR IGNORE");
    bytes_append_text(&sql, columns_sql);
    bytes_append_text(&sql, row_sql);
  }
  struct query q = query_kept(s, KEPT_INSERT, bytes_text(&sql));
  bytes_fini(&sql);
  bind_row(&q, row);
  query_next(&q);
  *is_new = q.result == STORE_FINE && sqlite3_changes(s->writer) > 0;
  return query_end(&q);
}

/* What does not fit into a block. */
static enum store_result insert_odd(struct saving *saving, const struct row *row) {
  enum store_result result = STORE_FINE;
  struct row odd = *row;
  for (bool is_new = false; result == STORE_FINE && !is_new; odd.sequence++) {
    result = insert_row(saving->store, &odd, &is_new);
    if (saving->next <= odd.sequence) saving->next = odd.sequence + 1;
  }
  return result;
}

static enum store_result insert(struct saving *saving, const struct ledger_record *record) {
  struct sqlite *s = saving->store;
  struct rollup_group *group = rollup_get(&saving->rollup, record);
  enum store_result result = name_group(s, group);
  struct row row = {record, group->id, saving->next++};
  struct block_record add = {record, row.sequence};
  bool is_taken = false;
  if (result == STORE_FINE) result = blocks_add(s, &group->blocks, group->id, &add, &is_taken);
  if (result == STORE_FINE && !is_taken) result = insert_odd(saving, &row);
  if (result != STORE_FINE) return result;
  saving->stored++;
  used_add(&group->used, record);
  rollup_tag(&saving->rollup, group, record);
  return STORE_FINE;
}

static enum store_result insert_rest(struct saving *saving) {
  enum store_result result = STORE_FINE;
  for (size_t i = 0; result == STORE_FINE && i < saving->rollup.count; i++)
    result =
        blocks_end(saving->store, saving->rollup.groups[i].blocks, saving->rollup.groups[i].id);
  return result;
}

/* ---- records that are known ---- */

/* Records that began in the same millisecond; NULL for those that are stored. */
struct moment {
  const struct ledger_record **records;
  size_t count;
};

static void on_known(void *context, struct slice id) {
  (void)known_ids_add(context, id);
}

static void on_known_rows(void *context, struct slice rows) {
  block_ids(rows, on_known, context);
}

static enum store_result load(struct saving *saving, const char *sql, int64_t from, int64_t to,
                              void (*on_column)(void *context, struct slice column)) {
  struct query q = query_new(saving->store, saving->store->writer, sql);
  query_number(&q, from);
  query_number(&q, to);
  while (query_next(&q))
    on_column(&saving->known, query_column(&q, 0));
  return query_end(&q);
}

enum { KNOWN_MS = 10000 };

/* Ids of what is stored around that time; some more at once, as the next records will ask again. */
static enum store_result load_known(struct saving *saving, uint64_t time_ms) {
  if (time_ms < saving->known_ms) return STORE_FINE;
  uint64_t last_ms = saving->records[saving->count - 1]->time_ms;
  uint64_t to_ms = last_ms - time_ms < KNOWN_MS ? last_ms + 1 : time_ms + KNOWN_MS;
  int64_t from = sequence_from((int64_t)time_ms), to = sequence_to((int64_t)to_ms);
  saving->known_ms = to_ms;
  enum store_result result =
      load(saving, "SELECT request_id FROM request_rows WHERE sequence >= ? AND sequence < ?", from,
           to, on_known);
  if (result != STORE_FINE) return result;
  return load(saving,
              "SELECT rows FROM request_blocks WHERE sequence >= ? AND sequence < ? AND first < ?2",
              from, to, on_known_rows);
}

/* is_late: there may be some of its time. */
static enum store_result forget_known(struct saving *saving, const struct moment *m, bool is_late) {
  enum store_result result = is_late ? load_known(saving, m->records[0]->time_ms) : STORE_FINE;
  for (size_t i = 0; result == STORE_FINE && i < m->count; i++)
    if (!known_ids_add(&saving->known, m->records[i]->request_id)) m->records[i] = NULL;
  return result;
}

/* Where the first of a moment's records goes: behind all there are, or, if it is older, somewhere
 * among those of its millisecond. There it may meet another one of the same sequence, which is of
 * no harm but to a page that ends between the two. */
static int64_t place_of(const struct saving *saving, const struct moment *m) {
  int64_t first = (int64_t)m->records[0]->time_ms * SEQUENCES_PER_MS;
  if (first > saving->newest) return first;
  if (saving->newest < first + SEQUENCES_PER_MS) return saving->newest + 1;
  return first + (int64_t)(slice_hash(m->records[0]->request_id) % (SEQUENCES_PER_MS / 2));
}

static enum store_result insert_moment(struct saving *saving, const struct moment *m) {
  enum store_result result = STORE_FINE;
  int64_t first = place_of(saving, m);
  bool is_late = (int64_t)m->records[0]->time_ms * SEQUENCES_PER_MS <= saving->newest;
  if (!saving->is_new) result = forget_known(saving, m, is_late);
  if (saving->next < first) saving->next = first;
  for (size_t i = 0; result == STORE_FINE && i < m->count; i++)
    if (m->records[i]) result = insert(saving, m->records[i]);
  return result;
}

static int64_t newest_sequence(struct sqlite *s) {
  struct query q = query_kept(s, KEPT_NEWEST,
                              "SELECT max(coalesce((SELECT max(sequence) FROM request_rows), 0),"
                              " coalesce((SELECT max(sequence) FROM request_blocks), 0))");
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

enum { SPAN_MOST = 4 };

static int by_time(const void *a, const void *b) {
  const struct ledger_record *one = *(const struct ledger_record *const *)a;
  const struct ledger_record *two = *(const struct ledger_record *const *)b;
  if (one->time_ms != two->time_ms) return one->time_ms < two->time_ms ? -1 : 1;
  return one < two ? -1 : one > two; /* as they were given */
}

/* Of a batch that spans no more milliseconds than it has records, more or less: those of each
 * millisecond are counted, which tells where they go. */
static void place_by_time(struct saving *saving, const struct store_batch *batch, uint64_t first_ms,
                          uint64_t span_ms) {
  size_t *places = must_calloc(span_ms + 1, sizeof *places), sum = 0;
  for (size_t i = 0; i < batch->count; i++)
    places[batch->records[i].time_ms - first_ms]++;
  for (uint64_t i = 0; i <= span_ms; i++) {
    size_t count = places[i];
    places[i] = sum;
    sum += count;
  }
  for (size_t i = 0; i < batch->count; i++)
    saving->records[places[batch->records[i].time_ms - first_ms]++] = &batch->records[i];
  free(places);
}

static void sort_by_time(struct saving *saving, const struct store_batch *batch) {
  uint64_t first_ms = UINT64_MAX, last_ms = 0;
  for (size_t i = 0; i < batch->count; i++) {
    uint64_t time_ms = batch->records[i].time_ms;
    saving->records[i] = &batch->records[i];
    first_ms = time_ms < first_ms ? time_ms : first_ms;
    last_ms = time_ms > last_ms ? time_ms : last_ms;
  }
  if (batch->count < 2) return;
  if (last_ms - first_ms < SPAN_MOST * batch->count)
    place_by_time(saving, batch, first_ms, last_ms - first_ms);
  else
    qsort(saving->records, saving->count, sizeof *saving->records, by_time);
}

static void saving_init(struct saving *saving, struct sqlite *s, const struct store_batch *batch) {
  *saving = (struct saving){.store = s, .count = batch->count, .is_new = batch->is_new};
  saving->records = must_alloc((batch->count + 1) * sizeof *saving->records);
  sort_by_time(saving, batch);
  known_ids_init(&saving->known);
  rollup_init(&saving->rollup, batch->count);
}

static void saving_fini(struct saving *saving) {
  for (size_t i = 0; i < saving->rollup.count; i++)
    blocks_free(saving->rollup.groups[i].blocks);
  known_ids_fini(&saving->known);
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
  result = insert_all(&saving);
  if (result == STORE_FINE && saving.stored) result = sqlite_roll_up(s, &saving.rollup);
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
