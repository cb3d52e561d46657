/* What can be found: kinds.def is the table; docs/detection.md is made from it. */
#pragma once
#include "base/bytes.h"

enum detect_group {
  DETECT_GROUP_CHINA,
  DETECT_GROUP_FINANCE,
  DETECT_GROUP_CONTACT,
  DETECT_GROUP_NETWORK,
  DETECT_GROUP_NATIONAL,
  DETECT_GROUP_CRYPTO,
  DETECT_GROUP_SECRET,
  DETECT_GROUP_KEYWORD,
  DETECT_GROUPS
};

enum detect_kind {
#define KIND(id, name, group, validator) DETECT_##id,
#include "detect/kinds.def"
#undef KIND
  DETECT_KINDS
};

struct detect_kinds {
  uint64_t bits[(DETECT_KINDS + 63) / 64];
};

const char *detect_kind_name(enum detect_kind kind);
enum detect_group detect_kind_group(enum detect_kind kind);
const char *detect_kind_validator(enum detect_kind kind); /* one sentence for the reference */
const char *detect_group_name(enum detect_group group);

/* A kind, a group, "pii" (every group but secrets, network and keywords) or "all"; false when there
 * is no such name. */
bool detect_kinds_add(struct detect_kinds *set, struct slice name);

static inline bool detect_kinds_has(const struct detect_kinds *set, enum detect_kind kind) {
  return set->bits[(unsigned)kind / 64] >> ((unsigned)kind % 64) & 1;
}
