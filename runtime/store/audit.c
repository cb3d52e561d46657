#include "store/audit.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"

enum { LAST_CHARACTERS = 4, LONG_ENOUGH = 12 };

static bool holds(struct slice key, const char *word) {
  size_t len = strlen(word);
  for (size_t at = 0; at + len <= key.len; at++)
    if (slice_equal_nocase((struct slice){key.data + at, len}, slice_of(word))) return true;
  return false;
}

/* Also where it is only part of a name: api_key, client_secret. An id or a name of a key is none.
 */
static bool names_secret(struct slice key) {
  static const char *const words[] = {"secret", "password", "token",  "credential", "authorization",
                                      "lookup", "sha256",   "digest", "hash"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (holds(key, words[i]) && !holds(key, "tokens")) return true;
  struct slice end = {key.data + (key.len < 3 ? 0 : key.len - 3), key.len < 3 ? key.len : 3};
  return slice_equal_nocase(end, SLICE("key"));
}

static void write_masked(struct slice raw, struct bytes *out) {
  struct bytes plain;
  bytes_init(&plain);
  json_unescape(raw, &plain);
  size_t shown = plain.len >= LONG_ENOUGH ? LAST_CHARACTERS : 0;
  for (size_t i = plain.len - shown; i < plain.len; i++)
    if (!isgraph((unsigned char)plain.data[i])) shown = 0;
  bytes_append_text(out, "\"…");
  if (shown) {
    struct bytes tail;
    bytes_init(&tail);
    json_quote(&tail, (struct slice){plain.data + plain.len - shown, shown});
    bytes_append(out, tail.data + 1, tail.len - 2);
    bytes_fini(&tail);
  }
  bytes_append_byte(out, '"');
  bytes_fini(&plain);
}

struct mask {
  struct json_cursor cursor;
  struct bytes *out;
  uint8_t is_object[JSON_DEPTH_DEFAULT + 1];
  bool is_secret; /* the member whose value comes next */
  size_t depth, secret_depth;
};

static void mask_string(struct mask *m) {
  const char *start = m->cursor.at;
  struct slice raw;
  bool escaped;
  must(json_scan_string(&m->cursor, &raw, &escaped));
  bool ours = slice_starts(raw, SLICE("gy-")) || slice_starts(raw, SLICE("sk-"));
  if (m->is_secret || m->secret_depth || ours)
    write_masked(raw, m->out);
  else
    bytes_append(m->out, start, (size_t)(m->cursor.at - start));
}

static void mask_open(struct mask *m) {
  m->depth++;
  m->is_object[m->depth] = *m->cursor.at == '{';
  if (m->is_secret && !m->secret_depth) m->secret_depth = m->depth;
  bytes_append_byte(m->out, *m->cursor.at++);
}

static void mask_close(struct mask *m) {
  if (m->secret_depth == m->depth) m->secret_depth = 0;
  m->depth--;
  bytes_append_byte(m->out, *m->cursor.at++);
}

static void mask_key(struct mask *m) {
  const char *start = m->cursor.at;
  struct slice key;
  bool escaped;
  must(json_scan_key(&m->cursor, &key, &escaped));
  bytes_append(m->out, start, (size_t)(m->cursor.at - start));
  m->is_secret = names_secret(key);
}

/* One pass; the text is valid, so every byte is where the grammar has it. */
void audit_mask(struct slice json, struct bytes *out) {
  if (!json_validate(json, JSON_DEPTH_DEFAULT, NULL)) {
    bytes_append_text(out, "null");
    return;
  }
  struct mask m = {.cursor = json_cursor_of(json), .out = out};
  bool wants_key = false;
  while (m.cursor.at < m.cursor.end) {
    char c = *m.cursor.at;
    if (c == '"' && wants_key) {
      mask_key(&m);
      wants_key = false;
      continue;
    }
    if (c == '"')
      mask_string(&m);
    else if (c == '{' || c == '[')
      mask_open(&m);
    else if (c == '}' || c == ']')
      mask_close(&m);
    else
      bytes_append_byte(out, *m.cursor.at++);
    if (c == '{' || c == ',') wants_key = m.is_object[m.depth];
    if (c == ',' || c == '{' || c == '}' || c == ']')
      m.is_secret = m.is_secret && c == ',' && !m.is_object[m.depth];
  }
}

static void add_part(struct bytes *row, struct slice part) {
  bytes_append_u64(row, part.len);
  bytes_append_byte(row, ':');
  bytes_append_slice(row, part);
}

void audit_hash(const struct audit_entry *entry, uint64_t number,
                const uint8_t previous[SHA256_BYTES], uint8_t out[SHA256_BYTES]) {
  struct bytes row;
  bytes_init(&row);
  bytes_append(&row, previous, SHA256_BYTES);
  bytes_printf(&row, "%llu,%lld,", (unsigned long long)number, (long long)entry->time_ms);
  const struct slice parts[] = {entry->tenant, entry->actor,   entry->action,
                                entry->target, entry->outcome, entry->before,
                                entry->after,  entry->peer,    entry->request_id};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    add_part(&row, parts[i]);
  digest_sha256(bytes_slice(&row), out);
  bytes_fini(&row);
}

void audit_write_entry(const struct audit_entry *e, uint64_t number, struct bytes *out) {
  char time[25];
  clock_format(e->time_ms, time);
  bytes_printf(out, "{\"object\":\"audit\",\"number\":%llu,\"time\":\"%s\"",
               (unsigned long long)number, time);
  json_append_text(out, "tenant", e->tenant);
  json_append_text(out, "actor", e->actor);
  json_append_text(out, "action", e->action);
  json_append_text(out, "target", e->target);
  json_append_text(out, "outcome", e->outcome);
  json_append_json(out, "before", e->before);
  json_append_json(out, "after", e->after);
  json_append_text(out, "peer", e->peer);
  json_append_text(out, "request_id", e->request_id);
  bytes_append_byte(out, '}');
}

void audit_write_report(const struct audit_report *r, struct bytes *out) {
  char head[2 * SHA256_BYTES + 1];
  digest_hex(r->head, SHA256_BYTES, head);
  bytes_printf(out,
               "{\"object\":\"audit_report\",\"ok\":%s,\"rows\":%llu,\"first\":%llu,\"last\":%llu,"
               "\"broken_at\":%llu,\"head\":\"%s\"}\n",
               r->broken_at ? "false" : "true", (unsigned long long)r->rows,
               (unsigned long long)r->first, (unsigned long long)r->last,
               (unsigned long long)r->broken_at, head);
}
