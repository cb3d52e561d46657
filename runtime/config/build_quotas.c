/* quotas: one entry of the file is one definition for each thing that it limits. */
#include <string.h>

#include "base/glob.h"
#include "base/zone.h"
#include "config/build.h"
#include "config/parse_values.h"

enum { ROLLING_S_MAX = 366 * 86400, MS_NS = 1000000, PERCENT_MAX = 250 };

static const char path[] = "quotas.*";

static struct slice scope_name(struct build *b, const struct place *scope, const char *key,
                               bool *is_given) {
  struct place at = place_find(scope, key);
  struct slice name = {"", 0};
  *is_given = at.value && walk_text(b, &at, &name);
  if (slice_equal_text(name, "*")) name = (struct slice){"", 0};
  return name;
}

/* A pattern must match something that is there. */
static void check_pattern(struct build *b, const struct place *at, const struct names *names,
                          struct slice pattern) {
  for (size_t i = 0; i <= names->mask; i++)
    if (names->slots[i].thing && glob_match(pattern, names->slots[i].name)) return;
  problem(b, at, "%s matches no name; correct the pattern", got(b, at->value) + 4);
}

static void check_model(struct build *b, const struct place *scope, struct slice name) {
  struct place at = place_find(scope, "model");
  if (!b->root) return; /* a row of the store: models come and go beside it */
  if (glob_is(name)) {
    check_pattern(b, &at, &b->models, name);
    return;
  }
  const struct model *m = config_model_find(b->config, name);
  if (!m && !names_find(&b->models, name))
    problem(b, &at, "no model is called %s%s; correct the name", shown(b, at.value, name),
            meant(b, &b->models, name));
  else if (m && !slice_equal(m->name, name))
    problem(b, &at, "%s is an alias, and requests for it count as its model; write \"%.*s\"",
            got(b, at.value) + 4, (int)m->name.len, m->name.data);
}

static void check_provider(struct build *b, const struct place *scope, struct slice name) {
  struct place at = place_find(scope, "provider");
  if (!b->root || names_find(&b->providers, name)) return;
  if (glob_is(name)) {
    check_pattern(b, &at, &b->providers, name);
    return;
  }
  problem(b, &at, "no provider is called %s%s; correct the name", shown(b, at.value, name),
          meant(b, &b->providers, name));
}

static void build_scope(struct build *b, const struct place *at, struct limit_definition *d) {
  struct place scope = place_find(at, "scope");
  if (!scope.value || scope.value->type != VALUE_MAP) return;
  for (int s = 0; s < LIMIT_SUBJECTS; s++) {
    bool is_given;
    struct slice name = scope_name(b, &scope, limit_subject_name((enum limit_subject)s), &is_given);
    if (!is_given) continue;
    struct limit_condition *c = &d->scope[d->scope_count++];
    *c = (struct limit_condition){(enum limit_subject)s, name, LIMIT_NAMED};
    if (glob_is(name)) c->form = LIMIT_TOGETHER;
    if (s == LIMIT_MODEL && name.len) check_model(b, &scope, name);
    if (s == LIMIT_PROVIDER && name.len) check_provider(b, &scope, name);
  }
}

/* each: the subjects whose pattern gives each match a counter of its own. */
static void build_each(struct build *b, const struct place *at, struct limit_definition *d) {
  struct place each = place_find(at, "each");
  struct slice *subjects = NULL;
  size_t count = 0;
  if (each.value) walk_texts(b, &each, &subjects, &count);
  for (size_t i = 0; i < count; i++) {
    struct limit_condition *found = NULL;
    for (int k = 0; k < d->scope_count; k++)
      if (slice_equal_text(subjects[i], limit_subject_name(d->scope[k].subject)))
        found = &d->scope[k];
    if (!found)
      problem(b, &each, "names %s, which scope does not; write it in both",
              shown(b, each.value, subjects[i]));
    else if (found->name.len && found->form == LIMIT_NAMED)
      problem(b, &each, "names %s, of which scope names one; remove it here, or use * there",
              shown(b, each.value, subjects[i]));
    else
      found->form = LIMIT_APART;
  }
}

