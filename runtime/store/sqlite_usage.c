/* Rollups: made of the requests that a batch has added, asked for by people and by limits. */
#include "store/sqlite_private.h"

#define GROUP_COLUMNS                                                                              \
  "tenant, day, project, user, key_id, customer, model, provider, upstream_model, residency, "     \
  "dialect, failure"
#define SUM_COLUMNS                                                                                \
  "requests, failures, unpriced, cost_nanousd, input_tokens, cache_read_tokens, "                  \
  "cache_write_tokens, output_tokens, reasoning_tokens, duration_us"
/* The same sums, of rows of requests. */
#define REQUEST_SUMS                                                                               \
  "count(*), sum(failure <> ''), sum(NOT cost_known AND usage_source <> 0),"                       \
  " sum(iif(cost_known, cost_nanousd, 0)),"                                                        \
  " sum(input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens),"        \
  " sum(cache_read_tokens), sum(cache_write_5m_tokens + cache_write_1h_tokens),"                   \
  " sum(output_tokens), sum(reasoning_tokens), sum(duration_us)"
#define ROLLUP_SUMS                                                                                \
  "sum(requests), sum(failures), sum(unpriced), sum(cost_nanousd), sum(input_tokens),"             \
  " sum(cache_read_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens),"   \
  " sum(duration_us)"
#define ADD_SUMS                                                                                   \
  " DO UPDATE SET requests = requests + excluded.requests, failures = failures + "                 \
  "excluded.failures, unpriced = unpriced + excluded.unpriced, cost_nanousd = cost_nanousd + "     \
  "excluded.cost_nanousd, input_tokens = input_tokens + excluded.input_tokens, "                   \
  "cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens, cache_write_tokens = "      \
  "cache_write_tokens + excluded.cache_write_tokens, output_tokens = output_tokens + "             \
  "excluded.output_tokens, reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens, "      \
  "duration_us = duration_us + excluded.duration_us"

/* Groups of a batch wait in temp.batch: a few rows, from which each rollup is added to. */
static const char group_sql[] = "INSERT INTO temp.batch (" GROUP_COLUMNS ", " SUM_COLUMNS
                                ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                                "?, ?, ?, ?)";

static const char roll_all_sql[] =
    "INSERT INTO rollups (" GROUP_COLUMNS ", " SUM_COLUMNS ") SELECT " GROUP_COLUMNS
    ", " SUM_COLUMNS " FROM temp.batch WHERE 1 ON CONFLICT" ADD_SUMS;

/* The name of a dimension, and the column that has its value. */
static const char roll_by_sql[] =
    "INSERT INTO rollups_by (dimension, tenant, day, value, " SUM_COLUMNS ") SELECT '%s', tenant,"
    " day, %s AS value, " ROLLUP_SUMS " FROM temp.batch WHERE 1 GROUP BY 2, 3, 4"
    " ON CONFLICT" ADD_SUMS;

/* Records with the same tags wait in temp.tagged. */
static const char tagged_sql[] =
    "INSERT INTO temp.tagged (" GROUP_COLUMNS ", " SUM_COLUMNS
    ", tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

static const char roll_tags_sql[] =
    "INSERT INTO rollups_by (dimension, tenant, day, value, " SUM_COLUMNS ") SELECT '%s', tenant,"
    " day, iif(json_type(tags) = 'array', tag.value, tag.key || '=' || tag.value) AS value,"
    " " ROLLUP_SUMS " FROM temp.tagged CROSS JOIN json_each(iif(json_valid(tags), tags, '[]')) AS"
    " tag WHERE 1 GROUP BY 2, 3, 4 ON CONFLICT" ADD_SUMS;

static const int64_t never_ms = (int64_t)1 << 52;

static void bind_group(struct query *q, const struct rollup_group *g, const struct used *u) {
  const struct ledger_record *r = g->record;
  const struct slice names[] = {r->project, r->user,     r->key_id,         r->customer,
                                r->model,   r->provider, r->upstream_model, r->residency,
                                r->dialect, r->failure};
  const uint64_t sums[] = {u->requests,           u->failures,      u->unpriced,
                           u->cost_nanousd,       u->input_tokens,  u->cache_read_tokens,
                           u->cache_write_tokens, u->output_tokens, u->reasoning_tokens,
                           u->duration_us};
  query_text(q, r->tenant);
  query_number(q, g->day);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    query_text(q, names[i]);
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
    query_number(q, (int64_t)sums[i]);
}

