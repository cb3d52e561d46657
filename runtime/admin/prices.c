/* Prices: those in force, the table they come from with all its versions, and why a request cost
 * what it did. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "account/price.h"
#include "admin/api.h"
#include "base/clock.h"
#include "config/price_import.h"

static void append_rate(struct bytes *out, const char *name, uint64_t nano_per_million) {
  bytes_printf(out, ",\"%s\":", name);
  bytes_append_fixed(out, nano_per_million, 9);
}

static void append_rates(struct bytes *out, const struct price_rates *r) {
  append_rate(out, "input", r->input);
  append_rate(out, "cache_read", r->cache_read);
  append_rate(out, "cache_write_5m", r->cache_write_5m);
  append_rate(out, "cache_write_1h", r->cache_write_1h);
  append_rate(out, "output", r->output);
  if (r->has_reasoning) append_rate(out, "reasoning", r->reasoning);
  if (r->has_audio_input) append_rate(out, "audio_input", r->audio_input);
  if (r->has_audio_output) append_rate(out, "audio_output", r->audio_output);
}

static void append_price(struct call *c, const struct price *p) {
  append_rates(&c->out, &p->rates);
  append_rate(&c->out, "image", p->image);
  append_rate(&c->out, "request", p->request);
  json_append_text(&c->out, "price_version", p->version);
  json_append_text(&c->out, "source",
                   p->version.len ? SLICE("price table") : SLICE("configuration"));
}

static const struct price_change *change_at(const struct model *m, int64_t at_ms) {
  const struct price_change *found = NULL;
  for (size_t i = 0; i < m->price_change_count && m->price_changes[i].from_ms <= at_ms; i++)
    found = &m->price_changes[i];
  return found;
}

void prices_list(struct call *c) {
  bytes_append_text(&c->out, "{\"object\":\"list\",\"per_tokens\":1000000,\"currency\":");
  json_quote(&c->out, c->config->currency);
  bytes_append_text(&c->out, ",\"data\":[");
  for (size_t i = 0; i < c->config->model_count; i++) {
    const struct model *m = &c->config->models[i];
    const struct price_change *change = change_at(m, c->now_ms);
    const struct price *p = price_at(m, c->now_ms);
    bytes_append_text(&c->out,
                      i ? ",{\"object\":\"price\",\"model\":" : "{\"object\":\"price\",\"model\":");
    json_quote(&c->out, m->name);
    bytes_printf(&c->out, ",\"known\":%s", p->known ? "true" : "false");
    if (p->known) append_price(c, p);
    if (change) call_time(c, "from", change->from_ms);
    bytes_append_byte(&c->out, '}');
  }
  bytes_append_text(&c->out, "],\"has_more\":false,\"next_cursor\":null}\n");
}

static bool may_everything(struct call *c) {
  static const struct resource everything = {0};
  if (call_may(c, &everything)) return true;
  call_deny(c);
  return false;
}

static struct price_table *load(struct call *c) {
  const char *problem;
  struct price_table *t = NULL;
  const char *path = c->config->prices_file;
  if (!path)
    call_fail(c, 409, NULL,
              "there is no price table; make one with gateyes prices import and name it in the "
              "configuration: prices = \"prices.json\"");
  else if (c->config->prices_are_beside && access(path, F_OK) != 0)
    t = price_table_none(&c->arena);
  else if (!(t = price_table_load(c->config->prices_file, &c->arena, &problem)))
    call_fail(c, 503, NULL, "the price table %s", problem);
  return t;
}

static size_t count_prices(const struct price_version *v) {
  size_t count = 0;
  for (struct json_walk w = json_walk_of(v->prices); json_walk_next(&w);)
    count++;
  return count;
}

static void append_version(struct call *c, const struct price_version *v, bool is_whole) {
  bytes_append_text(&c->out, "{\"object\":\"price_version\",\"version\":");
  json_quote(&c->out, v->version);
  call_time(c, "from", v->from_ms);
  json_append_text(&c->out, "source", v->source);
  json_append_text(&c->out, "sha256", v->sha256);
  bytes_printf(&c->out, ",\"count\":%zu,\"has_begun\":%s", count_prices(v),
               v->from_ms <= c->now_ms ? "true" : "false");
  if (is_whole) {
    bytes_append_text(&c->out, ",\"prices\":");
    bytes_append_slice(&c->out, v->prices);
  }
  bytes_append_byte(&c->out, '}');
}

void prices_versions(struct call *c) {
  struct price_table *t = load(c);
  if (!t) return;
  bytes_append_text(&c->out, "{\"object\":\"list\",\"data\":[");
  for (size_t i = t->count; i-- > 0;) {
    append_version(c, &t->versions[i], false);
    if (i) bytes_append_byte(&c->out, ',');
  }
  bytes_append_text(&c->out, "],\"has_more\":false,\"next_cursor\":null}\n");
}

void prices_version(struct call *c) {
  struct price_table *t = load(c);
  if (!t) return;
  for (size_t i = 0; i < t->count; i++)
    if (slice_equal(t->versions[i].version, c->id)) {
      append_version(c, &t->versions[i], true);
      bytes_append_byte(&c->out, '\n');
      return;
    }
  call_fail(c, 404, NULL, "the price table has no such version");
}

static bool check_members(struct call *c) {
  static const char *const known[] = {"prices", "from", "source"};
  for (struct json_walk w = json_walk_of(c->body); json_walk_next(&w);) {
    bool is_known = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
      is_known = is_known || json_key_equal(w.key, slice_of(known[i]));
    if (is_known) continue;
    const char *name =
        arena_text(&c->arena, (struct slice){w.key.data, w.key.len < 64 ? w.key.len : 64});
    call_fail(c, 400, name, "%s is not known; there are: prices, from, source", name);
    return false;
  }
  return true;
}

static bool check_prices(struct call *c, struct slice prices) {
  size_t count = 0;
  if (json_type(prices) != JSON_OBJECT) {
    call_fail(
        c, 400, "prices",
        "prices: expects an object such as {\"openai/gpt-4o\":{\"input\":2.5,\"output\":10}}");
    return false;
  }
  for (struct json_walk w = json_walk_of(prices); json_walk_next(&w); count++) {
    struct price price;
    const char *wrong = price_read(w.value, &c->arena, &price);
    if (!wrong) continue;
    call_fail(c, 400, "prices", "prices: %.*s: %s", (int)(w.key.len < 128 ? w.key.len : 128),
              w.key.data, wrong);
    return false;
  }
  if (count == 0) call_fail(c, 400, "prices", "prices: there is none");
  return count > 0;
}

static bool read_from(struct call *c, int64_t *from_ms) {
  struct slice from = json_find(c->body, "from"), text = call_text(c, c->body, "from");
  *from_ms = c->now_ms;
  if (!from.data || price_date(text, from_ms)) return true;
  call_fail(c, 400, "from", "from: expects a day as 2026-12-01, or a time as 2026-12-01T00:00:00Z");
  return false;
}

/* The table is a file, and knows no Idempotency-Keys: with one, prices that are those in force from
 * then on already are no new version. */
