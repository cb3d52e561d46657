/* What models cost: from the file itself, from a price table, or by default. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/zone.h"
#include "config/build.h"
#include "config/parse_values.h"
#include "config/price_table.h"

static void require_price(struct build *b, const struct place *at, const char *key) {
  if (value_find(at->value, key)) return;
  problem(b, at, "has no %s price; write %s = 0 if it costs nothing", key, key);
}

/* Tokens without a price of their own cost what the tokens cost that they are part of. */
static void build_rates(struct build *b, const struct place *at, struct price_rates *r) {
  struct place twice = place_find(at, "cache_write");
  bool has_write = value_find(at->value, "cache_write_5m");
  if (twice.value && has_write)
    problem(b, &twice, "is the same as cache_write_5m; keep one of them");
  price_complete(r, (struct price_given){value_find(at->value, "cache_read") != NULL,
                                         twice.value || has_write,
                                         value_find(at->value, "cache_write_1h") != NULL});
  r->has_reasoning = value_find(at->value, "reasoning") != NULL;
  r->has_audio_input = value_find(at->value, "audio_input") != NULL;
  r->has_audio_output = value_find(at->value, "audio_output") != NULL;
}

static void build_tiers(struct build *b, const struct place *at, struct price *p) {
  struct place all = place_find(at, "tiers");
  if (!all.value || !walk_is_list(b, &all, "a list of tiers")) return;
  p->tiers = arena_alloc(&b->config->arena, (all.value->count + 1) * sizeof *p->tiers);
  for (size_t i = 0; i < all.value->count; i++) {
    struct place item = place_item(&all, i);
    struct price_tier *t = &p->tiers[p->tier_count++];
    walk_table(b, &item, "models.*.price.tiers.*", t);
    if (item.value->type != VALUE_MAP) continue;
    if (!value_find(item.value, "above"))
      problem(b, &item, "does not say above how many tokens; write above = 200000");
    else if (i && t->above_tokens <= t[-1].above_tokens)
      problem(b, &item, "is not above the tier before it; let tiers rise");
    require_price(b, &item, "input");
    require_price(b, &item, "output");
    build_rates(b, &item, &t->rates);
  }
}

static uint32_t build_minute(struct build *b, const struct place *at, const char *key) {
  struct place found = place_find(at, key);
  struct slice text, minutes;
  uint64_t hour, minute;
  if (!found.value) {
    problem(b, at, "has no %s; write %s = \"16:30\"", key, key);
  } else if (walk_text(b, &found, &text)) {
    struct slice hours = slice_cut(text, ':', &minutes);
    if (hours.len == 2 && minutes.len == 2 && slice_to_u64(hours, &hour) &&
        slice_to_u64(minutes, &minute) && hour < 24 && minute < 60)
      return (uint32_t)(hour * 60 + minute);
    problem(b, &found, "%s is no time of day; write HH:MM", got(b, found.value) + 4);
  }
  return 0;
}

const struct zone *build_zone(struct build *b, const struct place *at) {
  struct slice name;
  if (!at->value || !walk_text(b, at, &name)) return NULL;
  const struct zone *z = zone_find(name);
  if (!z)
    problem(b, at,
            "%s is no time zone of this machine; write a name such as Europe/Berlin, and see that "
            "tzdata is installed",
            got(b, at->value) + 4);
  return z;
}

static uint32_t build_factor(struct build *b, const struct place *at, const char *parent,
                             const char *key) {
  struct place found = place_find(at, key);
  uint64_t factor = PRICE_PARTS;
  if (found.value && !found.value->faulty)
    (void)walk_number(b, &found, key_find(parent, slice_of(key)), &factor);
  return (uint32_t)factor;
}

