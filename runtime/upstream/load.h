/* What engines say about their load, in the forms that they have for it:
 *
 * - Prometheus text (exposition format 0.0.4): vLLM, SGLang and llama.cpp, old and new names
 * - JSON of SGLang's /get_load
 * - the reply header endpoint-load-metrics of Open Request Cost Aggregation, as vLLM writes it when
 * a request carries endpoint-load-metrics-format (TEXT or JSON)
 *
 * and what the process knows about each provider's load from them. All loops share it, without
 * locks. Times are monotonic milliseconds. */
#pragma once
#include <stdatomic.h>

#include "base/bytes.h"

struct engine_load { /* below 0: it does not say */
  double queue;      /* requests that wait, of all its models and ranks */
  double kv_usage;   /* share of the KV cache in use, 0 to 1: of the fullest rank */
};

enum { LOAD_STALE_MS = 10 * 1000 }; /* an older report says nothing any more */

/* Linear in the text; what it does not know it passes over. */
struct engine_load load_read(struct slice body);
struct engine_load load_read_header(struct slice value);

struct provider_load {
  atomic_int_fast64_t queue_milli, kv_milli; /* below 0: unknown */
  atomic_uint_fast64_t at_ms;                /* 0: never */
  atomic_bool is_down;                       /* its last probe says that it cannot serve */
};

void load_init(struct provider_load *l);
/* A report that says nothing leaves what was known. */
void load_note(struct provider_load *l, const struct engine_load *load, uint64_t now_ms);
struct engine_load load_view(const struct provider_load *l, uint64_t now_ms);
/* True: it was not so before. */
bool load_set_down(struct provider_load *l, bool is_down);
