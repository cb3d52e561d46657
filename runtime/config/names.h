/* Names to things, found in constant time. Never shrinks; lives in an arena. */
#pragma once
#include "base/arena.h"

struct names {
  struct names_slot {
    struct slice name;
    const void *thing;
  } * slots;
  size_t mask;
};

void names_init(struct names *n, struct arena *a, size_t count); /* room for count names */
/* The thing that has the name already, else NULL after adding it. The name is borrowed. */
const void *names_add(struct names *n, struct slice name, const void *thing);
const void *names_find(const struct names *n, struct slice name);
/* The name most like `wanted`; empty when none is close enough to have been meant. */
struct slice names_nearest(const struct names *n, struct slice wanted);

/* Keeps the closest of several candidates to a word that was probably misspelt. */
struct nearest {
  struct slice wanted, best;
  unsigned distance;
};

void nearest_init(struct nearest *n, struct slice wanted);
void nearest_offer(struct nearest *n, struct slice candidate);