/* Durations of a day and more do not fit the milliseconds of other keys. */
static bool read_rolling(const struct place *at, struct limit_window *w) {
  uint64_t ms;
  if (!parse_duration_ms(at->value, &ms)) return false;
  if (ms < 1000 || ms / 1000 > ROLLING_S_MAX) return false;
  w->unit = LIMIT_ROLLING;
  w->rolling_ns = ms * MS_NS;
  return true;
}

static void build_window(struct build *b, const struct place *at, struct limit_definition *d) {
  struct place window = place_find(at, "window"), zone = place_find(at, "timezone");
  struct place day = place_find(at, "start_day");
  struct limit_window *w = &d->window;
  uint64_t number = 0;
  int unit = -1;
  if (!window.value) return;
  if (window.value->type == VALUE_TEXT) unit = limit_unit_find(window.value->text);
  if (unit > LIMIT_ROLLING)
    w->unit = (enum limit_unit)unit;
  else if (!read_rolling(&window, w))
    problem(b, &window,
            "expects a duration from \"1s\" to \"366d\", or minute, hour, day, week, month, "
            "quarter or year, %s",
            got(b, window.value));
  w->zone = build_zone(b, &zone);
  if (day.value && walk_number(b, &day, key_find(path, SLICE("start_day")), &number))
    w->start_day = (uint8_t)number;
  if (w->unit == LIMIT_WEEK && number > 7)
    problem(b, &day, "is no day of a week; use 1 (Monday) to 7");
  if (w->unit == LIMIT_ROLLING && zone.value)
    problem(b, &zone, "has no meaning for a window that begins anywhere; remove it");
  if (w->unit < LIMIT_WEEK && day.value)
    problem(b, &day, "has no meaning for this window; remove it");
}

static void build_warnings(struct build *b, const struct place *at, struct limit_definition *d) {
  static const uint8_t usual[] = {50, 80, 100};
  struct place warn = place_find(at, "warn");
  uint64_t percent = 0, last = 0;
  if (!warn.value) {
    if (d->kind == LIMIT_MONEY || d->is_soft) memcpy(d->warn_percent, usual, sizeof usual);
    return;
  }
  if (!walk_is_list(b, &warn, "a list of percent")) return;
  if (warn.value->count > LIMIT_THRESHOLDS_MAX)
    problem(b, &warn, "has more than %d thresholds; keep the most useful", LIMIT_THRESHOLDS_MAX);
  for (size_t i = 0; i < warn.value->count && i < LIMIT_THRESHOLDS_MAX; i++, last = percent) {
    struct place item = place_item(&warn, i);
    bool is_read = parse_count(item.value, &percent);
    if (!is_read || percent <= last || percent > PERCENT_MAX) {
      problem(b, &item, "expects rising percent from 1 to %d, %s", PERCENT_MAX, got(b, item.value));
      return;
    }
    d->warn_percent[i] = (uint8_t)percent;
  }
}

static bool covers(const struct limit_definition *d, const struct model *m) {
  for (int i = 0; i < d->scope_count; i++)
    if (d->scope[i].subject == LIMIT_MODEL && d->scope[i].name.len)
      return d->scope[i].form == LIMIT_NAMED ? slice_equal(d->scope[i].name, m->name)
                                             : glob_match(d->scope[i].name, m->name);
  return true;
}

/* Names that are missing are told at once, as far as a line can hold them. */
static void check_prices(struct build *b, const struct place *at,
                         const struct limit_definition *d) {
  enum { NAMES_MAX = 8 };
  struct place money = place_find(at, "money");
  struct bytes names;
  size_t missing = 0;
  if (!b->root || slice_equal_text(b->config->unpriced, "allow_unpriced")) return;
  bytes_init(&names);
  for (size_t i = 0; i < b->config->model_count; i++) {
    const struct model *m = &b->config->models[i];
    if (build_has_price(m) || !covers(d, m) || missing++ >= NAMES_MAX) continue;
    bytes_printf(&names, "%s%.*s", names.len ? ", " : "", (int)m->name.len, m->name.data);
  }
  if (missing > NAMES_MAX) bytes_printf(&names, " and %zu more", missing - NAMES_MAX);
  if (missing)
    problem(b, &money,
            "covers the model%s %s, which %s no price; give it one (price = { input = 0, output = "
            "0 } if it costs nothing), or set unpriced = \"default\" or \"allow_unpriced\"",
            missing > 1 ? "s" : "", bytes_text(&names), missing > 1 ? "have" : "has");
  bytes_fini(&names);
}

