#include "config/price_table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/zone.h"
#include "config/decimal.h"

enum { FILE_BYTES_MAX = 256 << 20, DEPTH = 16, TIERS_MAX = 8, PRICE_POWER = 9 };

static const uint64_t RATE_MAX = 1000000000000000000u; /* as RANGE(0, PRICE_MAX) of keys.def */

void price_complete(struct price_rates *r, struct price_given given) {
  if (!given.cache_read) r->cache_read = r->input;
  if (!given.cache_write_5m) r->cache_write_5m = r->input;
  if (!given.cache_write_1h) r->cache_write_1h = r->cache_write_5m;
}

static bool take_digits(struct slice *text, size_t count, unsigned *out) {
  uint64_t value;
  if (text->len < count || !slice_to_u64((struct slice){text->data, count}, &value)) return false;
  *text = slice_skip(*text, count);
  *out = (unsigned)value;
  return true;
}

static bool take_char(struct slice *text, char c) {
  if (text->len == 0 || text->data[0] != c) return false;
  *text = slice_skip(*text, 1);
  return true;
}

bool price_date(struct slice text, int64_t *out_ms) {
  unsigned year, month, day, hour = 0, minute = 0, second = 0;
  if (!take_digits(&text, 4, &year) || !take_char(&text, '-') || !take_digits(&text, 2, &month) ||
      !take_char(&text, '-') || !take_digits(&text, 2, &day))
    return false;
  if (text.len &&
      (!take_char(&text, 'T') || !take_digits(&text, 2, &hour) || !take_char(&text, ':') ||
       !take_digits(&text, 2, &minute) || !take_char(&text, ':') ||
       !take_digits(&text, 2, &second) || !take_char(&text, 'Z')))
    return false;
  struct civil date = {year, month, day};
  if (text.len || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return false;
  int64_t days = civil_days(date);
  if (day < 1 || civil_of_days(days).day != day) return false;
  *out_ms = (days * 86400 + hour * 3600 + minute * 60 + second) * 1000;
  return true;
}

/* A number, or the same as text. False: it is there and is none. */
static bool read_number(struct slice object, const char *key, int power, uint64_t *out,
                        bool *is_given) {
  struct slice value = json_find(object, key);
  *is_given = false;
  if (!value.data || json_type(value) == JSON_NULL) return true;
  *is_given = true;
  if (json_type(value) == JSON_STRING) value = json_string_raw(value);
  return decimal_scale(slice_trim(value), power, out) == DECIMAL_OK && *out <= RATE_MAX;
}

static const char *read_rates(struct slice json, struct price_rates *r) {
  struct price_given given;
  bool has_input, has_output, has_write;
  uint64_t write = 0;
  if (!read_number(json, "input", PRICE_POWER, &r->input, &has_input) ||
      !read_number(json, "output", PRICE_POWER, &r->output, &has_output) ||
      !read_number(json, "cache_read", PRICE_POWER, &r->cache_read, &given.cache_read) ||
      !read_number(json, "cache_write", PRICE_POWER, &write, &has_write) ||
      !read_number(json, "cache_write_5m", PRICE_POWER, &r->cache_write_5m,
                   &given.cache_write_5m) ||
      !read_number(json, "cache_write_1h", PRICE_POWER, &r->cache_write_1h,
                   &given.cache_write_1h) ||
      !read_number(json, "reasoning", PRICE_POWER, &r->reasoning, &r->has_reasoning) ||
      !read_number(json, "audio_input", PRICE_POWER, &r->audio_input, &r->has_audio_input) ||
      !read_number(json, "audio_output", PRICE_POWER, &r->audio_output, &r->has_audio_output))
    return "a price is no number from 0 to 1000000000 with at most 9 decimals";
  if (!has_input || !has_output) return "input or output is missing";
  if (has_write && !given.cache_write_5m) r->cache_write_5m = write;
  given.cache_write_5m |= has_write;
  price_complete(r, given);
  return NULL;
}

static const char *read_tiers(struct slice json, struct arena *arena, struct price *out) {
  struct slice tiers = json_find(json, "tiers");
  if (!tiers.data) return NULL;
  if (json_type(tiers) != JSON_ARRAY) return "tiers is no list";
  out->tiers = arena_alloc(arena, TIERS_MAX * sizeof *out->tiers);
  for (struct json_walk w = json_walk_of(tiers); json_walk_next(&w);) {
    if (out->tier_count == TIERS_MAX) return "more than 8 tiers";
    struct price_tier *t = &out->tiers[out->tier_count];
    bool has_above;
    if (!read_number(w.value, "above", 0, &t->above_tokens, &has_above) || !has_above ||
        t->above_tokens == 0)
      return "a tier does not say above how many tokens it holds";
    if (out->tier_count && t->above_tokens <= t[-1].above_tokens) return "tiers do not rise";
    const char *wrong = read_rates(w.value, &t->rates);
    if (wrong) return wrong;
    out->tier_count++;
  }
  return NULL;
}

static const char *read_factor(struct slice json, const char *key, struct price_service *out) {
  uint64_t factor;
  if (!read_number(json, key, 6, &factor, &out->has_factor) ||
      (out->has_factor && factor > 100u * PRICE_PARTS))
    return "a factor is no number from 0 to 100 with at most 6 decimals";
  if (out->has_factor) out->factor = (uint32_t)factor;
  return NULL;
}

static const char *read_services(struct slice json, struct price *out) {
  struct slice all = json_find(json, "service");
  const char *wrong = read_factor(json, "batch", &out->services[SERVICE_BATCH]);
  if (wrong || !all.data) return wrong;
  if (json_type(all) != JSON_OBJECT) return "service is no object";
  for (struct json_walk w = json_walk_of(all); !wrong && json_walk_next(&w);) {
    int tier = service_tier_find(w.key);
    if (tier <= SERVICE_STANDARD) return "service names a tier that is not known";
    struct price_service *s = &out->services[tier];
    if (json_type(w.value) != JSON_OBJECT) return "a tier of service is no object";
    s->has_rates = json_find(w.value, "input").data != NULL;
    wrong = s->has_rates ? read_rates(w.value, &s->rates) : read_factor(w.value, "factor", s);
  }
  return wrong;
}

const char *price_read(struct slice json, struct arena *arena, struct price *out) {
  bool is_given;
  *out = (struct price){.known = true};
  if (json_type(json) != JSON_OBJECT) return "it is no object";
  const char *wrong = read_rates(json, &out->rates);
  if (wrong) return wrong;
  if (!read_number(json, "image", PRICE_POWER, &out->image, &is_given) ||
      !read_number(json, "request", PRICE_POWER, &out->request, &is_given))
    return "image or request is no price";
  wrong = read_services(json, out);
  return wrong ? wrong : read_tiers(json, arena, out);
}

static struct slice read_text(struct slice object, const char *key, struct arena *arena) {
  struct bytes text;
  bytes_init(&text);
  struct slice value = json_find(object, key), copy = {"", 0};
  if (value.data && json_string(value, &text)) copy = arena_slice(arena, bytes_slice(&text));
  bytes_fini(&text);
  return copy;
}

static const char *read_version(struct slice json, struct arena *arena, struct price_version *out) {
  if (json_type(json) != JSON_OBJECT) return "a version is no object";
  out->version = read_text(json, "version", arena);
  out->source = read_text(json, "source", arena);
  out->sha256 = read_text(json, "sha256", arena);
  out->prices = json_find(json, "prices");
  if (out->version.len == 0) return "a version has no name";
  if (!price_date(read_text(json, "from", arena), &out->from_ms))
    return "the date `from` of a version is no date such as 2026-11-22T10:00:00Z";
  if (!out->prices.data || json_type(out->prices) != JSON_OBJECT)
    return "a version has no object `prices`";
  return NULL;
}

/* The later one in the file wins where two begin at once, so equal dates keep their order. */
static int by_date(const void *a, const void *b) {
  const struct price_version *x = a, *y = b;
  if (x->from_ms != y->from_ms) return x->from_ms < y->from_ms ? -1 : 1;
  return x->prices.data < y->prices.data ? -1 : x->prices.data > y->prices.data;
}

struct price_table *price_table_none(struct arena *arena) {
  struct price_table *t = arena_alloc(arena, sizeof *t);
  *t = (struct price_table){0};
  return t;
}

struct price_table *price_table_read(struct slice text, struct arena *arena, const char **problem) {
  struct price_table *t = arena_alloc(arena, sizeof *t);
  struct json_error error;
  size_t count = 0;
  *problem = NULL;
  text = arena_slice(arena, text);
  if (!json_validate(text, DEPTH, &error)) {
    *problem = arena_printf(arena, "is no JSON: %s at byte %zu", error.message, error.offset);
    return NULL;
  }
  struct slice versions = json_find(text, "versions"), format = json_find(text, "format");
  uint64_t number = 0;
  if (!format.data || !json_to_u64(format, &number) || number != 1 || !versions.data ||
      json_type(versions) != JSON_ARRAY) {
    *problem = "is no price table of format 1; make one with gateyes prices import";
    return NULL;
  }
  for (struct json_walk w = json_walk_of(versions); json_walk_next(&w);)
    count++;
  t->versions = arena_alloc(arena, (count + 1) * sizeof *t->versions);
  for (struct json_walk w = json_walk_of(versions); json_walk_next(&w);)
    if ((*problem = read_version(w.value, arena, &t->versions[t->count++]))) return NULL;
  qsort(t->versions, t->count, sizeof *t->versions, by_date);
  return t;
}

struct price_table *price_table_load(const char *path, struct arena *arena, const char **problem) {
  struct price_table *t = NULL;
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  *problem = "cannot be read; check that it exists and may be read";
  if (fd < 0) return NULL;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= FILE_BYTES_MAX) {
    char *text = must_alloc((size_t)info.st_size + 1);
    ssize_t bytes = read(fd, text, (size_t)info.st_size);
    if (bytes == info.st_size)
      t = price_table_read((struct slice){text, (size_t)bytes}, arena, problem);
    free(text);
  }
  close(fd);
  return t;
}
