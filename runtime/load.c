#include "load.h"

#include <stdio.h>
#include <string.h>

#include "http/conn.h"
#include "script/config_adapters.h"
#include "script/config_file.h"
#include "store/responses.h"

struct generation *load_generation(const struct config *config, struct responses *responses,
                                   struct config_problems *problems) {
  struct bytes error;
  bytes_init(&error);
  struct generation *generation = generation_new(config, responses, &error);
  if (!generation) config_problem(problems, "%s", bytes_text(&error));
  bytes_fini(&error);
  return generation;
}

struct responses *load_responses(const struct config *config) {
  struct responses_limits limits = {config->responses.entries, config->responses.bytes,
                                    config->responses.ttl_s * 1000ull};
  return responses_new(&limits);
}

/* Every script is loaded once, to see that it can be. */
static bool check_scripts(const struct config *config, struct config_problems *problems) {
  struct responses *responses = load_responses(config);
  struct generation *generation = load_generation(config, responses, problems);
  generation_unref(generation);
  responses_free(responses);
  return generation != NULL;
}

static bool check_tls(const struct config *config, struct config_problems *problems) {
  char error[256];
  if (!config->tls.certificate || http_tls_check(config, error, sizeof error)) return true;
  config_problem(problems, "%s: tls: %s", config->file, error);
  return false;
}

struct config *load_config(const char *path, struct config_problems *problems) {
  struct config *config = config_file_load(path, problems);
  if (!config) return NULL;
  config_adapters_check(config, problems);
  if (problems->count == 0 && check_tls(config, problems) && check_scripts(config, problems))
    return config;
  config_unref(config);
  return NULL;
}

void load_print_problems(const struct config_problems *problems) {
  for (size_t i = 0; i < problems->count; i++)
    fprintf(stderr, "%s\n", problems->items[i]);
}

const char *load_path_argument(int argc, char **argv) {
  const char *path = "gateyes.lua";
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "--config=", 9) == 0)
      path = argv[i] + 9;
    else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
      path = argv[++i];
    else {
      fprintf(stderr, "gateyes %s: unknown option %s; it takes --config PATH\n", argv[0], argv[i]);
      return NULL;
    }
  }
  return path;
}
