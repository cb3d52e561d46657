#include <string.h>

#include "config/build.h"

/* One entry of `models` while it is built: a model, or an alias that is resolved afterwards. */
struct entry {
  struct place at;
  struct model *model; /* NULL: an alias */
  struct slice points_to;
  enum { UNSEEN, OPEN, DONE } state;
};

static bool split_target(struct build *b, const struct place *at, struct model_target *out) {
  struct slice text, name;
  if (!walk_text(b, at, &text)) return false;
  name = slice_cut(text, '/', &out->model);
  if (name.len == 0 || out->model.len == 0) {
    problem(b, at, "%s is no target; write \"provider/upstream-model\"", got(b, at->value) + 4);
    return false;
  }
  out->provider = names_find(&b->providers, name);
  if (out->provider) return true;
  problem(b, at, "no provider is called %s%s; add it to providers or correct the name",
          shown(b, at->value, name), meant(b, &b->providers, name));
  return false;
}

static bool build_target(struct build *b, const struct place *at, struct model_target *out) {
  uint64_t weight;
  out->weight = 1;
  if (at->value->type != VALUE_MAP) return split_target(b, at, out);
  walk_table(b, at, "models.*.targets.*", out);
  struct place target = place_find(at, "target"), share = place_find(at, "weight");
  const struct key_row *row = key_find("models.*.targets.*", SLICE("weight"));
  if (share.value && !share.value->faulty && walk_number(b, &share, row, &weight))
    out->weight = (uint32_t)weight;
  if (target.value) {
    bool fine = split_target(b, &target, out);
    if (fine) build_target_price(b, at, out);
    return fine;
  }
  problem(b, at, "has no target; write target = \"provider/upstream-model\"");
  return false;
}

static void add_target(struct build *b, const struct place *at, struct model *m) {
  struct model_target *out = &m->targets[m->target_count];
  if (!build_target(b, at, out)) return;
  for (size_t i = 0; i < m->target_count; i++)
    if (m->targets[i].provider == out->provider && slice_equal(m->targets[i].model, out->model))
      problem(b, at, "the same target twice; keep one");
  m->target_count++;
}

static void build_targets(struct build *b, const struct place *at, struct model *m) {
  uint64_t weights = 0;
  if (at->value->faulty) return;
  if (at->value->type == VALUE_TEXT) {
    m->targets = arena_alloc(&b->config->arena, sizeof *m->targets);
    add_target(b, at, m);
    return;
  }
  if (!walk_is_list(b, at, "a list of targets")) return;
  if (at->value->count == 0) problem(b, at, "is empty; name at least one target");
  m->targets = arena_alloc(&b->config->arena, (at->value->count + 1) * sizeof *m->targets);
  for (size_t i = 0; i < at->value->count; i++) {
    struct place item = place_item(at, i);
    add_target(b, &item, m);
  }
  for (size_t i = 0; i < m->target_count; i++)
    weights += m->targets[i].weight;
  if (m->target_count && weights == 0 && slice_equal_text(m->strategy, "weighted"))
    problem(b, at, "all weights are 0, so nothing could be drawn; give one target a weight");
}

/* The tree goes when the configuration is built; scripts are loaded later. */
static struct value copied(struct arena *arena, const struct value *v) {
  struct value out = *v;
  if (v->type == VALUE_TEXT) out.text = slice_of(arena_text(arena, v->text));
  if (v->count) out.items = arena_alloc(arena, v->count * sizeof *out.items);
  for (size_t i = 0; i < v->count; i++)
    out.items[i] =
        (struct value_item){arena_slice(arena, v->items[i].key), copied(arena, &v->items[i].value)};
  return out;
}

static bool is_builtin(const struct tenant_policy *p) {
  bool is_named = slice_equal_text(p->name, "priority") || slice_equal_text(p->name, "weighted");
  return is_named && p->settings->count == 0;
}

/* Without settings, priority and weighted need no script. */
static void build_strategy(struct build *b, const struct place *at, struct model *m) {
  struct arena *arena = &b->config->arena;
  m->strategy = SLICE("priority");
  if (!at->value || at->value->faulty) return;
  if (at->value->type != VALUE_TEXT && !walk_is_map(b, at, "text or a table of settings")) return;
  struct tenant_policy *p = arena_alloc(arena, sizeof *p);
  *p = (struct tenant_policy){0};
  size_t before = b->problems->count;
  build_policy_entry(b, at, p);
  if (b->problems->count > before) return;
  m->strategy = p->name = arena_slice(arena, p->name);
  if (is_builtin(p)) return;
  struct value *settings = arena_alloc(arena, sizeof *settings);
  *settings = copied(arena, p->settings);
  p->settings = settings;
  m->routing = p;
}

static void build_model(struct build *b, const struct place *at, struct model *m) {
  walk_defaults(b, "models.*", m);
  walk_table(b, at, "models.*", m);
  if (at->value->type != VALUE_MAP) return;
  struct place targets = place_find(at, "targets");
  struct place able = place_find(at, "capabilities"), strategy = place_find(at, "strategy");
  build_strategy(b, &strategy, m);
  if (!m->created) m->created = b->config->changed_s;
  if (able.value) walk_texts(b, &able, &m->capabilities, &m->capability_count);
  if (targets.value)
    build_targets(b, &targets, m);
  else
    problem(b, at, "has no targets; write targets = { \"provider/upstream-model\" } or an alias");
  build_price(b, at, m);
}

