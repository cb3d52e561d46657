#include "account/price.h"

#include "base/zone.h"

__extension__ typedef unsigned __int128 wide;

/* A sum of products; overflow is remembered. */
struct sum {
  wide value;
  bool overflow;
};

static void add(struct sum *sum, uint64_t count, uint64_t each) {
  if (__builtin_add_overflow(sum->value, (wide)count * each, &sum->value)) sum->overflow = true;
}

/* Moves up to `part` tokens out of *whole: a provider may report a part larger than its whole. */
static uint64_t take_part(uint64_t *whole, uint64_t part, bool has_price) {
  if (!has_price) return 0;
  uint64_t taken = part < *whole ? part : *whole;
  *whole -= taken;
  return taken;
}

static void add_tokens(struct sum *sum, const struct price_rates *r, const struct usage *u) {
  uint64_t input = u->input, output = u->output;
  uint64_t audio_input = take_part(&input, u->audio_input, r->has_audio_input);
  uint64_t audio_output = take_part(&output, u->audio_output, r->has_audio_output);
  uint64_t reasoning = take_part(&output, u->reasoning, r->has_reasoning);
  add(sum, input, r->input);
  add(sum, audio_input, r->audio_input);
  add(sum, u->cache_read, r->cache_read);
  add(sum, u->cache_write_5m, r->cache_write_5m);
  add(sum, u->cache_write_1h, r->cache_write_1h);
  add(sum, output, r->output);
  add(sum, audio_output, r->audio_output);
  add(sum, reasoning, r->reasoning);
}

static wide prompt_tokens(const struct usage *u) {
  return (wide)u->input + u->cache_read + u->cache_write_5m + u->cache_write_1h;
}

static const struct price_rates *rates_of(const struct price *p, const struct usage *u,
                                          uint64_t *tier_tokens) {
  const struct price_rates *rates = &p->rates;
  const struct price_service *service = &p->services[u->service];
  *tier_tokens = 0;
  if (service->has_rates) return &service->rates;
  for (size_t i = 0; i < p->tier_count && prompt_tokens(u) > p->tiers[i].above_tokens; i++) {
    rates = &p->tiers[i].rates;
    *tier_tokens = p->tiers[i].above_tokens;
  }
  return rates;
}

static bool is_within(const struct price_hours *h, uint32_t minute) {
  if (h->from_minute < h->to_minute) return minute >= h->from_minute && minute < h->to_minute;
  return minute >= h->from_minute || minute < h->to_minute;
}

static uint32_t hours_factor(const struct price *p, int64_t at_ms) {
  for (size_t i = 0; i < p->hours_count; i++) {
    const struct price_hours *h = &p->hours[i];
    int64_t at_s = at_ms / 1000, of_day;
    if (h->zone) at_s += zone_offset_s(h->zone, at_s);
    of_day = at_s % 86400;
    if (is_within(h, (uint32_t)((of_day < 0 ? of_day + 86400 : of_day) / 60))) return h->factor;
  }
  return PRICE_PARTS;
}

