/* Inside of the keeper, for the files keeper*.c only. */
#pragma once
#include <stdatomic.h>

#include "base/list.h"
#include "keeper/keeper.h"
#include "script/tenant_build.h"
#include "script/tenant_shelf.h"

enum kept_source { KEPT_FOLDER, KEPT_PUSH, KEPT_SITE };

struct kept { /* one generation that was built once */
  struct list link;
  uint64_t number;
  int64_t created_ms;
  enum kept_source source;
  bool has_run;          /* as the current one */
  uint64_t before;       /* what ran when it first took over; 0: nothing */
  struct bundle *bundle; /* over no layer: it is laid over the newest when it is built */
};

struct refusal {   /* the newest generation that was not taken */
  uint64_t number; /* 0: none */
  int64_t at_ms;
  struct bytes problems; /* one line each */
};

struct keeper_tenant {
  struct list link;
  char *name;
  struct list kept;                                     /* oldest first */
  uint64_t last_number, roles[TENANT_ROLE_COUNT];       /* 0: nothing in that role */
  struct tenant_standing *standings[TENANT_ROLE_COUNT]; /* NULL: nothing in that role */
  uint64_t wanted[TENANT_ROLE_COUNT];  /* what ran before a restart, until it runs */
  uint8_t folder_digest[SHA256_BYTES]; /* of the files that were judged last */
  uint8_t survey_digest[SHA256_BYTES];
  bool has_folder, is_seen, is_blocked;
  bool was_refused;          /* the files of folder_digest were */
  uint64_t gone_ms;          /* since when a folder that there was is missing; 0: it is not */
  struct tenant_share share; /* of the canary; its keys in canary_arena */
  struct arena canary_arena;
  struct refusal refusal;
  struct arena service_arena;
  const struct slice *services; /* lists of policies, in service_arena */
  size_t service_count;
  bool brings;  /* while services are set */
  bool is_bare; /* it has no scripts, and runs what ships for its services */
};

/* JOB_LAYERS: the files of a generation over other layers, as a new one. JOB_BARE: no files at all,
 * for a tenant whose services bring policies; it has no number, and is no generation. */
enum job_kind { JOB_SURVEY, JOB_FOLDER, JOB_PUSH, JOB_KEPT, JOB_LAYERS, JOB_BARE };

struct surveyed { /* one folder of the tenants' */
  struct slice name;
  uint8_t digest[SHA256_BYTES];
};

struct job { /* what runs off the loop: one at a time, in the order asked for */
  struct list link;
  uv_work_t work;
  struct keeper *keeper;
  enum job_kind kind;
  struct slice tenant;
  struct arena arena;
  struct config *config;
  struct bundle *site;   /* the layers below the tenant's */
  struct bundle *bundle; /* own files, over no layer; of JOB_FOLDER once it is read */
  uint64_t number;
  enum kept_source source;
  enum tenant_role role;
  struct tenant_share share;
  uint8_t known_digest[SHA256_BYTES];
  bool is_asked_role;   /* role is what somebody asked for, not what tenant.lua says */
  bool has_current;     /* when it began */
  bool is_rebuild;      /* of what then runs, whatever that is, and of its canary and shadow */
  bool always;          /* build it even when the files are the known ones */
  bool is_for_services; /* somebody may wait for it */
  const struct slice *services; /* of the tenant, in the arena */
  size_t service_count;
  struct slice body; /* JOB_PUSH */
  void *token;       /* who waits for the answer; NULL: nobody */

  struct config_problems problems;
  struct tenant_built built;
  bool fine, is_unchanged;
  /* JOB_SURVEY */
  struct surveyed *folders;
  size_t folder_count, folder_room;
  struct slice *watched;
  size_t watched_count, watched_room;
  const char *odd_name; /* one of the folders that cannot be a tenant's */
  size_t odd_count;
  uint8_t layers_digest[SHA256_BYTES], lua_digest[SHA256_BYTES];
};

struct watch { /* one folder under inotify */
  uv_fs_event_t event;
  struct list link;
  struct keeper *keeper;
  char *path;
  bool is_wanted;
};

struct keeper_waiter {
  struct keeper_waiter *next;
  void (*on_done)(void *context);
  void *context;
};

