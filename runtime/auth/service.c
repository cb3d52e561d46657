#include "auth/service.h"

#include <stdlib.h>

#include "auth/directory_private.h"
#include "base/json.h"
#include "model/template.h"

static struct slice text_of(struct arena *arena, struct slice json) {
  struct bytes text;
  bytes_init(&text);
  if (json.data) (void)json_string(json, &text);
  struct slice copy = arena_slice(arena, bytes_slice(&text));
  bytes_fini(&text);
  return copy;
}

static struct slice find_text(struct arena *arena, struct slice body, const char *name) {
  return text_of(arena, json_find(body, name));
}

static struct slice find_raw(struct slice body, const char *name) {
  struct slice value = json_find(body, name);
  return value.data && json_type(value) != JSON_NULL ? value : (struct slice){"", 0};
}

static void read_models(struct slice list, struct arena *arena, struct service_version *v) {
  size_t room = 0;
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);)
    room++;
  struct slice *items = arena_alloc(arena, (room + 1) * sizeof *items);
  for (struct json_walk w = json_walk_of(list); json_walk_next(&w);)
    items[v->model_count++] = text_of(arena, w.value);
  v->models = items;
}

static bool check_prompt(const struct service_version *v, struct bytes *problem) {
  struct template_problem wrong = {0};
  if (v->prompt.len && v->template_name.len) {
    bytes_append_text(problem, "template: there is a prompt already; leave one of them out");
    return false;
  }
  bytes_init(&wrong.sentence);
  bool fine = template_check(v->prompt, &v->variables, &wrong);
  if (!fine) bytes_printf(problem, "prompt: line %d: %s", wrong.line, bytes_text(&wrong.sentence));
  bytes_fini(&wrong.sentence);
  return fine;
}

bool service_version_read(struct slice body, struct arena *arena, struct service_version *out,
                          struct bytes *problem) {
  struct slice models = find_raw(body, "models");
  out->model = find_text(arena, body, "model");
  out->system = find_text(arena, body, "system");
  out->prompt = find_text(arena, body, "prompt");
  out->template_name = find_text(arena, body, "template");
  out->defaults = find_raw(body, "defaults");
  out->policies = find_raw(body, "policies");
  read_models(models, arena, out);
  if (!out->model.len) {
    bytes_append_text(problem, "model: expects the name of a model");
    return false;
  }
  return variables_read(find_raw(body, "variables"), arena, &out->variables, problem) &&
         check_prompt(out, problem);
}

static int compare_texts(struct slice a, struct slice b) {
  size_t shorter = a.len < b.len ? a.len : b.len;
  int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
  return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_number(const void *a, const void *b) {
  const struct service_version *left = a, *right = b;
  return (left->number > right->number) - (left->number < right->number);
}

static bool read_version(struct directory *d, const struct entity *e, struct service_version *v) {
  struct bytes problem;
  bytes_init(&problem);
  *v = (struct service_version){
      .id = e->id, .number_text = e->name, .is_draft = slice_equal_text(e->state, "draft")};
  bool fine =
      slice_to_u64(e->name, &v->number) && service_version_read(e->body, &d->arena, v, &problem);
  /* A draft may be half done. */
  if (!fine && !v->is_draft)
    config_problem(&d->problems, "service version %.*s cannot be read: %s", (int)e->id.len,
                   e->id.data, bytes_text(&problem));
  bytes_fini(&problem);
  return fine;
}

/* Versions are in the order of their ids, which begin with their service's and a colon: those of
 * one service are side by side. */
static void add_versions(struct directory *d, struct service *s) {
  const struct row_list *rows = &d->rows->service_versions;
  size_t low = 0, high = rows->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare_texts(rows->items[middle].id, s->id) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  size_t end = low;
  while (end < rows->count && slice_starts(rows->items[end].id, s->id))
    end++;
  struct service_version *versions = arena_alloc(&d->arena, (end - low + 1) * sizeof *versions);
  for (; low < end; low++)
    if (slice_equal(rows->items[low].owner, s->id) &&
        read_version(d, &rows->items[low], &versions[s->version_count]))
      s->version_count++;
  qsort(versions, s->version_count, sizeof *versions, by_number);
  s->versions = versions;
}

static const struct service_version *served(const struct service *s, struct slice number) {
  uint64_t wanted;
  if (!number.data || !json_to_u64(number, &wanted)) return NULL;
  const struct service_version *v = service_version_find(s, wanted);
  return v && !v->is_draft ? v : NULL;
}

static void read_service(struct directory *d, const struct entity *e, struct service *s) {
  uint64_t percent = 0;
  *s = (struct service){.id = e->id, .tenant = e->tenant, .name = e->name};
  s->is_open = directory_row_is_open(e);
  add_versions(d, s);
  s->published = served(s, json_find(e->body, "published"));
  s->canary = served(s, json_find_path(e->body, "canary.version"));
  struct slice share = json_find_path(e->body, "canary.percent");
  if (!share.data || !json_to_u64(share, &percent) || percent > 100) percent = 0;
  s->canary_percent = (uint32_t)percent;
}

void directory_add_services(struct directory *d) {
  const struct row_list *rows = &d->rows->services;
  struct service *services = arena_alloc(&d->arena, (rows->count + 1) * sizeof *services);
  for (size_t i = 0; i < rows->count; i++)
    read_service(d, &rows->items[i], &services[i]);
  d->services = services;
  d->service_count = rows->count;
}

const struct service *directory_service_at(const struct directory *d, size_t index) {
  return index < d->service_count ? &d->services[index] : NULL;
}

const struct service *directory_service_get(const struct directory *d, struct slice id) {
  size_t low = 0, high = d->service_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare_texts(d->services[middle].id, id);
    if (order == 0) return &d->services[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

const struct service *directory_service_find(const struct directory *d, struct slice tenant,
                                             struct slice name) {
  char id[160];
  if (!tenant.len || tenant.len + name.len + 1 > sizeof id) return NULL;
  memcpy(id, tenant.data, tenant.len);
  id[tenant.len] = ':';
  memcpy(id + tenant.len + 1, name.data, name.len);
  const struct service *s = directory_service_get(d, (struct slice){id, tenant.len + 1 + name.len});
  return s && slice_equal(s->tenant, tenant) ? s : NULL;
}

const struct service_version *service_version_find(const struct service *s, uint64_t number) {
  for (size_t i = 0; i < s->version_count; i++)
    if (s->versions[i].number == number) return &s->versions[i];
  return NULL;
}

/* Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014: the last step, which
 * spreads what FNV leaves in a few bits. */
static uint64_t mixed(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

const struct service_version *service_pick(const struct service *s, struct slice caller) {
  if (!s->canary || !s->canary_percent) return s->published;
  uint64_t place = mixed(slice_hash(caller) ^ mixed(slice_hash(s->id)));
  return place % 100 < s->canary_percent ? s->canary : s->published;
}

bool service_version_allows(const struct service_version *v, struct slice model) {
  if (slice_equal(v->model, model)) return true;
  return v->model_count && globs_match((struct globs){v->models, v->model_count}, model);
}