static uint64_t common_divisor(uint64_t a, uint64_t b) {
  while (b) {
    uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* value x factors / (PRICE_PARTS x PRICE_PARTS^count), half up. Fractions are reduced first, so
 * that 0.5 doubles the divisor and nothing else. */
static bool scale(wide value, const uint32_t *factors, size_t count, uint64_t *out) {
  wide divisor = PRICE_PARTS;
  for (size_t i = 0; i < count; i++) {
    if (factors[i] == PRICE_PARTS) continue;
    uint64_t common = common_divisor(factors[i], PRICE_PARTS);
    if (__builtin_mul_overflow(value, (wide)(factors[i] / common), &value)) return false;
    divisor *= PRICE_PARTS / common;
  }
  wide whole = value / divisor, rest = value % divisor;
  if (rest >= divisor - rest) whole++;
  if (whole > INT64_MAX) return false;
  *out = (uint64_t)whole;
  return true;
}

static uint32_t service_factor(const struct price *p, enum service_tier tier) {
  return p->services[tier].has_factor ? p->services[tier].factor : PRICE_PARTS;
}

enum price_status price_bill(const struct price *price, const struct price_query *query,
                             struct bill *out) {
  *out = (struct bill){0};
  if (!price->known) return PRICE_UNKNOWN;
  struct sum sum = {0};
  struct bill bill = {.version = price->version};
  add_tokens(&sum, rates_of(price, query->usage, &bill.tier_tokens), query->usage);
  wide pieces = (wide)query->usage->images * price->image;
  if (__builtin_add_overflow(pieces, (wide)price->request, &pieces) ||
      __builtin_mul_overflow(pieces, (wide)PRICE_PARTS, &pieces) ||
      __builtin_add_overflow(sum.value, pieces, &sum.value) || sum.overflow)
    return PRICE_OVERFLOW;
  uint32_t factors[] = {hours_factor(price, query->at_ms),
                        service_factor(price, query->usage->service), query->markup};
  if (!scale(sum.value, factors, 2, &bill.list_nanousd)) return PRICE_OVERFLOW;
  bill.cost_nanousd = bill.list_nanousd;
  if (query->markup != PRICE_PARTS && !scale(sum.value, factors, 3, &bill.cost_nanousd))
    return PRICE_OVERFLOW;
  *out = bill;
  return PRICE_KNOWN;
}

const struct price *price_at(const struct model *model, int64_t at_ms) {
  const struct price *found = &model->price;
  for (size_t i = 0; i < model->price_change_count; i++)
    if (model->price_changes[i].from_ms <= at_ms) found = &model->price_changes[i].price;
  return found;
}

const struct price *price_of(const struct model *model, const struct model_target *target,
                             int64_t at_ms) {
  return target && target->price ? target->price : price_at(model, at_ms);
}

static const struct tenant_figure *figure_of(const struct tenant_figure *all, size_t count,
                                             struct slice tenant) {
  const struct tenant_figure *other = NULL;
  for (size_t i = 0; i < count; i++) {
    if (slice_equal(all[i].tenant, tenant)) return &all[i];
    if (slice_equal_text(all[i].tenant, "*")) other = &all[i];
  }
  return other;
}

uint32_t price_markup(const struct config *config, struct slice tenant) {
  const struct tenant_figure *f = figure_of(config->markups, config->markup_count, tenant);
  return f ? (uint32_t)f->figure : PRICE_PARTS;
}

uint64_t price_output_tokens(const struct config *config, const struct model *model,
                             struct slice tenant, uint64_t asked, uint64_t choices) {
  const struct tenant_figure *f =
      figure_of(config->reserve_by_tenant, config->reserve_by_tenant_count, tenant);
  uint64_t tokens = asked ? asked : f ? f->figure : config->reserve_output_tokens, all;
  if (model->max_output_tokens && tokens > model->max_output_tokens)
    tokens = model->max_output_tokens;
  if (choices == 0) choices = 1;
  return __builtin_mul_overflow(tokens, choices, &all) ? UINT64_MAX : all;
}

/* Which tier holds is decided by the sum of all prompt tokens, so it is the same for each guess. */
static unsigned rates_differ(const struct price_rates *r) {
  bool writes = r->cache_write_5m > r->input || r->cache_write_1h > r->input;
  return (r->has_audio_input || r->has_audio_output ? PRICE_AUDIO : 0) |
         (writes ? PRICE_CACHE_WRITE : 0);
}

unsigned price_asks(const struct price *price) {
  unsigned asks = rates_differ(&price->rates);
  for (size_t i = 0; i < price->tier_count; i++)
    asks |= rates_differ(&price->tiers[i].rates);
  for (int i = 0; i < SERVICE_TIERS; i++)
    if (price->services[i].has_rates) asks |= rates_differ(&price->services[i].rates);
  return asks;
}

struct usage price_worst_usage(const struct price *price, uint64_t input_tokens,
                               uint64_t output_tokens, const struct price_allows *request) {
  struct usage worst = {.input = input_tokens, .output = output_tokens};
  unsigned allows = request->parts;
  worst.service = request->service;
  uint64_t tier, input, output;
  const struct price_rates *r = rates_of(price, &worst, &tier);
  input = r->input;
  output = r->output;
  if ((allows & PRICE_CACHE_WRITE) && r->cache_write_5m > input) {
    input = r->cache_write_5m;
    worst = (struct usage){.cache_write_5m = input_tokens, .service = request->service};
  }
  if ((allows & PRICE_CACHE_WRITE) && r->cache_write_1h > input) {
    input = r->cache_write_1h;
    worst = (struct usage){.cache_write_1h = input_tokens, .service = request->service};
  }
  if ((allows & PRICE_AUDIO) && r->has_audio_input && r->audio_input > input)
    worst = (struct usage){
        .input = input_tokens, .audio_input = input_tokens, .service = request->service};
  worst.output = output_tokens;
  if (r->has_reasoning && r->reasoning > output) {
    output = r->reasoning;
    worst.reasoning = output_tokens;
  }
  if ((allows & PRICE_AUDIO) && r->has_audio_output && r->audio_output > output) {
    worst.reasoning = 0;
    worst.audio_output = output_tokens;
  }
  return worst;
}

const char *price_status_name(enum price_status status) {
  static const char *const names[] = {"known", "unknown", "overflow"};
  return names[status];
}
