#include "account/limit_set.h"

#include <stdlib.h>

#include "base/digest.h"
#include "base/glob.h"
#include "base/keyed_hash.h"
#include "base/zone.h"

enum { LONG_NAME_HEX = 32 };

static enum counter_form form_of(const struct limit_definition *d) {
  if (d->kind == LIMIT_CONCURRENT) return COUNTER_CONCURRENT;
  if (d->window.unit != LIMIT_ROLLING) return COUNTER_CALENDAR;
  return d->burst ? COUNTER_BUCKET : COUNTER_ROLLING;
}

static void write_identity(const struct limit_definition *d, struct bytes *out) {
  enum counter_form form = form_of(d);
  bytes_printf(out, "%zu:", d->id.len);
  bytes_append_slice(out, d->id);
  bytes_printf(out, " %d %d", d->kind, form);
  if (form == COUNTER_CALENDAR)
    bytes_printf(out, " %d %s %u", d->window.unit, d->window.zone ? zone_name(d->window.zone) : "",
                 d->window.start_day);
  else if (form != COUNTER_CONCURRENT)
    bytes_printf(out, " %llu", (unsigned long long)d->window.rolling_ns);
  for (int i = 0; i < d->scope_count; i++) {
    bytes_printf(out, " %d %d %zu:", d->scope[i].subject, d->scope[i].form, d->scope[i].name.len);
    bytes_append_slice(out, d->scope[i].name);
  }
}

static struct limit_family *family_get(struct limit_families *all,
                                       const struct limit_definition *d) {
  struct bytes identity;
  bytes_init(&identity);
  write_identity(d, &identity);
  uint64_t hash = keyed_hash(bytes_slice(&identity), 0);
  struct limit_family **bucket = &all->buckets[hash % (sizeof all->buckets / sizeof(void *))];
  struct limit_family *f = *bucket;
  while (f &&
         (f->is_retired || f->hash != hash || !slice_equal(f->identity, bytes_slice(&identity))))
    f = f->next;
  if (!f) {
    f = must_calloc(1, sizeof *f);
    atomic_init(&f->refs, 1);
    f->hash = hash;
    f->identity.data = bytes_take(&identity, &f->identity.len);
    f->next = *bucket;
    *bucket = f;
  }
  bytes_fini(&identity);
  atomic_fetch_add(&f->refs, 1);
  return f;
}

void limit_family_unref(struct limit_family *family) {
  must(atomic_fetch_sub(&family->refs, 1) > 1);
}

static void sweep(struct limit_families *all, bool is_end) {
  for (size_t i = 0; i < sizeof all->buckets / sizeof(void *); i++)
    for (struct limit_family **at = &all->buckets[i]; *at;) {
      struct limit_family *f = *at;
      unsigned refs = atomic_load(&f->refs);
      must(!is_end || refs == 1);
      if (refs > 1) {
        at = &f->next;
        continue;
      }
      *at = f->next;
      free((void *)f->identity.data);
      free(f);
    }
}

void limit_families_sweep(struct limit_families *all) {
  sweep(all, false);
}

void limit_families_fini(struct limit_families *all) {
  sweep(all, true);
}

static bool is_apart(const struct limit_condition *c) {
  return !c->name.len || c->form == LIMIT_APART;
}

/* The condition by which a rule is found: the one that fewest rules are likely to share. */
static const struct limit_condition *anchor_of(const struct limit_definition *d) {
  static const enum limit_subject order[] = {LIMIT_KEY,     LIMIT_CUSTOMER, LIMIT_USER,
                                             LIMIT_PROJECT, LIMIT_TENANT,   LIMIT_MODEL,
                                             LIMIT_PROVIDER};
  for (int i = 0; i < LIMIT_SUBJECTS; i++)
    for (int k = 0; k < d->scope_count; k++)
      if (d->scope[k].subject == order[i] && d->scope[k].name.len &&
          d->scope[k].form == LIMIT_NAMED)
        return &d->scope[k];
  return NULL;
}

static struct limit_rule **bucket_of(const struct limit_set *set, enum limit_subject subject,
                                     struct slice name) {
  return &set->anchored[keyed_hash(name, (uint64_t)subject + 1) & set->anchor_mask];
}