static void add_definition(struct build *b, const struct place *at,
                           const struct limit_definition *common, enum limit_kind kind) {
  struct config *c = b->config;
  struct limit_definition *d = &c->quotas[c->quota_count];
  const char *key = limit_kind_name(kind);
  struct place amount = place_find(at, key);
  if (!amount.value || amount.value->faulty) return;
  *d = *common;
  d->kind = kind;
  if (!walk_number(b, &amount, key_find(path, slice_of(key)), &d->amount)) return;
  if (kind == LIMIT_CONCURRENT) {
    d->window = (struct limit_window){.unit = LIMIT_ROLLING};
    d->burst = 0;
  }
  build_warnings(b, at, d);
  if (kind == LIMIT_MONEY) check_prices(b, at, d);
  c->quota_count++;
}

static size_t count_kinds(const struct place *at) {
  size_t count = 0;
  for (int k = 0; k < LIMIT_KINDS; k++)
    if (k != LIMIT_CONCURRENT && value_find(at->value, limit_kind_name((enum limit_kind)k)))
      count++;
  return count;
}

static void check_shape(struct build *b, const struct place *at, const struct limit_definition *d) {
  size_t kinds = count_kinds(at);
  struct place burst = place_find(at, "burst"), window = place_find(at, "window");
  if (kinds == 0 && !value_find(at->value, "concurrent"))
    problem(b, at,
            "limits nothing; write requests, input_tokens, output_tokens, total_tokens, money or "
            "concurrent");
  if (kinds > 0 && !window.value)
    problem(b, at, "has no window; write window = \"1m\" or window = \"month\"");
  if (kinds == 0 && window.value)
    problem(b, &window, "has no meaning for concurrent alone; remove it");
  if (!burst.value) return;
  if (d->window.unit != LIMIT_ROLLING)
    problem(b, &burst, "has no meaning for a calendar window; write a duration, or remove it");
  else if (kinds != 1)
    problem(b, &burst, "says not which limit it is for; give each limit an entry of its own");
}

static void build_quota(struct build *b, const struct place *at, struct names *names) {
  struct limit_definition d = {0};
  walk_table(b, at, path, NULL);
  if (at->value->type != VALUE_MAP) return;
  struct place name = place_find(at, "name"), soft = place_find(at, "soft");
  struct place burst = place_find(at, "burst");
  if (!name.value)
    problem(b, at, "has no name; refusals and reports need one");
  else if (walk_text(b, &name, &d.id) && names_add(names, d.id, b))
    problem(b, &name, "two quotas have this name; rename one");
  build_scope(b, at, &d);
  build_each(b, at, &d);
  build_window(b, at, &d);
  if (soft.value && soft.value->type != VALUE_BOOL && !soft.value->faulty)
    problem(b, &soft, "expects true or false, %s", got(b, soft.value));
  d.is_soft = soft.value && soft.value->boolean;
  if (burst.value) (void)walk_number(b, &burst, key_find(path, SLICE("burst")), &d.burst);
  check_shape(b, at, &d);
  for (int kind = 0; kind < LIMIT_KINDS; kind++)
    add_definition(b, at, &d, (enum limit_kind)kind);
}

void build_quotas(struct build *b, const struct place *root) {
  struct place all = place_find(root, "quotas");
  struct config *c = b->config;
  struct names names;
  if (!all.value || !walk_is_list(b, &all, "a list of quotas")) return;
  names_init(&names, &c->arena, all.value->count);
  c->quotas = arena_alloc(&c->arena, (all.value->count * LIMIT_KINDS + 1) * sizeof *c->quotas);
  for (size_t i = 0; i < all.value->count; i++) {
    struct place item = place_item(&all, i);
    build_quota(b, &item, &names);
  }
}

size_t config_quota_read(const struct value *entry, struct arena *arena,
                         struct limit_definition out[LIMIT_KINDS],
                         struct config_problems *problems) {
  struct config shell = {.file = "limit", .quotas = out};
  struct build b = {.config = &shell, .problems = problems};
  struct place at = {.value = entry};
  struct names names;
  size_t before = problems->count;
  arena_init(&shell.arena);
  names_init(&names, arena, 1);
  build_quota(&b, &at, &names);
  arena_adopt(arena, &shell.arena);
  return problems->count == before ? shell.quota_count : 0;
}
