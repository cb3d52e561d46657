#include "store/known_ids.h"

#include <stdlib.h>

#include "base/keyed_hash.h"

enum { SLOTS_FIRST = 1024 };

struct known_id {
  struct slice id; /* no data: the slot is free */
  uint64_t hash;
};

void known_ids_init(struct known_ids *k) {
  *k = (struct known_ids){0};
  arena_init(&k->arena);
}

void known_ids_fini(struct known_ids *k) {
  arena_fini(&k->arena);
  free(k->slots);
}

static struct known_id *slot_of(const struct known_ids *k, struct slice id, uint64_t hash) {
  size_t i = hash & k->mask;
  while (k->slots[i].id.data && !(k->slots[i].hash == hash && slice_equal(k->slots[i].id, id)))
    i = (i + 1) & k->mask;
  return &k->slots[i];
}

static void grow(struct known_ids *k) {
  struct known_ids larger = {.mask = k->slots ? k->mask * 2 + 1 : SLOTS_FIRST - 1};
  larger.slots = must_calloc(larger.mask + 1, sizeof *larger.slots);
  for (size_t i = 0; k->slots && i <= k->mask; i++)
    if (k->slots[i].id.data) *slot_of(&larger, k->slots[i].id, k->slots[i].hash) = k->slots[i];
  free(k->slots);
  k->slots = larger.slots;
  k->mask = larger.mask;
}

bool known_ids_add(struct known_ids *k, struct slice id) {
  uint64_t hash = keyed_hash(id, 0);
  if (!k->slots || k->count * 2 > k->mask) grow(k);
  struct known_id *slot = slot_of(k, id, hash);
  if (slot->id.data) return false;
  *slot = (struct known_id){arena_slice(&k->arena, id), hash};
  if (!slot->id.data) slot->id.data = "";
  k->count++;
  return true;
}