static void build_alias(struct build *b, const struct place *at, struct entry *e) {
  struct place alias = place_find(at, "alias");
  for (size_t i = 0; i < at->value->count; i++) {
    struct place item = place_item(at, i);
    if (!slice_equal_text(item.key, "alias"))
      problem(b, &item, "stands beside alias, which takes everything from its model; remove it");
  }
  if (walk_text(b, &alias, &e->points_to)) e->state = UNSEEN;
}

static void report_alias(struct build *b, const struct entry *e, struct slice name) {
  struct place alias = place_find(&e->at, "alias");
  problem(b, &alias, "no model is called %s%s; correct the name", shown(b, alias.value, name),
          meant(b, &b->models, name));
}

/* Follows a chain of aliases to its model; each entry is walked once, however long the chains. */
static void resolve(struct build *b, struct entry *first) {
  struct entry *e = first, *next;
  struct model *model = NULL;
  while (e->state == UNSEEN) {
    e->state = OPEN;
    next = (struct entry *)names_find(&b->models, e->points_to);
    if (!next) report_alias(b, e, e->points_to);
    if (next && next->state == OPEN) {
      struct place alias = place_find(&e->at, "alias");
      problem(b, &alias, "aliases form a circle; let one of them name a model");
    }
    if (!next) break;
    e = next;
  }
  if (e->state == DONE) model = e->model;
  for (e = first; e && e->state == OPEN; e = (struct entry *)names_find(&b->models, e->points_to)) {
    e->state = DONE;
    e->model = model;
  }
}

static void finish_names(struct build *b, struct entry *entries, size_t count) {
  struct config *c = b->config;
  c->model_names = arena_alloc(&c->arena, sizeof *c->model_names);
  names_init(c->model_names, &c->arena, count);
  c->aliases = arena_alloc(&c->arena, (count + 1) * sizeof *c->aliases);
  for (size_t i = 0; i < count; i++) {
    struct entry *e = &entries[i];
    struct slice name = arena_slice(&c->arena, e->at.key);
    resolve(b, e);
    if (!e->model) continue;
    names_add(c->model_names, name, e->model);
    if (e->points_to.len) c->aliases[c->alias_count++] = (struct alias){name, e->model};
  }
}

static bool check_entry(struct build *b, const struct place *at) {
  if (at->key.len == 0 || text_has_control(at->key))
    problem(b, at, "is no name for a model; use no control bytes");
  return walk_is_map(b, at, "a table of settings");
}

/* A target of the operator's goes to the tenant's provider of that name, where there is one. */
static void override_targets(struct build *b, struct model *m) {
  struct model_target *own = NULL;
  for (size_t i = 0; i < m->target_count; i++) {
    const struct provider *p = names_find(&b->providers, m->targets[i].provider->name);
    if (p == m->targets[i].provider) continue;
    if (!own) {
      own = arena_alloc(&b->config->arena, m->target_count * sizeof *own);
      memcpy(own, m->targets, m->target_count * sizeof *own);
    }
    own[i].provider = p;
  }
  if (own) m->targets = own;
}

/* Under a tenant's names lie the operator's: one entry for each that the tenant does not replace.
 * An alias of the operator's means the model that the tenant sees under its name. */
static size_t add_base_names(struct build *b, struct entry *entries, size_t count) {
  const struct config *base = b->base;
  struct config *c = b->config;
  for (size_t i = 0; i < base->model_count; i++) {
    struct slice name = base->models[i].name;
    if (names_add(&b->models, name, &entries[count])) continue;
    struct model *m = &c->models[c->model_count];
    *m = base->models[i];
    m->index = (uint32_t)c->model_count++;
    override_targets(b, m);
    entries[count++] = (struct entry){.at = {.key = name}, .model = m, .state = DONE};
  }
  for (size_t i = 0; i < base->alias_count; i++) {
    const struct alias *a = &base->aliases[i];
    if (names_add(&b->models, a->name, &entries[count])) continue;
    entries[count++] = (struct entry){.at = {.key = a->name}, .points_to = a->model->name};
  }
  return count;
}

void build_models(struct build *b, const struct place *root) {
  struct place all = place_find(root, "models");
  bool is_given = all.value && walk_is_map(b, &all, "a table of models");
  size_t count = is_given ? all.value->count : 0;
  size_t below = b->base ? b->base->model_count + b->base->alias_count : 0;
  struct config *c = b->config;
  struct entry *entries = arena_alloc(&c->arena, (count + below + 1) * sizeof *entries);
  c->models = arena_alloc(&c->arena, (count + below + 1) * sizeof *c->models);
  names_init(&b->models, &c->arena, count + below);
  for (size_t i = 0; i < count; i++) {
    struct entry *e = &entries[i];
    *e = (struct entry){.at = place_item(&all, i), .state = DONE};
    names_add(&b->models, e->at.key, e);
    if (!check_entry(b, &e->at)) continue;
    if (value_find(e->at.value, "alias")) {
      build_alias(b, &e->at, e);
      continue;
    }
    struct model *m = e->model = &c->models[c->model_count];
    m->name = arena_slice(&c->arena, e->at.key);
    m->index = (uint32_t)c->model_count++;
    build_model(b, &e->at, m);
  }
  if (b->base) count = add_base_names(b, entries, count);
  finish_names(b, entries, count);
}
