#include "account/limit_view.h"

#include <stdlib.h>

enum { CALLERS = 64, SPARE_MAX = 64, NAMES_BYTES = 512, KEYS_BYTES = 512 };

struct names { /* all that decides which limits hold, but the provider */
  struct slice key, user, tenant, model, customer, project;
};

struct caller {
  const struct limit_held *held; /* NULL: nothing is kept here */
  struct names names;
  size_t count;
  struct limit_hold holds[LIMIT_VIEW_HOLDS];
  char texts[NAMES_BYTES], keys[KEYS_BYTES];
};

struct limit_view {
  struct limiter *limiter;
  uint64_t generation; /* of the definitions that are held */
  struct limit_held *held;
  struct list spare; /* reservations */
  unsigned spare_count;
  struct caller *callers[CALLERS];
};

struct limit_view *limit_view_new(struct limiter *l) {
  struct limit_view *v = must_calloc(1, sizeof *v);
  v->limiter = l;
  list_init(&v->spare);
  return v;
}

void limit_view_free(struct limit_view *v) {
  if (!v) return;
  list_each_safe(node, &v->spare) {
    free(list_entry(node, struct reservation, link));
  }
  for (int i = 0; i < CALLERS; i++)
    free(v->callers[i]);
  if (v->held) limit_held_unref(v->held);
  free(v);
}

void limit_held_unref(struct limit_held *held) {
  if (--held->refs) return;
  limit_set_unref(held->set);
  free(held);
}

static void forget_callers(struct limit_view *v) {
  for (int i = 0; i < CALLERS; i++)
    if (v->callers[i]) v->callers[i]->held = NULL;
}

/* The generation is read first: if it grows in between, the next request looks again. */
static struct limit_held *newest_set(struct limit_view *v) {
  uint64_t generation = atomic_load_explicit(&v->limiter->generation, memory_order_acquire);
  if (v->held && v->generation == generation) return v->held;
  if (v->held) limit_held_unref(v->held);
  forget_callers(v);
  v->held = must_alloc(sizeof *v->held);
  *v->held = (struct limit_held){limiter_set_ref(v->limiter), 1};
  v->generation = generation;
  return v->held;
}

static struct names names_of(const struct limit_request *r) {
  struct slice project = r->project_count ? r->projects[0] : (struct slice){"", 0};
  return (struct names){r->key, r->user, r->tenant, r->model, r->customer, project};
}

static bool is_same(const struct names *a, const struct names *b) {
  return slice_equal(a->key, b->key) && slice_equal(a->tenant, b->tenant) &&
         slice_equal(a->model, b->model) && slice_equal(a->user, b->user) &&
         slice_equal(a->project, b->project) && slice_equal(a->customer, b->customer);
}

/* Where the names lie says who it is, mostly: they belong to keys and models that live long. */
static struct caller **caller_of(struct limit_view *v, const struct names *n) {
  uintptr_t at = (uintptr_t)n->key.data ^ (uintptr_t)n->tenant.data ^ (uintptr_t)n->model.data;
  return &v->callers[(at ^ at >> 6 ^ at >> 12) % CALLERS];
}

static size_t length_of(const struct names *n) {
  return n->key.len + n->user.len + n->tenant.len + n->model.len + n->customer.len + n->project.len;
}

static void copy_names(struct caller *c, const struct names *n) {
  char *at = c->texts;
  c->names = *n;
  struct slice *names[] = {&c->names.key,   &c->names.user,     &c->names.tenant,
                           &c->names.model, &c->names.customer, &c->names.project};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (names[i]->len) memcpy(at, names[i]->data, names[i]->len);
    names[i]->data = at;
    at += names[i]->len;
  }
}

/* False: their keys have no room. */
static bool copy_matches(struct caller *c, const struct limit_match *matches,
                         const struct limit_request *request) {
  char key[LIMIT_KEY_MAX], *at = c->keys;
  for (size_t i = 0; i < c->count; i++) {
    size_t len = limit_key_write(&matches[i], request, key), place = i;
    if (len > (size_t)(c->keys + KEYS_BYTES - at)) return false;
    if (len) memcpy(at, key, len);
    struct limit_hold hold = {.rule = matches[i].rule, .key = {at, len}};
    hold.hash = limit_slot_hash(hold.rule->family, hold.key);
    for (; place > 0 && c->holds[place - 1].hash > hold.hash; place--)
      c->holds[place] = c->holds[place - 1];
    c->holds[place] = hold;
    at += len;
  }
  return true;
}

static bool fill(struct caller *c, const struct limit_held *held,
                 const struct limit_request *request, const struct names *names) {
  struct limit_match matches[LIMIT_VIEW_HOLDS];
  c->held = NULL;
  if (length_of(names) > NAMES_BYTES) return false;
  c->count = limit_set_match(held->set, request, matches, LIMIT_VIEW_HOLDS);
  if (c->count > LIMIT_VIEW_HOLDS || !copy_matches(c, matches, request)) return false;
  copy_names(c, names);
  c->held = held;
  return true;
}

bool limit_view_find(struct limit_view *v, const struct limit_request *request,
                     struct limit_found *found) {
  struct limit_held *held = newest_set(v);
  struct names names = names_of(request);
  struct caller **at = caller_of(v, &names), *c = *at;
  if (!c) c = *at = must_calloc(1, sizeof *c);
  bool is_known = c->held == held && is_same(&c->names, &names);
  if (!is_known && !fill(c, held, request, &names)) return false;
  *found = (struct limit_found){held, c->holds, c->count};
  return true;
}

struct reservation *limit_view_take(struct limit_view *v) {
  if (list_empty(&v->spare))
    return must_alloc(sizeof(struct reservation) + LIMIT_VIEW_HOLDS * sizeof(struct limit_hold));
  struct reservation *r = list_entry(v->spare.next, struct reservation, link);
  list_remove(&r->link);
  v->spare_count--;
  return r;
}

void limit_view_give_back(struct limit_view *v, struct reservation *r) {
  if (v->spare_count == SPARE_MAX) {
    free(r);
    return;
  }
  list_append(&v->spare, &r->link);
  v->spare_count++;
}