static const struct price_version *made_before(struct call *c, const struct price_table *table,
                                               const struct price_import_version *v) {
  const struct price_version *last = NULL;
  for (size_t i = 0; c->idempotency_key.len && i < table->count; i++)
    if (table->versions[i].from_ms <= v->from_ms) last = &table->versions[i];
  return last && slice_equal(last->sha256, v->sha256) ? last : NULL;
}

/* The version that has been there before is the answer. */
static bool is_there(struct call *c, const struct price_import_version *v) {
  const struct price_table *table = load(c);
  const struct price_version *before = table ? made_before(c, table, v) : NULL;
  if (!before) return !table;
  append_version(c, before, false);
  bytes_append_byte(&c->out, '\n');
  return true;
}

static bool save(struct call *c, struct price_import_version *v, struct slice prices) {
  struct price_table *old = load(c);
  struct bytes name, table;
  if (!old) return false;
  bytes_init(&name);
  bytes_init(&table);
  price_version_name(old, v->from_ms, &name);
  v->version = arena_slice(&c->arena, bytes_slice(&name));
  price_table_write(old, v, prices, &table);
  bool fine = price_table_save(c->config->prices_file, bytes_slice(&table));
  if (!fine) call_fail(c, 503, NULL, "the price table cannot be written: %s", strerror(errno));
  bytes_fini(&table);
  bytes_fini(&name);
  return fine;
}

/* Of two at once the second builds on the first. */
void prices_import(struct call *c) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  struct slice prices = json_find(c->body, "prices"), source = call_text(c, c->body, "source");
  struct price_import_version v = {.source = source.len ? source : SLICE("admin API")};
  uint8_t digest[SHA256_BYTES];
  char hex[2 * SHA256_BYTES + 1];
  if (!may_everything(c) || !check_members(c) || !check_prices(c, prices) ||
      !read_from(c, &v.from_ms))
    return;
  digest_sha256(prices, digest);
  digest_hex(digest, sizeof digest, hex);
  v.sha256 = slice_of(hex);
  must(pthread_mutex_lock(&lock) == 0);
  bool fine = !is_there(c, &v) && save(c, &v, prices);
  must(pthread_mutex_unlock(&lock) == 0);
  if (!fine) return;
  struct price_version shown = {v.version, v.source, v.sha256, v.from_ms, prices};
  append_version(c, &shown, false);
  call_audit(c, "done", bytes_slice(&c->out));
  bytes_append_byte(&c->out, '\n');
  c->status = 201;
  c->reloads = true;
}

struct explained {
  struct call *call;
  bool is_found;
};

static const struct model_target *target_of(const struct model *m, const struct ledger_record *r) {
  for (size_t i = 0; i < m->target_count; i++)
    if (slice_equal(m->targets[i].provider->name, r->provider) &&
        slice_equal(m->targets[i].model, r->upstream_model))
      return &m->targets[i];
  return NULL;
}