static void copy_definition(struct limit_set *set, struct limit_rule *rule,
                            const struct limit_definition *d) {
  must(d->scope_count <= LIMIT_SUBJECTS && d->amount <= INT64_MAX && d->burst <= INT64_MAX);
  rule->definition = *d;
  rule->definition.id = arena_slice(&set->arena, d->id);
  for (int i = 0; i < d->scope_count; i++) {
    struct limit_condition *c = &rule->definition.scope[i];
    c->name = arena_slice(&set->arena, c->name);
    if (c->subject == LIMIT_PROVIDER) rule->has_provider = true;
    if (c->subject == LIMIT_TENANT) rule->has_tenant = c->form == LIMIT_NAMED || is_apart(c);
    if (c->subject == LIMIT_USER || c->subject == LIMIT_PROJECT || c->subject == LIMIT_CUSTOMER)
      rule->is_per_tenant = true;
  }
  rule->counter = (struct counter_rule){form_of(d), d->window, d->amount, d->burst};
}

static struct limit_rule *find_listed(struct limit_rule *first, const struct limit_family *family) {
  struct limit_rule *r = first;
  while (r && r->family != family)
    r = r->next;
  return r;
}

/* Two that count the same under one name: what the stricter one forbids is forbidden. */
static void merge(struct limit_rule *kept, const struct limit_rule *other) {
  bool is_harder = kept->definition.is_soft && !other->definition.is_soft;
  bool is_tighter = kept->definition.is_soft == other->definition.is_soft &&
                    other->definition.amount < kept->definition.amount;
  if (!is_harder && !is_tighter) return;
  kept->definition.amount = other->definition.amount;
  kept->definition.is_soft = other->definition.is_soft;
  kept->counter.amount = other->counter.amount;
}

static void add(struct limit_set *set, struct limit_families *families,
                const struct limit_definition *d) {
  struct limit_rule *rule = &set->rules[set->count];
  copy_definition(set, rule, d);
  const struct limit_condition *anchor = rule->anchor = anchor_of(&rule->definition);
  if (anchor) set->anchor_subjects |= 1u << anchor->subject;
  struct limit_rule **list = anchor ? bucket_of(set, anchor->subject, anchor->name) : &set->open;
  rule->family = family_get(families, d);
  struct limit_rule *listed = find_listed(*list, rule->family);
  if (listed) {
    merge(listed, rule);
    limit_family_unref(rule->family);
    *rule = (struct limit_rule){0};
    set->left_out++;
    return;
  }
  rule->next = *list;
  *list = rule;
  set->count++;
}

struct limit_set *limit_set_new(struct limit_families *families,
                                const struct limit_definition *definitions, size_t count) {
  struct limit_set *set = must_calloc(1, sizeof *set);
  ref_init(&set->refs);
  arena_init(&set->arena);
  size_t buckets = 4;
  while (buckets < count * 2)
    buckets *= 2;
  set->anchor_mask = buckets - 1;
  set->anchored = arena_alloc(&set->arena, buckets * sizeof(struct limit_rule *));
  set->rules = arena_alloc(&set->arena, (count + 1) * sizeof *set->rules);
  for (size_t i = 0; i < count; i++)
    add(set, families, &definitions[i]);
  return set;
}

void limit_set_retire(const struct limit_set *old, const struct limit_set *next) {
  for (size_t i = 0; i < old->count; i++)
    if (old->rules[i].counter.form != COUNTER_CONCURRENT &&
        !limit_set_find(next, &old->rules[i].definition))
      old->rules[i].family->is_retired = true;
}

struct limit_set *limit_set_ref(struct limit_set *set) {
  ref_take(&set->refs);
  return set;
}

void limit_set_unref(struct limit_set *set) {
  if (!set || !ref_drop(&set->refs)) return;
  for (size_t i = 0; i < set->count; i++)
    limit_family_unref(set->rules[i].family);
  arena_fini(&set->arena);
  free(set);
}