struct keeper {
  struct keeper_start start;
  unsigned service_jobs; /* that are for services, until they are freed */
  struct keeper_waiter *waiters;
  struct config *config;
  struct bundle *site;
  uint8_t layers_digest[SHA256_BYTES], lua_digest[SHA256_BYTES];
  struct list tenants, jobs, watches;
  struct job *running;
  uv_sem_t done; /* posted by each job when it has left its thread */
  uv_timer_t settle_timer, poll_timer;
  bool is_surveyed, is_survey_queued, is_closing, is_complaining;
  atomic_bool cannot_keep; /* has been said */
  size_t odd_count;        /* folders that cannot be tenants', when that was said */
  unsigned open_handles;
  void (*on_closed)(void *context);
};

/* keeper/keeper.c */
struct keeper_tenant *keeper_tenant_find(const struct keeper *k, struct slice name);
struct keeper_tenant *keeper_tenant_get(struct keeper *k, struct slice name);
struct kept *keeper_kept_find(const struct keeper_tenant *t, uint64_t number);
struct kept *keeper_kept_add(struct keeper_tenant *t, const struct kept *content);
void keeper_kept_prune(struct keeper *k, struct keeper_tenant *t);
/* Where a roll back leads: one step further back each time. 0: nowhere. */
uint64_t keeper_kept_before(const struct keeper_tenant *t);
struct job *keeper_job_new(struct keeper *k, enum job_kind kind, struct slice tenant);
void keeper_job_post(struct job *job); /* takes it */
void keeper_job_free(struct job *job);
/* A build of a kept generation in that role; its answer goes to token. */
void keeper_activate(struct keeper *k, struct keeper_tenant *t, const struct kept *kept,
                     struct job *job);
bool keeper_read_share(struct job *job, struct slice object); /* keeper/build.c */
bool keeper_layers_load(struct keeper *k, struct config_problems *problems);
struct tenant_share keeper_share_copy(const struct tenant_share *share, struct arena *arena);
void keeper_rebuild_all(struct keeper *k);
/* What ran before a restart runs again; false when there is no such thing. */
bool keeper_restore(struct keeper *k, struct keeper_tenant *t);
/* A kept generation in that role; false when it is not kept. */
bool keeper_restore_role(struct keeper *k, struct keeper_tenant *t, enum tenant_role role,
                         uint64_t number);
struct job *keeper_role_job(struct keeper *k, const struct keeper_tenant *t, enum tenant_role role);

/* keeper/services.c */
void keeper_services_take(struct keeper *k, const struct keeper_services *services);
void keeper_services_mark(struct job *job); /* is_for_services from now on */
void keeper_services_done(struct keeper *k);
void keeper_post_bare(struct keeper *k, const struct keeper_tenant *t);
/* For each tenant that needs it and runs nothing. */
void keeper_post_all_bare(struct keeper *k);

/* keeper/roles.c: what a tenant runs. publish hands over what was built. */
void keeper_publish(struct job *job, struct keeper_tenant *t);
void keeper_withdraw(struct keeper *k, struct keeper_tenant *t, enum tenant_role role);
/* "running generation 7, generation 8 refused because …" */
void keeper_describe_state(const struct keeper *k, const struct keeper_tenant *t,
                           struct bytes *out);

/* keeper/build.c: the work, off the loop; and what comes of it, on the loop. */
void keeper_job_run(struct job *job);
void keeper_job_end(struct job *job);

/* keeper/watch.c */
bool keeper_is_tenant_name(struct slice name);
void keeper_watch_start(struct keeper *k);
void keeper_watch_stop(struct keeper *k);
void keeper_survey_run(struct job *job);
void keeper_survey_end(struct job *job);
void keeper_handle_closed(struct keeper *k);

/* keeper/state.c: generations on disk, in the folder .generations beside the tenants'. */
void keeper_state_load(struct keeper *k);
void keeper_state_keep(const struct job *job); /* off the loop, before it serves */
void keeper_state_note(struct keeper *k, const struct keeper_tenant *t); /* what runs now */
void keeper_state_forget(struct keeper *k, const struct keeper_tenant *t, uint64_t number);

/* keeper/answer.c */
void keeper_answer_tenant(struct keeper *k, const struct keeper_tenant *t, void *token);
void keeper_answer_closing(const struct job *job);
void keeper_answer_problems(struct keeper *k, const struct job *job);
