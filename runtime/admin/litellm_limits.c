/* Budgets and rates that scripts made for LiteLLM ask for with a key: limits of that one key, which
 * `gateyes limits` shows as any other. */
#include "account/limit_row.h"
#include "admin/litellm.h"

enum part { BUDGET, SOFT_BUDGET, RATE, PARTS };

static const char *const suffixes[PARTS] = {"budget", "soft-budget", "rate"};
/* Of a budget that never begins anew there is no such thing; a year and a day is the longest. */
static const char longest[] = "366d";

struct amounts { /* JSON; without data: none */
  struct slice budget, soft_budget, requests, tokens, parallel, window;
  struct entity rows[PARTS];
  bool has[PARTS];
};

struct listing {
  struct call *call;
  struct amounts *amounts;
  struct slice key;
};

static struct slice name_of(struct call *c, struct slice key, enum part part) {
  return slice_of(arena_printf(&c->arena, "%.*s.%s", (int)key.len, key.data, suffixes[part]));
}

static void on_row(void *context, const struct entity *e) {
  struct listing *l = context;
  for (int i = 0; i < PARTS; i++) {
    if (!slice_equal(e->name, name_of(l->call, l->key, (enum part)i))) continue;
    struct row_copy copy = {.call = l->call};
    row_copy_take(&copy, e);
    l->amounts->rows[i] = copy.entity;
    l->amounts->has[i] = true;
  }
}

static bool read_stored(struct call *c, const struct entity *key, struct amounts *a) {
  struct listing l = {c, a, key->id};
  struct entity_query query = {.kind = ENTITY_LIMIT, .tenant = key->tenant, .name_prefix = key->id};
  struct entity_sink sink = {on_row, &l};
  *a = (struct amounts){.budget = {NULL, 0}};
  enum store_result result = c->backend.store->calls->list(c->backend.store, &query, &sink);
  if (result != STORE_FINE) {
    call_fail_store(c, result);
    return false;
  }
  if (a->has[BUDGET]) a->budget = json_find(a->rows[BUDGET].body, "money");
  if (a->has[BUDGET]) a->window = json_find(a->rows[BUDGET].body, "window");
  if (a->has[SOFT_BUDGET]) a->soft_budget = json_find(a->rows[SOFT_BUDGET].body, "money");
  if (a->has[SOFT_BUDGET]) a->window = json_find(a->rows[SOFT_BUDGET].body, "window");
  if (!a->has[RATE]) return true;
  a->requests = json_find(a->rows[RATE].body, "requests");
  a->tokens = json_find(a->rows[RATE].body, "total_tokens");
  a->parallel = json_find(a->rows[RATE].body, "concurrent");
  return true;
}

static bool take(struct call *c, struct slice body, const char *member, struct slice *out) {
  struct slice given = json_find(body, member);
  uint64_t count;
  double number;
  if (!given.data) return true;
  bool is_money = strstr(member, "budget") != NULL;
  bool is_none = json_type(given) == JSON_NULL;
  if (is_none) *out = (struct slice){NULL, 0};
  if (is_none) return true;
  if (is_money ? json_to_double(given, &number) && number >= 0
               : json_to_u64(given, &count) && count < INT64_MAX) {
    *out = is_money ? given : slice_of(arena_printf(&c->arena, "%llu", (unsigned long long)count));
    return true;
  }
  call_fail(c, 400, member, "%s: expects a %snumber of 0 or more", member,
            is_money ? "" : "whole ");
  return false;
}

static struct slice quoted(struct call *c, const char *text) {
  return slice_of(arena_printf(&c->arena, "\"%s\"", text));
}

/* Months are those of the calendar, as LiteLLM's are. */
static const char *months_of(struct slice text) {
  if (slice_equal_text(text, "1mo")) return "month";
  if (slice_equal_text(text, "3mo")) return "quarter";
  return slice_equal_text(text, "12mo") ? "year" : NULL;
}

static bool read_window(struct call *c, struct slice text, const char *field, struct slice *out) {
  int64_t ms = 0;
  const char *months = months_of(text);
  bool is_months = text.len > 2 && text.data[text.len - 1] == 'o';
  if (months) *out = quoted(c, months);
  if (months) return true;
  if (!is_months && litellm_duration(text, &ms) && ms >= 1000 && ms <= 366LL * 86400000) {
    *out = quoted(c, arena_printf(&c->arena, "%llds", (long long)(ms / 1000)));
    return true;
  }
  call_fail(c, 400, field,
            "%s: a budget's time is from 1s to 366d, or 1mo, 3mo or 12mo for those of the calendar",
            field);
  return false;
}

/* A key that ends within a year spends its budget once. */
static bool take_window(struct call *c, struct slice body, struct amounts *a) {
  struct slice given = call_text(c, body, "budget_duration"), life = call_text(c, body, "duration");
  int64_t ms;
  if (given.len) return read_window(c, given, "budget_duration", &a->window);
  if (a->window.data) return true;
  a->window = quoted(c, longest);
  if (life.len && litellm_duration(life, &ms) && ms >= 1000 && ms <= 366LL * 86400000)
    a->window = quoted(c, arena_printf(&c->arena, "%llds", (long long)(ms / 1000)));
  return true;
}

static void put(struct bytes *out, const char *name, struct slice json) {
  if (!json.data) return;
  bytes_printf(out, ",\"%s\":", name);
  bytes_append_slice(out, json);
}