static enum store_result write_groups(struct sqlite *s, const struct rollup *rollup) {
  struct query q = query_kept(s, KEPT_CLEAR, "DELETE FROM temp.batch");
  enum store_result result = query_run(&q);
  if (result != STORE_FINE) return result;
  q = query_kept(s, KEPT_GROUP, group_sql);
  for (size_t i = 0; i < rollup->count && q.result == STORE_FINE; i++) {
    if (!rollup->groups[i].used.requests) continue; /* all of them were known */
    bind_group(&q, &rollup->groups[i], &rollup->groups[i].used);
    query_next(&q);
    query_again(&q);
  }
  return query_end(&q);
}

static enum store_result write_tags(struct sqlite *s, const struct rollup *rollup) {
  enum store_result result = sqlite_run(s, s->writer, "DELETE FROM temp.tagged");
  if (result != STORE_FINE) return result;
  struct query q = query_kept(s, KEPT_TAGGED, tagged_sql);
  for (size_t i = 0; i < rollup->tags_count && q.result == STORE_FINE; i++) {
    bind_group(&q, rollup->tags[i].group, &rollup->tags[i].used);
    query_text(&q, rollup->tags[i].tags);
    query_next(&q);
    query_again(&q);
  }
  return query_end(&q);
}

static void write_roll_sql(enum usage_dimension by, struct bytes *sql) {
  const char *name = usage_dimension_name(by);
  if (by == USAGE_BY_TAG)
    bytes_printf(sql, roll_tags_sql, name);
  else
    bytes_printf(sql, roll_by_sql, name, by == USAGE_BY_NOTHING ? "''" : name);
}

static enum store_result roll_up_by(struct sqlite *s, enum usage_dimension by) {
  enum kept_statement which = KEPT_ROLL_UP_BY + (enum kept_statement)by;
  struct bytes sql;
  bytes_init(&sql);
  if (!s->kept[which]) write_roll_sql(by, &sql);
  struct query q = query_kept(s, which, bytes_text(&sql));
  bytes_fini(&sql);
  return query_run(&q);
}

enum store_result sqlite_roll_up(struct sqlite *s, const struct rollup *rollup) {
  enum store_result result = write_groups(s, rollup);
  if (result == STORE_FINE && rollup->tags_count) result = write_tags(s, rollup);
  if (result != STORE_FINE) return result;
  struct query q = query_kept(s, KEPT_ROLL_UP, roll_all_sql);
  result = query_run(&q);
  for (int by = 0; result == STORE_FINE && by < USAGE_DIMENSION_COUNT; by++)
    if (by != USAGE_BY_TAG || rollup->tags_count) result = roll_up_by(s, (enum usage_dimension)by);
  return result;
}

int64_t sequence_from(int64_t from_ms) {
  const int64_t most = INT64_MAX / SEQUENCES_PER_MS;
  return (from_ms < most ? from_ms : most) * SEQUENCES_PER_MS;
}

int64_t sequence_to(int64_t to_ms) {
  const int64_t most = INT64_MAX - SEQUENCE_LATE_MS;
  return sequence_from((to_ms < most ? to_ms : most) + SEQUENCE_LATE_MS);
}

void sqlite_filter_write(const struct usage_filter *filter, struct bytes *sql) {
  for (int i = 0; i < USAGE_BY_TAG; i++)
    if (filter->values[i].len)
      bytes_printf(sql, " AND %s = ?", usage_dimension_name((enum usage_dimension)i));
}

void sqlite_filter_bind(const struct usage_filter *filter, struct query *q) {
  for (int i = 0; i < USAGE_BY_TAG; i++)
    if (filter->values[i].len) query_text(q, filter->values[i]);
}

static void read_used(const struct query *q, int column, struct used *used) {
  uint64_t *const sums[] = {&used->requests,           &used->failures,
                            &used->unpriced,           &used->cost_nanousd,
                            &used->input_tokens,       &used->cache_read_tokens,
                            &used->cache_write_tokens, &used->output_tokens,
                            &used->reasoning_tokens,   &used->duration_us};
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
    *sums[i] += (uint64_t)query_column_number(q, column + (int)i);
}

/* rollups_by has the answer ready unless something other than the tenant is asked for. */
static bool is_prepared(const struct usage_query *query) {
  if (query->by == USAGE_BY_TAG) return true;
  for (int i = 0; i < USAGE_BY_TAG; i++)
    if (i != USAGE_BY_TENANT && query->filter.values[i].len) return false;
  return true;
}

static void write_usage_sql(const struct usage_query *query, struct bytes *sql) {
  const char *name = usage_dimension_name(query->by);
  bool prepared = is_prepared(query);
  const char *value = query->by == USAGE_BY_NOTHING ? "''" : prepared ? "value" : name;
  bytes_printf(sql, "SELECT %s AS value, %s AS day, " ROLLUP_SUMS " FROM %s WHERE", value,
               query->is_per_day ? "day" : "0", prepared ? "rollups_by" : "rollups");
  if (prepared) bytes_printf(sql, " dimension = '%s' AND", name);
  bytes_append_text(sql, " day >= ? AND day < ?");
  sqlite_filter_write(&query->filter, sql);
  bytes_append_text(sql, query->is_per_day ? " GROUP BY 1, 2 ORDER BY 2, 1"
                                           : " GROUP BY 1, 2 ORDER BY 6 DESC, 3 DESC, 1 LIMIT ?");
}

