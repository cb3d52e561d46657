/* The server's end of who may call: reads keys, users and roles away from the loop, and hands each
 * new directory to whoever serves. Every call on the server's loop. */
#pragma once
#include <uv.h>

#include "auth/directory.h"

struct server_directory;
struct store;

struct server_directory_start {
  uv_loop_t *loop;
  struct config *config;
  const struct key_sets *sets; /* of identity providers; copied */
  struct store *store;         /* borrowed until server_directory_close; NULL: static keys only */
  void (*on_directory)(void *context, struct directory *directory); /* a new one; borrowed */
  void *context;
};

/* Reads everything before it returns. NULL and problems when the server's secret is not to be had;
 * a store that is away is tried again later. */
struct server_directory *server_directory_new(const struct server_directory_start *start,
                                              struct config_problems *problems);
struct directory *server_directory_get(const struct server_directory *s); /* borrowed */
/* The directory over a new configuration; on_directory is not called. False with problems. */
bool server_directory_reload(struct server_directory *s, struct config *config,
                             const struct key_sets *sets, struct config_problems *problems);
/* Identity providers have other keys: a new directory follows. */
void server_directory_set_keys(struct server_directory *s, const struct key_sets *sets);
/* Something was written: looks at the store now. on_done (may be NULL) runs once what was there at
 * the time of the call is on its way to every worker, or the store could not be read. */
void server_directory_look(struct server_directory *s, void (*on_done)(void *context, bool fine),
                           void *context);
/* Waits for what runs on the pool; afterwards the store is not touched. It is freed when the loop
 * has let go. */
void server_directory_close(struct server_directory *s);
