#include "config/price_import.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

enum { DEPTH = 32 };

void price_import_init(struct price_import *i) {
  *i = (struct price_import){0};
  bytes_init(&i->refused);
  bytes_init(&i->prices);
}

void price_import_fini(struct price_import *i) {
  bytes_fini(&i->refused);
  bytes_fini(&i->prices);
}

/* Numbers are copied as they are written: no float comes between. */
static void copy_rates(struct slice cost, struct bytes *out) {
  static const struct {
    const char *from, *to;
  } names[] = {{"input", "input"},
               {"output", "output"},
               {"cache_read", "cache_read"},
               {"cache_write", "cache_write"},
               {"reasoning", "reasoning"},
               {"input_audio", "audio_input"},
               {"output_audio", "audio_output"}};
  const char *comma = "";
  for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
    struct slice value = json_find(cost, names[n].from);
    if (!value.data || json_type(value) != JSON_NUMBER) continue;
    bytes_printf(out, "%s\"%s\":", comma, names[n].to);
    bytes_append_slice(out, value);
    comma = ",";
  }
}

/* "context_over_200k" holds for prompts above 200,000 tokens. */
static bool tier_tokens(struct slice key, uint64_t *tokens) {
  struct slice rest = key;
  if (!slice_starts(key, SLICE("context_over_"))) return false;
  rest = slice_skip(rest, 13);
  if (rest.len < 2 || rest.data[rest.len - 1] != 'k') return false;
  rest.len--;
  return slice_to_u64(rest, tokens) && *tokens < 1000000000 && (*tokens *= 1000) > 0;
}

struct tier {
  uint64_t above_tokens;
  struct slice rates;
};

enum { TIERS_READ = 16 }; /* more than a price may have: then it is refused */

struct tiers { /* rising */
  struct tier items[TIERS_READ];
  size_t count;
};

static void add_tier(struct tiers *all, struct tier tier) {
  if (all->count == TIERS_READ) return;
  size_t at = all->count++;
  for (; at > 0 && all->items[at - 1].above_tokens > tier.above_tokens; at--)
    all->items[at] = all->items[at - 1];
  all->items[at] = tier;
}

/* "tiers": [{ "input": 10, …, "tier": { "type": "context", "size": 272000 } }], as models.dev's
 * schema has it. */
static const char *read_tier_list(struct slice list, struct tiers *all) {
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);) {
    struct tier tier = {.rates = w.value};
    struct slice mark = json_find(w.value, "tier");
    if (!slice_equal(json_find(mark, "type"), SLICE("\"context\"")))
      return "a tier is of another kind than \"context\"";
    if (!json_to_u64(json_find(mark, "size"), &tier.above_tokens))
      return "a tier has no size in tokens";
    add_tier(all, tier);
  }
  return NULL;
}

/* The list says it all where there is one; files have the older form beside it, for older readers.
 */
static const char *read_tiers(struct slice cost, struct tiers *all) {
  struct slice list = json_find(cost, "tiers");
  if (json_type(list) == JSON_ARRAY) return read_tier_list(list, all);
  for (struct json_walk w = json_walk_of(cost); json_walk_next(&w);) {
    struct tier tier = {.rates = w.value};
    if (tier_tokens(w.key, &tier.above_tokens) && json_type(w.value) == JSON_OBJECT)
      add_tier(all, tier);
  }
  return NULL;
}

static void copy_tiers(const struct tiers *tiers, struct bytes *out) {
  for (size_t i = 0; i < tiers->count; i++) {
    const struct tier *tier = &tiers->items[i];
    bytes_printf(out, "%s{\"above\":%llu,", i ? "," : ",\"tiers\":[",
                 (unsigned long long)tier->above_tokens);
    copy_rates(tier->rates, out);
    bytes_append_byte(out, '}');
  }
  if (tiers->count) bytes_append_byte(out, ']');
}

static bool is_free(const struct price *p) {
  return p->rates.input == 0 && p->rates.output == 0;
}

static void refuse(struct price_import *i, struct slice name, const char *why) {
  json_quote(&i->refused, name);
  bytes_printf(&i->refused, ": %s\n", why);
}

