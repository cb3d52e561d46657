/* Counts what requests use against limits and budgets. One limiter per process, shared by all
 * workers; every function may be called from any thread, and none waits for more than a few
 * instructions of another.
 *
 *   ADMIT   limiter_reserve    the worst case, in every scope that matches or in none
 *   SETTLE  limiter_settle     the real figure, once; or limiter_release when nothing was used
 *
 * Time: monotonic for rolling windows and expiry, wall clock for calendar windows. A request counts
 * in the window in which it was admitted, however long it runs. Counters are as exact as integers:
 * no fraction of a token or of time is lost. */
#pragma once
#include "model/failure.h"
#include "model/limit.h"

struct limiter;
struct reservation; /* one request's claim, alive until it is settled or released */

struct limit_event { /* texts are borrowed for the call */
  struct slice id;
  const char *scope;   /* "tenant=acme model=gpt-4o"; "" when it holds for all */
  struct slice tenant; /* whose it is, where the scope says so */
  enum limit_kind kind;
  bool is_soft;
  uint8_t percent; /* the threshold that was crossed */
  uint64_t amount, used;
  int64_t window_start_s; /* calendar windows: names the window; else 0 */
};

struct limiter_settings {             /* all may be 0 or NULL */
  uint64_t (*mono_ns)(void *context); /* clocks, for tests; default: base/clock.h */
  int64_t (*wall_ms)(void *context);
  /* Once per counter, window and threshold, on the thread that crossed it, no lock held. */
  void (*on_event)(void *context, const struct limit_event *event);
  void *context;
  uint32_t max_counters; /* of one definition; default 200,000. Idle ones go first and lose nothing;
                            one tenant has at most as many as are still free */
};

struct limiter *limiter_new(const struct limiter_settings *settings);
void limiter_free(struct limiter *l); /* no reservation may be open */

/* Replaces all definitions (copied); counters of those that stay keep their state, reservations
 * that are open stay valid. Returns how many were left out because an equal one (same id, kind,
 * window, scope) stands before them: it takes the stricter amount. */
size_t limiter_apply(struct limiter *l, const struct limit_definition *definitions, size_t count);
/* Called in limiter_apply, and by its thread, for each definition that was not there before and
 * keeps its use, before anyone is measured by it: adds what was used already (limiter_seed_add). A
 * definition that is taken away and comes back then begins with that, too. Before other threads. */
struct limit_seeding;
void limiter_on_new(struct limiter *l,
                    void (*on_new)(void *context, struct limit_seeding *seeding,
                                   const struct limit_definition *definition),
                    void *context);
bool limiter_is_empty(const struct limiter *l); /* no definitions: ADMIT may skip everything */
/* Some definition counts tokens or money. Else nobody looks at a request's worst case. */
bool limiter_weighs(const struct limiter *l);
/* Some definition names a provider. Else no attempt has to be reserved for. */
bool limiter_has_providers(const struct limiter *l);

/* What a request is about. Empty names match no condition, except that requests without a customer
 * share one counter of "each customer" (the client chooses it, so leaving it out evades nothing).
 */
struct limit_request {
  struct slice key, user, tenant, model, customer;
  const struct slice *projects; /* innermost first, its ancestors after it */
  size_t project_count;         /* at most LIMIT_PROJECTS_MAX are looked at */
  /* Empty: only definitions that name no provider take part (ADMIT, before a target is chosen).
   * Set: only those that do (one further reservation per attempt, at SEND). */
  struct slice provider;
  uint64_t input_tokens, output_tokens; /* worst case: prompt as counted, output at most */
  uint64_t cost_nanousd;                /* of that worst case, from the function that bills */
  bool is_unpriced;                     /* the cost is unknown … */
  bool refuse_unpriced;                 /* … and money limits refuse it instead of counting 0 */
  uint64_t ttl_ms; /* after that an open reservation is given back by limiter_expire; 0: 1 hour */
  struct limit_view *view; /* of the calling thread, which settles, too; NULL: slower */
};

/* What a worker's thread keeps from one request to the next. */
struct limit_view *limit_view_new(struct limiter *l);
void limit_view_free(struct limit_view *view); /* none of its reservations is open */

/* "research/vision/ocr" as projects: itself, "research/vision", "research". Returns how many; of
 * deeper ones the innermost. */
size_t limit_project_chain(struct slice path, struct slice out[LIMIT_PROJECTS_MAX]);

struct limit_actual {
  uint64_t input_tokens, output_tokens, cost_nanousd;
};

/* The tightest limit of one sort that was looked at: for x-ratelimit-* and the like. */
struct limit_standing {
  struct limit_left {
    bool is_present;
    uint64_t limit, remaining;
    uint64_t reset_ms; /* until all of it is there again */
    int64_t reset_wall_ms;
  } requests, tokens, input_tokens, output_tokens, money;
  char soft[64]; /* id of a soft limit that is exceeded; "" if none */
};

