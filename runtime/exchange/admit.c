#include "exchange/admit.h"

#include "account/image.h"
#include "account/limit_headers.h"
#include "account/price.h"
#include "base/clock.h"
#include "exchange/tokens.h"
#include "store/journal.h"

enum { DAY_MS = 86400000, MARGIN_MS = 600000 };

/* Engines read "3" as 3, too. */
static uint64_t number_or(const struct json_member *member, uint64_t otherwise) {
  uint64_t value = otherwise;
  struct bytes text;
  if (member->type == JSON_NUMBER && json_to_u64(member->value, &value)) return value;
  if (member->type != JSON_STRING) return otherwise;
  bytes_init(&text);
  bool is_number =
      json_string(member->value, &text) && slice_to_u64(slice_trim(bytes_slice(&text)), &value);
  bytes_fini(&text);
  return is_number ? value : otherwise;
}

/* Completions take several prompts at once, and answer each: a list of texts, or of lists of
 * tokens. */
static uint64_t count_prompts(const struct exchange *x) {
  struct slice prompt = {"", 0};
  uint64_t count = 0;
  if (x->route.dialect == DIALECT_COMPLETIONS) prompt = json_find(bytes_slice(&x->body), "prompt");
  if (json_type(prompt) != JSON_ARRAY) return 1;
  for (struct json_walk w = json_walk_of(prompt); json_walk_next(&w); count++)
    if (json_type(w.value) == JSON_NUMBER) return 1;
  return count ? count : 1;
}

/* The longest completion that the request allows, of all its choices: those that only compete are
 * billed, too. */
static uint64_t output_at_most(struct exchange *x) {
  const struct request_fields *f = &x->fields;
  if (x->route.dialect == DIALECT_EMBEDDINGS) return 0;
  uint64_t older = number_or(&f->max_tokens, 0), n = number_or(&f->n, 1);
  uint64_t newer = number_or(&f->max_completion_tokens, number_or(&f->max_output_tokens, 0));
  uint64_t best_of = number_or(&f->best_of, 1), asked = newer > older ? newer : older;
  struct slice tenant = x->principal->tenant;
  uint64_t each = price_output_tokens(x->config, x->model, tenant, asked, 1);
  x->most_output = asked == 0 || asked > each ? each : 0;
  uint64_t choices = best_of > n ? best_of : n;
  if (__builtin_mul_overflow(choices, count_prompts(x), &choices)) choices = UINT64_MAX;
  return price_output_tokens(x->config, x->model, tenant, asked, choices);
}

/* The end customer: a header, or the field that each protocol has for it. */
static struct slice find_customer(struct exchange *x) {
  const struct request_fields *f = &x->fields;
  static const char *const names[] = {"x-gateyes-customer", "x-litellm-customer-id",
                                      "x-litellm-end-user-id"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct slice value = header_find(x->headers, names[i]);
    if (value.len) return arena_slice(&x->arena, value);
  }
  struct slice field = f->user.value;
  if (f->user.type != JSON_STRING && f->metadata.type == JSON_OBJECT)
    field = json_find(f->metadata.value, "user_id");
  struct bytes text;
  bytes_init(&text);
  bool found = json_type(field) == JSON_STRING && json_string(field, &text) && text.len <= 256;
  struct slice kept = found ? arena_slice(&x->arena, bytes_slice(&text)) : (struct slice){"", 0};
  bytes_fini(&text);
  return kept;
}

static void add_projects(struct exchange *x, struct limit_request *r) {
  if (!x->principal->project.len) return;
  struct slice *projects = arena_alloc(&x->arena, LIMIT_PROJECTS_MAX * sizeof *projects);
  r->project_count = limit_project_chain(x->principal->project, projects);
  r->projects = projects;
}

static bool mentions(struct slice body, const char *word) {
  return memmem(body.data, body.len, word, strlen(word)) != NULL;
}

static bool bill_worst(const struct exchange *x, const struct limit_request *r,
                       const struct price *price, uint64_t *cost_nanousd) {
  struct slice body = bytes_slice(&x->body);
  struct price_allows allows = {.parts = price_asks(price)};
  if ((allows.parts & PRICE_AUDIO) && !mentions(body, "audio"))
    allows.parts &= ~(unsigned)PRICE_AUDIO;
  if ((allows.parts & PRICE_CACHE_WRITE) && !mentions(body, "cache_control"))
    allows.parts &= ~(unsigned)PRICE_CACHE_WRITE;
  if (slice_equal(x->fields.service_tier.value, SLICE("\"priority\"")))
    allows.service = SERVICE_PRIORITY;
  struct usage worst = price_worst_usage(price, r->input_tokens, r->output_tokens, &allows);
  if (price->image) worst.images = image_count_of_request(body);
  struct price_query query = {.usage = &worst, .at_ms = x->started_ms};
  struct bill bill;
  query.markup = price_markup(x->config, x->principal->tenant);
  enum price_status status = price_bill(price, &query, &bill);
  /* More than any sum there is, is not "nobody knows": it fits no budget. */
  *cost_nanousd = status == PRICE_OVERFLOW ? INT64_MAX : bill.cost_nanousd;
  return status != PRICE_UNKNOWN;
}

/* Any of the candidates may be the one that answers: the dearest counts. False: the price of one is
 * not known. */