static void take_model(struct price_import *i, struct slice name, struct slice cost,
                       bool take_free) {
  struct bytes json;
  struct arena arena;
  struct price price;
  struct tiers tiers = {.count = 0};
  bytes_init(&json);
  arena_init(&arena);
  bytes_append_byte(&json, '{');
  copy_rates(cost, &json);
  const char *wrong = read_tiers(cost, &tiers);
  copy_tiers(&tiers, &json);
  bytes_append_byte(&json, '}');
  if (!wrong) wrong = price_read(bytes_slice(&json), &arena, &price);
  if (wrong) {
    refuse(i, name, wrong);
  } else if (is_free(&price) && !take_free) {
    i->free++;
  } else {
    if (i->prices.len > 1) bytes_append_byte(&i->prices, ',');
    bytes_append_byte(&i->prices, '\n');
    json_quote(&i->prices, name);
    bytes_append_byte(&i->prices, ':');
    bytes_append_slice(&i->prices, bytes_slice(&json));
    i->taken++;
  }
  arena_fini(&arena);
  bytes_fini(&json);
}

static void read_provider(struct price_import *i, struct slice provider, struct slice models,
                          bool take_free) {
  struct bytes name;
  bytes_init(&name);
  for (struct json_walk w = json_walk_of(models); json_walk_next(&w);) {
    struct slice cost =
        json_type(w.value) == JSON_OBJECT ? json_find(w.value, "cost") : (struct slice){NULL, 0};
    bytes_clear(&name);
    json_unescape(provider, &name);
    bytes_append_byte(&name, '/');
    json_unescape(w.key, &name);
    if (!cost.data || json_type(cost) != JSON_OBJECT)
      i->without_cost++;
    else
      take_model(i, bytes_slice(&name), cost, take_free);
  }
  bytes_fini(&name);
}

bool price_import_read(struct price_import *i, struct slice text, bool take_free,
                       const char **problem) {
  struct json_error error;
  bool is_found = false;
  *problem = "is no JSON object";
  if (!json_validate(text, DEPTH, &error) || json_type(text) != JSON_OBJECT) return false;
  bytes_append_byte(&i->prices, '{');
  for (struct json_walk w = json_walk_of(text); json_walk_next(&w);) {
    struct slice models =
        json_type(w.value) == JSON_OBJECT ? json_find(w.value, "models") : (struct slice){NULL, 0};
    if (!models.data || json_type(models) != JSON_OBJECT) continue;
    is_found = true;
    read_provider(i, w.key, models, take_free);
  }
  bytes_append_text(&i->prices, "\n}");
  *problem = "has no providers with models; give it a file as https://models.dev/api.json is one";
  return is_found;
}

static void write_version(const struct price_import_version *v, struct slice prices,
                          struct bytes *out) {
  char date[25];
  clock_format(v->from_ms, date);
  bytes_append_text(out, "{\"version\":");
  json_quote(out, v->version);
  bytes_printf(out, ",\"from\":\"%.19sZ\",\"source\":", date);
  json_quote(out, v->source);
  bytes_append_text(out, ",\"sha256\":");
  json_quote(out, v->sha256);
  bytes_append_text(out, ",\"prices\":");
  bytes_append_slice(out, prices);
  bytes_append_byte(out, '}');
}

void price_table_write(const struct price_table *old, const struct price_import_version *v,
                       struct slice prices, struct bytes *out) {
  bytes_append_text(out, "{\"format\":1,\"versions\":[\n");
  for (size_t i = 0; old && i < old->count; i++) {
    const struct price_version *o = &old->versions[i];
    write_version(&(struct price_import_version){o->version, o->source, o->from_ms, o->sha256},
                  o->prices, out);
    bytes_append_text(out, ",\n");
  }
  write_version(v, prices, out);
  bytes_append_text(out, "\n]}\n");
}

static bool has_version(const struct price_table *t, struct slice name) {
  for (size_t i = 0; t && i < t->count; i++)
    if (slice_equal(t->versions[i].version, name)) return true;
  return false;
}

void price_version_name(const struct price_table *old, int64_t from_ms, struct bytes *out) {
  char date[25];
  clock_format(from_ms, date);
  for (unsigned n = 1;; n++) {
    bytes_clear(out);
    bytes_printf(out, "%.10s.%u", date, n);
    if (!has_version(old, bytes_slice(out))) return;
  }
}

bool price_table_save(const char *path, struct slice text) {
  struct bytes beside;
  bytes_init(&beside);
  bytes_printf(&beside, "%s.new", path);
  const char *name = bytes_text(&beside);
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool is_written = fd >= 0;
  while (is_written && text.len) {
    ssize_t put = write(fd, text.data, text.len);
    is_written = put > 0;
    if (put > 0) text = slice_skip(text, (size_t)put);
  }
  is_written = is_written && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  is_written = is_written && rename(name, path) == 0;
  bytes_fini(&beside);
  return is_written;
}
