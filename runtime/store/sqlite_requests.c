/* Finding requests again. */
#include <stdlib.h>

#include "base/digest.h"
#include "store/sqlite_blocks.h"

static const char select_sql[] = "SELECT "
#define TEXT(tag, column, member) #column ","
#define JSON(tag, column, member) #column ","
#define NUMBER(tag, column, member) #column ","
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
                                 "sequence FROM ";

/* Where requests stand: in the order of their times, or of their groups. */
static const struct table {
  const char *by_time, *by_group;
  int rare; /* rows */
} rows_table =
    {"request_rows CROSS JOIN request_groups ON id = group_id",
     "request_groups CROSS JOIN request_rows INDEXED BY request_rows_by_group ON group_id = id",
     20000},
  blocks_table = {"request_blocks CROSS JOIN request_groups ON id = group_id",
                  "request_groups CROSS JOIN request_blocks INDEXED BY request_blocks_by_group ON "
                  "group_id = id",
                  2000};

static int read_record(const struct query *q, struct ledger_record *record) {
  int column = 0;
#define TEXT(tag, name, member) record->member = query_column(q, column++);
#define JSON(tag, name, member) record->member = query_column(q, column++);
#define NUMBER(tag, name, member) record->member = (uint64_t)query_column_number(q, column++);
#include "model/ledger.def"
#undef TEXT
#undef JSON
#undef NUMBER
  return column;
}

static bool has_filter(const struct usage_filter *filter) {
  for (int i = 0; i < USAGE_BY_TAG; i++)
    if (filter->values[i].len) return true;
  return false;
}

/* A page of what is frequent is quickly full when the newest requests are looked at one by one; of
 * what is rare, all of it is read by its groups. */
static bool is_rare(struct sqlite *s, const struct table *table,
                    const struct request_query *query) {
  struct bytes sql;
  if (query->request_id.len || !has_filter(&query->filter)) return false;
  bytes_init(&sql);
  bytes_printf(&sql, "SELECT count(*) FROM (SELECT 1 FROM %s WHERE sequence >= ?", table->by_group);
  sqlite_filter_write(&query->filter, &sql);
  bytes_printf(&sql, " LIMIT %d)", table->rare);
  struct query q = query_new(s, s->reader, bytes_text(&sql));
  bytes_fini(&sql);
  query_number(&q, sequence_from(query->from_ms));
  sqlite_filter_bind(&query->filter, &q);
  bool is_rare = query_next(&q) && query_column_number(&q, 0) < table->rare;
  query_end(&q);
  return is_rare;
}

static const char *order_of(struct sqlite *s, const struct table *table,
                            const struct request_query *query) {
  return is_rare(s, table, query) ? table->by_group : table->by_time;
}

static struct query find_rows(struct sqlite *s, const struct request_query *query) {
  struct bytes sql;
  bytes_init(&sql);
  bytes_printf(&sql, "%s%s WHERE time_ms >= ? AND sequence >= ?", select_sql,
               order_of(s, &rows_table, query));
  if (query->to_ms) bytes_append_text(&sql, " AND time_ms < ? AND sequence < ?");
  if (query->status) bytes_append_text(&sql, " AND status = ?");
  if (query->before) bytes_append_text(&sql, " AND sequence < ?");
  if (query->request_id.len) bytes_append_text(&sql, " AND request_id = ?");
  sqlite_filter_write(&query->filter, &sql);
  bytes_append_text(&sql, " ORDER BY sequence DESC LIMIT ?");
  struct query q = query_new(s, s->reader, bytes_text(&sql));
  bytes_fini(&sql);
  query_number(&q, query->from_ms);
  query_number(&q, sequence_from(query->from_ms));
  if (query->to_ms) query_number(&q, query->to_ms);
  if (query->to_ms) query_number(&q, sequence_to(query->to_ms));
  if (query->status) query_number(&q, query->status);
  if (query->before) query_number(&q, (int64_t)query->before);
  if (query->request_id.len) query_text(&q, query->request_id);
  sqlite_filter_bind(&query->filter, &q);
  query_limit(&q, query->limit ? query->limit + 1 : 0); /* and one of the last one's sequence */
  return q;
}

