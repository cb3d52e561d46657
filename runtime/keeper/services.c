/* Policies that services bring: loaded beside what their tenants run, before anybody calls them. */
#include <stdlib.h>

#include "keeper/private.h"

void keeper_services_mark(struct job *job) {
  if (!job->is_for_services) job->keeper->service_jobs++;
  job->is_for_services = true;
}

void keeper_services_done(struct keeper *k) {
  if (--k->service_jobs) return;
  struct keeper_waiter *list = k->waiters;
  k->waiters = NULL;
  while (list) {
    struct keeper_waiter *w = list;
    list = w->next;
    w->on_done(w->context);
    free(w);
  }
}

void keeper_await_services(struct keeper *k, void (*on_done)(void *context), void *context) {
  if (!k->service_jobs) {
    on_done(context);
    return;
  }
  struct keeper_waiter *w = must_alloc(sizeof *w);
  *w = (struct keeper_waiter){k->waiters, on_done, context};
  k->waiters = w;
}

void keeper_post_bare(struct keeper *k, const struct keeper_tenant *t) {
  struct job *job = keeper_job_new(k, JOB_BARE, slice_of(t->name));
  job->role = TENANT_CURRENT;
  job->is_asked_role = true;
  keeper_services_mark(job);
  keeper_job_post(job);
}

static bool is_bare(const struct keeper_tenant *t) {
  return t->service_count && !t->roles[TENANT_CURRENT] && !t->wanted[TENANT_CURRENT] &&
         !t->has_folder && !t->is_blocked;
}

void keeper_post_all_bare(struct keeper *k) {
  list_each(node, &k->tenants) {
    struct keeper_tenant *t = list_entry(node, struct keeper_tenant, link);
    if (is_bare(t)) keeper_post_bare(k, t);
  }
}

static bool has(const struct keeper_tenant *t, struct slice list) {
  for (size_t i = 0; i < t->service_count; i++)
    if (slice_equal(t->services[i], list)) return true;
  return false;
}

/* True: there is something to be loaded. */
static bool take(struct keeper_tenant *t, const struct keeper_service *service) {
  struct arena fresh;
  bool is_more = false;
  for (size_t i = 0; i < service->policy_count; i++)
    is_more = is_more || !has(t, service->policies[i]);
  arena_init(&fresh);
  t->services = arena_slices(&fresh, service->policies, service->policy_count);
  t->service_count = service->policy_count;
  arena_fini(&t->service_arena);
  t->service_arena = fresh;
  return is_more;
}

void keeper_services_take(struct keeper *k, const struct keeper_services *services) {
  for (size_t i = 0; i < services->count; i++)
    (void)take(keeper_tenant_get(k, services->items[i].tenant), &services->items[i]);
}

/* Whose services are gone keeps what is loaded until it is built again. */
static void drop_others(struct keeper *k) {
  static const struct keeper_service none = {.policy_count = 0};
  list_each(node, &k->tenants) {
    struct keeper_tenant *t = list_entry(node, struct keeper_tenant, link);
    if (!t->brings && t->service_count) (void)take(t, &none);
    t->brings = false;
  }
}

static void load(struct keeper *k, const struct keeper_tenant *t) {
  if (is_bare(t)) keeper_post_bare(k, t);
  if (!t->roles[TENANT_CURRENT]) return;
  struct job *job = keeper_role_job(k, t, TENANT_CURRENT);
  job->is_rebuild = true;
  keeper_services_mark(job);
  keeper_job_post(job);
}

void keeper_set_services(struct keeper *k, const struct keeper_services *services) {
  for (size_t i = 0; i < services->count; i++) {
    struct keeper_tenant *t = keeper_tenant_get(k, services->items[i].tenant);
    t->brings = true;
    if (take(t, &services->items[i])) load(k, t);
  }
  drop_others(k);
}