/* The price under the name that the record has; NULL: it is gone. */
static const struct price *price_named(const struct model *m, const struct ledger_record *r,
                                       int64_t *from_ms) {
  const struct model_target *t = target_of(m, r);
  *from_ms = 0;
  if (t && t->price && slice_equal(t->price->version, r->price_version)) return t->price;
  for (size_t i = 0; i < m->price_change_count; i++)
    if (slice_equal(m->price_changes[i].price.version, r->price_version)) {
      *from_ms = m->price_changes[i].from_ms;
      return &m->price_changes[i].price;
    }
  bool is_own = m->price.known && slice_equal(m->price.version, r->price_version);
  return is_own ? &m->price : NULL;
}

static void append_usage(struct bytes *out, const struct usage *u) {
  bytes_printf(
      out,
      ",\"usage\":{\"input_tokens\":%llu,\"cache_read_tokens\":%llu,"
      "\"cache_write_5m_tokens\":%llu,\"cache_write_1h_tokens\":%llu,\"output_tokens\":%llu,",
      (unsigned long long)u->input, (unsigned long long)u->cache_read,
      (unsigned long long)u->cache_write_5m, (unsigned long long)u->cache_write_1h,
      (unsigned long long)u->output);
  bytes_printf(out,
               "\"reasoning_tokens\":%llu,\"audio_input_tokens\":%llu,\"audio_output_tokens\":%llu,"
               "\"images\":%llu}",
               (unsigned long long)u->reasoning, (unsigned long long)u->audio_input,
               (unsigned long long)u->audio_output, (unsigned long long)u->images);
}

static void append_again(struct call *c, const struct ledger_record *r, const struct price *p) {
  struct usage usage = r->usage;
  int tier = service_tier_find(r->service_tier);
  usage.service = tier < 0 ? SERVICE_STANDARD : (enum service_tier)tier;
  struct price_query query = {
      .usage = &usage, .at_ms = (int64_t)r->time_ms, .markup = price_markup(c->config, r->tenant)};
  struct bill bill;
  enum price_status status = price_bill(p, &query, &bill);
  bytes_append_text(&c->out, ",\"prices\":{\"per_tokens\":1000000");
  append_price(c, p);
  bytes_printf(&c->out,
               "},\"above_tokens\":%llu,\"markup\":%u.%06u,\"list_nanousd\":%llu,"
               "\"again_nanousd\":%llu,\"is_same\":%s",
               (unsigned long long)bill.tier_tokens, query.markup / PRICE_PARTS,
               query.markup % PRICE_PARTS, (unsigned long long)bill.list_nanousd,
               (unsigned long long)bill.cost_nanousd,
               status == PRICE_KNOWN && bill.cost_nanousd == r->cost_nanousd ? "true" : "false");
}

static void on_record(void *context, uint64_t sequence, const struct ledger_record *r) {
  struct explained *e = context;
  struct call *c = e->call;
  int64_t from_ms = 0;
  (void)sequence;
  e->is_found = true;
  const struct model *m = config_model_find(c->config, r->model);
  const struct price *p = m && r->cost_known ? price_named(m, r, &from_ms) : NULL;
  bytes_append_text(&c->out, "{\"object\":\"price_explanation\",\"request_id\":");
  json_quote(&c->out, r->request_id);
  call_time(c, "time", (int64_t)r->time_ms);
  json_append_text(&c->out, "model", r->model);
  json_append_text(&c->out, "provider", r->provider);
  json_append_text(&c->out, "upstream_model", r->upstream_model);
  json_append_text(&c->out, "service_tier", r->service_tier);
  json_append_text(&c->out, "price_version", r->price_version);
  if (from_ms) call_time(c, "from", from_ms);
  json_append_text(&c->out, "currency", r->currency);
  bytes_printf(&c->out, ",\"cost_known\":%s,\"cost_nanousd\":%llu",
               r->cost_known ? "true" : "false", (unsigned long long)r->cost_nanousd);
  append_usage(&c->out, &r->usage);
  if (p)
    append_again(c, r, p);
  else
    json_append_text(
        &c->out, "note",
        r->cost_known ? SLICE("the price that it was billed by is not in the configuration "
                              "any more")
        : r->usage_source == USAGE_NONE ? SLICE("it used nothing, so nothing was billed")
                                        : SLICE("nobody knew its price"));
  bytes_append_text(&c->out, "}\n");
}

void request_price(struct call *c) {
  struct request_query query = {.request_id = c->id, .limit = 1};
  struct explained e = {.call = c};
  struct request_sink sink = {on_record, &e};
  if (!call_filter(c, &query.filter)) return;
  enum store_result result = c->backend.store->calls->requests(c->backend.store, &query, &sink);
  if (result != STORE_FINE)
    call_fail_store(c, result);
  else if (!e.is_found)
    call_fail(c, 404, NULL, "there is no such request; one that has just ended takes a moment");
}