/* The sequence behind all that is asked for. */
static int64_t end_of(const struct request_query *query) {
  int64_t end = query->to_ms ? sequence_from(query->to_ms) : INT64_MAX;
  return query->before && (int64_t)query->before < end ? (int64_t)query->before : end;
}

/* Blocks that may hold some of it, those that end last first. */
static struct query find_blocks(struct sqlite *s, const struct request_query *query) {
  int64_t end = end_of(query), late = SEQUENCE_LATE_MS * (int64_t)SEQUENCES_PER_MS;
  struct bytes sql;
  bytes_init(&sql);
  bytes_printf(&sql, "SELECT sequence FROM %s WHERE sequence >= ? AND sequence < ? AND first < ?",
               order_of(s, &blocks_table, query));
  if (query->status) bytes_append_text(&sql, " AND status = ?");
  sqlite_filter_write(&query->filter, &sql);
  bytes_append_text(&sql, " ORDER BY sequence DESC");
  struct query q = query_new(s, s->reader, bytes_text(&sql));
  bytes_fini(&sql);
  query_number(&q, sequence_from(query->from_ms));
  query_number(&q, end < INT64_MAX - late ? end + late : end);
  query_number(&q, end);
  if (query->status) query_number(&q, query->status);
  sqlite_filter_bind(&query->filter, &q);
  return q;
}

/* Rows and blocks, merged: the newest first. Blocks of other groups may lie within each other. */
struct search {
  struct sqlite *store;
  const struct request_query *query;
  struct query rows, blocks;
  struct ledger_record row;
  int64_t row_sequence;     /* of the next row; -1: there is none */
  int64_t block_sequence;   /* of the next block, above all it holds; -1: there is none */
  struct block_rows **open; /* blocks of which some is left */
  size_t open_count, open_room;
};

static void next_row(struct search *s) {
  s->row_sequence = -1;
  if (!query_next(&s->rows)) return;
  int column = read_record(&s->rows, &s->row);
  s->row_sequence = query_column_number(&s->rows, column);
}

static void next_block(struct search *s) {
  s->block_sequence = query_next(&s->blocks) ? query_column_number(&s->blocks, 0) : -1;
}

static bool is_wanted(const struct request_query *query, int64_t sequence,
                      const struct ledger_record *record) {
  return sequence >= sequence_from(query->from_ms) && sequence < end_of(query) &&
         (!query->request_id.len || slice_equal(query->request_id, record->request_id));
}

static void keep_wanted(const struct request_query *query, struct block_rows *b) {
  size_t kept = 0;
  for (size_t i = 0; i < b->count; i++) {
    if (!is_wanted(query, b->sequences[i], &b->records[i])) continue;
    b->sequences[kept] = b->sequences[i];
    b->records[kept++] = b->records[i];
  }
  b->count = kept;
}

static enum store_result open_block(struct search *s) {
  struct block_rows *b;
  enum store_result result = block_read(s->store, s->store->reader, s->block_sequence, &b);
  next_block(s);
  if (b) keep_wanted(s->query, b);
  if (!b || !b->count) {
    block_rows_free(b);
    return result;
  }
  if (s->open_count == s->open_room) {
    s->open_room = s->open_room ? s->open_room * 2 : 16;
    s->open = must_realloc(s->open, s->open_room * sizeof *s->open);
  }
  s->open[s->open_count++] = b;
  return result;
}

/* The open block with the newest record; as many as there are tenants in a second. */
static size_t newest_open(const struct search *s) {
  size_t newest = 0;
  for (size_t i = 1; i < s->open_count; i++)
    if (s->open[i]->sequences[s->open[i]->count - 1] >
        s->open[newest]->sequences[s->open[newest]->count - 1])
      newest = i;
  return newest;
}

static void give_open(struct search *s, size_t which, const struct request_sink *sink) {
  struct block_rows *b = s->open[which];
  b->count--;
  sink->on_row(sink->context, (uint64_t)b->sequences[b->count], &b->records[b->count]);
  if (b->count) return;
  block_rows_free(b);
  s->open[which] = s->open[--s->open_count];
}

