#include "account/limit_scope.h"

#include "config/names.h"

struct search {
  const struct limit_world *world;
  enum limit_subject subject;
  struct slice wanted;
  struct nearest nearest;
  struct slice found, again; /* what requests bear; of a second thing of that name */
};

/* id: also finds the thing, but is never what was meant by a word like it. */
static void offer(struct search *s, struct slice bears, struct slice id, struct slice name) {
  bool is_found = slice_equal(s->wanted, bears) || slice_equal(s->wanted, name) ||
                  (id.len && slice_equal(s->wanted, id));
  nearest_offer(&s->nearest, name);
  if (!is_found) return;
  if (!s->found.len)
    s->found = arena_slice(s->world->arena, bears);
  else if (!slice_equal(s->found, bears))
    s->again = arena_slice(s->world->arena, bears);
}

static bool is_ours(const struct search *s, struct slice tenant) {
  return !s->world->tenant.len || slice_equal(s->world->tenant, tenant);
}

static void search_config(struct search *s) {
  const struct config *c = s->world->config;
  struct slice none = {"", 0};
  for (size_t i = 0; i < c->key_count; i++) {
    const struct static_key *k = &c->keys[i];
    if (!is_ours(s, k->tenant)) continue;
    switch (s->subject) {
    case LIMIT_KEY: offer(s, k->name, none, k->name); break;
    case LIMIT_TENANT: offer(s, k->tenant, none, k->tenant); break;
    case LIMIT_USER: offer(s, k->user, none, k->user); break;
    default: break;
    }
    struct slice path = k->project;
    while (s->subject == LIMIT_PROJECT && path.len) {
      offer(s, path, none, path);
      while (path.len && path.data[path.len - 1] != '/')
        path.len--;
      if (path.len) path.len--;
    }
  }
}

static enum entity_kind kind_of(enum limit_subject subject) {
  switch (subject) {
  case LIMIT_KEY: return ENTITY_KEY;
  case LIMIT_USER: return ENTITY_USER;
  case LIMIT_PROJECT: return ENTITY_PROJECT;
  default: return ENTITY_TENANT;
  }
}

struct parent { /* a project on the way up */
  struct slice id, owner, name;
  struct arena *arena;
};

static void on_parent(void *context, const struct entity *e) {
  struct parent *p = context;
  p->owner = arena_slice(p->arena, e->owner);
  p->name = arena_slice(p->arena, e->name);
}

enum { DEPTH_MAX = 32 };

/* research/vision of the project vision in the project research. */
static struct slice path_of(const struct search *s, const struct entity *e) {
  struct arena *arena = s->world->arena;
  struct slice path = arena_slice(arena, e->name);
  struct parent p = {.owner = arena_slice(arena, e->owner), .arena = arena};
  for (int depth = 0; p.owner.len && depth < DEPTH_MAX; depth++) {
    struct entity_key key = {.kind = ENTITY_PROJECT, .id = p.owner};
    struct entity_sink sink = {on_parent, &p};
    if (s->world->store->calls->find(s->world->store, &key, &sink) != STORE_FINE) break;
    const struct slice parts[] = {p.name, SLICE("/"), path};
    path = arena_join(arena, parts, 3);
  }
  return path;
}

struct rows_found { /* rows are read first: a sink may not ask the store again */
  struct search *search;
  struct entity *items;
  size_t count, room;
};

static void on_row(void *context, const struct entity *e) {
  struct rows_found *r = context;
  struct arena *arena = r->search->world->arena;
  if (slice_equal_text(e->state, "revoked")) return;
  if (r->count == r->room) {
    struct entity *more = arena_alloc(arena, (r->room * 2 + 16) * sizeof *more);
    if (r->count) memcpy(more, r->items, r->count * sizeof *more);
    r->room = r->room * 2 + 16;
    r->items = more;
  }
  r->items[r->count++] = (struct entity){.id = arena_slice(arena, e->id),
                                         .owner = arena_slice(arena, e->owner),
                                         .name = arena_slice(arena, e->name)};
}

static void offer_row(struct search *s, const struct entity *e) {
  switch (s->subject) {
  case LIMIT_KEY: offer(s, e->id, e->id, e->name); break;
  case LIMIT_USER: offer(s, e->name, e->id, e->name); break;
  case LIMIT_TENANT: offer(s, e->id, e->id, e->id); break;
  default: {
    struct slice path = path_of(s, e);
    offer(s, path, e->id, path);
  }
  }
}

static enum store_result search_store(struct search *s) {
  struct store *store = s->world->store;
  struct rows_found rows = {.search = s};
  struct entity_query query = {.kind = kind_of(s->subject)};
  struct entity_sink sink = {on_row, &rows};
  if (s->subject != LIMIT_TENANT) query.tenant = s->world->tenant;
  enum store_result result = store->calls->list(store, &query, &sink);
  for (size_t i = 0; i < rows.count; i++)
    offer_row(s, &rows.items[i]);
  return result;
}

/* Tenants bring models of their own: with them, a name that is not in the configuration may be
 * right. */
