/* The store itself, for commands that read it where no gateway answers. */
#pragma once
#include "config/config.h"
#include "store/store.h"

struct storage {
  const char *command; /* as sentences begin: "gateyes audit: …" */
  struct config *config;
  struct store *store;
};

/* False: the reason is on standard error, and there is nothing to close. */
bool storage_open(const char *command, const char *config_path, struct storage *out);
void storage_close(struct storage *s);
/* Says what went wrong last; the exit status. */
int storage_complain(const struct storage *s);
