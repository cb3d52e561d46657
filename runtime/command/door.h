/* Where the running gateway's admin listener is, and the key to it: what commands ask first. */
#pragma once
#include "config/config.h"

struct admin_door {
  struct address address;
  struct slice key;      /* empty: none */
  struct config *config; /* NULL: GATEYES_ADMIN_URL said it all */
  char host[64];         /* of that URL, as a number */
};

/* Without --config (config_path is NULL) the URL GATEYES_ADMIN_URL is asked, where that is set;
 * else admin.listen of the configuration, and without a file its default. The key is
 * GATEYES_ADMIN_KEY, else the configuration's admin.key. False: the reason is on standard error,
 * and there is nothing to close. The environment must stay as it is until then. */
bool admin_door_open(const char *command, const char *config_path, struct admin_door *door);
void admin_door_close(struct admin_door *door);