/* The sequence of the newest that is left, -1: nothing is; which block it is in, or none. All
 * blocks that may hold it are open then. */
static enum store_result find_newest(struct search *s, int64_t *newest, struct block_rows **block,
                                     size_t *which) {
  for (;;) {
    enum store_result result;
    *newest = s->row_sequence;
    *block = NULL;
    *which = newest_open(s);
    if (s->open_count) {
      struct block_rows *b = s->open[*which];
      if (b->sequences[b->count - 1] > *newest) {
        *block = b;
        *newest = b->sequences[b->count - 1];
      }
    }
    if (s->block_sequence < 0 || s->block_sequence < *newest) return STORE_FINE;
    result = open_block(s);
    if (result != STORE_FINE) return result;
  }
}

/* A page does not end between two of the same sequence: the next one begins behind it. */
static enum store_result give_all(struct search *s, const struct request_sink *sink) {
  int64_t newest, last = -1;
  for (uint32_t given = 0;; given++) {
    struct block_rows *block;
    size_t which;
    enum store_result result = find_newest(s, &newest, &block, &which);
    bool is_full = s->query->limit && given >= s->query->limit && newest != last;
    if (result != STORE_FINE || newest < 0 || is_full) return result;
    last = newest;
    if (block) {
      give_open(s, which, sink);
    } else {
      sink->on_row(sink->context, (uint64_t)s->row_sequence, &s->row);
      next_row(s);
    }
  }
}

static enum store_result find(struct sqlite *s, const struct request_query *query,
                              const struct request_sink *sink) {
  struct search search = {.store = s, .query = query, .rows = find_rows(s, query)};
  search.blocks = find_blocks(s, query);
  next_row(&search);
  next_block(&search);
  enum store_result result = give_all(&search, sink), end;
  for (size_t i = 0; i < search.open_count; i++)
    block_rows_free(search.open[i]);
  free(search.open);
  end = query_end(&search.rows);
  if (result == STORE_FINE) result = end;
  end = query_end(&search.blocks);
  return result == STORE_FINE ? end : result;
}

struct counted_sink {
  const struct request_sink *sink;
  size_t count;
};

static void on_counted(void *context, uint64_t sequence, const struct ledger_record *record) {
  struct counted_sink *counted = context;
  counted->count++;
  counted->sink->on_row(counted->sink->context, sequence, record);
}

static bool id_time(struct slice id, uint64_t *time_ms) {
  static const struct slice start = SLICE("req_");
  return id.len == start.len + 24 && slice_starts(id, start) &&
         digest_ordered_time(slice_skip(id, start.len), time_ms);
}

/* An id says when its request began. Those that are older than that came from another schema. */
static enum store_result find_id(struct sqlite *s, const struct request_query *query,
                                 const struct request_sink *sink) {
  struct request_query narrow = *query;
  struct counted_sink counted = {sink, 0};
  uint64_t time_ms;
  if (!id_time(query->request_id, &time_ms)) return find(s, query, sink);
  if ((int64_t)time_ms > narrow.from_ms) narrow.from_ms = (int64_t)time_ms;
  if (!narrow.to_ms || (int64_t)time_ms < narrow.to_ms) narrow.to_ms = (int64_t)time_ms + 1;
  enum store_result result = find(s, &narrow, &(struct request_sink){on_counted, &counted});
  int64_t moved = sqlite_meta_number(s, s->reader, "requests_moved");
  if (result != STORE_FINE || counted.count || !moved) return result;
  narrow = *query;
  if (!narrow.before || narrow.before > (uint64_t)moved) narrow.before = (uint64_t)moved + 1;
  return find(s, &narrow, sink);
}

enum store_result sqlite_requests(struct store *base, const struct request_query *query,
                                  const struct request_sink *sink) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  result = query->request_id.len ? find_id(s, query, sink) : find(s, query, sink);
  return sqlite_end_read(s, result);
}