static void build_hours(struct build *b, const struct place *at, struct price *p) {
  static const char path[] = "models.*.price.hours.*";
  struct place all = place_find(at, "hours");
  if (!all.value || !walk_is_list(b, &all, "a list of times")) return;
  p->hours = arena_alloc(&b->config->arena, (all.value->count + 1) * sizeof *p->hours);
  for (size_t i = 0; i < all.value->count; i++) {
    struct place item = place_item(&all, i), zone = place_find(&item, "timezone");
    struct price_hours *h = &p->hours[p->hours_count++];
    walk_table(b, &item, path, h);
    if (item.value->type != VALUE_MAP) continue;
    h->from_minute = build_minute(b, &item, "from");
    h->to_minute = build_minute(b, &item, "to");
    h->zone = build_zone(b, &zone);
    h->factor = build_factor(b, &item, path, "factor");
    if (!value_find(item.value, "factor"))
      problem(b, &item, "has no factor; write factor = 0.5 for half the price");
  }
}

/* Without a word of it, what is served otherwise costs what is served as usual. */
static void build_service(struct build *b, const struct place *at, struct price_service *s) {
  static const char path[] = "models.*.price.service.*";
  walk_table(b, at, path, s);
  if (at->value->type != VALUE_MAP) return;
  s->has_factor = value_find(at->value, "factor");
  s->has_rates = value_find(at->value, "input") || value_find(at->value, "output");
  if (s->has_factor == s->has_rates)
    problem(b, at, "expects either factor = 0.5 or prices of its own, input and output at least");
  if (s->has_factor) s->factor = build_factor(b, at, path, "factor");
  if (!s->has_rates) return;
  require_price(b, at, "input");
  require_price(b, at, "output");
  build_rates(b, at, &s->rates);
}

static void build_services(struct build *b, const struct place *at, struct price *p) {
  struct place all = place_find(at, "service"), batch = place_find(at, "batch");
  if (batch.value) {
    p->services[SERVICE_BATCH].has_factor = true;
    p->services[SERVICE_BATCH].factor = build_factor(b, at, "models.*.price", "batch");
  }
  if (!all.value || !walk_is_map(b, &all, "prices by service tier")) return;
  for (size_t i = 0; i < all.value->count; i++) {
    struct place item = place_item(&all, i);
    int tier = service_tier_find(item.key);
    if (tier <= SERVICE_STANDARD)
      problem(b, &item, "is no service tier; there are flex, priority, batch and scale");
    else if (tier == SERVICE_BATCH && batch.value)
      problem(b, &item, "is the same as batch; keep one of them");
    else
      build_service(b, &item, &p->services[tier]);
  }
}

static void build_written(struct build *b, const struct place *at, struct price *p) {
  if (at->value->type != VALUE_MAP) return;
  bool is_per_piece = value_find(at->value, "image") || value_find(at->value, "request");
  bool has_input = value_find(at->value, "input"), has_output = value_find(at->value, "output");
  if (!is_per_piece || has_input || has_output) {
    require_price(b, at, "input");
    require_price(b, at, "output");
  }
  p->known = true;
  build_rates(b, at, &p->rates);
  build_tiers(b, at, p);
  build_hours(b, at, p);
  build_services(b, at, p);
}

static void add_change(struct build *b, const struct place *at, struct model *m,
                       const struct price_version *v, struct slice json) {
  struct price_change *c = &m->price_changes[m->price_change_count];
  const char *wrong = price_read(json, &b->config->arena, &c->price);
  if (wrong) {
    problem(b, at, "its price in version %.*s of the price table is damaged: %s; import it anew",
            (int)v->version.len, v->version.data, wrong);
    return;
  }
  c->from_ms = v->from_ms;
  c->price.version = v->version;
  m->price_change_count++;
}

bool build_has_price(const struct model *m) {
  bool has_begun = m->price_change_count && m->price_changes[0].from_ms <= clock_wall_ms();
  return m->price.known || has_begun;
}

