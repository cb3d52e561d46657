#include "account/price.h"

static void add(uint64_t *sum, bool *overflow, uint64_t count, uint64_t each) {
  uint64_t term;
  if (__builtin_mul_overflow(count, each, &term) || __builtin_add_overflow(*sum, term, sum))
    *overflow = true;
}

/* Moves up to `part` tokens out of *whole: a provider may report a part larger than its whole. */
static uint64_t take_part(uint64_t *whole, uint64_t part, bool has_price) {
  if (!has_price) return 0;
  uint64_t taken = part < *whole ? part : *whole;
  *whole -= taken;
  return taken;
}

enum price_status cost_nanousd(const struct price *price, const struct usage *usage,
                               uint64_t *out) {
  uint64_t sum = price->request, input = usage->input, output = usage->output;
  bool overflow = false;
  *out = 0;
  if (!price->known) return PRICE_UNKNOWN;
  uint64_t audio_input = take_part(&input, usage->audio_input, price->has_audio_input);
  uint64_t audio_output = take_part(&output, usage->audio_output, price->has_audio_output);
  uint64_t reasoning = take_part(&output, usage->reasoning, price->has_reasoning);
  add(&sum, &overflow, input, price->input);
  add(&sum, &overflow, audio_input, price->audio_input);
  add(&sum, &overflow, usage->cache_read, price->cache_read);
  add(&sum, &overflow, usage->cache_write_5m, price->cache_write_5m);
  add(&sum, &overflow, usage->cache_write_1h, price->cache_write_1h);
  add(&sum, &overflow, output, price->output);
  add(&sum, &overflow, audio_output, price->audio_output);
  add(&sum, &overflow, reasoning, price->reasoning);
  add(&sum, &overflow, usage->images, price->image);
  if (overflow || sum > INT64_MAX) return PRICE_OVERFLOW;
  *out = sum;
  return PRICE_KNOWN;
}

const char *price_status_name(enum price_status status) {
  static const char *const names[] = {"known", "unknown", "overflow"};
  return names[status];
}