enum store_result sqlite_usage(struct store *base, const struct usage_query *query,
                               const struct usage_sink *sink) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct bytes sql;
  bytes_init(&sql);
  write_usage_sql(query, &sql);
  struct query q = query_new(s, s->reader, bytes_text(&sql));
  query_number(&q, query->from_day);
  query_number(&q, query->to_day);
  if (is_prepared(query)) {
    if (query->filter.values[USAGE_BY_TENANT].len)
      query_text(&q, query->filter.values[USAGE_BY_TENANT]);
  } else {
    sqlite_filter_bind(&query->filter, &q);
  }
  if (!query->is_per_day) query_limit(&q, query->limit);
  while (query_next(&q)) {
    struct usage_row row = {query_column(&q, 0), query_column_number(&q, 1), {0}};
    read_used(&q, 2, &row.used);
    sink->on_row(sink->context, &row);
  }
  bytes_fini(&sql);
  return sqlite_end_read(s, query_end(&q));
}

/* Requests stand in three places: in rows of their own; in blocks that lie as a whole within what
 * is asked for, whose sums are ready; and in blocks across its edges, of which each is looked at.
 */
static const struct source {
  const char *from, *time, *sums;
} sources[] = {
    {"request_rows JOIN request_groups ON id = group_id", "time_ms", REQUEST_SUMS},
    {"request_blocks JOIN request_groups ON id = group_id", "(sequence / 4096)", ROLLUP_SUMS},
    {"requests_packed", "time_ms", REQUEST_SUMS},
};

enum { SOURCE_ROWS, SOURCE_WHOLE, SOURCE_PIECES, SOURCE_COUNT };

struct span { /* requests of [from, to), in stretches of bucket_ms */
  int64_t from_ms, to_ms, bucket_ms;
};

static void write_span(int source, const struct span *span, struct bytes *sql) {
  long long from = span->from_ms, to = span->to_ms, bucket = span->bucket_ms;
  long long first = sequence_from(from), end = sequence_from(to), late = sequence_to(to);
  bytes_printf(sql, " FROM %s WHERE ", sources[source].from);
  if (source == SOURCE_WHOLE)
    bytes_printf(sql,
                 "sequence >= %lld AND sequence < %lld AND first >= %lld AND first / 4096 / %lld ="
                 " sequence / 4096 / %lld",
                 first, end, first, bucket, bucket);
  else
    bytes_printf(sql, "%s >= %lld AND %s < %lld AND time_ms >= %lld AND time_ms < %lld",
                 source == SOURCE_ROWS ? "sequence" : "block", first,
                 source == SOURCE_ROWS ? "sequence" : "block", late, from, to);
  if (source == SOURCE_PIECES)
    bytes_printf(sql,
                 " AND NOT (first >= %lld AND block < %lld AND first / 4096 / %lld = block / 4096 /"
                 " %lld)",
                 first, end, bucket, bucket);
}

static enum store_result add_requests(struct sqlite *s, const struct used_query *query,
                                      int64_t to_ms, struct used *used) {
  struct span span = {query->from_ms, to_ms, never_ms};
  enum store_result result = STORE_FINE;
  for (int i = 0; i < SOURCE_COUNT && result == STORE_FINE; i++) {
    struct bytes sql;
    bytes_init(&sql);
    bytes_printf(&sql, "SELECT %s", sources[i].sums);
    write_span(i, &span, &sql);
    sqlite_filter_write(&query->filter, &sql);
    struct query q = query_new(s, s->reader, bytes_text(&sql));
    bytes_fini(&sql);
    sqlite_filter_bind(&query->filter, &q);
    if (query_next(&q)) read_used(&q, 0, used);
    result = query_end(&q);
  }
  return result;
}

static enum store_result add_rollups(struct sqlite *s, const struct used_query *query,
                                     int64_t from_day, struct used *used) {
  struct bytes sql;
  bytes_init(&sql);
  bytes_append_text(&sql, "SELECT " ROLLUP_SUMS " FROM rollups WHERE day >= ?");
  sqlite_filter_write(&query->filter, &sql);
  struct query q = query_new(s, s->reader, bytes_text(&sql));
  bytes_fini(&sql);
  query_number(&q, from_day);
  sqlite_filter_bind(&query->filter, &q);
  if (query_next(&q)) read_used(&q, 0, used);
  return query_end(&q);
}

