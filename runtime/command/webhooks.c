/* `gateyes webhooks`: what was sent, what waits, what nobody took. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "command/commands.h"
#include "load.h"
#include "store/store.h"

enum { LIST_ROWS = 1000 };

struct words {
  const char *config, *verb, *state, *id;
  bool json;
};

static bool read_words(int argc, char **argv, struct words *words) {
  *words = (struct words){.config = load_path(NULL), .state = ""};
  for (int i = 1; i < argc; i++) {
    bool has_next = i + 1 < argc;
    if (strcmp(argv[i], "--json") == 0)
      words->json = true;
    else if (strcmp(argv[i], "--config") == 0 && has_next)
      words->config = argv[++i];
    else if (strncmp(argv[i], "--config=", 9) == 0)
      words->config = argv[i] + 9;
    else if (strcmp(argv[i], "--state") == 0 && has_next)
      words->state = argv[++i];
    else if (!words->verb && (strcmp(argv[i], "list") == 0 || strcmp(argv[i], "retry") == 0))
      words->verb = argv[i];
    else if (words->verb && strcmp(words->verb, "retry") == 0 && !words->id)
      words->id = argv[i];
    else {
      fprintf(stderr, "gateyes webhooks: unknown word %s\n", argv[i]);
      return false;
    }
  }
  bool is_whole = words->verb && (strcmp(words->verb, "list") == 0 || words->id);
  if (!is_whole)
    fprintf(stderr, "usage: gateyes webhooks list [--state waiting|delivered|dead] [--json] | "
                    "retry ID   [--config PATH]\n");
  return is_whole;
}

static int complain(struct store *s) {
  struct bytes sentence;
  bytes_init(&sentence);
  s->calls->last_error(s, &sentence);
  fprintf(stderr, "gateyes webhooks: %s\n", bytes_text(&sentence));
  bytes_fini(&sentence);
  return 1;
}

struct listing {
  bool json;
  struct bytes line;
  size_t count;
};

static void json_member(struct bytes *line, const char *name, struct slice text) {
  bytes_printf(line, ",\"%s\":", name);
  json_quote(line, text);
}

static void write_json(struct listing *l, const struct entity *e, const char *time) {
  bytes_printf(&l->line, "%s{\"updated_at\":\"%s\"", l->count ? ",\n" : "", time);
  json_member(&l->line, "id", e->id);
  json_member(&l->line, "webhook", e->owner);
  json_member(&l->line, "tenant", e->tenant);
  json_member(&l->line, "type", e->name);
  json_member(&l->line, "state", e->state);
  for (struct json_walk w = json_walk_of(e->body); json_walk_next(&w);) {
    bytes_append_text(&l->line, ",\"");
    bytes_append_slice(&l->line, w.key);
    bytes_append_text(&l->line, "\":");
    bytes_append_slice(&l->line, w.value);
  }
  bytes_append_byte(&l->line, '}');
}

static void write_line(struct listing *l, const struct entity *e, const char *time) {
  struct bytes error;
  uint64_t attempts = 0;
  bytes_init(&error);
  (void)json_to_u64(json_find(e->body, "attempts"), &attempts);
  (void)json_string(json_find(e->body, "error"), &error);
  bytes_printf(&l->line, "%.*s  %s  %-9.*s  %-12.*s  %-18.*s  %2llu  %s\n", (int)e->id.len,
               e->id.data, time, (int)e->state.len, e->state.data, (int)e->owner.len, e->owner.data,
               (int)e->name.len, e->name.data, (unsigned long long)attempts, bytes_text(&error));
  bytes_fini(&error);
}

static void on_row(void *context, const struct entity *e) {
  struct listing *l = context;
  char time[25];
  clock_format(e->updated_ms, time);
  bytes_clear(&l->line);
  if (l->json)
    write_json(l, e, time);
  else
    write_line(l, e, time);
  fwrite(l->line.data, 1, l->line.len, stdout);
  l->count++;
}

static int list(struct store *s, const struct words *words) {
  struct listing listing = {.json = words->json};
  struct entity_query query = {
      .kind = ENTITY_DELIVERY, .state = slice_of(words->state), .limit = LIST_ROWS};
  struct entity_sink sink = {on_row, &listing};
  if (words->json) printf("[");
  enum store_result result = s->calls->list(s, &query, &sink);
  if (words->json) printf("]\n");
  bytes_fini(&listing.line);
  return result == STORE_FINE ? 0 : complain(s);
}

struct found {
  struct arena arena;
  struct entity row;
};

static void on_found(void *context, const struct entity *e) {
  struct found *f = context;
  struct entity *to = &f->row;
  *to = *e;
  struct slice *texts[] = {&to->id, &to->tenant, &to->owner, &to->name, &to->body};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    *texts[i] = arena_slice(&f->arena, *texts[i]);
  to->lookup = (struct slice){"", 0};
}

/* The running gateway finds it within seconds, and tries it at least once more. */
static enum store_result wake(struct store *s, struct entity *row) {
  struct bytes body;
  uint64_t attempts = 0;
  bytes_init(&body);
  (void)json_to_u64(json_find(row->body, "attempts"), &attempts);
  bytes_printf(&body, "{\"attempts\":%llu,\"next_ms\":0,\"status\":0,\"error\":\"\",\"event\":",
               (unsigned long long)attempts);
  bytes_append_slice(&body, json_find(row->body, "event"));
  bytes_append_byte(&body, '}');
  struct entity_change change = {.entity = *row, .expected_version = row->version};
  change.entity.state = SLICE("waiting");
  change.entity.body = bytes_slice(&body);
  enum store_result result = s->calls->write(s, &change, 1);
  bytes_fini(&body);
  return result;
}

static int retry(struct store *s, const struct words *words) {
  struct found found = {0};
  struct entity_key key = {.kind = ENTITY_DELIVERY, .id = slice_of(words->id)};
  struct entity_sink sink = {on_found, &found};
  arena_init(&found.arena);
  enum store_result result = s->calls->find(s, &key, &sink);
  if (result == STORE_NOT_FOUND)
    fprintf(stderr, "gateyes webhooks: there is no delivery %s; see gateyes webhooks list\n",
            words->id);
  else if (result == STORE_FINE)
    result = wake(s, &found.row);
  arena_fini(&found.arena);
  if (result == STORE_NOT_FOUND) return 1;
  return result == STORE_FINE ? 0 : complain(s);
}

int webhooks_main(int argc, char **argv) {
  struct words words;
  if (!read_words(argc, argv, &words)) return 2;
  struct config_problems problems;
  config_problems_init(&problems);
  struct bytes error;
  bytes_init(&error);
  struct config *config = load_config(words.config, &problems);
  struct store *store = config ? load_store(config, &error) : NULL;
  int status = 1;
  if (store) status = strcmp(words.verb, "list") == 0 ? list(store, &words) : retry(store, &words);
  if (error.len) fprintf(stderr, "gateyes webhooks: %s\n", bytes_text(&error));
  load_print_problems(&problems);
  store_free(store);
  config_unref(config);
  bytes_fini(&error);
  config_problems_fini(&problems);
  return status;
}
