/* What a caller may do: roles compiled to bits and globs. One role must allow the whole of what is
 * asked; roles add up, they never take away. */
#pragma once
#include "base/glob.h"
#include "model/principal.h"

enum action {
#define ACTION(name, text, what) ACTION_##name,
#include "auth/actions.def"
#undef ACTION
  ACTION_COUNT
};

const char *action_text(enum action action); /* "keys.write" */
bool action_find(struct slice text, enum action *out);
bool action_is_admin(enum action action); /* else it is a client's */

/* How far an operator's action reaches. */
enum reach {
  REACH_NONE,
  REACH_OWN,     /* the caller's own key and user */
  REACH_PROJECT, /* the caller's project and those below it */
  REACH_TENANT,
  REACH_ALL
};

struct role {
  struct slice name;
  struct slice tenant; /* empty: for all tenants */
  struct slice description;
  struct slice source; /* "lua/rbac/developer.lua"; empty: from the store */
  enum reach reach;
  uint64_t allow;    /* a bit for each action */
  uint64_t decide;   /* of these the role's function has the last word; part of allow */
  struct slice text; /* of the file that has the function; empty: none */
  struct globs models, providers, residency, tags, paths;
};

struct grant { /* one role of one principal */
  const struct role *role;
  struct slice project; /* the role holds there and below; empty: wherever the principal is */
};

/* What an action is about. For clients' actions empty means that it was not asked. For operators'
 * actions an empty tenant is the whole platform, which takes REACH_ALL; project, user and key say
 * whose it is. */
struct resource {
  struct slice tenant, project, user, key;
  struct slice model, provider, residency, path;
  bool is_attempt; /* provider and residency are asked about even where they are empty */
};

enum permission {
  PERMISSION_DENIED,
  PERMISSION_GRANTED,
  PERMISSION_ASK /* data cannot say: the function of *decider must */
};

/* decider may be NULL when p has no deciding roles for the action; then ASK counts as DENIED. */
enum permission permission_check(const struct principal *p, enum action action,
                                 const struct resource *resource, const struct role **decider);
/* The widest reach that p has for an operator's action: what a listing may show. project (may be
 * NULL) is then where REACH_PROJECT begins. */
enum reach permission_reach(const struct principal *p, enum action action, struct slice *project);
/* May giver hand out that role on that project of that tenant? Nobody gives more than they have. */
/* Is all that narrow lets through let through by wide? No globs let everything through. */
bool permission_covers(struct globs wide, struct globs narrow);
bool permission_may_grant(const struct principal *giver, const struct role *role,
                          const struct resource *where);
/* Is project the same as, or below, above? Both are paths such as "research/vision". */
/* Deeper than limits look: such a project would escape those of the ones above. */
bool project_is_deep(struct slice project);
bool project_is_within(struct slice project, struct slice above);