/* A tenant's own model may have its price in the operator's table, too. */
static bool build_listed(struct build *b, const struct place *at, struct model *m) {
  struct place as = place_find(at, "priced_as");
  const struct price_table *table = b->prices;
  struct slice name = {"", 0};
  if (as.value && !walk_text(b, &as, &name)) return true;
  if (as.value && !table && !b->config->prices_are_beside)
    problem(b, &as, "names a price, but there is no price table; set prices");
  if (!table) return false;
  if (!as.value && m->target_count) {
    const struct slice parts[] = {m->targets[0].provider->name, SLICE("/"), m->targets[0].model};
    name = arena_join(&b->config->arena, parts, 3);
  }
  const char *key = arena_text(&b->config->arena, name);
  m->price_changes = arena_alloc(&b->config->arena, (table->count + 1) * sizeof *m->price_changes);
  for (size_t i = 0; i < table->count; i++) {
    struct slice json = json_find(table->versions[i].prices, key);
    if (json.data) add_change(b, at, m, &table->versions[i], json);
  }
  if (m->price_change_count) return true;
  if (as.value) problem(b, &as, "no price is called %s in the price table; correct it", key);
  return as.value != NULL;
}

static const struct model *operators_model(const struct config *base,
                                           const struct model_target *target,
                                           const struct model_target **same) {
  for (size_t i = 0; base && i < base->model_count; i++)
    for (size_t k = 0; k < base->models[i].target_count; k++) {
      const struct model_target *t = *same = &base->models[i].targets[k];
      if (t->provider == target->provider && slice_equal(t->model, target->model))
        return &base->models[i];
    }
  return NULL;
}

void build_target_price(struct build *b, const struct place *at, struct model_target *t) {
  struct place price = place_find(at, "price");
  const struct model_target *same;
  bool is_operators = b->base && t->provider->index != PROVIDER_UNLISTED;
  if (is_operators && price.value)
    problem(b, &price, "is the operator's to set, whose provider %.*s answers; remove it",
            (int)t->provider->name.len, t->provider->name.data);
  if (is_operators && operators_model(b->base, t, &same)) t->price = same->price;
  if (is_operators || !price.value || !walk_is_map(b, &price, "a table of prices")) return;
  struct model *holder = arena_alloc(&b->config->arena, sizeof *holder);
  *holder = (struct model){0};
  walk_table(b, &price, "models.*.price", holder);
  build_written(b, &price, &holder->price);
  t->price = &holder->price;
}

/* What the operator pays for, the operator prices: a tenant could else buy at 0. False: no target
 * of the tenant's model is the operator's. */
static bool build_inherited(struct build *b, const struct place *price, struct model *m) {
  for (size_t i = 0; i < m->target_count; i++) {
    const struct model_target *t = &m->targets[i];
    if (t->provider->index == PROVIDER_UNLISTED) continue;
    if (price->value)
      problem(b, price, "is the operator's to set, whose provider %.*s answers; remove it",
              (int)t->provider->name.len, t->provider->name.data);
    const struct model_target *of;
    const struct model *same = operators_model(b->base, t, &of);
    if (!same) return true;
    m->price = same->price;
    m->price_changes = same->price_changes;
    m->price_change_count = same->price_change_count;
    return true;
  }
  return false;
}

void build_price(struct build *b, const struct place *at, struct model *m) {
  struct place price = place_find(at, "price"), as = place_find(at, "priced_as");
  const struct config *c = b->config;
  if (b->base && build_inherited(b, &price, m)) return;
  if (price.value && as.value) problem(b, &as, "stands beside price; keep one of them");
  if (price.value) {
    build_written(b, &price, &m->price);
    return;
  }
  bool is_listed = build_listed(b, at, m);
  if (slice_equal_text(c->unpriced, "default"))
    m->price = c->default_price; /* until a listed one */
  if (!slice_equal_text(c->unpriced, "block") || build_has_price(m)) return;
  if (!is_listed)
    problem(b, at, "has no price, and unpriced = \"block\"; give it one, or allow unknown costs");
  else if (m->price_change_count)
    problem(
        b, at,
        "its price in the price table has not begun yet, and unpriced = \"block\"; add a version "
        "that has, or allow unknown costs");
}

