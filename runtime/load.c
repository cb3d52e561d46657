#include "load.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http/conn.h"
#include "observe/log.h"
#include "script/config_adapters.h"
#include "script/config_file.h"
#include "store/bookkeeper.h"
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

static void check_tls(const struct config *config, struct config_problems *problems) {
  char error[256];
  bool is_whole = config->tls.certificate && config->tls.key;
  if (is_whole && !http_tls_check(config, error, sizeof error))
    config_problem(problems, "%s: tls: %s", config->file, error);
}

/* Told together with what is wrong in the file itself. */
static void check_rest(const struct config *config, struct config_problems *problems) {
  config_adapters_check(config, problems);
  check_tls(config, problems);
}

struct config *load_config(const char *path, struct config_problems *problems) {
  struct config *config = config_file_load(path, check_rest, problems);
  if (!config || check_scripts(config, problems)) return config;
  config_unref(config);
  return NULL;
}

static void say(void *context, bool is_error, const char *sentence) {
  (void)context;
  log_process(is_error ? LOG_ERROR : LOG_INFO, "%s", sentence);
}

/* Names in the file are relative to it, as everywhere. */
static void store_url(const struct config *config, struct bytes *url) {
  struct slice scheme = SLICE("sqlite:"), file = config->store;
  if (!slice_starts(file, scheme)) {
    bytes_append_slice(url, file);
    return;
  }
  file = slice_skip(file, scheme.len);
  const char *end = strrchr(config->file, '/');
  bytes_append_slice(url, scheme);
  if (end && file.data[0] != '/') bytes_append(url, config->file, (size_t)(end - config->file) + 1);
  bytes_append_slice(url, file);
}

static struct journals *load_journals(const struct config *config, const char *store,
                                      struct bytes *error) {
  struct bytes folder;
  bytes_init(&folder);
  bytes_append_slice(&folder, config->ledger.folder);
  if (!folder.len) bytes_printf(&folder, "%s.journal", store);
  struct journal_settings settings = {
      .folder = bytes_text(&folder),
      .writers = config->workers,
      .segment_bytes = config->ledger.segment_bytes,
      .spill_bytes = config->ledger.memory_bytes,
      .disk_bytes = config->ledger.disk_bytes,
      .fsync_ms = config->ledger.fsync_ms,
      .spills = slice_equal_text(config->ledger.on_error, "spill"),
      .say = say,
  };
  struct journals *journals = journals_open(&settings, error);
  bytes_fini(&folder);
  return journals;
}

struct retention load_retention(const struct config *config) {
  return (struct retention){.requests_ms = config->retention.requests_s * 1000ull,
                            .rollups_ms = config->retention.usage_s * 1000ull,
                            .texts_ms = config->retention.content_s * 1000ull,
                            .responses_ms = config->responses.ttl_s * 1000ull,
                            .audit_ms = config->retention.audit_s * 1000ull};
}

struct store *load_store(const struct config *config, struct bytes *error) {
  struct bytes url;
  bytes_init(&url);
  store_url(config, &url);
  struct store *store = store_new(bytes_slice(&url), error);
  bytes_fini(&url);
  return store;
}

static struct bookkeeper *join(const struct config *config, uv_loop_t *loop, struct store *store,
                               struct journals *journals) {
  struct bookkeeper_settings settings = {.loop = loop,
                                         .store = store,
                                         .journals = journals,
                                         .ages = load_retention(config),
                                         .has_text_key = config->content.has_key,
                                         .text_bytes = config->content.memory_bytes,
                                         .say = say};
  memcpy(settings.text_key.bytes, config->content.key, sizeof settings.text_key.bytes);
  return bookkeeper_new(&settings);
}

bool load_bookkeeper(const struct config *config, uv_loop_t *loop, struct bookkeeper **bookkeeper,
                     struct journals **journals, struct config_problems *problems) {
  *bookkeeper = NULL;
  *journals = NULL;
  if (slice_equal_text(config->store, "none")) return true;
  struct bytes url, error;
  bytes_init(&url);
  bytes_init(&error);
  store_url(config, &url);
  struct store *store = store_new(bytes_slice(&url), &error);
  if (store) *journals = load_journals(config, bytes_text(&url) + strlen("sqlite:"), &error);
  if (*journals)
    *bookkeeper = join(config, loop, store, *journals);
  else
    store_free(store);
  if (!*bookkeeper)
    config_problem(problems,
                   "%s: store: %s; name a file in a folder that can be written, or set "
                   "store = \"none\" to keep no ledger",
                   config->file, bytes_text(&error));
  bytes_fini(&url);
  bytes_fini(&error);
  return *bookkeeper != NULL;
}

struct config *load_config_or_none(const char *path, bool is_asked,
                                   struct config_problems *problems) {
  struct value nothing = {.type = VALUE_MAP};
  bool is_there = is_asked || access(path, F_OK) == 0;
  return is_there ? load_config(path, problems) : config_build(&nothing, path, NULL, problems);
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