static bool price_claim(const struct exchange *x, struct limit_request *r) {
  const struct price *before = NULL;
  bool is_known = true;
  for (size_t i = 0; i < x->candidate_count; i++) {
    const struct price *price = price_of(x->model, x->candidates[i], x->started_ms);
    uint64_t cost_nanousd;
    if (price == before) continue;
    before = price;
    is_known &= bill_worst(x, r, price, &cost_nanousd);
    if (cost_nanousd > r->cost_nanousd) r->cost_nanousd = cost_nanousd;
  }
  return is_known;
}

/* Longer than a request may take, with a target that is tried after another. */
static uint64_t ttl_ms(const struct upstream_timers *t) {
  if (!t->total_ms || !t->stream_total_ms) return DAY_MS;
  return (uint64_t)t->total_ms + t->stream_total_ms + MARGIN_MS;
}

static void fill_claim(struct exchange *x) {
  struct limit_request *r = &x->claim;
  x->customer = find_customer(x);
  const struct principal *p = x->principal;
  *r = (struct limit_request){.key = p->key,
                              .user = p->user,
                              .tenant = p->tenant,
                              .model = x->model->name,
                              .customer = x->customer,
                              .view = x->host->limits,
                              .refuse_unpriced =
                                  !slice_equal_text(x->config->unpriced, "allow_unpriced")};
  r->ttl_ms = ttl_ms(&x->config->upstream);
  add_projects(x, r);
}

/* The worst case, once; counting the prompt is the dearest part of a reservation. */
static void weigh_claim(struct exchange *x) {
  if (x->is_weighed || !limiter_weighs(x->host->limiter)) return;
  x->is_weighed = true;
  x->claim.input_tokens = tokens_prompt(x);
  x->claim.output_tokens = output_at_most(x);
  x->claim.is_unpriced = !price_claim(x, &x->claim);
}

static enum step_result refuse(struct exchange *x) {
  struct bytes sentence;
  bytes_init(&sentence);
  limit_refusal_write(x->refusal, x->config->currency, &sentence);
  struct error_detail detail = {.message = arena_slice(&x->arena, bytes_slice(&sentence))};
  bytes_fini(&sentence);
  return exchange_fail_with(x, x->refusal->failure, &detail);
}

enum step_result admit_step(struct exchange *x) {
  if (x->route.endpoint != ENDPOINT_GENERATE) return STEP_NEXT;
  if (x->host->journal && !journal_usable(x->host->journal))
    return exchange_fail(x, FAILURE_LEDGER_UNAVAILABLE,
                         "the gateway cannot record what this request would cost, so it is not "
                         "sent; try again later, the operator has been told");
  if (limiter_is_empty(x->host->limiter)) return STEP_NEXT;
  if (limiter_weighs(x->host->limiter) && tokens_await_prompt(x) == STEP_PARK) return STEP_PARK;
  fill_claim(x);
  weigh_claim(x);
  struct limit_refusal refusal;
  if (limiter_reserve(x->host->limiter, &x->claim, &x->reservation, &refusal)) {
    x->has_standing = x->reservation != NULL;
    if (x->has_standing) x->standing = *reservation_standing(x->reservation);
    x->is_bounded = x->most_output && reservation_bounds_output(x->reservation);
    return STEP_NEXT;
  }
  x->refusal = arena_alloc(&x->arena, sizeof refusal);
  *x->refusal = refusal;
  return refuse(x);
}

bool admit_attempt(struct exchange *x, const struct model_target *target) {
  if (limiter_is_empty(x->host->limiter) || x->route.endpoint != ENDPOINT_GENERATE) return true;
  limiter_release(x->host->limiter, &x->attempt_reservation); /* of the attempt before */
  if (!limiter_has_providers(x->host->limiter)) return true;
  weigh_claim(x); /* definitions may have changed */
  struct limit_request request = x->claim;
  request.provider = target->provider->name;
  struct limit_refusal refusal;
  if (limiter_reserve(x->host->limiter, &request, &x->attempt_reservation, &refusal)) return true;
  x->refusal = arena_alloc(&x->arena, sizeof refusal);
  *x->refusal = refusal;
  return false;
}

void admit_settle(struct exchange *x, bool was_used) {
  struct limiter *limiter = x->host->limiter;
  struct limit_actual actual = {usage_prompt_tokens(&x->usage), x->usage.output,
                                x->cost_known ? x->cost_nanousd : 0};
  if (was_used) {
    limiter_settle(limiter, &x->reservation, &actual);
    limiter_settle(limiter, &x->attempt_reservation, &actual);
    return;
  }
  limiter_release(limiter, &x->reservation);
  limiter_release(limiter, &x->attempt_reservation);
}

struct slice admit_headers(struct exchange *x) {
  struct bytes *lines = &x->host->scratch;
  bool is_refused = x->refusal && x->failure == x->refusal->failure;
  if (!is_refused && !x->has_standing) return (struct slice){"", 0};
  bytes_clear(lines);
  if (is_refused)
    limit_refusal_headers(x->refusal, x->route.dialect, clock_turn_wall_ms(), lines);
  else
    limit_headers(&x->standing, x->route.dialect, clock_turn_wall_ms(), lines);
  return arena_slice(&x->arena, bytes_slice(lines));
}