static struct slice name_of(const struct limit_request *r, enum limit_subject subject) {
  switch (subject) {
  case LIMIT_KEY: return r->key;
  case LIMIT_USER: return r->user;
  case LIMIT_TENANT: return r->tenant;
  case LIMIT_MODEL: return r->model;
  case LIMIT_PROVIDER: return r->provider;
  case LIMIT_CUSTOMER: return r->customer;
  default: return (struct slice){"", 0};
  }
}

static size_t project_count(const struct limit_request *r) {
  return r->project_count < LIMIT_PROJECTS_MAX ? r->project_count : LIMIT_PROJECTS_MAX;
}

static bool fits(const struct limit_condition *c, struct slice name) {
  if (!c->name.len) return name.len || c->subject == LIMIT_CUSTOMER;
  return c->form == LIMIT_NAMED ? slice_equal(name, c->name)
                                : name.len && glob_match(c->name, name);
}

static bool fits_project(const struct limit_condition *c, const struct limit_request *r) {
  for (size_t i = 0; i < project_count(r); i++)
    if (fits(c, r->projects[i])) return true;
  return false;
}

/* each: the condition of which every project of the chain that fits has a counter; or NULL. */
static bool holds(const struct limit_rule *rule, const struct limit_request *r,
                  const struct limit_condition **each) {
  *each = NULL;
  if (rule->has_provider != (r->provider.len > 0)) return false;
  for (int i = 0; i < rule->definition.scope_count; i++) {
    const struct limit_condition *c = &rule->definition.scope[i];
    bool is_project = c->subject == LIMIT_PROJECT;
    if (is_project ? !fits_project(c, r) : !fits(c, name_of(r, c->subject))) return false;
    if (is_project && is_apart(c)) *each = c;
  }
  return true;
}

size_t limit_project_chain(struct slice path, struct slice out[LIMIT_PROJECTS_MAX]) {
  size_t count = 0;
  while (path.len && count < LIMIT_PROJECTS_MAX) {
    out[count++] = path;
    while (path.len && path.data[path.len - 1] != '/')
      path.len--;
    if (path.len) path.len--;
  }
  return count;
}

struct matches {
  const struct limit_request *request;
  struct limit_match *out;
  size_t max, count;
};

static void match_one(struct matches *m, const struct limit_rule *rule, struct slice project) {
  if (m->count < m->max) m->out[m->count] = (struct limit_match){rule, project};
  m->count++;
}

static void match_rule(struct matches *m, const struct limit_rule *rule) {
  const struct limit_condition *each;
  if (!holds(rule, m->request, &each)) return;
  if (!each) {
    match_one(m, rule, (struct slice){"", 0});
    return;
  }
  for (size_t i = 0; i < project_count(m->request); i++)
    if (fits(each, m->request->projects[i])) match_one(m, rule, m->request->projects[i]);
}

static void match_anchor(struct matches *m, const struct limit_set *set, enum limit_subject subject,
                         struct slice name) {
  if (!name.len || !(set->anchor_subjects >> subject & 1)) return;
  for (const struct limit_rule *r = *bucket_of(set, subject, name); r; r = r->next)
    if (r->anchor->subject == subject && slice_equal(r->anchor->name, name)) match_rule(m, r);
}

size_t limit_set_match(const struct limit_set *set, const struct limit_request *request,
                       struct limit_match *out, size_t max) {
  struct matches m = {request, out, max, 0};
  for (const struct limit_rule *r = set->open; r; r = r->next)
    match_rule(&m, r);
  for (int s = 0; s < LIMIT_SUBJECTS; s++)
    match_anchor(&m, set, (enum limit_subject)s, name_of(request, (enum limit_subject)s));
  for (size_t i = 0; i < project_count(request); i++)
    match_anchor(&m, set, LIMIT_PROJECT, request->projects[i]);
  return m.count;
}

size_t limit_rule_match(const struct limit_rule *rule, const struct limit_request *request,
                        struct limit_match out[LIMIT_PROJECTS_MAX]) {
  struct limit_request r = *request;
  struct matches m = {&r, out, LIMIT_PROJECTS_MAX, 0};
  if (!rule->has_provider) r.provider = (struct slice){"", 0};
  match_rule(&m, rule);
  return m.count;
}