enum limit_refusal_kind {
  LIMIT_REFUSED_RATE,      /* FAILURE_RATE_LIMITED, 429: requests, tokens, concurrent */
  LIMIT_REFUSED_BUDGET,    /* FAILURE_BUDGET_EXHAUSTED, 402: money */
  LIMIT_REFUSED_BLOCKED,   /* FAILURE_FORBIDDEN, 403: the amount is 0 */
  LIMIT_REFUSED_TOO_LARGE, /* FAILURE_EXCEEDS_LIMIT, 400: more than the limit ever holds */
  LIMIT_REFUSED_UNPRICED,  /* FAILURE_UNPRICED, 403: a budget covers it, its price is unknown */
  LIMIT_REFUSED_FULL,      /* FAILURE_OVERLOADED, 503: too many subjects to count another one */
};

/* Of several limits that refuse: one that never admits before one that will; else the last to
 * admit. */
struct limit_refusal {
  enum limit_refusal_kind kind;
  enum failure_kind failure;
  char id[64];     /* cut when longer */
  char scope[192]; /* "tenant=acme model=gpt-4o"; "" when it holds for all */
  enum limit_kind what;
  struct limit_window window;
  uint64_t burst;                          /* 0: none */
  uint64_t amount, used, reserved, wanted; /* used without reserved */
  uint64_t retry_after_ms; /* 0: waiting does not help, or (concurrent) any moment may */
  int64_t reset_wall_ms;   /* when retry_after_ms is over, as wall time; 0: never */
  struct limit_standing standing;
};

/* True: *out is the reservation, or NULL where no limit matches (then there is nothing to settle).
 * False: refused, nothing is counted, *refusal is filled and *out is NULL. */
bool limiter_reserve(struct limiter *l, const struct limit_request *request,
                     struct reservation **out, struct limit_refusal *refusal) MUST_CHECK;
/* Does a hard limit hold that a longer answer uses up: money, output or total tokens? */
bool limiter_bounds_output(struct limiter *l, const struct limit_request *request);
bool reservation_bounds_output(const struct reservation *r); /* of its limits; NULL: no */
/* Books what was used and gives back the rest; more than was reserved is booked, too. *r is NULL
 * afterwards, so that a second call does nothing. */
void limiter_settle(struct limiter *l, struct reservation **r, const struct limit_actual *actual);
/* Gives back everything, the request included: nothing was used. */
void limiter_release(struct limiter *l, struct reservation **r);
uint64_t reservation_id(const struct reservation *r); /* unique in this process, never 0 */
const struct limit_standing *reservation_standing(const struct reservation *r);

/* Gives back what reservations past their ttl hold; call it every few seconds. Settling one of them
 * later still books what was used. Returns how many expired: each is a bug or a hung request. */
size_t limiter_expire(struct limiter *l);

struct limit_use { /* texts are the caller's arena's */
  struct limit_definition definition;
  struct slice scope; /* names filled in: "tenant=acme user=ann" */
  uint64_t used, reserved;
  int64_t window_start_s, window_end_s; /* calendar windows; else 0 */
  uint64_t reset_ms;                    /* until all of it is there again; 0: it is */
  int64_t reset_wall_ms; /* when that is: the same at each call, unless something is used or the
                            clock is set; 0: now */
  struct slice tenant;   /* whose counter it is, where the scope says so; else empty */
  struct slice key;      /* the same of a key */
};

struct arena;
/* Current use of every limit that a request with these names would meet, those that name a provider
 * included when it is set. Returns how many; at most `max`. Makes no counters. */
size_t limiter_report(struct limiter *l, const struct limit_request *subjects, struct arena *arena,
                      struct limit_use *out, size_t max);
/* Every counter of the definitions of that id, and those that have only one whether or not it has
 * counted anything: for listings. on_use may not call the limiter. */
void limiter_list(struct limiter *l, struct slice id,
                  void (*on_use)(void *context, const struct limit_use *use), void *context);

/* Before the first request: what was used of one limit, by earlier processes or before it was made,
 * piece by piece, the oldest first, each counted wherever such a request is counted. */
/* NULL: no such definition, or it keeps no use (concurrent). */
struct limit_seeding *limiter_seed_begin(struct limiter *l,
                                         const struct limit_definition *definition);
struct limit_past {
  struct limit_request subjects; /* with the provider; names that the scope does not ask for may be
                                    left out */
  int64_t began_ms;              /* wall time; before the window: ignored */
  uint64_t amount;
};
void limiter_seed_add(struct limit_seeding *seeding, const struct limit_past *past);
void limiter_seed_end(struct limit_seeding *seeding);

/* One sentence for the client: which limit, how far, when it resets. Appends. */
void limit_refusal_write(const struct limit_refusal *refusal, struct slice currency,
                         struct bytes *out);
