#include "admin/api.h"
#include "base/clock.h"
#include <stdio.h>

static const char *code_of(int status) {
  switch (status) {
  case 401: return "invalid_api_key";
  case 403: return "forbidden";
  case 404: return "not_found";
  case 409: return "conflict";
  case 412: return "version_conflict";
  case 422: return "idempotency_key_reused";
  case 503: return "unavailable";
  default: return "bad_request";
  }
}

static void rename_field(struct bytes *sentence, size_t len, const char *name) {
  struct bytes renamed;
  bytes_init(&renamed);
  bytes_append_text(&renamed, name);
  bytes_append_slice(&renamed, slice_skip(bytes_slice(sentence), len));
  bytes_fini(sentence);
  *sentence = renamed;
}

void call_fail(struct call *c, int status, const char *field, const char *format, ...) {
  struct bytes sentence;
  va_list list;
  bytes_init(&sentence);
  va_start(list, format);
  bytes_vprintf(&sentence, format, list);
  va_end(list);
  const char *known = field && c->field_name ? c->field_name(field) : field;
  if (known != field && slice_starts(bytes_slice(&sentence), slice_of(field)))
    rename_field(&sentence, strlen(field), known);
  bytes_clear(&c->out);
  c->status = status;
  c->version = 0;
  bytes_printf(&c->out, "{\"error\":{\"code\":\"%s\",\"message\":", code_of(status));
  json_quote(&c->out, bytes_slice(&sentence));
  bytes_append_text(&c->out, ",\"field\":");
  if (known)
    json_quote(&c->out, slice_of(known));
  else
    bytes_append_text(&c->out, "null");
  bytes_append_text(&c->out, "}}\n");
  bytes_fini(&sentence);
}

void call_end_list(struct call *c, bool has_more, uint64_t last) {
  bytes_printf(&c->out, "],\"has_more\":%s,\"next_cursor\":", has_more ? "true" : "false");
  if (has_more)
    bytes_printf(&c->out, "\"%llu\"}\n", (unsigned long long)last);
  else
    bytes_append_text(&c->out, "null}\n");
}

void call_fail_store(struct call *c, enum store_result result) {
  if (result == STORE_NOT_FOUND)
    call_fail(c, 404, NULL, "there is no such %s", row_noun(c->route->kind));
  else if (result == STORE_CONFLICT)
    call_fail(c, 409, NULL, "it is there already, or changes at this moment");
  else
    call_fail(c, 503, NULL, "the store is %s; nothing was changed, %s", store_result_name(result),
              result == STORE_FULL ? "make room on its disk" : "try again");
}

static int hex_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986, 2.1; plus is what + stands for. */
static struct slice unescaped(struct call *c, struct slice text, char plus) {
  char *out = arena_alloc(&c->arena, text.len + 1), *to = out;
  for (size_t i = 0; i < text.len; i++) {
    int high = text.data[i] == '%' && i + 2 < text.len ? hex_of(text.data[i + 1]) : -1;
    int low = high >= 0 ? hex_of(text.data[i + 2]) : -1;
    if (low >= 0) {
      *to++ = (char)(high * 16 + low);
      i += 2;
    } else {
      *to++ = text.data[i] == '+' ? plus : text.data[i];
    }
  }
  return (struct slice){out, (size_t)(to - out)};
}

struct slice call_path_part(struct call *c, struct slice text) {
  return unescaped(c, text, '+');
}

/* Forms write + for a space. */
struct slice call_param(struct call *c, const char *name) {
  struct slice rest = c->query;
  while (rest.len) {
    struct slice value, one = slice_cut(rest, '&', &rest);
    if (slice_equal_text(slice_cut(one, '=', &value), name)) return unescaped(c, value, ' ');
  }
  return (struct slice){"", 0};
}

enum { NOT_LISTED = -1 };

static int place_of(const char *names, struct slice name) {
  struct slice rest = slice_of(names);
  for (int place = 0; rest.len; place++)
    if (slice_equal(slice_cut(rest, ' ', &rest), name)) return place;
  return NOT_LISTED;
}

