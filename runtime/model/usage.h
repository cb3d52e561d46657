/* What one request consumed. The parts are disjoint unless said otherwise; each adapter's reader
 * normalises (OpenAI counts cached tokens inside prompt_tokens, Anthropic counts them beside
 * input_tokens). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* How soon the provider answered, which it may price apart: a choice of its service, not of how
 * many tokens. */
enum service_tier {
  SERVICE_STANDARD, /* also where the answer says nothing */
  SERVICE_FLEX,
  SERVICE_PRIORITY,
  SERVICE_BATCH,
  SERVICE_SCALE, /* bought in advance */
  SERVICE_TIERS
};

struct usage {
  uint64_t input; /* prompt tokens neither read from nor written to a cache */
  uint64_t cache_read;
  uint64_t cache_write_5m; /* default lifetime */
  uint64_t cache_write_1h;
  uint64_t output;       /* all completion tokens, reasoning and audio included */
  uint64_t reasoning;    /* part of output */
  uint64_t audio_input;  /* part of input */
  uint64_t audio_output; /* part of output */
  uint64_t images;       /* in the request, where the price has a figure for each */
  enum service_tier service;
};

enum usage_source { USAGE_NONE, USAGE_PROVIDER, USAGE_ESTIMATED };

const char *service_tier_name(enum service_tier tier); /* "standard", "flex", … */
/* By that name, or as providers' answers name it ("default", "on_demand"); -1: none. */
int service_tier_find(struct slice name);

static inline uint64_t usage_prompt_tokens(const struct usage *u) {
  return u->input + u->cache_read + u->cache_write_5m + u->cache_write_1h;
}
