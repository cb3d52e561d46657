/* The arithmetic of one counter, for account/limit*.c: no locks, no memory but its own moments. */
#pragma once
#include "account/window.h"

__extension__ typedef unsigned __int128 wide;

enum counter_form { COUNTER_CONCURRENT, COUNTER_ROLLING, COUNTER_BUCKET, COUNTER_CALENDAR };

struct counter_rule {
  enum counter_form form;
  struct limit_window window;
  uint64_t amount, burst; /* burst: COUNTER_BUCKET */
};

struct instant {
  int64_t mono_ns, wall_ms;
};

/* Requests that came close together: they leave the window together, when the last one does. */
struct moment {
  int64_t first_ns, last_ns;
  uint64_t used, reserved;
};

/* Zeroed is a counter that has counted nothing. */
struct counter {
  wide used, reserved; /* settled and open, of what the window holds now */
  uint64_t epoch; /* calendar: grows with each window. Rolling: sequence number of moments[0] */
  union {
    struct span span; /* calendar */
    struct {
      wide debt; /* bucket: missing units x window in ns; shrinks by `amount` per ns */
      int64_t at_ns;
    };
    struct { /* rolling: a ring */
      struct moment *moments;
      uint32_t first, count, room;
    };
  };
};

void counter_fini(struct counter *c, const struct counter_rule *rule);
/* Lets time pass. Everything below speaks of the instant of the last call. */
void counter_advance(struct counter *c, const struct counter_rule *rule, struct instant now);
uint64_t counter_left(const struct counter *c, const struct counter_rule *rule);
bool counter_ever_fits(const struct counter_rule *rule, uint64_t want);
/* Until `want` fits if nobody else comes; 0: now, or (concurrent) nobody knows. */
uint64_t counter_wait_ms(const struct counter *c, const struct counter_rule *rule,
                         struct instant now, uint64_t want);
/* Until everything is there again. */
uint64_t counter_reset_ns(const struct counter *c, const struct counter_rule *rule,
                          struct instant now);
uint64_t counter_reset_ms(const struct counter *c, const struct counter_rule *rule,
                          struct instant now);
/* Claims without asking. The result is the mark that counter_settle wants back. */
uint64_t counter_claim(struct counter *c, const struct counter_rule *rule, struct instant now,
                       uint64_t want);
struct claim {
  uint64_t want, mark;
};
/* Ends a claim, whatever time has done to its window. */
void counter_settle(struct counter *c, const struct counter_rule *rule, struct claim claim,
                    uint64_t actual);
/* As if never used: forgetting it loses nothing. */
bool counter_is_idle(const struct counter *c, const struct counter_rule *rule, struct instant now);
/* Use of an earlier process, which began that long ago: the oldest first. */
void counter_seed(struct counter *c, const struct counter_rule *rule, struct instant now,
                  uint64_t age_ns, uint64_t use);
