/* The operator's endpoints, on their own listener and on the server's own thread: they answer while
 * the workers are busy. */
#pragma once
#include "admin/scripts.h"
#include "http/conn.h"

struct admin;

struct store;
struct limiter;
struct tenant_shelf;
struct directory;

struct admin_backend {         /* what calls of the JSON API work on */
  struct store *store;         /* NULL: the configuration wants none */
  struct directory *directory; /* as it is now; borrowed */
  struct limiter *limiter;
  struct tenant_shelf *shelf; /* script/tenant_shelf.h */
};

struct admin_callbacks { /* the server's side; called on its loop */
  /* Collects the JSON of all open requests and calls admin_answer with the same token. */
  void (*describe_exchanges)(void *context, void *token);
  /* One sentence per thing that is not usable; empty when ready. */
  void (*readiness)(void *context, struct bytes *problems);
  /* The answer comes by admin_answer, now or later. */
  void (*ask_scripts)(void *context, const struct scripts_question *question, void *token);
  void (*backend)(void *context, struct admin_backend *out);
  /* Rows were written: admin_changed with the token follows when every worker is told. */
  void (*changed)(void *context, void *token);
  /* A file beside the configuration was written: admin_reloaded with the token follows when it has
   * been read again. */
  void (*reload)(void *context, void *token);
};

struct admin *admin_new(uv_loop_t *loop, struct config *config,
                        const struct admin_callbacks *callbacks, void *context);
void admin_listen(struct admin *a, int fd);
void admin_reload(struct admin *a, struct config *config);
/* The answer to what a callback was asked for with that token. */
void admin_answer(void *token, int status, struct slice json);
void admin_changed(void *token);
/* False: the configuration was refused, and the log says why. */
void admin_reloaded(void *token, bool is_in_force);
void admin_close(struct admin *a); /* frees it when the loop has closed its handles */