/* The row's body; empty when it would limit nothing. */
static struct slice body_of(struct call *c, struct slice key, const struct amounts *a,
                            enum part part) {
  struct bytes out;
  struct slice money = part == BUDGET ? a->budget : a->soft_budget, none = {"", 0};
  bool is_rate = part == RATE, is_per_minute = a->requests.data || a->tokens.data;
  if (is_rate ? !is_per_minute && !a->parallel.data : !money.data) return none;
  struct slice name = name_of(c, key, part);
  bytes_init(&out);
  bytes_printf(&out, "{\"name\":\"%.*s\",\"scope\":{\"key\":\"%.*s\"}", (int)name.len, name.data,
               (int)key.len, key.data);
  if (is_rate) {
    put(&out, "requests", a->requests);
    put(&out, "total_tokens", a->tokens);
    put(&out, "concurrent", a->parallel);
    if (is_per_minute) bytes_append_text(&out, ",\"window\":\"1m\"");
  } else {
    put(&out, "money", money);
    put(&out, "window", a->window);
    if (part == SOFT_BUDGET) bytes_append_text(&out, ",\"soft\":true");
  }
  bytes_append_byte(&out, '}');
  struct slice copy = arena_slice(&c->arena, bytes_slice(&out));
  bytes_fini(&out);
  return copy;
}

static bool check(struct call *c, const struct entity *e, enum part part) {
  static const char *const fields[PARTS] = {"max_budget", "soft_budget", "rpm_limit"};
  struct config_problems problems;
  struct limit_definition definitions[LIMIT_KINDS];
  struct limit_row row = {e->tenant, e->body, definitions};
  config_problems_init(&problems);
  (void)limit_row_read(&row, &c->arena, &problems);
  bool fine = problems.count == 0;
  if (!fine) call_fail(c, 400, fields[part], "%s: %s", fields[part], problems.items[0]);
  config_problems_fini(&problems);
  return fine;
}

/* What becomes of one row: made, changed, removed or left. */
static bool add_write(struct call *c, const struct entity *key, const struct amounts *a,
                      struct litellm_writes *out, enum part part) {
  struct slice body = body_of(c, key->id, a, part);
  struct row_write *w = &out->items[out->count];
  struct entity *stored = arena_alloc(&c->arena, sizeof *stored);
  *stored = a->rows[part];
  if (!body.len && !a->has[part]) return true;
  if (body.len && a->has[part] && slice_equal(body, stored->body)) return true;
  *w = (struct row_write){.verb = "create", .expected_version = ENTITY_NEW};
  if (a->has[part]) {
    *w = (struct row_write){.verb = body.len ? "update" : "delete",
                            .before = stored,
                            .entity = *stored,
                            .is_deletion = !body.len,
                            .expected_version = stored->version};
  } else {
    struct slice name = name_of(c, key->id, part);
    w->entity = (struct entity){
        .kind = ENTITY_LIMIT,
        .id = row_new_id(c, ENTITY_LIMIT),
        .tenant = key->tenant,
        .name = name,
        .lookup = slice_of(arena_printf(&c->arena, "%.*s/%.*s", (int)key->tenant.len,
                                        key->tenant.data, (int)name.len, name.data))};
  }
  if (body.len) w->entity.body = body;
  out->count++;
  return !body.len || check(c, &w->entity, part);
}

static bool says_anything(struct slice body) {
  static const char *const names[] = {"max_budget", "soft_budget", "budget_duration",
                                      "rpm_limit",  "tpm_limit",   "max_parallel_requests"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (json_find(body, names[i]).data) return true;
  return false;
}

bool litellm_limits_write(struct call *c, struct slice body, const struct entity *key,
                          struct litellm_writes *out) {
  struct amounts a;
  if (!says_anything(body)) return true;
  if (!read_stored(c, key, &a) || !take(c, body, "max_budget", &a.budget) ||
      !take(c, body, "soft_budget", &a.soft_budget) || !take(c, body, "rpm_limit", &a.requests) ||
      !take(c, body, "tpm_limit", &a.tokens) ||
      !take(c, body, "max_parallel_requests", &a.parallel) || !take_window(c, body, &a))
    return false;
  for (int i = 0; i < PARTS; i++)
    if (!add_write(c, key, &a, out, (enum part)i)) return false;
  return true;
}

bool litellm_limits_drop(struct call *c, const struct entity *key, struct litellm_writes *out) {
  struct amounts a;
  if (!read_stored(c, key, &a)) return false;
  a.budget = a.soft_budget = a.requests = a.tokens = a.parallel = (struct slice){NULL, 0};
  for (int i = 0; i < PARTS; i++)
    (void)add_write(c, key, &a, out, (enum part)i);
  return true;
}

static void show(struct bytes *out, const char *name, struct slice json) {
  bytes_printf(out, ",\"%s\":", name);
  bytes_append_slice(out, json.data ? json : SLICE("null"));
}

bool litellm_limits_show(struct call *c, const struct entity *key) {
  struct amounts a;
  struct bytes *out = &c->out;
  static const char *const units[][2] = {{"month", "1mo"}, {"quarter", "3mo"}, {"year", "12mo"}};
  if (!read_stored(c, key, &a)) return false;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (slice_equal_text(json_string_raw(a.window), units[i][0])) a.window = quoted(c, units[i][1]);
  show(out, "max_budget", a.budget);
  show(out, "soft_budget", a.soft_budget);
  show(out, "budget_duration", a.window);
  show(out, "rpm_limit", a.requests);
  show(out, "tpm_limit", a.tokens);
  show(out, "max_parallel_requests", a.parallel);
  return true;
}