const struct limit_rule *limit_set_find(const struct limit_set *set,
                                        const struct limit_definition *definition) {
  const struct limit_rule *found = NULL;
  struct bytes identity;
  bytes_init(&identity);
  write_identity(definition, &identity);
  for (size_t i = 0; i < set->count && !found; i++)
    if (slice_equal(set->rules[i].family->identity, bytes_slice(&identity))) found = &set->rules[i];
  bytes_fini(&identity);
  return found;
}

/* Two long names that begin alike are two, also when only their beginnings are kept. */
static void write_long_name(char *out, struct slice name) {
  uint8_t digest[SHA256_BYTES];
  char hex[2 * SHA256_BYTES + 1];
  digest_sha256(name, digest);
  digest_hex(digest, sizeof digest, hex);
  memcpy(out, name.data, LIMIT_NAME_MAX - LONG_NAME_HEX - 1);
  out[LIMIT_NAME_MAX - LONG_NAME_HEX - 1] = '~';
  memcpy(out + LIMIT_NAME_MAX - LONG_NAME_HEX, hex, LONG_NAME_HEX);
}

static size_t write_name(char *out, struct slice name) {
  uint16_t len = name.len < LIMIT_NAME_MAX ? (uint16_t)name.len : LIMIT_NAME_MAX;
  memcpy(out, &len, sizeof len);
  if (name.len > LIMIT_NAME_MAX)
    write_long_name(out + sizeof len, name);
  else if (len)
    memcpy(out + sizeof len, name.data, len);
  return sizeof len + len;
}

static struct slice read_name(struct slice *key) {
  uint16_t len;
  must(key->len >= sizeof len);
  memcpy(&len, key->data, sizeof len);
  must(key->len >= sizeof len + len);
  struct slice name = {key->data + sizeof len, len};
  *key = slice_skip(*key, sizeof len + len);
  return name;
}

size_t limit_key_write(const struct limit_match *match, const struct limit_request *request,
                       char *out) {
  const struct limit_rule *rule = match->rule;
  size_t len = 0;
  for (int i = 0; i < rule->definition.scope_count; i++) {
    const struct limit_condition *c = &rule->definition.scope[i];
    if (!is_apart(c)) continue;
    bool is_project = c->subject == LIMIT_PROJECT;
    len += write_name(out + len, is_project ? match->project : name_of(request, c->subject));
  }
  if (rule->is_per_tenant && !rule->has_tenant) len += write_name(out + len, request->tenant);
  return len;
}

static void write_part(struct bytes *out, enum limit_subject subject, struct slice name) {
  bytes_printf(out, "%s%s=", out->len ? " " : "", limit_subject_name(subject));
  bytes_append_slice(out, name);
}

void limit_scope_write(const struct limit_rule *rule, struct slice key, struct bytes *out) {
  for (int i = 0; i < rule->definition.scope_count; i++) {
    const struct limit_condition *c = &rule->definition.scope[i];
    write_part(out, c->subject, is_apart(c) ? read_name(&key) : c->name);
  }
  if (rule->is_per_tenant && !rule->has_tenant) write_part(out, LIMIT_TENANT, read_name(&key));
}

bool limit_rule_is_single(const struct limit_rule *rule) {
  bool is_single = !rule->is_per_tenant || rule->has_tenant;
  for (int i = 0; i < rule->definition.scope_count; i++)
    is_single = is_single && !is_apart(&rule->definition.scope[i]);
  return is_single;
}

struct slice limit_scope_name(const struct limit_rule *rule, struct slice key,
                              enum limit_subject subject) {
  struct slice found = {"", 0};
  for (int i = 0; i < rule->definition.scope_count; i++) {
    const struct limit_condition *c = &rule->definition.scope[i];
    struct slice name = is_apart(c)              ? read_name(&key)
                        : c->form == LIMIT_NAMED ? c->name
                                                 : (struct slice){"", 0};
    if (c->subject == subject) found = name;
  }
  bool is_last = subject == LIMIT_TENANT && rule->is_per_tenant && !rule->has_tenant;
  return is_last ? read_name(&key) : found;
}
