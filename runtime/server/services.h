/* Policies that published services bring reach the keeper, which loads them, before whoever staged
 * them is answered. On the server's loop. */
#pragma once
#include "auth/directory.h"
#include "keeper/keeper.h"

struct server_directory;

/* What the directory's services bring; in the arena. */
struct keeper_services server_services_of(const struct directory *d, struct arena *arena);
void server_services_tell(struct keeper *k, const struct directory *d);
/* Rows were written: on_done(token) runs when every worker has them, and what they bring. *keeper
 * is NULL once it has been closed. */
void server_services_look(struct server_directory *d, struct keeper **keeper,
                          void (*on_done)(void *token), void *token);
