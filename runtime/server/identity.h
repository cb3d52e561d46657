/* The public keys of identity providers: fetched on the server's loop, from a file or from the
 * configuration. Keys that were fetched once stay in force while the provider is away. */
#pragma once
#include <uv.h>

#include "auth/directory.h"

struct server_identity;
struct gates;

struct server_identity_start {
  uv_loop_t *loop;
  struct config *config;
  struct gates *gates;
  void (*on_keys)(void *context); /* some have changed */
  void *context;
};

/* NULL with problems when a key set of a file or of the configuration cannot be used. */
struct server_identity *server_identity_new(const struct server_identity_start *start,
                                            struct config_problems *problems);
/* In the order of config.identities; borrowed until the next call. */
const struct key_sets *server_identity_sets(const struct server_identity *s);
/* False with problems: everything stays as it was. */
bool server_identity_reload(struct server_identity *s, struct config *config,
                            struct config_problems *problems);
void server_identity_close(struct server_identity *s); /* frees it when the loop has let go */
