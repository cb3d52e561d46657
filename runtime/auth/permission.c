#include "auth/permission.h"

#include "model/limit.h"

_Static_assert(ACTION_COUNT <= 64, "a role has one bit for each action");

static const char *const texts[ACTION_COUNT] = {
#define ACTION(name, text, what) text,
#include "auth/actions.def"
#undef ACTION
};

const char *action_text(enum action action) {
  return texts[action];
}

bool action_find(struct slice text, enum action *out) {
  for (int i = 0; i < ACTION_COUNT; i++)
    if (slice_equal_text(text, texts[i])) {
      *out = (enum action)i;
      return true;
    }
  return false;
}

bool action_is_admin(enum action action) {
  return action > ACTION_SERVICE;
}

bool project_is_deep(struct slice project) {
  size_t parts = 1;
  for (size_t i = 0; i < project.len; i++)
    parts += project.data[i] == '/';
  return parts > LIMIT_PROJECTS_MAX;
}

bool project_is_within(struct slice project, struct slice above) {
  if (!slice_starts(project, above)) return false;
  return project.len == above.len || (above.len && project.data[above.len] == '/');
}

static struct slice begin_of(const struct principal *p, const struct grant *g) {
  return g->project.len ? g->project : p->project;
}

static bool is_own(const struct principal *p, const struct resource *r) {
  return (r->user.len && slice_equal(r->user, p->user)) ||
         (r->key.len && slice_equal(r->key, p->key));
}

/* An operator's action reaches as far as the role says, never out of the principal's tenant. */
static bool reaches(const struct principal *p, const struct grant *g, const struct resource *r) {
  if (g->role->reach == REACH_ALL) return true;
  if (!r->tenant.len || !slice_equal(r->tenant, p->tenant)) return false;
  struct slice begin = begin_of(p, g);
  bool in_project = begin.len && r->project.len && project_is_within(r->project, begin);
  if (g->project.len && !in_project) return false;
  switch (g->role->reach) {
  case REACH_TENANT: return true;
  case REACH_PROJECT: return in_project || (is_own(p, r) && !g->project.len);
  case REACH_OWN: return is_own(p, r);
  default: return false;
  }
}

static bool holds_here(const struct principal *p, const struct grant *g) {
  return !g->project.len || project_is_within(p->project, g->project);
}

static bool matches(struct globs globs, struct slice asked, bool is_asked) {
  return (!asked.len && !is_asked) || globs_match(globs, asked);
}

static bool tags_match(const struct role *role, const struct principal *p) {
  if (!role->tags.count) return true;
  for (size_t i = 0; i < p->tag_count; i++)
    if (globs_match(role->tags, p->tags[i])) return true;
  return false;
}

static bool grants(const struct principal *p, const struct grant *g, enum action action,
                   const struct resource *r) {
  const struct role *role = g->role;
  if (!(role->allow >> action & 1)) return false;
  if (action_is_admin(action) ? !reaches(p, g, r) : !holds_here(p, g)) return false;
  return matches(role->models, r->model, false) &&
         matches(role->providers, r->provider, r->is_attempt) &&
         matches(role->residency, r->residency, r->is_attempt) &&
         matches(role->paths, r->path, false) && tags_match(role, p);
}

enum permission permission_check(const struct principal *p, enum action action,
                                 const struct resource *resource, const struct role **decider) {
  const struct role *asked = NULL;
  for (size_t i = 0; i < p->grant_count; i++) {
    const struct grant *g = &p->grants[i];
    if (!grants(p, g, action, resource)) continue;
    if (!(g->role->decide >> action & 1)) return PERMISSION_GRANTED;
    if (!asked) asked = g->role;
  }
  if (!asked || !decider) return PERMISSION_DENIED;
  *decider = asked;
  return PERMISSION_ASK;
}

enum reach permission_reach(const struct principal *p, enum action action, struct slice *project) {
  enum reach widest = REACH_NONE;
  for (size_t i = 0; i < p->grant_count; i++) {
    const struct grant *g = &p->grants[i];
    if (!(g->role->allow >> action & 1) || g->role->decide >> action & 1) continue;
    enum reach reach = g->role->reach;
    if (g->project.len && reach == REACH_TENANT) reach = REACH_PROJECT;
    if (reach == REACH_PROJECT && !begin_of(p, g).len) reach = REACH_OWN;
    if (reach <= widest) continue;
    widest = reach;
    if (project) *project = reach == REACH_PROJECT ? begin_of(p, g) : (struct slice){"", 0};
  }
  return widest;
}

static bool any_covers(struct globs wide, struct slice narrow) {
  for (size_t i = 0; i < wide.count; i++)
    if (glob_covers(wide.items[i], narrow)) return true;
  return false;
}

bool permission_covers(struct globs wide, struct globs narrow) {
  if (!wide.count) return true;
  for (size_t i = 0; i < narrow.count; i++)
    if (!any_covers(wide, narrow.items[i])) return false;
  return narrow.count > 0;
}

/* One of the giver's roles must hold the action with globs as wide, wherever the new one will. */
static bool has_as_much(const struct principal *p, const struct role *role, enum action action,
                        const struct resource *where) {
  for (size_t i = 0; i < p->grant_count; i++) {
    const struct grant *g = &p->grants[i];
    const struct role *own = g->role;
    bool has = own->allow >> action & 1 && !(own->decide >> action & 1);
    if (!has || own->reach < role->reach || !reaches(p, g, where) || !tags_match(own, p)) continue;
    if (permission_covers(own->models, role->models) &&
        permission_covers(own->providers, role->providers) &&
        permission_covers(own->residency, role->residency) &&
        permission_covers(own->paths, role->paths) && permission_covers(own->tags, role->tags))
      return true;
  }
  return false;
}

bool permission_may_grant(const struct principal *giver, const struct role *role,
                          const struct resource *where) {
  for (int i = 0; i < ACTION_COUNT; i++)
    if (role->allow >> i & 1 && !has_as_much(giver, role, (enum action)i, where)) return false;
  return true;
}