bool call_params_check(struct call *c) {
  const char *known = params_names(c->route->params);
  struct slice rest = c->query;
  uint32_t seen = 0;
  while (rest.len) {
    struct slice value, name = slice_cut(slice_cut(rest, '&', &rest), '=', &value);
    int place = place_of(known, name);
    if (place != NOT_LISTED && !(seen & 1u << place)) {
      seen |= 1u << place;
      continue;
    }
    const char *called =
        arena_text(&c->arena, (struct slice){name.data, name.len < 40 ? name.len : 40});
    if (place == NOT_LISTED)
      call_fail(c, 400, called, "%s is no parameter here; there are: %s", called,
                *known ? known : "none");
    else
      call_fail(c, 400, called, "%s stands twice; send it once", called);
    return false;
  }
  return true;
}

bool call_param_word(struct call *c, const char *name, const char *words, struct slice *out) {
  *out = call_param(c, name);
  if (!out->len || place_of(words, *out) != NOT_LISTED) return true;
  call_fail(c, 400, name, "%s: expects one of: %s", name, words);
  return false;
}

/* Rows go, and a page may end with one that does: so a cursor carries the mark of having been one,
 * and is no row to be looked for. */
static uint32_t cursor_mark(struct call *c, struct slice id) {
  return (uint32_t)(slice_hash(id) ^ slice_hash(slice_of(c->route->path)));
}

bool call_param_cursor(struct call *c, struct slice *after) {
  struct slice text = call_param(c, "cursor");
  char mark[10];
  *after = text;
  if (!text.len) return true;
  if (text.len >= sizeof mark) {
    after->len = text.len - (sizeof mark - 1);
    snprintf(mark, sizeof mark, "~%08x", cursor_mark(c, *after));
    if (slice_equal_text(slice_skip(text, after->len), mark)) return true;
  }
  call_fail(c, 400, "cursor", "cursor: expects the next_cursor of the page before, of this list");
  return false;
}

void call_write_cursor(struct call *c, struct slice last) {
  json_quote(&c->out, slice_of(arena_printf(&c->arena, "%.*s~%08x", (int)last.len, last.data,
                                            cursor_mark(c, last))));
}

bool call_param_u64(struct call *c, const char *name, uint64_t otherwise, uint64_t most,
                    uint64_t *out) {
  struct slice text = call_param(c, name);
  *out = otherwise;
  if (!text.len) return true;
  if (slice_to_u64(text, out) && *out <= most && *out > 0) return true;
  call_fail(c, 400, name, "%s: expects a number from 1 to %llu", name, (unsigned long long)most);
  return false;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar: months are counted from March, so that
 * the leap day is the last of its year. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  int64_t era = year / 400, of_era = year % 400;
  int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool read_time(const char *text, int64_t *ms) {
  int year, month, day, hour = 0, minute = 0, second = 0, len = 0;
  if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &len) != 3 || len != 10) return false;
  if (text[10]) {
    int more = 0;
    if (sscanf(text + 10, "T%2d:%2d:%2d%n", &hour, &minute, &second, &more) != 3 || more != 9)
      return false;
    if (strcmp(text + 19, "Z") != 0 && text[19] != 0) return false;
  }
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31) return false;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return false;
  *ms = (days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000;
  return true;
}

bool call_param_time(struct call *c, const char *name, int64_t otherwise, int64_t *out) {
  struct slice text = call_param(c, name);
  uint64_t number;
  *out = otherwise;
  if (!text.len) return true;
  if (slice_to_u64(text, &number) && number < INT64_MAX) {
    *out = (int64_t)number;
    return true;
  }
  if (text.len <= 20 && read_time(arena_text(&c->arena, text), out)) return true;
  call_fail(c, 400, name,
            "%s: expects a day as 2026-11-22, a time as 2026-11-22T10:00:00Z, or milliseconds",
            name);
  return false;
}

bool call_param_span(struct call *c, const char *from, const char *to, int64_t *from_ms,
                     int64_t *to_ms) {
  if (!call_param_time(c, from, 0, from_ms) || !call_param_time(c, to, 0, to_ms)) return false;
  if (!*to_ms || *from_ms <= *to_ms) return true;
  call_fail(c, 400, to, "%s: lies before %s, so nothing can be found", to, from);
  return false;
}

struct slice call_text(struct call *c, struct slice object, const char *name) {
  struct bytes text;
  bytes_init(&text);
  struct slice value = json_find(object, name), copy = {"", 0};
  if (value.data && json_string(value, &text)) copy = arena_slice(&c->arena, bytes_slice(&text));
  bytes_fini(&text);
  return copy;
}

void call_time(struct call *c, const char *name, int64_t wall_ms) {
  char text[25];
  clock_format(wall_ms, text);
  bytes_printf(&c->out, ",\"%s\":\"%s\"", name, text);
}