static void build_default(struct build *b, const struct place *root) {
  struct place at = place_find(root, "default_price"), word = place_find(root, "unpriced");
  struct config *c = b->config;
  bool is_wanted = slice_equal_text(c->unpriced, "default");
  if (is_wanted && !at.value)
    problem(b, &word, "wants default_price; write default_price = { input = …, output = … }");
  if (!at.value || at.value->type != VALUE_MAP) return;
  require_price(b, &at, "input");
  require_price(b, &at, "output");
  c->default_price.known = true;
  c->default_price.version = SLICE("default");
  price_complete(&c->default_price.rates, (struct price_given){0});
  if (!is_wanted) problem(b, &at, "is not used; write unpriced = \"default\" or remove it");
}

/* -12.5 is 875,000 parts. */
static bool markup_of(const struct value *v, uint64_t *factor) {
  struct value positive = *v;
  bool is_negative = v->type == VALUE_NUMBER && v->number < 0;
  uint64_t parts;
  if (v->type != VALUE_NUMBER) return false;
  if (is_negative) positive.number = -v->number;
  if (parse_decimal(&positive, 4, &parts) != DECIMAL_OK) return false;
  if (parts > (is_negative ? 1u : 99u) * PRICE_PARTS) return false;
  *factor = is_negative ? PRICE_PARTS - parts : PRICE_PARTS + parts;
  return true;
}

static void build_markups(struct build *b, const struct place *root) {
  struct place all = place_find(root, "markups");
  struct config *c = b->config;
  if (!all.value || !walk_is_map(b, &all, "percent by tenant")) return;
  c->markups = arena_alloc(&c->arena, (all.value->count + 1) * sizeof *c->markups);
  for (size_t i = 0; i < all.value->count; i++) {
    struct place item = place_item(&all, i);
    struct tenant_figure *f = &c->markups[c->markup_count++];
    f->tenant = arena_slice(&c->arena, item.key);
    if (!markup_of(item.value, &f->figure))
      problem(b, &item, "expects percent from -100 to 9900 with at most 4 decimals, %s",
              got(b, item.value));
  }
}

static void build_reserve(struct build *b, const struct place *root) {
  struct place reserve = place_find(root, "reserve"), all = place_find(&reserve, "tenants");
  const struct key_row *row = key_find("reserve", SLICE("output_tokens"));
  struct config *c = b->config;
  if (!all.value || !walk_is_map(b, &all, "tokens by tenant")) return;
  c->reserve_by_tenant =
      arena_alloc(&c->arena, (all.value->count + 1) * sizeof *c->reserve_by_tenant);
  for (size_t i = 0; i < all.value->count; i++) {
    struct place item = place_item(&all, i);
    struct tenant_figure *f = &c->reserve_by_tenant[c->reserve_by_tenant_count++];
    f->tenant = arena_slice(&c->arena, item.key);
    (void)walk_number(b, &item, row, &f->figure);
  }
}

/* Where the admin API writes the first version of a table that the configuration does not name. */
static void find_beside(struct build *b) {
  struct config *c = b->config;
  struct slice file = c->store, scheme = SLICE("sqlite:");
  if (!slice_starts(file, scheme) || file.len == scheme.len) return;
  file = slice_skip(file, scheme.len);
  bool is_whole = file.data[0] == '/';
  c->prices_file =
      arena_printf(&c->arena, "%.*s%.*s.prices.json", is_whole ? 0 : (int)b->folder.len,
                   is_whole ? "" : b->folder.data, (int)file.len, file.data);
  c->prices_are_beside = true;
}

void build_money(struct build *b, const struct place *root) {
  struct config *c = b->config;
  struct place prices = place_find(root, "prices");
  const char *wrong;
  build_default(b, root);
  build_markups(b, root);
  build_reserve(b, root);
  if (!c->prices_file) find_beside(b);
  if (!c->prices_file || (c->prices_are_beside && access(c->prices_file, F_OK) != 0)) return;
  b->prices = price_table_load(c->prices_file, &c->arena, &wrong);
  if (!b->prices)
    problem(b, &prices, "%s%s%s", c->prices_are_beside ? c->prices_file : "",
            c->prices_are_beside ? " " : "", wrong);
}
