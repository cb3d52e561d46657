/* Watches the tenants' folders, builds and tests new generations of their scripts away from every
 * loop that serves, and hands each worker its own. Lives on the server's loop; all calls there. */
#pragma once
#include <uv.h>

#include "admin/scripts.h"
#include "script/tenant_scripts.h"

struct keeper;

struct keeper_news { /* one tenant's scripts in one role, one for each worker */
  struct slice tenant;
  enum tenant_role role;
  struct tenant_scripts **scripts; /* taken one by one; NULL: none from now on */
  const struct tenant_share *share;
};

struct keeper_service { /* what one tenant's services bring */
  struct slice tenant;
  const struct slice *policies; /* JSON lists, those that matter most first */
  size_t policy_count;
};

struct keeper_services {
  const struct keeper_service *items;
  size_t count;
};

struct keeper_callbacks {
  void (*on_news)(void *context, const struct keeper_news *news);
  /* The folder `lua` or `site` of the configuration has changed: the operator's own adapters,
   * dialects, strategies and roles are to be loaded again. */
  void (*on_lua_changed)(void *context);
  /* The answer to keeper_ask; body is JSON. */
  void (*on_answer)(void *context, void *token, int status, struct slice body);
};

struct keeper_start {
  uv_loop_t *loop;
  struct config *config;
  const struct policy_host *const *hosts; /* one for each worker; outlive the keeper */
  size_t worker_count;
  struct responses *responses; /* outlive it */
  struct shadow_log *shadows;
  struct tenant_shelf *shelf; /* filled; outlives the keeper */
  const struct keeper_services *services;
  const struct keeper_callbacks *callbacks;
  void *context;
};

/* Reads and builds every tenant before it returns, so that no request comes before its rules. A
 * tenant that cannot be built is refused; the others serve. NULL and problems when a folder of the
 * configuration cannot be read. */
struct keeper *keeper_new(const struct keeper_start *start, struct config_problems *problems);
/* Every tenant is built again over a new configuration; each keeps what it runs until that is done,
 * and for good when it fails. */
void keeper_reload(struct keeper *k, struct config *config);
/* Versions of services were staged: what they bring is loaded into what their tenants run, away
 * from the loops; a tenant without scripts runs what ships. Copied. */
void keeper_set_services(struct keeper *k, const struct keeper_services *services);
/* on_done runs, maybe now, when every worker has what was set before. */
void keeper_await_services(struct keeper *k, void (*on_done)(void *context), void *context);
void keeper_look(struct keeper *k); /* SIGHUP: look at the folders now */
/* Stops watching and waits for the build that runs; on_closed when the loop has let go. */
void keeper_close(struct keeper *k, void (*on_closed)(void *context));

/* Answers by on_answer, now or later. */
void keeper_ask(struct keeper *k, const struct scripts_question *question, void *token);