static void search_models(struct search *s) {
  const struct config *c = s->world->config;
  const struct model *m = config_model_find(c, s->wanted);
  if (m)
    s->found = m->name;
  else
    s->nearest.best = names_nearest(c->model_names, s->wanted);
  if (!m && c->tenants_path.len) s->found = s->wanted;
}

static void search_providers(struct search *s) {
  const struct config *c = s->world->config;
  struct slice none = {"", 0};
  for (size_t i = 0; i < c->provider_count; i++)
    offer(s, c->providers[i].name, none, c->providers[i].name);
  if (!s->found.len && c->tenants_path.len) s->found = s->wanted;
}

/* Signed tokens name people whom the gateway has not seen before. */
static bool is_anybody(const struct search *s) {
  bool is_claimed = s->subject == LIMIT_USER || s->subject == LIMIT_PROJECT ||
                    s->subject == LIMIT_TENANT || s->subject == LIMIT_KEY;
  return is_claimed && s->world->config->identity_count > 0;
}

enum limit_scope_result limit_scope_find(const struct limit_world *w,
                                         const struct limit_condition *condition,
                                         struct limit_scope_found *out) {
  struct search s = {.world = w, .subject = condition->subject, .wanted = condition->name};
  *out = (struct limit_scope_found){.name = condition->name, .nearest = {"", 0}};
  if (!condition->name.len || condition->form != LIMIT_NAMED || s.subject == LIMIT_CUSTOMER)
    return LIMIT_SCOPE_FOUND;
  nearest_init(&s.nearest, s.wanted);
  if (s.subject == LIMIT_MODEL) {
    search_models(&s);
  } else if (s.subject == LIMIT_PROVIDER) {
    search_providers(&s);
  } else {
    search_config(&s);
    if (w->store) out->result = search_store(&s);
    if (out->result != STORE_FINE) return LIMIT_SCOPE_STORE;
  }
  out->nearest = s.again.len ? s.again : arena_slice(w->arena, s.nearest.best);
  if (s.again.len) return LIMIT_SCOPE_AMBIGUOUS;
  if (s.found.len) out->name = s.found;
  return s.found.len || is_anybody(&s) ? LIMIT_SCOPE_FOUND : LIMIT_SCOPE_UNKNOWN;
}

static void tell(const struct config *config, const struct limit_definition *d,
                 const struct limit_condition *c, const struct limit_scope_found *found,
                 struct config_problems *problems) {
  const char *subject = limit_subject_name(c->subject);
  bool is_like = found->nearest.len > 0;
  config_problem(problems,
                 "%s: quota %.*s: scope.%s: there is no %s \"%.*s\", so it limits nobody%s%.*s%s",
                 config->file, (int)d->id.len, d->id.data, subject, subject, (int)c->name.len,
                 c->name.data, is_like ? " (did you mean \"" : "", (int)found->nearest.len,
                 found->nearest.data, is_like ? "\"?)" : "");
}

static void tell_other(const struct config *config, const struct limit_definition *d,
                       const struct limit_condition *c, struct slice name,
                       struct config_problems *problems) {
  const char *subject = limit_subject_name(c->subject);
  config_problem(problems,
                 "%s: quota %.*s: scope.%s: requests bear \"%.*s\" where \"%.*s\" is meant, so it "
                 "limits nobody; write that",
                 config->file, (int)d->id.len, d->id.data, subject, (int)name.len, name.data,
                 (int)c->name.len, c->name.data);
}

static bool is_same_entry(const struct config *config, size_t i) {
  return i && slice_equal(config->quotas[i].id, config->quotas[i - 1].id);
}

void limit_scope_check(struct store *store, const struct config *config,
                       struct config_problems *problems) {
  struct arena arena;
  arena_init(&arena);
  for (size_t i = 0; i < config->quota_count; i++) {
    const struct limit_definition *d = &config->quotas[i];
    struct limit_world world = {config, store, {"", 0}, &arena};
    for (int k = 0; k < d->scope_count; k++)
      if (d->scope[k].subject == LIMIT_TENANT && d->scope[k].form == LIMIT_NAMED)
        world.tenant = d->scope[k].name;
    for (int k = 0; k < d->scope_count && !is_same_entry(config, i); k++) {
      struct limit_world at = world;
      struct limit_scope_found found;
      if (d->scope[k].subject == LIMIT_TENANT) at.tenant = (struct slice){"", 0};
      enum limit_scope_result result = limit_scope_find(&at, &d->scope[k], &found);
      if (result == LIMIT_SCOPE_UNKNOWN)
        tell(config, d, &d->scope[k], &found, problems);
      else if (result == LIMIT_SCOPE_AMBIGUOUS)
        tell_other(config, d, &d->scope[k], found.nearest, problems);
      else if (result == LIMIT_SCOPE_FOUND && !slice_equal(found.name, d->scope[k].name))
        tell_other(config, d, &d->scope[k], found.name, problems);
    }
  }
  arena_fini(&arena);
}
