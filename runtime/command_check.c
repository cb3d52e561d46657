/* `gateyes check`: everything that would stop the gateway from starting, all at once. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "commands.h"
#include "load.h"

static void print_json(const struct config_problems *problems) {
  struct bytes out;
  bytes_init(&out);
  bytes_printf(&out, "{\"ok\":%s,\"problems\":[", problems->count ? "false" : "true");
  for (size_t i = 0; i < problems->count; i++) {
    if (i) bytes_append_byte(&out, ',');
    json_quote(&out, slice_of(problems->items[i]));
  }
  printf("%s]}\n", bytes_text(&out));
  bytes_fini(&out);
}

/* Takes --json out of the words, so that the rest is what every command with a file takes. */
static bool take_json(int *argc, char **argv) {
  for (int i = 1; i < *argc; i++) {
    if (strcmp(argv[i], "--json") != 0) continue;
    memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i) * sizeof *argv);
    --*argc;
    return true;
  }
  return false;
}

int check_main(int argc, char **argv) {
  bool json = take_json(&argc, argv);
  const char *path = load_path_argument(argc, argv);
  if (!path) return 2;
  struct config_problems problems;
  config_problems_init(&problems);
  struct config *config = load_config(path, &problems);
  if (json)
    print_json(&problems);
  else
    load_print_problems(&problems);
  if (config && !json)
    printf("%s: fine: %zu providers, %zu models, %zu keys\n", path, config->provider_count,
           config->model_count, config->key_count);
  bool fine = config && problems.count == 0;
  config_unref(config);
  config_problems_fini(&problems);
  return fine ? 0 : 1;
}
