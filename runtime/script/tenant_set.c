/* Which generations the tenants of one worker run. */
#include <stdlib.h>

#include "base/list.h"
#include "config/names.h"
#include "script/tenant_scripts.h"

struct tenant_slot {
  struct list link;
  struct slice tenant;
  struct tenant_scripts *scripts[TENANT_ROLE_COUNT];
  uint32_t percent;
  struct slice *keys;
  size_t key_count;
  struct arena arena; /* of tenant and keys */
};

/* The table of names is made anew when a tenant comes or goes: rare, and look-ups are not. */
struct tenant_set {
  struct list slots;
  size_t count;
  struct arena arena;
  struct names by_name;
};

struct tenant_set *tenant_set_new(void) {
  struct tenant_set *set = must_calloc(1, sizeof *set);
  list_init(&set->slots);
  arena_init(&set->arena);
  names_init(&set->by_name, &set->arena, 0);
  return set;
}

static void index_slots(struct tenant_set *set) {
  arena_fini(&set->arena);
  arena_init(&set->arena);
  names_init(&set->by_name, &set->arena, set->count);
  list_each(node, &set->slots) {
    struct tenant_slot *slot = list_entry(node, struct tenant_slot, link);
    names_add(&set->by_name, slot->tenant, slot);
  }
}

static struct tenant_slot *slot_find(const struct tenant_set *set, struct slice tenant) {
  return set->count ? (struct tenant_slot *)names_find(&set->by_name, tenant) : NULL;
}

static struct tenant_slot *slot_new(struct tenant_set *set, struct slice tenant) {
  struct tenant_slot *slot = must_calloc(1, sizeof *slot);
  arena_init_small(&slot->arena);
  slot->tenant = arena_slice(&slot->arena, tenant);
  list_append(&set->slots, &slot->link);
  set->count++;
  index_slots(set);
  return slot;
}

static void slot_free(struct tenant_slot *slot) {
  for (int i = 0; i < TENANT_ROLE_COUNT; i++)
    tenant_scripts_unref(slot->scripts[i]);
  list_remove(&slot->link);
  free(slot->keys);
  arena_fini(&slot->arena);
  free(slot);
}

void tenant_set_free(struct tenant_set *set) {
  list_each_safe(node, &set->slots) slot_free(list_entry(node, struct tenant_slot, link));
  arena_fini(&set->arena);
  free(set);
}

static void replace(struct tenant_slot *slot, enum tenant_role role,
                    struct tenant_scripts *scripts) {
  if (slot->scripts[role]) tenant_scripts_retire(slot->scripts[role]);
  tenant_scripts_unref(slot->scripts[role]);
  slot->scripts[role] = scripts;
}

/* The texts lie in one block with their list. */
static void set_share(struct tenant_slot *slot, const struct tenant_share *share) {
  size_t bytes = 0;
  free(slot->keys);
  slot->percent = share->percent;
  slot->key_count = share->key_count;
  for (size_t i = 0; i < share->key_count; i++)
    bytes += share->keys[i].len;
  slot->keys = must_alloc(share->key_count * sizeof *slot->keys + bytes + 1);
  char *text = (char *)(slot->keys + share->key_count);
  for (size_t i = 0; i < share->key_count; i++) {
    if (share->keys[i].len) memcpy(text, share->keys[i].data, share->keys[i].len);
    slot->keys[i] = (struct slice){text, share->keys[i].len};
    text += share->keys[i].len;
  }
}

static bool is_empty(const struct tenant_slot *slot) {
  for (int i = 0; i < TENANT_ROLE_COUNT; i++)
    if (slot->scripts[i]) return false;
  return true;
}

void tenant_set_put(struct tenant_set *set, struct slice tenant, enum tenant_role role,
                    struct tenant_scripts *scripts, const struct tenant_share *share) {
  struct tenant_slot *slot = slot_find(set, tenant);
  if (!slot && !scripts) return;
  if (!slot) slot = slot_new(set, tenant);
  replace(slot, role, scripts);
  if (role == TENANT_CURRENT) {
    replace(slot, TENANT_CANARY, NULL);
    replace(slot, TENANT_SHADOW, NULL);
  }
  if (role == TENANT_CANARY && share) set_share(slot, share);
  if (!is_empty(slot)) return;
  slot_free(slot);
  set->count--;
  index_slots(set);
}

static bool is_canary(const struct tenant_slot *slot, const struct tenant_pick *pick) {
  if (!slot->scripts[TENANT_CANARY]) return false;
  for (size_t i = 0; i < slot->key_count; i++)
    if (slice_equal(slot->keys[i], pick->key)) return true;
  return pick->hash % 100 < slot->percent;
}

struct tenant_scripts *tenant_set_pick(const struct tenant_set *set,
                                       const struct tenant_pick *pick) {
  const struct tenant_slot *slot = slot_find(set, pick->tenant);
  if (!slot) return NULL;
  return slot->scripts[is_canary(slot, pick) ? TENANT_CANARY : TENANT_CURRENT];
}

struct tenant_scripts *tenant_set_find(const struct tenant_set *set, struct slice tenant) {
  const struct tenant_slot *slot = slot_find(set, tenant);
  return slot ? slot->scripts[TENANT_CURRENT] : NULL;
}

struct tenant_scripts *tenant_set_shadow_find(const struct tenant_set *set, struct slice tenant) {
  const struct tenant_slot *slot = slot_find(set, tenant);
  return slot ? slot->scripts[TENANT_SHADOW] : NULL;
}
