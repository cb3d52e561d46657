#include "command/storage.h"

#include <stdio.h>

#include "load.h"

bool storage_open(const char *command, const char *config_path, struct storage *out) {
  struct config_problems problems;
  struct bytes error;
  config_problems_init(&problems);
  bytes_init(&error);
  *out = (struct storage){.command = command, .config = load_config(config_path, &problems)};
  if (out->config) out->store = load_store(out->config, &error);
  if (error.len) fprintf(stderr, "gateyes %s: %s\n", command, bytes_text(&error));
  load_print_problems(&problems);
  if (!out->store) config_unref(out->config);
  bytes_fini(&error);
  config_problems_fini(&problems);
  return out->store != NULL;
}

void storage_close(struct storage *s) {
  store_free(s->store);
  config_unref(s->config);
}

int storage_complain(const struct storage *s) {
  struct bytes sentence;
  bytes_init(&sentence);
  s->store->calls->last_error(s->store, &sentence);
  fprintf(stderr, "gateyes %s: %s\n", s->command, bytes_text(&sentence));
  bytes_fini(&sentence);
  return 1;
}
