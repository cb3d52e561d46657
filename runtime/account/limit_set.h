/* All definitions of one moment, found by what a request is about; for account/limit*.c. Immutable
 * and counted: a reservation keeps the set that it was made under. */
#pragma once
#include <stdatomic.h>

#include "account/limit.h"
#include "account/limit_counter.h"
#include "base/arena.h"
#include "base/ref.h"

enum { LIMIT_NAME_MAX = 128, LIMIT_KEY_MAX = LIMIT_SUBJECTS * (LIMIT_NAME_MAX + 2) };

/* What counters belong to: a definition without what may change about it. Lives while a set or a
 * counter of it does. */
struct limit_family {
  struct limit_family *next;
  atomic_uint refs, counters;
  uint64_t hash;
  bool is_retired;       /* a definition like it gets another: its counters are of the past */
  struct slice identity; /* bytes that say id, kind, window and scope */
};

struct limit_rule {
  struct limit_definition definition; /* texts lie in the set's arena */
  struct counter_rule counter;
  struct limit_family *family;
  const struct limit_condition *anchor; /* the condition by which it is found; NULL: open */
  bool has_provider, has_tenant, is_per_tenant;
  struct limit_rule *next; /* of the same anchor */
};

struct limit_set {
  struct ref refs;
  struct arena arena;
  struct limit_rule *rules;
  size_t count, left_out;
  struct limit_rule **anchored; /* by a named condition of the scope */
  size_t anchor_mask;
  unsigned anchor_subjects; /* a bit for each subject that an anchor is of */
  struct limit_rule *open;  /* without a named condition */
};

/* Families by identity; only limiter_apply touches it. */
struct limit_families {
  struct limit_family *buckets[1024];
};

struct limit_set *limit_set_new(struct limit_families *families,
                                const struct limit_definition *definitions, size_t count);
/* What counts for `old` and not for `next` will not be found again, but for places that are held.
 */
void limit_set_retire(const struct limit_set *old, const struct limit_set *next);
struct limit_set *limit_set_ref(struct limit_set *set);
void limit_set_unref(struct limit_set *set);
void limit_family_unref(struct limit_family *family); /* not the last: that is the families' own */
void limit_families_sweep(struct limit_families *families); /* frees those that nobody uses */
void limit_families_fini(struct limit_families *families);

struct limit_match {
  const struct limit_rule *rule;
  struct slice project; /* the one of the chain that a condition "each project" stands for */
};

/* Every rule that holds for the request, by the rule about providers in limit.h. Returns how many;
 * writes at most max. */
size_t limit_set_match(const struct limit_set *set, const struct limit_request *request,
                       struct limit_match *out, size_t max);

/* The same for one rule, whatever the request says of providers. */
size_t limit_rule_match(const struct limit_rule *rule, const struct limit_request *request,
                        struct limit_match out[LIMIT_PROJECTS_MAX]);
/* The rule that counts for that definition; NULL: none. */
const struct limit_rule *limit_set_find(const struct limit_set *set,
                                        const struct limit_definition *definition);

/* The names that a counter is kept for, one after the other with their lengths; at most
 * LIMIT_KEY_MAX bytes. Of longer names than LIMIT_NAME_MAX the end is a digest. Returns the length.
 */
size_t limit_key_write(const struct limit_match *match, const struct limit_request *request,
                       char *out);
/* "tenant=acme user=ann". */
void limit_scope_write(const struct limit_rule *rule, struct slice key, struct bytes *out);
bool limit_rule_is_single(const struct limit_rule *rule); /* one counter for all it holds for */
/* The one name of that subject which a counter is kept for; empty: the scope names none, or several
 * by a pattern. */
struct slice limit_scope_name(const struct limit_rule *rule, struct slice key,
                              enum limit_subject subject);
