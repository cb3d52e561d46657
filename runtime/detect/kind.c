#include "detect/kind.h"

struct kind_row {
  const char *name;
  enum detect_group group;
  const char *validator;
};

static const struct kind_row rows[] = {
#define KIND(id, name, group, validator) {name, DETECT_GROUP_##group, validator},
#include "detect/kinds.def"
#undef KIND
};

static const char *const group_names[DETECT_GROUPS] = {
    [DETECT_GROUP_CHINA] = "china",       [DETECT_GROUP_FINANCE] = "finance",
    [DETECT_GROUP_CONTACT] = "contact",   [DETECT_GROUP_NETWORK] = "network",
    [DETECT_GROUP_NATIONAL] = "national", [DETECT_GROUP_CRYPTO] = "crypto",
    [DETECT_GROUP_SECRET] = "secrets",    [DETECT_GROUP_KEYWORD] = "keywords",
};

const char *detect_kind_name(enum detect_kind kind) {
  must((unsigned)kind < DETECT_KINDS);
  return rows[kind].name;
}

enum detect_group detect_kind_group(enum detect_kind kind) {
  must((unsigned)kind < DETECT_KINDS);
  return rows[kind].group;
}

const char *detect_kind_validator(enum detect_kind kind) {
  must((unsigned)kind < DETECT_KINDS);
  return rows[kind].validator;
}

const char *detect_group_name(enum detect_group group) {
  must((unsigned)group < DETECT_GROUPS);
  return group_names[group];
}

static bool is_personal(enum detect_group group) {
  return group != DETECT_GROUP_NETWORK && group != DETECT_GROUP_SECRET &&
         group != DETECT_GROUP_KEYWORD;
}

bool detect_kinds_add(struct detect_kinds *set, struct slice name) {
  bool all = slice_equal_text(name, "all"), personal = slice_equal_text(name, "pii");
  bool found = false;
  for (unsigned i = 0; i < DETECT_KINDS; i++) {
    if (!all && !(personal && is_personal(rows[i].group)) &&
        !slice_equal_text(name, rows[i].name) &&
        !slice_equal_text(name, group_names[rows[i].group]))
      continue;
    set->bits[i / 64] |= (uint64_t)1 << (i % 64);
    found = true;
  }
  return found;
}
