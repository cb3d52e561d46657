#include "command/storage.h"

#include <stdio.h>
#include <unistd.h>

#include "load.h"

/* To open one that is not there would make it: an empty store, in which all is well. */
static bool has_store(const struct config *config, struct bytes *error) {
  struct bytes path;
  bytes_init(&path);
  load_store_file(config, &path);
  bool is_there = path.len == 0 || access(bytes_text(&path), F_OK) == 0;
  if (!is_there)
    bytes_printf(error,
                 "there is no %s, the store of %s; has the gateway run with this configuration?",
                 bytes_text(&path), config->file);
  bytes_fini(&path);
  return is_there;
}

bool storage_open(const char *command, const char *config_path, struct storage *out) {
  struct config_problems problems;
  struct bytes error;
  config_problems_init(&problems);
  bytes_init(&error);
  *out = (struct storage){.command = command, .config = load_config(config_path, &problems)};
  if (out->config && has_store(out->config, &error)) out->store = load_store(out->config, &error);
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
