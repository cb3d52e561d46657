/* Ids of requests that are stored already, or stand further up in the same batch. */
#pragma once
#include "base/arena.h"

struct known_ids {
  struct arena arena; /* of the ids */
  struct known_id *slots;
  size_t count, mask; /* slots: mask + 1, or none */
};

void known_ids_init(struct known_ids *k);
void known_ids_fini(struct known_ids *k);
/* Copies id; false: it was there. */
bool known_ids_add(struct known_ids *k, struct slice id);
