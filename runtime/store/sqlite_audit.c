/* The audit table: a chain of digests, oldest rows removable at its start only. */
#include "base/clock.h"
#include "store/sqlite_private.h"

#define AUDIT_COLUMNS                                                                              \
  "number, time_ms, tenant, actor, action, target, outcome, before, after, peer, request_id, "     \
  "previous, hash"

struct link {
  uint64_t number;
  uint8_t hash[SHA256_BYTES];
};

static void copy_hash(struct slice from, uint8_t to[SHA256_BYTES]) {
  memset(to, 0, SHA256_BYTES);
  if (from.len == SHA256_BYTES) memcpy(to, from.data, SHA256_BYTES);
}

/* The last row; before the first, a number of 0 and a digest of zeros. When retention has removed
 * every row, the chain goes on from what it noted. */
static enum store_result last_link(struct sqlite *s, struct link *link) {
  *link = (struct link){0};
  struct query q = query_new(s, s->writer,
                             "SELECT number, hash FROM (SELECT number, hash FROM audit ORDER BY"
                             " number DESC LIMIT 1) UNION ALL SELECT"
                             " (SELECT value FROM meta WHERE name = 'audit_removed'),"
                             " (SELECT value FROM meta WHERE name = 'audit_removed_hash')"
                             " ORDER BY 1 DESC LIMIT 1");
  if (query_next(&q)) {
    link->number = (uint64_t)query_column_number(&q, 0);
    copy_hash(query_column(&q, 1), link->hash);
  }
  return query_end(&q);
}

enum store_result sqlite_audit_insert(struct sqlite *s, const struct audit_entry *given) {
  struct link last;
  enum store_result result = last_link(s, &last);
  if (result != STORE_FINE) return result;
  struct audit_entry entry = *given;
  if (!entry.time_ms) entry.time_ms = clock_wall_ms();
  uint8_t hash[SHA256_BYTES];
  audit_hash(&entry, last.number + 1, last.hash, hash);
  struct query q = query_new(s, s->writer,
                             "INSERT INTO audit (" AUDIT_COLUMNS
                             ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  query_number(&q, (int64_t)last.number + 1);
  query_number(&q, entry.time_ms);
  const struct slice texts[] = {entry.tenant, entry.actor,   entry.action,
                                entry.target, entry.outcome, entry.before,
                                entry.after,  entry.peer,    entry.request_id};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    query_text(&q, texts[i]);
  query_blob(&q, (struct slice){(const char *)last.hash, SHA256_BYTES});
  query_blob(&q, (struct slice){(const char *)hash, SHA256_BYTES});
  return query_run(&q);
}

enum store_result sqlite_audit(struct store *base, const struct audit_entry *entry) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_write(s);
  if (result != STORE_FINE) return result;
  return sqlite_end_write(s, sqlite_audit_insert(s, entry));
}

static uint64_t read_entry(const struct query *q, struct audit_entry *entry) {
  *entry = (struct audit_entry){.time_ms = query_column_number(q, 1),
                                .tenant = query_column(q, 2),
                                .actor = query_column(q, 3),
                                .action = query_column(q, 4),
                                .target = query_column(q, 5),
                                .outcome = query_column(q, 6),
                                .before = query_column(q, 7),
                                .after = query_column(q, 8),
                                .peer = query_column(q, 9),
                                .request_id = query_column(q, 10)};
  return (uint64_t)query_column_number(q, 0);
}

enum store_result sqlite_audit_list(struct store *base, const struct audit_query *query,
                                    const struct audit_sink *sink) {
  struct sqlite *s = sqlite_of(base);
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  static const char sql[] =
      "SELECT " AUDIT_COLUMNS
      " FROM audit WHERE (?1 = '' OR tenant = ?1) AND (?2 = '' OR actor = ?2) AND (?3 = '' OR"
      " action = ?3) AND (?4 = '' OR target = ?4) AND time_ms >= ?5 AND (?6 = 0 OR time_ms < ?6)"
      " AND (?7 = 0 OR number < ?7) ORDER BY number DESC LIMIT ?8";
  struct query q = query_new(s, s->reader, sql);
  query_text(&q, query->tenant);
  query_text(&q, query->actor);
  query_text(&q, query->action);
  query_text(&q, query->target);
  query_number(&q, query->from_ms);
  query_number(&q, query->to_ms);
  query_number(&q, (int64_t)query->before);
  query_limit(&q, query->limit);
  while (query_next(&q)) {
    struct audit_entry entry;
    uint64_t number = read_entry(&q, &entry);
    sink->on_row(sink->context, number, &entry);
  }
  return sqlite_end_read(s, query_end(&q));
}

static void meta_hash(struct sqlite *s, const char *name, uint8_t hash[SHA256_BYTES]) {
  struct query q = query_new(s, s->reader, "SELECT value FROM meta WHERE name = ?");
  query_text(&q, slice_of(name));
  if (query_next(&q)) copy_hash(query_column(&q, 0), hash);
  query_end(&q);
}

/* A row is whole when its number follows, it names the digest before it and hashes to its own. */
static bool link_holds(const struct query *q, struct link *before) {
  struct audit_entry entry;
  uint64_t number = read_entry(q, &entry);
  uint8_t hash[SHA256_BYTES], stored[SHA256_BYTES], previous[SHA256_BYTES];
  audit_hash(&entry, number, before->hash, hash);
  copy_hash(query_column(q, 11), previous);
  copy_hash(query_column(q, 12), stored);
  bool fine = number == before->number + 1 && digest_equal(previous, before->hash) &&
              digest_equal(hash, stored);
  before->number = number;
  memcpy(before->hash, stored, SHA256_BYTES);
  return fine;
}

enum store_result sqlite_audit_verify(struct store *base, struct audit_report *report) {
  struct sqlite *s = sqlite_of(base);
  *report = (struct audit_report){0};
  enum store_result result = sqlite_begin_read(s);
  if (result != STORE_FINE) return result;
  struct link link = {(uint64_t)sqlite_meta_number(s, s->reader, "audit_removed"), {0}};
  meta_hash(s, "audit_removed_hash", link.hash);
  report->first = link.number + 1;
  struct query q = query_new(s, s->reader, "SELECT " AUDIT_COLUMNS " FROM audit ORDER BY number");
  while (query_next(&q)) {
    uint64_t expected = link.number + 1;
    bool fine = link_holds(&q, &link);
    if (!fine && !report->broken_at) report->broken_at = expected;
    report->rows++;
  }
  report->last = link.number;
  memcpy(report->head, link.hash, SHA256_BYTES);
  return sqlite_end_read(s, query_end(&q));
}