/* The day in which the window begins is counted request by request, the rest by days. */
enum store_result sqlite_used(struct store *base, const struct used_query *query,
                              struct used *used) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  int64_t first_whole_day = (query->from_ms + MS_PER_DAY - 1) / MS_PER_DAY;
  if (query->from_ms < first_whole_day * MS_PER_DAY)
    result = add_requests(s, query, first_whole_day * MS_PER_DAY, used);
  if (result == STORE_FINE) result = add_rollups(s, query, first_whole_day, used);
  return sqlite_end_read(s, result);
}

static void write_groups_of(const struct used_by_query *query, struct bytes *sql) {
  bytes_append_text(sql, "SELECT ");
  for (int i = 0; i < USAGE_BY_TAG; i++)
    bytes_printf(sql, "%s, ",
                 query->groups[i] ? usage_dimension_name((enum usage_dimension)i) : "''");
}

/* Only what differs: every column more is carried through the sorting of all rows. */
static void write_group_by(const struct used_by_query *query, struct bytes *sql) {
  bytes_append_text(sql, " GROUP BY ");
  for (int i = 0; i < USAGE_BY_TAG; i++)
    if (query->groups[i]) bytes_printf(sql, "%d, ", i + 1);
  bytes_printf(sql, "%d", USAGE_BY_TAG + 1);
}

static void write_used_requests(const struct used_by_query *query, const struct span *span,
                                struct bytes *sql) {
  for (int i = 0; i < SOURCE_COUNT; i++) {
    long long bucket = span->bucket_ms;
    write_groups_of(query, sql);
    bytes_printf(sql, "(%s / %lld + 1) * %lld, %s", sources[i].time, bucket, bucket,
                 sources[i].sums);
    write_span(i, span, sql);
    bytes_append_text(sql, " AND usage_source <> 0");
    sqlite_filter_write(&query->filter, sql);
    write_group_by(query, sql);
    bytes_append_text(sql, " UNION ALL ");
  }
}

static void write_used_days(const struct used_by_query *query, const struct span *days,
                            struct bytes *sql) {
  long long bucket = days->bucket_ms, from = days->from_ms, to = days->to_ms;
  write_groups_of(query, sql);
  bytes_printf(sql,
               "(day * 86400000 / %lld + 1) * %lld, " ROLLUP_SUMS " FROM rollups WHERE day >= %lld"
               " AND day < %lld AND (failure = '' OR input_tokens + output_tokens > 0)",
               bucket, bucket, from / MS_PER_DAY, to / MS_PER_DAY);
  sqlite_filter_write(&query->filter, sql);
  write_group_by(query, sql);
}

static void give_used_by(struct query *q, const struct used_by_sink *sink) {
  while (query_next(q)) {
    struct used_by_row row = {.end_ms = query_column_number(q, USAGE_BY_TAG)};
    for (int i = 0; i < USAGE_BY_TAG; i++)
      row.values[i] = query_column(q, i);
    read_used(q, USAGE_BY_TAG + 1, &row.used);
    sink->on_row(sink->context, &row);
  }
}

static void write_used_by(const struct used_by_query *query, struct bytes *sql) {
  int64_t bucket_ms = query->bucket_ms ? (int64_t)query->bucket_ms : never_ms;
  int64_t first_day = (query->from_ms + MS_PER_DAY - 1) / MS_PER_DAY;
  int64_t end_day = query->rollups_until_ms / MS_PER_DAY;
  bool has_days = end_day > first_day;
  int64_t before_ms = has_days ? first_day * MS_PER_DAY : query->from_ms;
  struct span before = {query->from_ms, before_ms, bucket_ms};
  struct span days = {before_ms, has_days ? end_day * MS_PER_DAY : before_ms,
                      bucket_ms > MS_PER_DAY ? bucket_ms : MS_PER_DAY};
  struct span after = {days.to_ms, never_ms, bucket_ms};
  if (has_days) write_used_requests(query, &before, sql);
  write_used_requests(query, &after, sql);
  write_used_days(query, &days, sql);
  bytes_append_text(sql, " ORDER BY 12");
}

enum { PARTS_MAX = 2 * SOURCE_COUNT + 1 };

enum store_result sqlite_used_by(struct store *base, const struct used_by_query *query,
                                 const struct used_by_sink *sink) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct bytes sql;
  bytes_init(&sql);
  write_used_by(query, &sql);
  struct query q = query_new(s, s->reader, bytes_text(&sql));
  bytes_fini(&sql);
  for (int i = 0, most = sqlite3_bind_parameter_count(q.statement); q.bound < most && i < PARTS_MAX;
       i++)
    sqlite_filter_bind(&query->filter, &q);
  give_used_by(&q, sink);
  return sqlite_end_read(s, query_end(&q));
}
